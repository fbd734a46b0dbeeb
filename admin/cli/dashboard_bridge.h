// A loopback port in front of the admin socket, for a browser.
//
// The link that is printed opens once: it trades its key for a cookie, and the key is
// void. Every other request needs the cookie and a Host header of this port; a
// change needs an Origin of it as well, so that no other page can make one. The peer
// that the daemon sees is the user who runs the bridge.
//
// Bounds     8 connections at once, 64 KiB of headers, 1 MiB of body, 10 s to send a
//            request. One request a connection.
// Threads    Start makes 8, which run until the process ends.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"

namespace pointsman::cli {

class DashboardBridge {
 public:
  // `port` 0: the system chooses. Errors: BUSY (port taken), UNAVAILABLE.
  static Result<std::unique_ptr<DashboardBridge>> Start(const std::string& admin_socket, std::uint16_t port);
  ~DashboardBridge();
  DashboardBridge(const DashboardBridge&) = delete;
  DashboardBridge& operator=(const DashboardBridge&) = delete;

  // http://127.0.0.1:PORT/open?key=...
  std::string Link() const;
  // Until all of its threads have ended, which only a fault makes them do.
  void Wait();

 private:
  struct Impl;
  explicit DashboardBridge(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pointsman::cli
