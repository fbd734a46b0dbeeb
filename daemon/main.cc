// pointsmand: the command line is described in daemon/app.h.
#include "daemon/app.h"

namespace pointsman::daemon {
namespace {

struct Perform {
  int operator()(const RunAction& action) const { return RunDaemon(action.config_path); }
  int operator()(const CheckAction& action) const { return CheckConfig(action.config_path); }
  int operator()(const JobAction& action) const { return RunJob(action.options); }
  int operator()(const EndAction& action) const { return action.exit_code; }
};

}  // namespace
}  // namespace pointsman::daemon

int main(int argc, char** argv) {
  return std::visit(pointsman::daemon::Perform{}, pointsman::daemon::ParseCommandLine(argc, argv));
}
