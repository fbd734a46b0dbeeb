// Sockets that systemd listens on for us and hands over when it starts us
// (sd_listen_fds(3)): they exist before we do, and requests wait in them over a
// restart. Named by FileDescriptorName= in systemd/*.socket: route, api, admin, http.
//
// Threads: before any other thread exists.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pointsman::daemon {

class InheritedSockets {
 public:
  // From LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES; none where they are not for this
  // process. Takes the three out of the environment, so that children do not see them.
  // Errors: INVALID_ARGUMENT activation: a count or a name that makes no sense.
  static Result<InheritedSockets> FromEnvironment();

  // The descriptor named so, once; -1 where systemd has given none.
  int Take(std::string_view name);

 private:
  std::map<std::string, int, std::less<>> sockets_;
};

}  // namespace pointsman::daemon
