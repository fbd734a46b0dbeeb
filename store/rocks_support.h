// What rocks_store needs around RocksDB: options, errors, its log, the lock.
// Private to store/.
#pragma once

#include <rocksdb/db.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/atomic_file.h"
#include "store/keys.h"

namespace pointsman::store {

// Handles in the order of kColumnFamilies; destroyed before the database.
class Database {
 public:
  // kRepair: writing, and the WAL up to its first damage (point-in-time recovery).
  enum class Mode { kReadOnly, kExisting, kCreate, kRepair };

  Database() = default;
  ~Database();
  Database(Database&& other) noexcept;
  Database& operator=(Database&&) = delete;

  // Errors: BUSY store_locked; DATA_LOSS; UNAVAILABLE.
  static Result<Database> Open(const std::string& directory, std::uint64_t write_buffer_bytes, Mode mode);
  // For reading one family while the others may be unknown (a newer schema).
  static Result<std::string> PeekMeta(const std::string& directory, std::string_view key);

  rocksdb::DB* operator->() const { return db_.get(); }
  rocksdb::DB& get() const { return *db_; }
  rocksdb::ColumnFamilyHandle* family(Family family) const { return handles_[static_cast<std::size_t>(family)]; }
  // Errors: NOT_FOUND, DATA_LOSS, UNAVAILABLE.
  Result<std::string> Get(Family family, std::string_view key, const rocksdb::Snapshot* snapshot = nullptr) const;
  std::unique_ptr<rocksdb::Iterator> Scan(Family family, const rocksdb::Snapshot* snapshot = nullptr) const;
  // Of all families: tables of rows in memory, and of the cache that all share. Any thread.
  std::uint64_t MemtableBytes() const;
  std::uint64_t ReadCacheBytes() const;

 private:
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
};

// One holder that writes, or several that read: flock on the directory itself,
// so that looking leaves no trace and two opens in one process see each other.
class DirectoryLock {
 public:
  // Errors: BUSY store_locked; NOT_FOUND; UNAVAILABLE.
  static Result<DirectoryLock> Acquire(const std::string& directory, bool exclusive);

 private:
  explicit DirectoryLock(FileDescriptor fd) : fd_(std::move(fd)) {}
  FileDescriptor fd_;
};

// What a RocksDB status means for us.
Error RocksError(const rocksdb::Status& status, const std::string& action);

// The hint that every DATA_LOSS of an existing store ends with.
Error StoreDamaged(const std::string& reason, const std::string& what);

inline rocksdb::Slice ToSlice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
inline std::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

}  // namespace pointsman::store
