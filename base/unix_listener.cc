#include "base/unix_listener.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/log.h"

namespace pointsman {
namespace {

Error OsError(const std::string& what, int number) {
  Code code = Code::kUnavailable;
  if (number == EACCES || number == EPERM || number == EROFS) code = Code::kPermissionDenied;
  if (number == EMFILE || number == ENFILE || number == ENOMEM || number == ENOBUFS) code = Code::kResourceExhausted;
  return MakeError(code, "socket_setup", fmt::format("{}: {}", what, std::strerror(number)));
}

Status CheckPath(const std::string& path) {
  if (path.empty()) return MakeError(Code::kInvalidArgument, "socket_path_empty", "give the socket a path");
  if (path.find('\0') != std::string::npos) {
    return MakeError(Code::kInvalidArgument, "socket_path_malformed", "a socket path holds no zero byte");
  }
  if (path.size() > kUnixPathBytesMax) {
    return MakeError(Code::kInvalidArgument, "socket_path_too_long",
                     fmt::format("the socket path {} is {} bytes long, the system takes at most {}; choose a shorter "
                                 "directory",
                                 path, path.size(), kUnixPathBytesMax));
  }
  return {};
}

Status CheckDirectory(const std::string& path) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  const std::string directory(parent.empty() ? "." : parent.string());
  const Descriptor opened(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!opened.valid()) {
    const int number = errno;
    if (number == ENOENT || number == ENOTDIR) {
      return MakeError(Code::kFailedPrecondition, "directory_missing",
                       fmt::format("{} is not a directory; make it first", directory));
    }
    return OsError(fmt::format("cannot open {}", directory), number);
  }
  struct stat status {};
  if (::fstat(opened.get(), &status) != 0) return OsError(fmt::format("cannot look at {}", directory), errno);
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    return MakeError(Code::kPermissionDenied, "unsafe_directory",
                     fmt::format("{} belongs to uid {}; put the socket into a directory of root or of uid {}",
                                 directory, status.st_uid, ::geteuid()));
  }
  if ((status.st_mode & S_IWOTH) != 0) {
    return MakeError(
        Code::kPermissionDenied, "unsafe_directory",
        fmt::format("everybody may write in {}; put the socket into a directory of mode 0755 or less", directory));
  }
  return {};
}

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// True when somebody listens at `path`.
Result<bool> Answers(const std::string& path) {
  const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.valid()) return OsError("cannot make a socket", errno);
  const sockaddr_un address = AddressOf(path);
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return true;
  if (errno == ECONNREFUSED || errno == ENOENT) return false;
  if (errno == EAGAIN || errno == EPROTOTYPE) return true;  // full backlog; a socket of another type
  return OsError(fmt::format("cannot probe {}", log::Escape(path)), errno);
}

Error InUse(const std::string& path) {
  return MakeError(Code::kBusy, "socket_in_use",
                   fmt::format("another process serves {}; stop it or choose another path", log::Escape(path)));
}

// Removes a stale socket at `path`; the lock is held.
Status MakeRoom(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return OsError(fmt::format("cannot look at {}", log::Escape(path)), errno);
  }
  if (S_ISLNK(status.st_mode)) {
    return MakeError(
        Code::kFailedPrecondition, "symbolic_link",
        fmt::format("{} is a symbolic link; remove it or configure the path that it means", log::Escape(path)));
  }
  if (!S_ISSOCK(status.st_mode)) {
    return MakeError(
        Code::kFailedPrecondition, "not_a_socket",
        fmt::format("{} exists and is not a socket; move it away or choose another path", log::Escape(path)));
  }
  const auto answers = Answers(path);
  if (!answers.ok()) return answers.error();
  if (answers.value()) return InUse(path);
  if (status.st_uid != ::geteuid() && ::geteuid() != 0) {
    return MakeError(Code::kPermissionDenied, "foreign_socket",
                     fmt::format("the stale socket {} belongs to uid {}; remove it as that user", path, status.st_uid));
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return OsError(fmt::format("cannot remove stale {}", log::Escape(path)), errno);
  return {};
}

