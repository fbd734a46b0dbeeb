#include "base/clock.h"

#include <ctime>

namespace pointsman {

namespace {

std::int64_t Nanos(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

std::int64_t SystemClock::WallMicros() const { return Nanos(CLOCK_REALTIME) / 1000; }
std::int64_t SystemClock::MonotonicNanos() const { return Nanos(CLOCK_MONOTONIC); }

}  // namespace pointsman
