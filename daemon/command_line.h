// The command line of pointsmand:
//
//   pointsmand [run] [--config FILE]     the daemon, in the foreground
//   pointsmand check [--config FILE]     every fault of the configuration
//   pointsmand job --table FILE --out FILE ...   one bootstrap (daemon/job.h)
//   pointsmand --version
#pragma once

#include <string>
#include <variant>

#include "daemon/job.h"

namespace pointsman::daemon {

struct RunAction { std::string config_path; };
struct CheckAction { std::string config_path; };
struct JobAction { JobOptions options; };
// Help, version or a usage fault: already printed.
struct EndAction { int exit_code = 0; };
using Action = std::variant<RunAction, CheckAction, JobAction, EndAction>;

Action ParseCommandLine(int argc, const char* const* argv);

}  // namespace pointsman::daemon
