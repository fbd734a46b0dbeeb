// pointsmand: the command line is described in daemon/app.h.
#include <malloc.h>

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
  // Large pieces (a memtable's, a bundle's, a replay's) go back to the system when they are
  // freed. By itself malloc takes them from its heaps after the first one, where small
  // things that live on keep them.
  ::mallopt(M_MMAP_THRESHOLD, 256 << 10);
  return std::visit(pointsman::daemon::Perform{}, pointsman::daemon::ParseCommandLine(argc, argv));
}
