// A Unix socket's place in the file system: checked, locked, bound, removed.
//
// Invariants
//   1. Nothing but a socket that nobody answers on is ever removed.
//   2. From Bind to the destructor we hold an exclusive lock on "<path>.lock", so
//      of two daemons that find the same stale socket one replaces it and the
//      other learns that it is in use. The lock file itself stays: removing it
//      would let two processes lock two different files of one name.
//   3. The destructor removes the socket only while it is still ours (same device
//      and inode).
// Threads: one at a time.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"

namespace pointsman::daemon {

inline constexpr std::size_t kSocketPathBytesMax = 107;  // sizeof(sun_path) - 1

// A file descriptor that is closed when it goes.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(other.Release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();
  int get() const { return value_; }
  bool valid() const { return value_ >= 0; }
  int Release() {
    const int value = value_;
    value_ = -1;
    return value;
  }

 private:
  int value_ = -1;
};

// A listening socket that keeps the invariants above. Threads: one at a time.
class BoundSocket {
 public:
  // Binds and listens; the descriptor is non-blocking and close-on-exec. The mode
  // and group are set before anybody can connect. Errors: see Transport::Start.
  static Result<BoundSocket> Bind(const std::string& path, unsigned mode, const std::string& group, int backlog);
  BoundSocket(BoundSocket&& other) noexcept = default;
  BoundSocket& operator=(BoundSocket&&) = delete;
  ~BoundSocket();

  int descriptor() const { return listening_.get(); }
  // Stops listening and removes the file if it is still ours; keeps the lock.
  void Remove();

 private:
  BoundSocket() = default;
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  Descriptor lock_;
  Descriptor listening_;
};

}  // namespace pointsman::daemon
