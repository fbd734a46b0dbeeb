// Bytes of one accepted HTTP connection, with the limits that the library does not
// have: every read and write has a deadline, headers and body have a size.
//
// Threads: the worker that serves the connection.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/clock.h"

namespace pointsman::admin {

struct StreamLimits {
  std::size_t header_bytes_max = 0;
  std::size_t body_bytes_max = 0;
  int header_timeout_ms = 0;
  int request_timeout_ms = 0;
  int response_timeout_ms = 0;
};

class LimitedStream {
 public:
  enum class Fault : std::uint8_t { kNone, kTooSlow, kHeadersTooLarge, kBodyTooLarge, kClosed };

  // Takes the non-blocking descriptor; closes it when destroyed.
  LimitedStream(int fd, const Clock& clock, const StreamLimits& limits);
  ~LimitedStream();
  LimitedStream(const LimitedStream&) = delete;
  LimitedStream& operator=(const LimitedStream&) = delete;

  int fd() const { return fd_; }
  // The headers are complete: from here on the body's limits count.
  void BeginBody();
  // 1..size bytes; 0 at the end of the input; -1 after a fault, which stays.
  ssize_t Read(char* out, std::size_t size);
  // All of it, or -1.
  ssize_t Write(const char* data, std::size_t size);
  // Tells the client that no more comes and throws away what it still sends, for a
  // moment, so that it can read the answer.
  void Linger();

  Fault fault() const { return fault_; }
  bool received_anything() const { return received_ > 0; }

 private:
  bool WaitFor(short events, std::int64_t deadline_nanos);

  const int fd_;
  const Clock& clock_;
  const StreamLimits limits_;
  const std::int64_t started_nanos_;
  std::int64_t write_deadline_nanos_ = 0;
  bool in_body_ = false;
  Fault fault_ = Fault::kNone;
  std::size_t received_ = 0;
  std::size_t taken_ = 0;  // bytes handed out in this phase
  std::array<char, 8192> buffer_{};
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace pointsman::admin
