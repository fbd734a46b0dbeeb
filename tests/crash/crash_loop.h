// The crash loop: a real daemon under load of 16 writers is killed again and
// again, and after each kill all that the clients were promised is looked up.
//
// After each kill, with the store closed:
//   - `export` against the clients' own list (Oracle): nothing lost, nothing
//     twice, nothing invented;
//   - `replay --verify` on the default and on the baseline instruction set: each
//     equal in itself, and both to the same state hash.
// After each restart, through the socket: what was in doubt is sent again and must
// be taken or known, acknowledged reports sent again must be known, and the
// daemon's state hash must be the replay's.
// At least `acknowledged_min` operations lie between two kills, or the loop fails.
#pragma once

#include <cstdint>
#include <string>

namespace pointsman::testing {

struct CrashOptions {
  int kills = 100;
  std::uint64_t seed = 1;
  std::uint64_t acknowledged_min = 200;
  int kills_per_store = 10;   // then a new one, so that the replay stays short
  std::string point;          // a fault point to die at; empty: random moments
  bool bootstraps = true;     // start one before every other kill
  bool startup_kills = true;  // now and then, also kill the restart itself
  bool progress = false;      // a line on stderr for each kill
};

struct CrashReport {
  int kills = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t lost = 0;
  std::uint64_t doubled = 0;
  bool replay_equal = true;
  // Not in the line, but told: all of them may be more than zero but `faults`.
  int startup_kills = 0;
  int hashes_compared_by_socket = 0;
  std::uint64_t sent_again = 0;
  std::uint64_t unlogged_routes = 0;  // answered, killed before the log had them; they were never promised
  std::uint32_t generations = 0;
  std::uint64_t acknowledged_least = 0;  // between two kills
  std::string fault;                     // the first thing that went wrong; empty: none
  bool Sound() const { return fault.empty() && lost == 0 && doubled == 0 && replay_equal; }
  std::string Line() const;  // the JSON line
};

// Runs until the end or the first fault.
CrashReport RunCrashLoop(const CrashOptions& options);

}  // namespace pointsman::testing
