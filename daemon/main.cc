// pointsmand: see daemon/command_line.h.
#include "daemon/app.h"
#include "daemon/command_line.h"

namespace {

using namespace pointsman::daemon;  // NOLINT(google-build-using-namespace)

struct Perform {
  int operator()(const RunAction& action) const { return RunDaemon(action.config_path); }
  int operator()(const CheckAction& action) const { return CheckConfig(action.config_path); }
  int operator()(const JobAction& action) const { return RunJob(action.options); }
  int operator()(const EndAction& action) const { return action.exit_code; }
};

}  // namespace

int main(int argc, char** argv) { return std::visit(Perform{}, ParseCommandLine(argc, argv)); }
