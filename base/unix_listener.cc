#include "base/unix_listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.h"

namespace pointsman {
namespace {

Error SystemError(const std::string& what, const std::string& path, int error) {
  const std::string message = what + " " + log::Escape(path) + ": " + std::strerror(error);
  if (error == EACCES || error == EPERM || error == EROFS) {
    return MakeError(Code::kPermissionDenied, "socket_permission",
                     message + "; give this user the right to its folder");
  }
  if (error == ENOENT || error == ENOTDIR) {
    return MakeError(Code::kNotFound, "socket_folder", message + "; create the folder first");
  }
  return MakeError(Code::kUnavailable, "socket_refused", message);
}

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// True when some process accepts connections at `path`.
bool Answers(const std::string& path) {
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return true;  // cannot tell: leave it alone
  const sockaddr_un address = AddressOf(path);
  const int rc = ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int error = errno;
  ::close(probe);
  return rc == 0 || error != ECONNREFUSED;
}

Status ClearPath(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    return errno == ENOENT ? Status() : Status(SystemError("cannot look at", path, errno));
  }
  if (!S_ISSOCK(info.st_mode)) {
    return MakeError(Code::kFailedPrecondition, "not_a_socket",
                     log::Escape(path) + " exists and is not a socket; remove it or choose another path");
  }
  if (Answers(path)) {
    return MakeError(Code::kBusy, "socket_in_use",
                     "another process answers at " + log::Escape(path) + "; stop it or choose another path");
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return SystemError("cannot remove the stale socket", path, errno);
  return {};
}

}  // namespace

Result<UnixListener> UnixListener::Open(const UnixListenOptions& options) {
  if (options.path.empty() || options.path.size() > kUnixPathBytesMax || options.path.find('\0') != std::string::npos) {
    return MakeError(Code::kInvalidArgument, "socket_path",
                     "a socket path has 1 to 107 bytes, this one " + std::to_string(options.path.size()) +
                         "; choose a shorter folder");
  }
  if (Status clear = ClearPath(options.path); !clear.ok()) return clear.error();

  UnixListener listener;
  listener.fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener.fd_ < 0) return SystemError("cannot make a socket for", options.path, errno);
  // Linux takes the mode of the unbound socket for the new path (less the umask).
  if (::fchmod(listener.fd_, options.mode) != 0) return SystemError("cannot set the mode of", options.path, errno);
  const sockaddr_un address = AddressOf(options.path);
  if (::bind(listener.fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return SystemError("cannot bind", options.path, errno);
  }
  struct stat info {};
  if (::lstat(options.path.c_str(), &info) != 0) return SystemError("cannot look at", options.path, errno);
  listener.path_ = options.path;
  listener.device_ = info.st_dev;
  listener.inode_ = info.st_ino;
  if (options.group && ::lchown(options.path.c_str(), static_cast<uid_t>(-1), *options.group) != 0) {
    return SystemError("cannot set the group of", options.path, errno);
  }
  if (::chmod(options.path.c_str(), options.mode) != 0) {
    return SystemError("cannot set the mode of", options.path, errno);
  }
  if (::listen(listener.fd_, options.backlog) != 0) return SystemError("cannot listen at", options.path, errno);
  return listener;
}

UnixListener::~UnixListener() { Close(); }

UnixListener::UnixListener(UnixListener&& other) noexcept { *this = std::move(other); }

UnixListener& UnixListener::operator=(UnixListener&& other) noexcept {
  if (this == &other) return *this;
  Close();
  fd_ = std::exchange(other.fd_, -1);
  path_ = std::exchange(other.path_, std::string());
  device_ = other.device_;
  inode_ = other.inode_;
  return *this;
}

int UnixListener::ReleaseFd() { return std::exchange(fd_, -1); }

void UnixListener::Close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  if (path_.empty()) return;
  struct stat info {};
  if (::lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ && info.st_ino == inode_) ::unlink(path_.c_str());
  path_.clear();
}

}  // namespace pointsman
