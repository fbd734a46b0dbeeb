#include "admin/cli/dashboard_bridge.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/descriptor.h"

namespace pointsman::cli {
namespace {

constexpr std::size_t kWorkers = 8;
constexpr std::size_t kHeaderBytesMax = 64U << 10;
constexpr std::size_t kBodyBytesMax = 1U << 20;
constexpr timeval kPatience{10, 0};

// 24 random bytes in hexadecimal.
std::string Secret() {
  std::array<unsigned char, 24> bytes{};
  std::size_t got = 0;
  while (got < bytes.size()) {
    const ssize_t some = ::getrandom(bytes.data() + got, bytes.size() - got, 0);
    if (some > 0) got += static_cast<std::size_t>(some);
  }
  std::string out;
  for (const unsigned char byte : bytes) out += fmt::format("{:02x}", byte);
  return out;
}

bool Same(std::string_view a, std::string_view b) {
  unsigned char difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i % b.size()]);
  return difference == 0;
}

struct Request {
  std::string method;
  std::string target;
  std::string head;  // header lines, each after a CRLF
  std::string body;
  std::string Header(std::string_view name) const {
    for (std::size_t at = head.find("\r\n"); at != std::string::npos; at = head.find("\r\n", at + 2)) {
      const std::string_view line = std::string_view(head).substr(at + 2, head.find("\r\n", at + 2) - at - 2);
      if (line.size() <= name.size() || line[name.size()] != ':') continue;
      const bool same = std::equal(name.begin(), name.end(), line.begin(), [](char a, char b) {
        return (a | 0x20) == (b | 0x20);  // names of headers are letters and hyphens
      });
      if (!same) continue;
      const std::size_t start = line.find_first_not_of(' ', name.size() + 1);
      return start == std::string_view::npos ? "" : std::string(line.substr(start));
    }
    return "";
  }
};

bool SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

// Nothing: the browser went away, was too slow, or sent what no browser sends.
std::optional<Request> ReadRequest(int fd) {
  std::string text;
  std::array<char, 16384> buffer{};
  std::size_t end = std::string::npos;
  while ((end = text.find("\r\n\r\n")) == std::string::npos) {
    if (text.size() > kHeaderBytesMax) return std::nullopt;
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (got <= 0) return std::nullopt;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  Request request;
  const std::size_t line = text.find("\r\n");
  const std::size_t first = text.find(' ');
  const std::size_t second = text.find(' ', first + 1);
  if (first == std::string::npos || second == std::string::npos || second > line) return std::nullopt;
  request.method = text.substr(0, first);
  request.target = text.substr(first + 1, second - first - 1);
  request.head = text.substr(line, end - line);
  std::size_t length = 0;
  const std::string announced = request.Header("Content-Length");
  std::from_chars(announced.data(), announced.data() + announced.size(), length);
  if (length > kBodyBytesMax || !request.Header("Transfer-Encoding").empty()) return std::nullopt;
  request.body = text.substr(end + 4);
  while (request.body.size() < length) {
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (got <= 0) return std::nullopt;
    request.body.append(buffer.data(), static_cast<std::size_t>(got));
  }
  request.body.resize(length);
  return request;
}

void Answer(int fd, std::string_view status, std::string_view headers, std::string_view text) {
  SendAll(fd, fmt::format("HTTP/1.1 {}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n{}"
                          "Cache-Control: no-store\r\nConnection: close\r\n\r\n{}",
                          status, text.size(), headers, text));
}

}  // namespace

struct DashboardBridge::Impl {
  std::string admin_socket;
  Descriptor listening;
  std::uint16_t port = 0;
  std::string key = Secret();
  std::string session = Secret();
  std::atomic<bool> opened{false};
  std::vector<std::thread> workers;

  void Work();
  void Serve(int fd);
  void Open(int fd, std::string_view given);
  void Forward(int fd, const Request& request);
  bool OurHost(std::string_view host) const {
    return host == fmt::format("127.0.0.1:{}", port) || host == fmt::format("localhost:{}", port);
  }
};

