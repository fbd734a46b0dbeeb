// Keeps the table files of the log few. Private to store/.
//
// Why        event numbers only rise, so what is flushed never overlaps what lies below it,
//            and RocksDB moves each flushed file down as it is instead of merging it: one
//            file of a few megabytes, its descriptor and its index, for each flush for ever.
// What       kMergedMin neighbours on one level, each smaller than half a full file, are
//            written anew as one. A byte of the log is written once more for it, or a few
//            times where it was flushed in small pieces.
// Crash      RocksDB exchanges the files in one step of its manifest.
#pragma once

#include <rocksdb/db.h>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "base/result.h"

namespace pointsman::store {

inline constexpr std::size_t kMergedMin = 8;
inline constexpr std::uint64_t kFullFileBytes = 64ULL << 20;

// Merges the first neighbours that are worth it; how many files became one, 0 when there is
// nothing to do or an automatic compaction has them. Threads: any, one at a time.
// Errors: UNAVAILABLE storage_full, storage_io.
Result<std::size_t> MergeSmallFiles(rocksdb::DB& database, rocksdb::ColumnFamilyHandle* log,
                                    const std::string& directory, std::uint64_t free_bytes_min);

// A thread of its own at the lowest priority. `database` must outlive it.
class LogMerger {
 public:
  LogMerger(rocksdb::DB& database, rocksdb::ColumnFamilyHandle* log, std::string directory,
            std::uint64_t free_bytes_min);
  // Ends a merge half-way; the database takes no more writes after that.
  ~LogMerger();
  LogMerger(const LogMerger&) = delete;
  LogMerger& operator=(const LogMerger&) = delete;

  // Looks whether there is something to merge. Threads: any; costs nothing.
  void Wake();

 private:
  void Run();

  rocksdb::DB& database_;
  rocksdb::ColumnFamilyHandle* const log_;
  const std::string directory_;
  const std::uint64_t free_bytes_min_;
  std::mutex mutex_;
  std::condition_variable woken_;
  bool wake_ = false;  // guarded by mutex_
  bool stop_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace pointsman::store
