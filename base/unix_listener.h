// A listening Unix socket at a path, with the rules that every socket of ours
// keeps: checked, locked, bound, removed.
//
//   Path    absolute or relative, 1..107 bytes (the kernel's limit). Its folder
//           must exist, belong to root or to us, and not be writable by everybody.
//           A symbolic link or anything else that is not a socket at the path is
//           refused, never removed.
//   Stale   a socket that nobody answers on (left by a crash) is replaced; one that
//           answers is another process, and refused.
//   Lock    from Open to the end we hold an exclusive lock on "<path>.lock", so of
//           two processes that find the same stale socket one replaces it and the
//           other learns that it is in use. The lock file itself stays: removing
//           it would let two processes lock two different files of one name.
//   Mode    and group are set before listen(), so nobody can connect with wider
//           rights in between.
//   Close   removes the path only while it is still the socket made here (same
//           device and inode).
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>

#include "base/descriptor.h"
#include "base/result.h"

namespace pointsman {

inline constexpr std::size_t kUnixPathBytesMax = 107;  // sizeof(sun_path) - 1

struct UnixListenOptions {
  std::string path;
  mode_t mode = 0600;
  std::optional<gid_t> group;  // owner group of the socket; none: the process's
  int backlog = 128;
  // A socket that somebody else (systemd) has bound and listens on already: it is
  // taken as it is, and `path`, mode and group are his affair. -1: none.
  int inherited_fd = -1;
};

// Move-only. Threads: one at a time; fd() may be polled from another.
class UnixListener {
 public:
  // Non-blocking, close-on-exec. Nothing but the lock file is left behind by a
  // refusal. Errors:
  //   INVALID_ARGUMENT     socket_path_empty, socket_path_malformed, socket_path_too_long;
  //                        not_listening: the inherited one is no listening stream socket
  //   FAILED_PRECONDITION  directory_missing; symbolic_link, not_a_socket: in the way
  //   PERMISSION_DENIED    unsafe_directory, foreign_socket, or the kernel refuses
  //   BUSY                 socket_in_use: another process serves it
  //   RESOURCE_EXHAUSTED   no descriptor or memory
  //   UNAVAILABLE          any other refusal of the system
  static Result<UnixListener> Open(const UnixListenOptions& options);
  ~UnixListener();
  UnixListener(UnixListener&& other) noexcept;
  UnixListener& operator=(UnixListener&& other) noexcept;

  int fd() const { return listening_.get(); }
  const std::string& path() const { return path_; }
  // Stops listening and removes the path; keeps the lock. Idempotent.
  void Close();

 private:
  UnixListener() = default;
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  Descriptor lock_;
  Descriptor listening_;
};

// The number of the group `name`; nothing for an empty name.
// Errors: INVALID_ARGUMENT unknown_group.
Result<std::optional<gid_t>> GroupByName(const std::string& name);

}  // namespace pointsman