void DashboardBridge::Impl::Work() {
  for (;;) {
    const Descriptor browser(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!browser.valid()) {
      if (errno == EINTR || errno == ECONNABORTED || errno == EMFILE) continue;
      return;
    }
    ::setsockopt(browser.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
    ::setsockopt(browser.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof(kPatience));
    Serve(browser.get());
    ::shutdown(browser.get(), SHUT_WR);
  }
}

void DashboardBridge::Impl::Serve(int fd) {
  const std::optional<Request> request = ReadRequest(fd);
  if (!request) return;
  if (!OurHost(request->Header("Host"))) {
    return Answer(fd, "403 Forbidden", "", "This port answers to 127.0.0.1 only.\n");
  }
  constexpr std::string_view kOpen = "/open?key=";
  if (request->method == "GET" && request->target.starts_with(kOpen)) {
    return Open(fd, std::string_view(request->target).substr(kOpen.size()));
  }
  if (request->Header("Cookie").find("pointsman=" + session) == std::string::npos) {
    return Answer(fd, "403 Forbidden", "", "Open the link that `pointsman dashboard` printed; it works once.\n");
  }
  const std::string origin = request->Header("Origin");
  if (request->method != "GET" && origin != "http://" + request->Header("Host")) {
    return Answer(fd, "403 Forbidden", "", "Another page may not change anything here.\n");
  }
  Forward(fd, *request);
}

void DashboardBridge::Impl::Open(int fd, std::string_view given) {
  if (!Same(given, key) || opened.exchange(true)) {
    return Answer(fd, "403 Forbidden", "",
                  "This link has been used or is wrong. Run `pointsman dashboard` again for a new one.\n");
  }
  Answer(fd, "303 See Other",
         fmt::format("Location: /\r\nSet-Cookie: pointsman={}; HttpOnly; SameSite=Strict; Path=/\r\n", session), "");
}

void DashboardBridge::Impl::Forward(int fd, const Request& request) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, admin_socket.data(), std::min(admin_socket.size(), sizeof(address.sun_path) - 1));
  const Descriptor daemon(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!daemon.valid() || ::connect(daemon.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return Answer(fd, "502 Bad Gateway", "", "The daemon does not answer.\n");
  }
  std::string head =
      fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", request.method, request.target);
  for (const char* name : {"Content-Type", "Idempotency-Key", "Accept"}) {
    const std::string value = request.Header(name);
    if (!value.empty()) head += fmt::format("{}: {}\r\n", name, value);
  }
  if (request.method != "GET") head += fmt::format("Content-Length: {}\r\n", request.body.size());
  if (!SendAll(daemon.get(), head + "\r\n" + request.body)) {
    return Answer(fd, "502 Bad Gateway", "", "The daemon does not answer.\n");
  }
  std::array<char, 65536> buffer{};
  bool any = false;
  for (;;) {
    const ssize_t got = ::recv(daemon.get(), buffer.data(), buffer.size(), 0);
    if (got <= 0) break;
    any = true;
    if (!SendAll(fd, {buffer.data(), static_cast<std::size_t>(got)})) return;
  }
  if (!any) Answer(fd, "502 Bad Gateway", "", "The daemon does not answer.\n");
}

DashboardBridge::DashboardBridge(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

DashboardBridge::~DashboardBridge() {
  ::shutdown(impl_->listening.get(), SHUT_RDWR);
  Wait();
}

Result<std::unique_ptr<DashboardBridge>> DashboardBridge::Start(const std::string& admin_socket, std::uint16_t port) {
  if (admin_socket.size() > 107) {
    return MakeError(Code::kInvalidArgument, "socket_path_too_long", "the path of the admin socket is too long");
  }
  auto impl = std::make_unique<Impl>();
  impl->admin_socket = admin_socket;
  impl->listening = Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (!impl->listening.valid() ||
      ::bind(impl->listening.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(impl->listening.get(), 64) != 0) {
    const int number = errno;
    return MakeError(number == EADDRINUSE ? Code::kBusy : Code::kUnavailable, "port",
                     fmt::format("cannot listen on port {} of 127.0.0.1: {}", port, std::strerror(number)));
  }
  socklen_t size = sizeof(address);
  if (::getsockname(impl->listening.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return MakeError(Code::kUnavailable, "port", std::strerror(errno));
  }
  impl->port = ntohs(address.sin_port);
  std::unique_ptr<DashboardBridge> bridge(new DashboardBridge(std::move(impl)));
  Impl& running = *bridge->impl_;
  for (std::size_t i = 0; i < kWorkers; ++i) running.workers.emplace_back([&running] { running.Work(); });
  return bridge;
}

std::string DashboardBridge::Link() const {
  return fmt::format("http://127.0.0.1:{}/open?key={}", impl_->port, impl_->key);
}

void DashboardBridge::Wait() {
  for (std::thread& worker : impl_->workers) {
    if (worker.joinable()) worker.join();
  }
}

}  // namespace pointsman::cli
