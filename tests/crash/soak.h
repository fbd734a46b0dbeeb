// A daemon under a steady mixed load for minutes: memory, descriptors, invariants.
//
// Clients route and report at a fixed rate, reconnect now and then, an operator looks
// at the status, and a new generation is made every few minutes. At the end the
// clients' own list is held against an export, the state against a replay, and the
// store, the log and the metrics are searched for the text of the queries.
#pragma once

#include <cstdint>
#include <string>

namespace pointsman::testing {

struct SoakOptions {
  double minutes = 10;
  double warm_minutes = 10;  // not counted for the slope: until caches are full
  int routes_per_second = 100;
  double bootstrap_minutes = 5;  // between two generations; 0: none
  std::uint64_t seed = 1;
  bool progress = false;
};

struct SoakReport {
  double minutes = 0;
  std::uint64_t routes = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t lost = 0;
  std::uint64_t doubled = 0;
  bool replay_equal = false;
  std::uint32_t generations = 0;
  double memory_mb = 0;           // resident, at the end
  double memory_mb_per_hour = 0;  // least squares after the warm-up
  // The same without the memtables: they fill and are flushed every few minutes, and where
  // such a cycle begins and ends is most of the figure above.
  double settled_mb_per_hour = 0;
  std::int64_t descriptors_least = 0;
  std::int64_t descriptors_most = 0;  // after the warm-up, without table files
  std::int64_t table_files_least = 0;
  std::int64_t table_files_most = 0;  // that are open: they come and go with flushes and merges
  bool text_found = false;            // I6
  std::string fault;                  // the first thing that is not as it must be
  std::string Line() const;           // one JSON object
};

SoakReport RunSoak(const SoakOptions& options);

}  // namespace pointsman::testing
