// The job as a child process: started with its own pipes and default signals, read
// line by line, ended when asked.
//
// Threads: the caller's, until the process has ended; `cancel` is set from any other.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace pointsman::daemon {

struct JobProcessOptions {
  std::string program;
  int kill_after_ms = 3000;  // from SIGTERM to SIGKILL
};

// Runs `program` with `arguments` (the first is its name) and gives each line of its
// stdout, cut at 1 MiB, to `take`.
// Errors: UNAVAILABLE job_start, cancelled; FAILED_PRECONDITION job_failed with the exit
// code and the last line of its stderr.
Status RunJobProcess(const JobProcessOptions& options, const Clock& clock, const std::vector<std::string>& arguments,
                     const std::atomic<bool>& cancel, const std::function<void(const std::string&)>& take);

}  // namespace pointsman::daemon
