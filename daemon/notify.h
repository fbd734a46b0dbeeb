// systemd's notification protocol, by hand: one datagram a message.
//
// NOTIFY_SOCKET names the socket (a leading @ means the abstract name space);
// without it every call does nothing. WATCHDOG_USEC is honoured when WATCHDOG_PID
// is ours or absent. These two variables are systemd's interface, not settings.
//
// Threads: any; nothing blocks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pointsman::daemon {

class Notifier {
 public:
  // Reads the variables once, at start.
  static Notifier FromEnvironment();
  Notifier(std::string socket_path, std::int64_t watchdog_us)
      : socket_path_(std::move(socket_path)), watchdog_us_(watchdog_us) {}

  // "READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=...". False when it was not sent.
  bool Send(std::string_view message) const;
  // The watchdog's period in microseconds; 0: none.
  std::int64_t watchdog_us() const { return watchdog_us_; }

 private:
  std::string socket_path_;
  std::int64_t watchdog_us_;
};

}  // namespace pointsman::daemon
