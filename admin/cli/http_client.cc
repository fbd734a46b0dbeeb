#include "admin/cli/http_client.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>

#include "base/unix_listener.h"

namespace pointsman::cli {
namespace {

constexpr std::size_t kAnswerBytesMax = 64U << 20;
constexpr std::string_view kTcp = "tcp:";

class Connection {
 public:
  Connection(const Clock& clock, int timeout_ms)
      : clock_(clock), deadline_nanos_(clock.MonotonicNanos() + timeout_ms * std::int64_t{1'000'000}) {}
  ~Connection() {
    if (fd_ >= 0) ::close(fd_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Status Open(const std::string& address) {
    return address.starts_with(kTcp) ? OpenTcp(address.substr(kTcp.size())) : OpenUnix(address);
  }

  Status OpenUnix(const std::string& path) {
    fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd_ < 0) return MakeError(Code::kUnavailable, "socket", std::strerror(errno));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return {};
    const int error = errno;
    const std::string message = "cannot reach the daemon at " + path + ": " + std::strerror(error);
    if (error == EACCES || error == EPERM) {
      return MakeError(Code::kPermissionDenied, "socket_permission", message + "; run as root or as the daemon's user");
    }
    return MakeError(Code::kUnavailable, "unreachable", message + "; is pointsmand running? (--admin-socket)");
  }

  // HOST:PORT, the host a name or a number, IPv6 in brackets.
  Status OpenTcp(const std::string& place) {
    const std::size_t colon = place.rfind(':');
    const std::string port = colon == std::string::npos ? "80" : place.substr(colon + 1);
    std::string host = place.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (const int failed = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found); failed != 0) {
      return MakeError(Code::kUnavailable, "unreachable", "cannot find " + place + ": " + ::gai_strerror(failed));
    }
    int error = 0;
    for (const addrinfo* one = found; one != nullptr && fd_ < 0; one = one->ai_next) {
      fd_ = ::socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, one->ai_protocol);
      if (fd_ < 0) continue;
      if (::connect(fd_, one->ai_addr, one->ai_addrlen) == 0) break;
      error = errno;
      ::close(fd_);
      fd_ = -1;
    }
    ::freeaddrinfo(found);
    if (fd_ >= 0) return {};
    return MakeError(Code::kUnavailable, "unreachable", "cannot reach " + place + ": " + std::strerror(error));
  }

  Status Send(std::string_view bytes) {
    while (!bytes.empty()) {
      if (Status ready = WaitFor(POLLOUT); !ready.ok()) return ready;
      const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count > 0) bytes.remove_prefix(static_cast<std::size_t>(count));
      // A server that refuses early stops reading; its answer is still to be read.
      if (count < 0 && errno != EAGAIN && errno != EINTR) return {};
    }
    return {};
  }

  Result<std::string> ReceiveAll() {
    std::string all;
    char block[16384];
    for (;;) {
      if (Status ready = WaitFor(POLLIN); !ready.ok()) return ready.error();
      const ssize_t count = ::recv(fd_, block, sizeof(block), MSG_DONTWAIT);
      if (count == 0) return all;
      if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
      if (count < 0) {
        return MakeError(Code::kUnavailable, "unreachable", "the daemon closed the connection; look at its log");
      }
      all.append(block, static_cast<std::size_t>(count));
      if (all.size() > kAnswerBytesMax) return MakeError(Code::kInternal, "answer_too_large", "an answer above 64 MiB");
    }
  }

 private:
  Status WaitFor(short events) {
    for (;;) {
      const std::int64_t left = deadline_nanos_ - clock_.MonotonicNanos();
      pollfd entry{fd_, events, 0};
      const int ready = left <= 0 ? 0 : ::poll(&entry, 1, static_cast<int>(left / 1'000'000) + 1);
      if (ready > 0) return {};
      if (ready == 0) {
        return MakeError(Code::kDeadlineExceeded, "no_answer", "the daemon did not answer in time; try again");
      }
      if (errno != EINTR) return MakeError(Code::kUnavailable, "poll", std::strerror(errno));
    }
  }

  const Clock& clock_;
  const std::int64_t deadline_nanos_;
  int fd_ = -1;
};

// The value of header `name` (lower case) within `headers`, without spaces around it.
std::string_view HeaderValue(std::string_view headers, std::string_view name) {
  while (!headers.empty()) {
    const std::size_t end = std::min(headers.find("\r\n"), headers.size());
    const std::string_view line = headers.substr(0, end);
    headers.remove_prefix(std::min(end + 2, headers.size()));
    const std::size_t colon = line.find(':');
    if (colon != name.size()) continue;
    const bool same = std::equal(name.begin(), name.end(), line.begin(), [](char wanted, char given) {
      return wanted == (given >= 'A' && given <= 'Z' ? static_cast<char>(given + 32) : given);
    });
    if (!same) continue;
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    return value;
  }
  return {};
}

Result<HttpAnswer> ParseAnswer(const std::string& all) {
  const Error broken = MakeError(Code::kInternal, "not_http", "the answer is not HTTP; is this our admin socket?");
  const std::size_t end = all.find("\r\n\r\n");
  if (end == std::string::npos || !all.starts_with("HTTP/1.") || all.size() < 12) return broken;
  HttpAnswer answer;
  const auto [stop, error] = std::from_chars(all.data() + 9, all.data() + 12, answer.status);
  if (error != std::errc() || stop != all.data() + 12) return broken;
  answer.body = all.substr(end + 4);
  const std::string_view length_text = HeaderValue(std::string_view(all).substr(0, end), "content-length");
  std::size_t length = 0;
  std::from_chars(length_text.data(), length_text.data() + length_text.size(), length);
  if (!length_text.empty() && answer.body.size() < length) {
    return MakeError(Code::kUnavailable, "unreachable", "the answer was cut off; is the daemon stopping?");
  }
  return answer;
}

}  // namespace

Result<HttpAnswer> HttpCall(const Clock& clock, const std::string& address, std::string_view method,
                            std::string_view path, std::string_view body, int timeout_ms) {
  if (address.empty() || (!address.starts_with(kTcp) && address.size() > kUnixPathBytesMax)) {
    return MakeError(Code::kInvalidArgument, "socket_path", "a socket path has 1 to 107 bytes");
  }
  Connection connection(clock, timeout_ms);
  if (Status opened = connection.Open(address); !opened.ok()) return opened.error();
  std::string request = std::string(method) + " " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n";
  if (method != "GET") {
    request += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  }
  request += "Connection: close\r\n\r\n" + std::string(body);
  if (Status sent = connection.Send(request); !sent.ok()) return sent.error();
  const Result<std::string> all = connection.ReceiveAll();
  if (!all.ok()) return all.error();
  return ParseAnswer(all.value());
}

std::string PathPart(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                            c == '.' || c == '_' || c == '~';
    if (unreserved) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

}  // namespace pointsman::cli
