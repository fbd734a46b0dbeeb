// The bootstrap job: a process of its own that reads a table and writes a bundle
// file. It never opens the store and never reads the configuration.
//
// Progress: one JSON object a line on stdout,
//   {"stage":"cluster","done":3,"total":10}
// and at the end {"stage":"done","done":1,"total":1,"message":"..."}. Errors: one
// line on stderr and the exit code of base/error.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pointsman::daemon {

struct JobOptions {
  std::string table_path;
  std::string labels = "consensus";  // consensus, scores
  std::uint32_t clusters_max = 32;
  std::uint64_t seed = 0;
  std::string keep_embedder_of;      // bundle file; empty: the embedder is fitted anew
  std::string out_path;
  std::int64_t parent = 0;           // the job ends with this process; 0: alone
};

// Runs the job at idle priority; returns the exit code.
int RunJob(const JobOptions& options);

struct JobProgress {
  std::string stage;
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  std::string message;
};
std::string ProgressLine(const JobProgress& progress);
// Nothing for a line that is not one of ours.
std::optional<JobProgress> ParseProgressLine(std::string_view line);

}  // namespace pointsman::daemon
