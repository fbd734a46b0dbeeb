// The bootstrap job: a process of its own that reads a table, or buys one by the
// operator's plan (daemon/job_plan.h), and writes a bundle file. It never opens the
// store and never reads the configuration.
//
// Progress: one JSON object a line on stdout,
//   {"stage":"cluster","done":3,"total":10}
// with "cost_usd", "asked" and "reused" (answers) where a plan is carried out,
// and at the end {"stage":"done","done":1,"total":1,"message":"..."}. Errors: one
// line on stderr and the exit code of base/error.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pointsman::daemon {

struct JobOptions {
  std::string refit_path;            // rows of a re-fit (daemon/job_refit.h), with learner and base; or
  std::string learner = "r";         // r, dr
  std::string base = "ridge";        // ridge, forest
  std::string table_path;            // or
  std::string plan_path;             // with
  std::string work_directory;        // where the call logs of plans are, each in a folder of its name
  bool estimate = false;             // print what the plan would ask for, and end
  std::string labels = "consensus";  // consensus, scores
  std::string method = "shared";     // this and the next two: bootstrap/job/build_choices.h
  std::string filter = "none";
  std::string recogniser = "linear";
  std::uint32_t clusters_max = 32;
  std::uint64_t seed = 0;
  std::string embedder = "lsa";  // a new one: lsa; static:FILE; http:URL|MODEL|KEY_ENV
  std::string keep_embedder_of;  // bundle file; empty: the embedder is fitted anew
  std::string bridge_from;       // bundle file: its anchors get images in the new embedding
  std::string out_path;
  std::int64_t parent = 0;  // the job ends with this process; 0: alone
};

// Runs the job at idle priority; returns the exit code.
int RunJob(const JobOptions& options);

struct JobProgress {
  std::string stage;
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  std::string message;
  double cost_usd = 0;       // so far, with earlier runs of the plan
  std::uint64_t asked = 0;   // answers paid for in this run
  std::uint64_t reused = 0;  // answers found in the call log
};
std::string ProgressLine(const JobProgress& progress);
// Nothing for a line that is not one of ours.
std::optional<JobProgress> ParseProgressLine(std::string_view line);

}  // namespace pointsman::daemon
