// Re-fits of what rating sources are off by: on demand, and on a schedule.
//
// A re-fit reads the log on the calling thread, runs the job process for each source,
// and installs one BiasSurfaceInstalled per source that could be fitted. The fold reads
// all evidence anew with it, so a schedule waits until the reports have grown by a half.
// One at a time. A source that cannot be fitted (too few ratings), or whose fit is less sure
// than the prior of its bias (widths.source), is told and skipped.
//
// Threads: Refit from any but the commit, learner and io threads; the schedule has its own.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "admin/ports.h"
#include "base/clock.h"
#include "base/result.h"
#include "bootstrap/fit/bias_refit.h"
#include "daemon/mutations.h"
#include "daemon/snapshot_cell.h"
#include "store/store.h"

namespace pointsman::daemon {

struct RefitterOptions {
  std::string program = "/proc/self/exe";
  std::string work_directory;  // made with mode 0700; emptied before each re-fit
  std::uint64_t every = 0;     // reports between scheduled re-fits; 0: none
  int look_ms = 5000;          // how often the schedule looks
};

class Refitter {
 public:
  // All must outlive it.
  Refitter(const RefitterOptions& options, const Clock& clock, const store::Store& store, SnapshotCell& cell,
           Mutations& mutations);
  ~Refitter();  // Stop
  Refitter(const Refitter&) = delete;
  Refitter& operator=(const Refitter&) = delete;

  // Errors: INVALID_ARGUMENT learner, base; BUSY refit_running; FAILED_PRECONDITION
  // no_generation, no_sources, generation_changed; UNAVAILABLE; DATA_LOSS of the log.
  Result<admin::RefitReport> Refit(const Actor& actor, const admin::RefitRequest& request);
  // Ends the schedule and a running job. Idempotent.
  void Stop();

 private:
  struct Inputs;
  Status RefitSource(const Actor& actor, const admin::RefitRequest& request, const Inputs& inputs, std::uint8_t channel,
                     admin::RefitReport::Source* report);
  Status RunJob(const admin::RefitRequest& request, const std::string& rows_path, bootstrap::Refit* refit);
  void Watch();

  const RefitterOptions options_;
  const Clock& clock_;
  const store::Store& store_;
  SnapshotCell& cell_;
  Mutations& mutations_;
  std::mutex running_;
  std::atomic<bool> cancel_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::thread thread_;
};

}  // namespace pointsman::daemon
