// A daemon of our own for a demonstration: its own temporary folder with store,
// sockets and configuration, a real `pointsmand` process beside this program.
//
// Threads: one. Lifetime: the destructor ends the process and removes the folder.
// The child also gets SIGTERM when this process dies.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "policy/world/bundle.h"
#include "policy/world/pool.h"

namespace pointsman::cli {

struct DemoModel {
  std::string name;
  policy::Price price;
};

struct DemoSetup {
  std::vector<DemoModel> models;
  std::vector<std::string> sources;
  double gold_rate = 0.02;
};

class DemoDaemon {
 public:
  // Makes the folder, writes bundle and configuration, starts the process and
  // waits until it says that it is ready. Sets the bundle's hash.
  // Errors: UNAVAILABLE with the last lines of the daemon's log.
  static Result<std::unique_ptr<DemoDaemon>> Start(const DemoSetup& setup, policy::Bundle& bundle, const Clock& clock);
  ~DemoDaemon();
  DemoDaemon(const DemoDaemon&) = delete;
  DemoDaemon& operator=(const DemoDaemon&) = delete;

  std::string route_socket() const { return folder_ + "/route.sock"; }
  std::string admin_socket() const { return folder_ + "/admin.sock"; }
  std::string store_directory() const { return folder_ + "/store"; }

  // SIGKILL, and wait until it is gone.
  void Kill();
  // SIGTERM, and wait. Errors: INTERNAL when it did not end with exit code 0.
  Status Terminate();
  // Starts it again on the same store. Errors as Start.
  Status Restart();

 private:
  explicit DemoDaemon(const Clock& clock) : clock_(clock) {}
  Status Spawn();
  Status WaitReady(int notify_fd);
  Error NotReady(const std::string& what) const;

  const Clock& clock_;
  std::string folder_;
  pid_t process_ = -1;
};

}  // namespace pointsman::cli
