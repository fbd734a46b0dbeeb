// Physical floors: what the machine allows, measured beside what we do.
//
// A figure without its floor says little on a shared machine. Floors run in the
// same process and in the same rounds as the thing that they bound (A B A B), and
// both sides are reported as median and interquartile range over the rounds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace pointsman::bench {

// Values of one thing, one for each round; figures in microseconds.
struct Rounds {
  std::vector<double> p50;
  std::vector<double> p99;
};

// Median and quartiles; `values` is not empty.
struct Spread {
  double median = 0;
  double low = 0;   // first quartile
  double high = 0;  // third quartile
};
Spread SpreadOf(std::vector<double> values);

// Adds the p50 and p99 of one round's latencies (nanoseconds, reordered).
void AddRound(std::vector<std::int64_t>& nanos, Rounds* rounds);

// Blocking, whole buffers; false when the other side is gone.
bool SendAll(int descriptor, const char* bytes, std::size_t count);
bool ReceiveAll(int descriptor, char* bytes, std::size_t count);

// A bare C ping-pong over a Unix stream socket pair with a thread of its own:
// recv, send, nothing else. Lifetime: the thread ends with the object.
class PingPongFloor {
 public:
  PingPongFloor(std::size_t request_bytes, std::size_t reply_bytes);
  ~PingPongFloor();
  PingPongFloor(const PingPongFloor&) = delete;
  PingPongFloor& operator=(const PingPongFloor&) = delete;

  // `count` exchanges; latencies in nanoseconds are appended.
  void Run(std::size_t count, std::vector<std::int64_t>* nanos);

 private:
  std::string request_;
  std::string reply_;
  int ends_[2] = {-1, -1};
  std::thread server_;
};

}  // namespace pointsman::bench
