// The high-water mark: how far the log had come, kept beside the database.
//
// RocksDB alone cannot tell a log that ends from a log that was cut, so the store
// writes two numbers into a small file of its own: the last event number that was
// written (issued) and the last one that was synced.
//
// File      `highwater`: two slots of 40 bytes at 0 and 512, written in turn; the
//           newer one whose checksum fits counts, so a torn write loses one step.
// Durable   survives SIGKILL after each Store; power loss after each Sync, and a
//           mark that is too low only weakens the check, never the data.
//
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "store/atomic_file.h"

namespace pointsman::store {

struct HighWater {
  LogSeq synced;
  LogSeq issued;
  bool initialised = false;  // the database beside it was created completely
  bool operator==(const HighWater&) const = default;
};

class HighWaterFile {
 public:
  static constexpr const char* kName = "highwater";

  // Nothing when there is no file. Errors: DATA_LOSS when no slot can be read.
  static Result<std::optional<HighWater>> Read(const std::string& directory);
  // Opens for writing; makes a durable file of zeros when there is none.
  static Result<HighWaterFile> Open(const std::string& directory);

  const HighWater& mark() const { return mark_; }
  // Overwrites the older slot. Errors: UNAVAILABLE.
  Status Store(const HighWater& mark);
  Status Sync();

 private:
  HighWaterFile(FileDescriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  FileDescriptor fd_;
  std::string path_;
  HighWater mark_;
  std::uint64_t serial_ = 0;
};

}  // namespace pointsman::store
