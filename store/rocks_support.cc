#include "store/rocks_support.h"

#include <fcntl.h>
#include <rocksdb/cache.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/table_properties_collectors.h>
#include <sys/file.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <utility>

#include "base/file_error.h"
#include "base/log.h"
#include "store/compaction_pace.h"
#include "store/log_merger.h"

namespace pointsman::store {

namespace {

// RocksDB's own text LOG file is what aborts on a full disk (DESIGN 8); its
// warnings go to our log instead.
class WarningLogger final : public rocksdb::Logger {
 public:
  WarningLogger() : rocksdb::Logger(rocksdb::InfoLogLevel::WARN_LEVEL) {}
  using rocksdb::Logger::Logv;
  void Logv(const char* format, va_list arguments) override {
    Logv(rocksdb::InfoLogLevel::INFO_LEVEL, format, arguments);
  }
  void Logv(const rocksdb::InfoLogLevel level, const char* format, va_list arguments) override {
    if (level < rocksdb::InfoLogLevel::WARN_LEVEL || level == rocksdb::InfoLogLevel::HEADER_LEVEL) return;
    std::array<char, 512> line{};
    std::vsnprintf(line.data(), line.size(), format, arguments);
    for (char& letter : line) {
      if (letter != '\0' && (letter < ' ' || letter > '~')) letter = ' ';
    }
    if (level == rocksdb::InfoLogLevel::WARN_LEVEL) {
      log::Warning("rocksdb: {}", line.data());
    } else {
      log::Failure("rocksdb: {}", line.data());
    }
  }
};

// Table files are full ones of 64 MiB and a few small ones (log_merger.h), so these are 5 GB
// without opening one twice.
constexpr int kOpenFilesMax = 128;
// Small: it is full soon, and what a miss costs is a block from the system's page cache.
constexpr std::uint64_t kBlockCacheBytes = 4ULL << 20;

rocksdb::Options MakeOptions(std::uint64_t write_buffer_bytes) {
  rocksdb::Options options;
  options.info_log = std::make_shared<WarningLogger>();
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.paranoid_checks = true;
  options.max_open_files = kOpenFilesMax;
  options.max_file_opening_threads = 1;
  options.max_background_jobs = 2;
  // Families that are seldom written must not keep old WAL files for ever.
  options.max_total_wal_size = 4 * write_buffer_bytes;
  options.write_buffer_size = write_buffer_bytes;
  options.max_write_buffer_number = 4;  // a flush that waits for the processor stops no write
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.compression = rocksdb::kLZ4Compression;
  // Files go to the disk as they are written, so that no sync of the log waits for one as a whole.
  options.bytes_per_sync = 1 << 20;
  options.rate_limiter = std::make_shared<CompactionPace>();
  // Compaction only takes what others leave. On a machine that leaves nothing for minutes a
  // read has more files to look into; writes shall not wait for it.
  options.level0_slowdown_writes_trigger = 64;
  options.level0_stop_writes_trigger = 96;
  // What is dropped from the log leaves the disk soon, not with the next full compaction.
  options.table_properties_collector_factories.push_back(rocksdb::NewCompactOnDeletionCollectorFactory(4096, 2048));
  rocksdb::BlockBasedTableOptions table;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  // In one piece: a filter of a full file is larger than a shard of so small a cache.
  table.block_cache = rocksdb::NewLRUCache(kBlockCacheBytes, /*num_shard_bits=*/0);
  // What grows with the store is bounded by the cache, not by the number of files.
  table.cache_index_and_filter_blocks = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

// The log is only ever scanned, by number: no filter, and larger blocks.
rocksdb::ColumnFamilyOptions LogOptions(const rocksdb::Options& options) {
  rocksdb::ColumnFamilyOptions log(options);
  rocksdb::BlockBasedTableOptions table = *options.table_factory->GetOptions<rocksdb::BlockBasedTableOptions>();
  table.filter_policy.reset();
  table.block_size = 16 << 10;
  log.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  log.target_file_size_base = kFullFileBytes;
  return log;
}

rocksdb::ColumnFamilyDescriptor FamilyOf(std::size_t index, const rocksdb::Options& options) {
  const bool log = index == static_cast<std::size_t>(Family::kLog);
  return {kColumnFamilies[index], log ? LogOptions(options) : rocksdb::ColumnFamilyOptions(options)};
}

std::vector<rocksdb::ColumnFamilyDescriptor> AllFamilies(const rocksdb::Options& options) {
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (std::size_t i = 0; i < kColumnFamilies.size(); ++i) families.push_back(FamilyOf(i, options));
  return families;
}

bool IsNew(const std::string& directory) {
  return rocksdb::Env::Default()->FileExists(directory + "/CURRENT").IsNotFound();
}

// A new database with all families. Opening it with those that are missing writes and
// syncs the options anew for each; a crash in between is mended that way.
rocksdb::Status CreateAll(const rocksdb::Options& options, const std::string& directory,
                          std::vector<rocksdb::ColumnFamilyHandle*>* handles, rocksdb::DB** database) {
  const auto families = AllFamilies(options);
  const std::vector<rocksdb::ColumnFamilyDescriptor> first(families.begin(), families.begin() + 1);
  const std::vector<rocksdb::ColumnFamilyDescriptor> rest(families.begin() + 1, families.end());
  rocksdb::Status status = rocksdb::DB::Open(options, directory, first, handles, database);
  if (!status.ok()) return status;
  std::vector<rocksdb::ColumnFamilyHandle*> made;
  status = (*database)->CreateColumnFamilies(rest, &made);
  handles->insert(handles->end(), made.begin(), made.end());
  return status;
}

}  // namespace

Error StoreDamaged(const std::string& reason, const std::string& what) {
  return MakeError(Code::kDataLoss, reason,
                   what + "; the store stays as it is: restore it from a backup, with its highwater file");
}

Error RocksError(const rocksdb::Status& status, const std::string& action) {
  const std::string text = "cannot " + action + ": " + status.ToString();
  if (status.IsNoSpace()) return MakeError(Code::kUnavailable, "storage_full", text + "; free space on that disk");
  if (status.IsIOError() && status.ToString().find("lock ") != std::string::npos) {
    return MakeError(Code::kBusy, "store_locked", text + "; another process has the store: stop it first");
  }
  // RocksDB says "invalid argument" when it cannot open CURRENT, whatever the cause:
  // that is a failing disk, to be tried again, not damage.
  if (status.IsInvalidArgument() && (text.find("Direct I/O is not supported") != std::string::npos ||
                                     text.find("incompatible with filesystem") != std::string::npos)) {
    return MakeError(Code::kUnavailable, "storage_io", text + "; look at the disk");
  }
  // Missing files are damage too; a store that never was is not opened this way.
  if (status.IsCorruption() || status.IsInvalidArgument() || status.IsPathNotFound()) {
    return StoreDamaged("store_damaged", text);
  }
  return MakeError(Code::kUnavailable, "storage_io", text);
}

Database::~Database() {
  if (!db_) return;
  for (auto* handle : handles_) static_cast<void>(db_->DestroyColumnFamilyHandle(handle));
}

std::uint64_t Database::MemtableBytes() const {
  std::uint64_t sum = 0;
  for (auto* handle : handles_) {
    std::uint64_t bytes = 0;
    if (db_->GetIntProperty(handle, rocksdb::DB::Properties::kSizeAllMemTables, &bytes)) sum += bytes;
  }
  return sum;
}

std::uint64_t Database::ReadCacheBytes() const {
  std::uint64_t bytes = 0;
  db_->GetIntProperty(family(Family::kLog), rocksdb::DB::Properties::kBlockCacheUsage, &bytes);
  return bytes;
}

Database::Database(Database&& other) noexcept : db_(std::move(other.db_)), handles_(std::move(other.handles_)) {
  other.handles_.clear();
}

Result<Database> Database::Open(const std::string& directory, std::uint64_t write_buffer_bytes, Mode mode) {
  rocksdb::Options options = MakeOptions(write_buffer_bytes);
  options.create_if_missing = mode == Mode::kCreate;
  options.create_missing_column_families = mode == Mode::kCreate;
  if (mode == Mode::kRepair) options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  Database database;
  rocksdb::DB* raw = nullptr;
  const auto families = AllFamilies(options);
  rocksdb::Status opened;
  if (mode == Mode::kReadOnly) {
    opened = rocksdb::DB::OpenForReadOnly(options, directory, families, &database.handles_, &raw);
  } else if (mode == Mode::kCreate && IsNew(directory)) {
    opened = CreateAll(options, directory, &database.handles_, &raw);
  } else {
    opened = rocksdb::DB::Open(options, directory, families, &database.handles_, &raw);
  }
  database.db_.reset(raw);
  if (!opened.ok()) return RocksError(opened, "open the store in " + directory);
  // Compaction has time; who waits for an answer has none: it gets the processor and the
  // disk when nobody else wants them. Flushes stay as they are: a log that waits for one
  // stands still.
  rocksdb::Env* const env = rocksdb::Env::Default();
  static_cast<void>(env->LowerThreadPoolCPUPriority(rocksdb::Env::LOW, rocksdb::CpuPriority::kIdle));
  env->LowerThreadPoolIOPriority(rocksdb::Env::LOW);
  return database;
}

Result<std::string> Database::PeekMeta(const std::string& directory, std::string_view key) {
  const rocksdb::Options options = MakeOptions(1U << 20);
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
      {kColumnFamilies[0], options}, {kColumnFamilies[static_cast<std::size_t>(Family::kMeta)], options}};
  Database database;
  rocksdb::DB* raw = nullptr;
  const rocksdb::Status opened = rocksdb::DB::OpenForReadOnly(options, directory, families, &database.handles_, &raw);
  database.db_.reset(raw);
  if (!opened.ok()) return RocksError(opened, "read the store in " + directory);
  std::string value;
  const rocksdb::Status got = raw->Get({}, database.handles_[1], ToSlice(key), &value);
  if (got.IsNotFound()) return MakeError(Code::kNotFound, "no_such_row", "the store has no row " + std::string(key));
  if (!got.ok()) return RocksError(got, "read the store in " + directory);
  return value;
}

Result<std::string> Database::Get(Family in, std::string_view key, const rocksdb::Snapshot* snapshot) const {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  std::string value;
  const rocksdb::Status status = db_->Get(options, family(in), ToSlice(key), &value);
  if (status.IsNotFound()) return MakeError(Code::kNotFound, "no_such_row", "the store has no such row");
  if (!status.ok()) return RocksError(status, "read the store");
  return value;
}

std::unique_ptr<rocksdb::Iterator> Database::Scan(Family in, const rocksdb::Snapshot* snapshot) const {
  rocksdb::ReadOptions options;
  options.snapshot = snapshot;
  options.fill_cache = false;
  return std::unique_ptr<rocksdb::Iterator>(db_->NewIterator(options, family(in)));
}

Result<DirectoryLock> DirectoryLock::Acquire(const std::string& directory, bool exclusive) {
  FileDescriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno == ENOENT) return MakeError(Code::kNotFound, "no_store", "there is no store in " + directory);
    return FileError("open", directory, errno);
  }
  if (::flock(fd.get(), (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return MakeError(Code::kBusy, "store_locked",
                       "another process has the store in " + directory + "; stop it first");
    }
    return FileError("lock", directory, errno);
  }
  return DirectoryLock(std::move(fd));
}

}  // namespace pointsman::store
