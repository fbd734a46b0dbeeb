#include "daemon/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace pointsman::daemon {
namespace {

std::int64_t NumberOf(const char* text) {
  std::int64_t value = 0;
  if (text != nullptr) std::from_chars(text, text + std::strlen(text), value);
  return value;
}

}  // namespace

Notifier Notifier::FromEnvironment() {
  const char* path = std::getenv("NOTIFY_SOCKET");
  const char* watched = std::getenv("WATCHDOG_PID");
  const bool ours = watched == nullptr || NumberOf(watched) == getpid();
  const std::int64_t period = ours ? NumberOf(std::getenv("WATCHDOG_USEC")) : 0;
  return {path == nullptr ? "" : path, period > 0 ? period : 0};
}

bool Notifier::Send(std::string_view message) const {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path_.size() < 2 || socket_path_.size() >= sizeof(address.sun_path)) return false;
  std::memcpy(address.sun_path, socket_path_.data(), socket_path_.size());
  socklen_t length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_path_.size());
  if (socket_path_.front() == '@') {
    address.sun_path[0] = '\0';
  } else {
    ++length;  // the final zero
  }
  const int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return false;
  const ssize_t sent = sendto(descriptor, message.data(), message.size(), MSG_NOSIGNAL,
                              reinterpret_cast<const sockaddr*>(&address), length);
  close(descriptor);
  return sent == static_cast<ssize_t>(message.size());
}

}  // namespace pointsman::daemon
