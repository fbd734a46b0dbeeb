#include "daemon/activation.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/log.h"

namespace pointsman::daemon {
namespace {

constexpr int kFirstDescriptor = 3;
constexpr int kSocketsMax = 16;
constexpr std::array<std::string_view, 4> kNames{"route", "api", "admin", "http"};

std::string TakeVariable(const char* name) {
  const char* value = std::getenv(name);
  std::string text = value == nullptr ? "" : value;
  ::unsetenv(name);
  return text;
}

bool Whole(const std::string& text, int* out) {
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return fault == std::errc() && end == text.data() + text.size();
}

}  // namespace

Result<InheritedSockets> InheritedSockets::FromEnvironment() {
  const std::string pid_text = TakeVariable("LISTEN_PID");
  const std::string count_text = TakeVariable("LISTEN_FDS");
  const std::string names = TakeVariable("LISTEN_FDNAMES");
  InheritedSockets inherited;
  int pid = 0;
  int count = 0;
  if (!Whole(pid_text, &pid) || pid != ::getpid()) return inherited;
  if (!Whole(count_text, &count) || count < 0 || count > kSocketsMax) {
    return MakeError(Code::kInvalidArgument, "activation", "LISTEN_FDS is no count of sockets");
  }
  std::size_t at = 0;
  for (int i = 0; i < count; ++i) {
    const std::size_t end = std::min(names.find(':', at), names.size());
    const std::string name = names.substr(std::min(at, names.size()), end - std::min(at, names.size()));
    at = end + 1;
    const bool known = std::find(kNames.begin(), kNames.end(), name) != kNames.end();
    if (!known || !inherited.sockets_.emplace(name, kFirstDescriptor + i).second) {
      return MakeError(Code::kInvalidArgument, "activation",
                       "a socket named '" + log::Escape(name) +
                           "' was handed over; FileDescriptorName must be route, api, admin or http, each once");
    }
  }
  return inherited;
}

int InheritedSockets::Take(std::string_view name) {
  const auto found = sockets_.find(name);
  if (found == sockets_.end()) return -1;
  const int descriptor = found->second;
  sockets_.erase(found);
  return descriptor;
}

}  // namespace pointsman::daemon
