#include "bench/floors.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.h"
#include "base/contract.h"

namespace pointsman::bench {
namespace {

double At(const std::vector<double>& sorted, double part) {
  const double place = part * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

}  // namespace

Spread SpreadOf(std::vector<double> values) {
  REQUIRE(!values.empty(), "a spread of nothing");
  std::sort(values.begin(), values.end());
  return {At(values, 0.5), At(values, 0.25), At(values, 0.75)};
}

void AddRound(std::vector<std::int64_t>& nanos, Rounds* rounds) {
  REQUIRE(!nanos.empty(), "a round without exchanges");
  const auto quantile = [&nanos](double part) {
    const auto place = static_cast<std::ptrdiff_t>(part * static_cast<double>(nanos.size() - 1));
    std::nth_element(nanos.begin(), nanos.begin() + place, nanos.end());
    return static_cast<double>(nanos[static_cast<std::size_t>(place)]) * 1e-3;
  };
  rounds->p50.push_back(quantile(0.5));
  rounds->p99.push_back(quantile(0.99));
}

bool SendAll(int descriptor, const char* bytes, std::size_t count) {
  while (count > 0) {
    const ssize_t sent = ::send(descriptor, bytes, count, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes += sent;
    count -= static_cast<std::size_t>(sent);
  }
  return true;
}

bool ReceiveAll(int descriptor, char* bytes, std::size_t count) {
  while (count > 0) {
    const ssize_t got = ::recv(descriptor, bytes, count, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    bytes += got;
    count -= static_cast<std::size_t>(got);
  }
  return true;
}

PingPongFloor::PingPongFloor(std::size_t request_bytes, std::size_t reply_bytes)
    : request_(request_bytes, 'q'), reply_(reply_bytes, 'r') {
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_) == 0, "socketpair");
  server_ = std::thread([end = ends_[1], request = request_, reply = reply_]() mutable {
    while (ReceiveAll(end, request.data(), request.size()) && SendAll(end, reply.data(), reply.size())) {
    }
  });
}

PingPongFloor::~PingPongFloor() {
  ::shutdown(ends_[0], SHUT_RDWR);
  server_.join();
  ::close(ends_[0]);
  ::close(ends_[1]);
}

void PingPongFloor::Run(std::size_t count, std::vector<std::int64_t>* nanos) {
  const SystemClock clock;
  for (std::size_t i = 0; i < count; ++i) {
    const std::int64_t start = clock.MonotonicNanos();
    REQUIRE(SendAll(ends_[0], request_.data(), request_.size()) && ReceiveAll(ends_[0], reply_.data(), reply_.size()),
            "the floor's own thread has gone");
    nanos->push_back(clock.MonotonicNanos() - start);
  }
}

}  // namespace pointsman::bench
