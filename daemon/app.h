// The daemon's composition root: makes the parts, runs them, ends them in order.
//
// Start  configuration -> store -> checkpoint and tail folded -> commit thread ->
//        learner -> events of the configuration -> sockets -> READY=1
// Stop   (SIGTERM, SIGINT) STOPPING=1 -> no new connections -> sessions drained ->
//        commits drained -> last checkpoint -> HTTP -> store closed; exit 0. A second
//        signal ends the process at once, as safely as SIGKILL.
// SIGHUP reads the configuration again: new models and options become events; what
//        needs a restart is named in the log.
//
// Exit codes: 0; 65 data damaged; 70 our bug; 71 the system refused a resource;
// 74 input or output failed; 75 store locked or disk full; 77 not permitted;
// 78 configuration.
#pragma once

#include <string>
#include <variant>

#include "daemon/job.h"

namespace pointsman::daemon {

// Runs the daemon in the foreground until a signal; returns the exit code. Call it
// once, from the main thread, before any other thread exists.
int RunDaemon(const std::string& config_path);

// Prints every fault of the file, or that there is none. Returns 0 or 78.
int CheckConfig(const std::string& config_path);

// The command line:
//   pointsmand [run] [--config FILE]     the daemon, in the foreground
//   pointsmand check [--config FILE]     every fault of the configuration
//   pointsmand job --table FILE --out FILE ...   one bootstrap (daemon/job.h)
//   pointsmand --version
struct RunAction {
  std::string config_path;
};
struct CheckAction {
  std::string config_path;
};
struct JobAction {
  JobOptions options;
};
// Help, version or a usage fault: already printed.
struct EndAction {
  int exit_code = 0;
};
using Action = std::variant<RunAction, CheckAction, JobAction, EndAction>;

Action ParseCommandLine(int argc, const char* const* argv);

}  // namespace pointsman::daemon
