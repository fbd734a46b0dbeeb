// Latencies of a daemon under load, and the times at which its load comes.
//
// All times in nanoseconds of the steady clock. Threads: an object of its own each.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace pointsman::bench {

inline std::int64_t Now() { return SystemClock().MonotonicNanos(); }

inline void SleepUntil(std::int64_t nanos) {
  const timespec at{nanos / 1'000'000'000, nanos % 1'000'000'000};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
}

struct Latencies {
  std::vector<std::int64_t> route, feedback;
  std::vector<std::int64_t> bare;  // of the floor beside them, where there is one
  void Add(const Latencies& other) {
    route.insert(route.end(), other.route.begin(), other.route.end());
    feedback.insert(feedback.end(), other.feedback.begin(), other.feedback.end());
    bare.insert(bare.end(), other.bare.begin(), other.bare.end());
  }
};

// The latency that `share` in [0,1] of all stay below, in microseconds; 0 of none.
inline double Micros(std::vector<std::int64_t> nanos, double share) {
  if (nanos.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(nanos.size() - 1));
  std::nth_element(nanos.begin(), nanos.begin() + at, nanos.end());
  return static_cast<double>(nanos[static_cast<std::size_t>(at)]) * 1e-3;
}

// A figure as bench/bars.cc reads it: one line of JSON. `floor` 0: there is none.
inline void Row(std::string_view key, double value, double floor = 0) {
  fmt::print("{{\"key\":\"{}\",\"value\":{:.4g},\"floor\":{:.4g},\"ratio\":{:.4g}}}\n", key, value, floor,
             floor > 0 ? value / floor : 0);
  std::fflush(stdout);
}

}  // namespace pointsman::bench
