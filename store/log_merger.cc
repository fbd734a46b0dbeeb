#include "store/log_merger.h"

#include <rocksdb/convenience.h>

#include <utility>
#include <vector>

#include "base/log.h"
#include "base/this_thread.h"
#include "store/disk_guard.h"
#include "store/rocks_support.h"

namespace pointsman::store {

namespace {

struct Neighbours {
  int level = 0;
  std::uint64_t bytes = 0;
  std::vector<std::string> files;
};

// On the levels below the first files lie in the order of their keys and do not overlap.
Neighbours FindSmallNeighbours(const rocksdb::ColumnFamilyMetaData& family) {
  for (const rocksdb::LevelMetaData& level : family.levels) {
    if (level.level == 0) continue;
    Neighbours run{level.level, 0, {}};
    for (const rocksdb::SstFileMetaData& file : level.files) {
      const bool fits = file.size < kFullFileBytes / 2 && !file.being_compacted;
      if (fits && run.bytes < kFullFileBytes) {
        run.bytes += file.size;
        run.files.push_back(file.name);
        continue;
      }
      if (run.files.size() >= kMergedMin) return run;
      run = {level.level, 0, {}};
      if (!fits) continue;
      run.bytes = file.size;
      run.files.push_back(file.name);
    }
    if (run.files.size() >= kMergedMin) return run;
  }
  return {};
}

}  // namespace

Result<std::size_t> MergeSmallFiles(rocksdb::DB& database, rocksdb::ColumnFamilyHandle* log,
                                    const std::string& directory, std::uint64_t free_bytes_min) {
  rocksdb::ColumnFamilyMetaData family;
  database.GetColumnFamilyMetaData(log, &family);
  const Neighbours found = FindSmallNeighbours(family);
  if (found.files.empty()) return std::size_t{0};
  const Status room = CheckFreeSpace(directory, free_bytes_min, found.bytes);
  if (!room.ok()) return room.error();
  rocksdb::CompactionOptions options;
  options.compression = rocksdb::kDisableCompressionOption;  // that of the family
  options.output_file_size_limit = 2 * kFullFileBytes;
  const rocksdb::Status merged = database.CompactFiles(options, log, found.files, found.level);
  if (merged.ok()) return found.files.size();
  // Somebody else compacts them, has just done so, or the store is closing.
  if (merged.IsAborted() || merged.IsInvalidArgument() || merged.IsShutdownInProgress() || merged.IsIncomplete()) {
    return std::size_t{0};
  }
  return RocksError(merged, "merge files of the log");
}

LogMerger::LogMerger(rocksdb::DB& database, rocksdb::ColumnFamilyHandle* log, std::string directory,
                     std::uint64_t free_bytes_min)
    : database_(database), log_(log), directory_(std::move(directory)), free_bytes_min_(free_bytes_min) {
  thread_ = std::thread([this] {
    NameThisThread("merge");
    YieldProcessorsToOthers(19);
    Run();
  });
}

LogMerger::~LogMerger() {
  {
    const std::lock_guard guard(mutex_);
    stop_ = true;
  }
  woken_.notify_one();
  rocksdb::CancelAllBackgroundWork(&database_, /*wait=*/false);
  thread_.join();
}

void LogMerger::Wake() {
  {
    const std::lock_guard guard(mutex_);
    wake_ = true;
  }
  woken_.notify_one();
}

void LogMerger::Run() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      woken_.wait(lock, [this] { return wake_ || stop_; });
      if (stop_) return;
      wake_ = false;
    }
    const auto merged = MergeSmallFiles(database_, log_, directory_, free_bytes_min_);
    if (!merged.ok()) {
      log::Warning("store: {}", merged.error().message);
    } else if (*merged > 0) {
      Wake();  // there may be more
    }
  }
}

}  // namespace pointsman::store
