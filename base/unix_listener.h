// A listening Unix socket at a path, with the rules that every socket of ours
// keeps.
//
//   Path    absolute or relative, 1..107 bytes (the kernel's limit), its folder
//           must exist. A symbolic link or anything else that is not a socket at
//           the path is refused, never removed.
//   Stale   a socket that nobody listens on (left by a crash) is removed; one
//           that answers is another process, and refused.
//   Mode    set before the path becomes visible, so that nobody can connect with
//           wider rights in between.
//   Close   removes the path only while it is still the socket made here.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>

#include "base/result.h"

namespace pointsman {

inline constexpr std::size_t kUnixPathBytesMax = 107;

struct UnixListenOptions {
  std::string path;
  mode_t mode = 0600;
  std::optional<gid_t> group;  // owner group of the socket; none: the process's
  int backlog = 128;
};

// Move-only. Threads: one at a time; fd() may be polled from another.
class UnixListener {
 public:
  // Non-blocking, close-on-exec. Errors:
  //   INVALID_ARGUMENT     socket_path: empty or too long
  //   FAILED_PRECONDITION  not_a_socket: a symbolic link, file or folder is there
  //   BUSY                 socket_in_use: another process answers
  //   NOT_FOUND            socket_folder: the folder is missing
  //   PERMISSION_DENIED    socket_permission
  //   UNAVAILABLE          any other refusal of the system
  static Result<UnixListener> Open(const UnixListenOptions& options);
  ~UnixListener();
  UnixListener(UnixListener&& other) noexcept;
  UnixListener& operator=(UnixListener&& other) noexcept;

  int fd() const { return fd_; }
  const std::string& path() const { return path_; }
  // Gives the descriptor away (for a library that closes it itself); Close then
  // only removes the path.
  int ReleaseFd();
  // Closes and removes the path. Idempotent.
  void Close();

 private:
  UnixListener() = default;
  int fd_ = -1;
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace pointsman
