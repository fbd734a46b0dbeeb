#include "admin/http_stream.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace pointsman::admin {
namespace {

constexpr std::int64_t kNanosPerMilli = 1'000'000;
constexpr int kLingerMillis = 500;
constexpr std::size_t kLingerBytesMax = 4U << 20;
// Chunk sizes and line ends come on top of the body itself; the body proper is
// limited again when it is assembled.
constexpr std::size_t kChunkOverhead = 64U << 10;

}  // namespace

LimitedStream::LimitedStream(int fd, const Clock& clock, const StreamLimits& limits)
    : fd_(fd), clock_(clock), limits_(limits), started_nanos_(clock.MonotonicNanos()) {}

LimitedStream::~LimitedStream() { ::close(fd_); }

void LimitedStream::BeginBody() {
  in_body_ = true;
  taken_ = 0;
}

bool LimitedStream::WaitFor(short events, std::int64_t deadline_nanos) {
  for (;;) {
    const std::int64_t left = deadline_nanos - clock_.MonotonicNanos();
    if (left <= 0) return false;
    pollfd entry{fd_, events, 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(left / kNanosPerMilli) + 1);
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

ssize_t LimitedStream::Read(char* out, std::size_t size) {
  if (fault_ != Fault::kNone) return -1;
  if (size == 0) return 0;
  const std::size_t limit = in_body_ ? limits_.body_bytes_max + kChunkOverhead : limits_.header_bytes_max;
  if (taken_ >= limit) {
    fault_ = in_body_ ? Fault::kBodyTooLarge : Fault::kHeadersTooLarge;
    return -1;
  }
  const std::int64_t deadline =
      started_nanos_ + (in_body_ ? limits_.request_timeout_ms : limits_.header_timeout_ms) * kNanosPerMilli;
  while (begin_ == end_) {
    if (!WaitFor(POLLIN, deadline)) {
      fault_ = Fault::kTooSlow;
      return -1;
    }
    const ssize_t count = ::recv(fd_, buffer_.data(), buffer_.size(), 0);
    if (count == 0) return 0;
    if (count < 0) {
      if (errno == EAGAIN || errno == EINTR) continue;
      fault_ = Fault::kClosed;
      return -1;
    }
    begin_ = 0;
    end_ = static_cast<std::size_t>(count);
    received_ += end_;
  }
  const std::size_t take = std::min({size, end_ - begin_, limit - taken_});
  std::memcpy(out, buffer_.data() + begin_, take);
  begin_ += take;
  taken_ += take;
  return static_cast<ssize_t>(take);
}

ssize_t LimitedStream::Write(const char* data, std::size_t size) {
  if (write_deadline_nanos_ == 0) {
    write_deadline_nanos_ = clock_.MonotonicNanos() + limits_.response_timeout_ms * kNanosPerMilli;
  }
  std::size_t done = 0;
  while (done < size) {
    const ssize_t count = ::send(fd_, data + done, size - done, MSG_NOSIGNAL);
    if (count >= 0) {
      done += static_cast<std::size_t>(count);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN || !WaitFor(POLLOUT, write_deadline_nanos_)) return -1;
  }
  return static_cast<ssize_t>(done);
}

void LimitedStream::Linger() {
  ::shutdown(fd_, SHUT_WR);
  const std::int64_t deadline = clock_.MonotonicNanos() + kLingerMillis * kNanosPerMilli;
  std::size_t thrown_away = 0;
  while (thrown_away < kLingerBytesMax && WaitFor(POLLIN, deadline)) {
    const ssize_t count = ::recv(fd_, buffer_.data(), buffer_.size(), 0);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) return;
    if (count > 0) thrown_away += static_cast<std::size_t>(count);
  }
}

}  // namespace pointsman::admin
