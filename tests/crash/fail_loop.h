// One failing call at a time: the n-th call on a file of the store fails, for n from
// 1 until no call is left, over a start, 100 requests and a stop of a real daemon.
//
// After each run: the daemon ended by itself with an agreed code (0, 71, 74, 75),
// never by a signal; it starts again on the same store without the fault; and what
// the client was promised is there, once, with replay --verify equal.
// Needs tests/support/fail_shim.c, so no sanitizer.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace pointsman::testing {

struct FailOptions {
  int error_number = 5;  // EIO
  long first = 1;
  long step = 1;        // 1: every call
  long runs_max = 0;    // 0: to exhaustion
  bool progress = false;
};

struct FailReport {
  long runs = 0;
  long last = 0;             // number of the last call that failed
  bool exhausted = false;    // a run met no call any more
  std::uint64_t acknowledged = 0;
  std::map<int, long> exits;  // code -> how often
  std::string fault;          // the first; empty: none
  std::string Line() const;   // {"calls", "runs", "exhausted", "acknowledged", "exits", "sound"}
};

FailReport RunFailLoop(const FailOptions& options);

}  // namespace pointsman::testing
