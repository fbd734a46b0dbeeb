// Time as a value that is passed in.
//
// Wall time stamps events and is shown to people; monotonic time measures
// waits, limits and rates. Nothing else in the project reads a clock.
#pragma once

#include <atomic>
#include <cstdint>

namespace pointsman {

// Threads: all methods, any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  // Microseconds since 1970-01-01 UTC. May jump in either direction.
  virtual std::int64_t WallMicros() const = 0;
  // Nanoseconds since some fixed moment. Never goes back.
  virtual std::int64_t MonotonicNanos() const = 0;
};

// The machine's clocks.
class SystemClock final : public Clock {
 public:
  std::int64_t WallMicros() const override;
  std::int64_t MonotonicNanos() const override;
};

// A clock that stands still until it is moved: for tests and simulations.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(std::int64_t wall_micros = 0) : wall_micros_(wall_micros) {}
  std::int64_t WallMicros() const override { return wall_micros_.load(); }
  std::int64_t MonotonicNanos() const override { return monotonic_nanos_.load(); }
  // Moves both clocks forward. `micros` >= 0.
  void Advance(std::int64_t micros) {
    wall_micros_ += micros;
    monotonic_nanos_ += micros * 1000;
  }
  // Sets the wall clock alone, as an administrator or NTP would.
  void SetWall(std::int64_t wall_micros) { wall_micros_ = wall_micros; }

 private:
  std::atomic<std::int64_t> wall_micros_;
  std::atomic<std::int64_t> monotonic_nanos_{0};
};

}  // namespace pointsman