Result<Descriptor> Lock(const std::string& path) {
  const std::string lock_path = path + ".lock";
  Descriptor lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!lock.valid()) return OsError(fmt::format("cannot open the lock file {}", lock_path), errno);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return InUse(path);
    return OsError(fmt::format("cannot lock {}", lock_path), errno);
  }
  return lock;
}

// A listening stream socket, made close-on-exec and non-blocking.
Status Prepare(int fd) {
  int listens = 0;
  int type = 0;
  socklen_t size = sizeof(int);
  const bool fine = ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens == 1 &&
                    ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
  if (!fine) {
    return MakeError(Code::kInvalidArgument, "not_listening",
                     fmt::format("descriptor {} that was handed over is no listening stream socket", fd));
  }
  if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) {
    return OsError("cannot prepare a socket that was handed over", errno);
  }
  return {};
}

}  // namespace

Result<UnixListener> UnixListener::Open(const UnixListenOptions& options) {
  if (options.inherited_fd >= 0) {
    if (Status prepared = Prepare(options.inherited_fd); !prepared.ok()) return prepared.error();
    UnixListener listener;
    listener.listening_ = Descriptor(options.inherited_fd);
    return listener;
  }
  const std::string& path = options.path;
  if (Status checked = CheckPath(path); !checked.ok()) return checked.error();
  if (Status checked = CheckDirectory(path); !checked.ok()) return checked.error();
  auto lock = Lock(path);
  if (!lock.ok()) return lock.error();
  if (Status room = MakeRoom(path); !room.ok()) return room.error();

  UnixListener listener;
  listener.lock_ = std::move(lock).value();
  listener.listening_ = Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener.listening_.valid()) return OsError("cannot make a socket", errno);
  const sockaddr_un address = AddressOf(path);
  if (::bind(listener.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return OsError(fmt::format("cannot bind {}", log::Escape(path)), errno);
  }
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return OsError(fmt::format("cannot look at {}", log::Escape(path)), errno);
  listener.path_ = path;
  listener.device_ = status.st_dev;
  listener.inode_ = status.st_ino;
  // Nobody can connect before listen(), so there is no moment of a wrong mode.
  if (options.group && ::lchown(path.c_str(), static_cast<uid_t>(-1), *options.group) != 0) {
    return OsError(fmt::format("cannot set the group of {}", log::Escape(path)), errno);
  }
  if (::chmod(path.c_str(), options.mode) != 0) {
    return OsError(fmt::format("cannot set the mode of {}", log::Escape(path)), errno);
  }
  if (::listen(listener.fd(), options.backlog) != 0) {
    return OsError(fmt::format("cannot listen at {}", log::Escape(path)), errno);
  }
  return listener;
}

UnixListener::~UnixListener() { Close(); }

UnixListener::UnixListener(UnixListener&& other) noexcept { *this = std::move(other); }

UnixListener& UnixListener::operator=(UnixListener&& other) noexcept {
  if (this == &other) return *this;
  Close();
  path_ = std::exchange(other.path_, std::string());
  device_ = other.device_;
  inode_ = other.inode_;
  lock_ = std::move(other.lock_);
  listening_ = std::move(other.listening_);
  return *this;
}

void UnixListener::Close() {
  listening_ = Descriptor();
  if (path_.empty()) return;
  struct stat status {};
  if (::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_) {
    ::unlink(path_.c_str());
  }
  path_.clear();
}

Result<std::optional<gid_t>> GroupByName(const std::string& name) {
  if (name.empty()) return std::optional<gid_t>();
  std::vector<char> buffer(16384);
  group entry{};
  group* found = nullptr;
  if (::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
    return MakeError(
        Code::kInvalidArgument, "unknown_group",
        fmt::format("there is no group {}; create it (groupadd --system {}) or leave the setting empty", name, name));
  }
  return std::optional<gid_t>(entry.gr_gid);
}

}  // namespace pointsman
