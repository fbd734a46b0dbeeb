// The watchdog: tells systemd that the daemon works, only while it does.
//
// Each third of the period a thread sends a Ping frame through the route socket,
// decides a query on the live snapshot and waits for the commit thread to take a
// turn. Only when all three work is WATCHDOG=1 sent; a stuck loop or a stalled disk
// is then seen by systemd, which restarts the daemon.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "daemon/notify.h"

namespace pointsman::daemon {

// A Ping frame through the socket and back, within `limit_ms`.
// Errors: UNAVAILABLE with the step that failed.
Status PingSocket(const std::string& path, int limit_ms);

class Watchdog {
 public:
  // Starts the thread when the notifier has a period. `check` may block; a stuck
  // one is the very thing that must not be reported as life.
  Watchdog(const Notifier& notifier, std::function<Status()> check);
  ~Watchdog();  // waits for a running check
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pointsman::daemon
