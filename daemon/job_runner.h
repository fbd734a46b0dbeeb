// The job runner: starts the bootstrap job as a process, watches it, and puts its
// bundle to use.
//
// One job at a time. A thread of the runner starts the process (so that the
// kernel's death signal is tied to a thread that lives as long as the job), reads
// its progress, waits for it, checks and stores the bundle, lets the gate judge it
// (daemon/job_gate.h; the verdict becomes a note in the log), and activates it when
// asked. A job that fails, is cancelled or refused leaves the live generation as it
// is, and behind it only the call log of its plan: run again, it goes on from there.
// A restart of the daemon ends the job; the new daemon reports state "none".
//
// Threads: any; Start and Cancel do not wait for the job.
#pragma once

#include <memory>
#include <string>

#include "admin/ports.h"
#include "base/clock.h"
#include "base/result.h"
#include "daemon/mutations.h"
#include "daemon/snapshot_cell.h"
#include "store/store.h"

namespace pointsman::daemon {

struct JobRunnerOptions {
  std::string program = "/proc/self/exe";  // run as: program job --table ...
  std::string work_directory;              // made with mode 0700; emptied before each job
  std::string plans_directory;             // call logs of plans: kept, so that nothing is paid twice
  int kill_after_ms = 3000;                // from SIGTERM to SIGKILL
};

class JobRunner {
 public:
  // All must outlive the runner.
  JobRunner(const JobRunnerOptions& options, const Clock& clock, const store::Store& store, SnapshotCell& cell,
            Mutations& mutations);
  ~JobRunner();  // cancels and joins
  JobRunner(const JobRunner&) = delete;
  JobRunner& operator=(const JobRunner&) = delete;

  // Errors: INVALID_ARGUMENT (path, labels, clusters), NOT_FOUND (table), BUSY
  // bootstrap_running, UNAVAILABLE (stopping).
  Result<admin::BootstrapReport> Start(std::uint32_t uid, const admin::BootstrapRequest& request);
  admin::BootstrapReport Report() const;
  // What a plan would ask for, as one JSON object; asks nobody, and waits for it.
  // Errors: INVALID_ARGUMENT or NOT_FOUND plan_path; FAILED_PRECONDITION job_failed
  // with all faults of the plan.
  Result<std::string> Estimate(const std::string& plan_path);
  // Errors: FAILED_PRECONDITION no_bootstrap.
  Result<admin::BootstrapReport> Cancel();
  // Cancels, waits, takes no more. Idempotent.
  void Stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pointsman::daemon
