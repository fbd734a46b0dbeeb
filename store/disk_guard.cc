#include "store/disk_guard.h"

#include <sys/statvfs.h>

#include <cerrno>
#include <limits>

#include "base/file_error.h"
#include "store/atomic_file.h"

namespace pointsman::store {

Status CheckFreeSpace(const std::string& directory, std::uint64_t free_bytes_min, std::uint64_t about_to_write) {
  struct statvfs info {};
  if (::statvfs(directory.c_str(), &info) != 0) return FileError("ask the free space of", directory, errno);
  const std::uint64_t free = static_cast<std::uint64_t>(info.f_bavail) * static_cast<std::uint64_t>(info.f_frsize);
  const std::uint64_t room = std::numeric_limits<std::uint64_t>::max() - free_bytes_min;
  if (about_to_write <= room && free >= free_bytes_min + about_to_write) return {};
  return MakeError(Code::kUnavailable, "storage_full",
                   directory + " has " + std::to_string(free >> 20) + " MiB free and must keep " +
                       std::to_string(free_bytes_min >> 20) + " MiB; free space on that disk");
}

}  // namespace pointsman::store
