// Small files that are either wholly there or not there at all.
// Temporary file, sync, rename, sync of the folder. Threads: any.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pointsman::store {

// Owns a file descriptor.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) : fd_(fd) {}
  ~FileDescriptor() { Close(); }
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  void Close();

 private:
  int fd_;
};

// Temporary file beside `path`, sync, rename (or, with `keep_existing`, a link
// that fails when the name is taken), sync of the directory.
// Errors: UNAVAILABLE storage_io or storage_full; CONFLICT exists.
Status WriteFileAtomically(const std::string& path, std::string_view bytes, mode_t mode, bool keep_existing = false);

// Errors: NOT_FOUND; OUT_OF_RANGE too_large; UNAVAILABLE storage_io.
Result<std::string> ReadFileBounded(const std::string& path, std::uint64_t bytes_max);

// Makes the names in a directory durable. Errors: UNAVAILABLE storage_io.
Status SyncDirectory(const std::string& directory);

}  // namespace pointsman::store
