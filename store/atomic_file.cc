#include "store/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/file_error.h"

namespace pointsman::store {

namespace {

Status WriteAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return FileError("write", path, errno);
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(fd) != 0) return FileError("sync", path, errno);
  return {};
}

Status PutInPlace(const std::string& temporary, const std::string& path, bool keep_existing) {
  if (!keep_existing) {
    if (::rename(temporary.c_str(), path.c_str()) != 0) return FileError("rename to", path, errno);
    return {};
  }
  if (::link(temporary.c_str(), path.c_str()) != 0) {
    const int error_number = errno;
    ::unlink(temporary.c_str());
    if (error_number == EEXIST) return MakeError(Code::kConflict, "exists", path + " exists already");
    return FileError("link to", path, error_number);
  }
  ::unlink(temporary.c_str());
  return {};
}

}  // namespace

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    Close();
    fd_ = other.fd_;
    other.fd_ = -1;
  }
  return *this;
}

void FileDescriptor::Close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Status SyncDirectory(const std::string& directory) {
  const FileDescriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return FileError("open", directory, errno);
  if (::fsync(fd.get()) != 0) return FileError("sync", directory, errno);
  return {};
}

Status WriteFileAtomically(const std::string& path, std::string_view bytes, mode_t mode, bool keep_existing) {
  static std::atomic<unsigned> serial{0};
  const std::string temporary = path + ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(serial.fetch_add(1));
  {
    const FileDescriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
    if (!fd.valid()) return FileError("create", temporary, errno);
    if (const Status written = WriteAll(fd.get(), bytes, temporary); !written.ok()) {
      ::unlink(temporary.c_str());
      return written;
    }
  }
  if (const Status placed = PutInPlace(temporary, path, keep_existing); !placed.ok()) {
    ::unlink(temporary.c_str());
    return placed;
  }
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return SyncDirectory(parent.empty() ? "." : parent);
}

Result<std::string> ReadFileBounded(const std::string& path, std::uint64_t bytes_max) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno == ENOENT || errno == ENOTDIR) return MakeError(Code::kNotFound, "no_such_file", "there is no " + path);
    return FileError("open", path, errno);
  }
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return FileError("inspect", path, errno);
  if (!S_ISREG(info.st_mode)) {
    return MakeError(Code::kUnavailable, "storage_io", path + " is not a regular file; name another one");
  }
  std::string bytes;
  std::string chunk(std::size_t{1} << 16, '\0');
  for (;;) {
    const ssize_t got = ::read(fd.get(), chunk.data(), chunk.size());
    if (got < 0) {
      if (errno == EINTR) continue;
      return FileError("read", path, errno);
    }
    if (got == 0) return bytes;
    if (bytes.size() + static_cast<std::size_t>(got) > bytes_max) {
      return MakeError(Code::kOutOfRange, "too_large",
                       path + " is larger than the " + std::to_string(bytes_max) + " bytes allowed here");
    }
    bytes.append(chunk.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace pointsman::store
