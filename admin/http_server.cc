#include "admin/http_server.h"

#include <httplib.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "admin/http_stream.h"
#include "admin/idempotency.h"
#include "base/clock.h"
#include "base/descriptor.h"
#include "base/log.h"
#include "base/this_thread.h"
#include "base/unix_listener.h"

namespace pointsman::admin {
namespace {

constexpr uid_t kOverflowUid = 65534;
constexpr int kAcceptBackoffMillis = 100;
constexpr int kBacklog = 64;
constexpr char kIdempotencyKey[] = "Idempotency-Key";

// What the library reads and writes through. The peer's uid stands where it
// expects the remote address, and so reaches the handlers as req.remote_addr.
class LibraryStream final : public httplib::Stream {
 public:
  LibraryStream(LimitedStream& stream, const ucred& peer) : stream_(stream), peer_(peer) {}
  bool is_readable() const override { return stream_.fault() == LimitedStream::Fault::kNone; }
  bool is_writable() const override { return true; }
  ssize_t read(char* out, size_t size) override { return stream_.Read(out, size); }
  ssize_t write(const char* data, size_t size) override { return stream_.Write(data, size); }
  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    ip = std::to_string(peer_.uid);
    port = peer_.pid;
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override {
    ip.clear();
    port = 0;
  }
  // Not given away: the library would refuse descriptors above FD_SETSIZE.
  socket_t socket() const override { return -1; }

 private:
  LimitedStream& stream_;
  const ucred peer_;
};

// The connection that this worker serves now; the library's hooks have no other
// way to it.
thread_local const LimitedStream* serving = nullptr;

void Fill(const RouteReply& reply, httplib::Response& response) {
  response.status = reply.status;
  if (!reply.allow.empty()) response.set_header("Allow", reply.allow);
  if (reply.replayed) response.set_header("Idempotency-Replayed", "true");
  if (reply.status == 401) response.set_header("WWW-Authenticate", "Bearer");
  response.set_header("Cache-Control", "no-store");
  response.set_header("X-Content-Type-Options", "nosniff");
  if (reply.content_type.starts_with("text/html")) {
    response.set_header("Content-Security-Policy",
                        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src "
                        "'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    response.set_header("Referrer-Policy", "no-referrer");
  }
  response.set_content(reply.body, reply.content_type);
}

// The refusal of a body that must not be read, or nothing.
std::optional<RouteReply> RefuseBody(const httplib::Request& request, std::size_t body_bytes_max) {
  const auto bad = [](int status, const char* reason, std::string message) {
    const Code code = status == 413 ? Code::kOutOfRange : Code::kInvalidArgument;
    return Refuse(MakeError(code, reason, std::move(message)), status);
  };
  const bool chunked = request.has_header("Transfer-Encoding");
  const std::string length_text = request.get_header_value("Content-Length");
  if (request.method == "GET" || request.method == "HEAD") {
    return std::nullopt;  // a body that comes nevertheless is never read
  }
  if (request.has_header("Content-Encoding")) {
    return bad(415, "content_encoding", "compressed bodies are not taken; send plain JSON");
  }
  if (!chunked && !request.has_header("Content-Length")) {
    return bad(411, "length_required", "send Content-Length (0 for an empty body)");
  }
  if (chunked && request.has_header("Content-Length")) {
    return bad(400, "two_lengths", "send either Content-Length or Transfer-Encoding, not both");
  }
  std::uint64_t length = 1;
  if (!chunked) {
    const char* const end = length_text.data() + length_text.size();
    const auto [stop, error] = std::from_chars(length_text.data(), end, length);
    if (error == std::errc::result_out_of_range || (error == std::errc() && stop == end && length > body_bytes_max)) {
      return bad(413, "body_too_large", "a body has at most " + std::to_string(body_bytes_max) + " bytes");
    }
    if (error != std::errc() || stop != end) return bad(400, "content_length", "Content-Length must be a number");
  }
  const std::string type = request.get_header_value("Content-Type");
  if (length > 0 && type != "application/json" && !type.starts_with("application/json;")) {
    return bad(415, "content_type", "send Content-Type: application/json");
  }
  return std::nullopt;
}

// Equal, in a time that says nothing about where they differ.
bool SameSecret(std::string_view given, std::string_view secret) {
  unsigned char difference = given.size() == secret.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i) {
    difference |= static_cast<unsigned char>(given[i] ^ secret[i % secret.size()]);
  }
  return difference == 0;
}

// Whether a Host header names this machine, whatever the port.
bool NamesThisMachine(std::string_view host) {
  if (host.starts_with("[::1]")) return host.size() == 5 || host[5] == ':';
  const std::string_view name = host.substr(0, host.find(':'));
  return name == "localhost" || name == "127.0.0.1";
}

// What a loopback port asks of a request before anything else.
std::optional<RouteReply> RefuseStranger(const httplib::Request& request, std::string_view token) {
  if (!NamesThisMachine(request.get_header_value("Host"))) {
    return Refuse(MakeError(Code::kPermissionDenied, "foreign_host", "the Host header must name localhost"));
  }
  const std::string given = request.get_header_value("Authorization");
  constexpr std::string_view kScheme = "Bearer ";
  if (given.starts_with(kScheme) && SameSecret(std::string_view(given).substr(kScheme.size()), token)) {
    return std::nullopt;
  }
  return Refuse(MakeError(Code::kPermissionDenied, "bearer_token",
                          "send Authorization: Bearer TOKEN, as http.token_file of the configuration has it"),
                401);
}

// The answer where the library gave up before a handler ran.
RouteReply LibraryRefusal(int status, const StreamLimits& limits) {
  switch (serving == nullptr ? LimitedStream::Fault::kNone : serving->fault()) {
    case LimitedStream::Fault::kTooSlow:
      return Refuse(MakeError(Code::kDeadlineExceeded, "request_too_slow", "the request did not arrive in time"), 408);
    case LimitedStream::Fault::kHeadersTooLarge:
      return Refuse(MakeError(Code::kOutOfRange, "headers_too_large",
                              "headers have at most " + std::to_string(limits.header_bytes_max) + " bytes"),
                    431);
    case LimitedStream::Fault::kBodyTooLarge: break;
    case LimitedStream::Fault::kClosed:
    case LimitedStream::Fault::kNone:
      if (status == 414) {
        return Refuse(MakeError(Code::kOutOfRange, "uri_too_long", "the request line has at most 8192 bytes"), 414);
      }
      if (status != 413) {
        return Refuse(MakeError(Code::kInvalidArgument, "malformed_http", "the request is not well-formed HTTP/1.1"),
                      status);
      }
  }
  return Refuse(MakeError(Code::kOutOfRange, "body_too_large",
                          "a body has at most " + std::to_string(limits.body_bytes_max) + " bytes"),
                413);
}

std::string RawAnswer(int status, std::string_view title, const RouteReply& reply) {
  return "HTTP/1.1 " + std::to_string(status) + " " + std::string(title) + "\r\nContent-Type: " + reply.content_type +
         "\r\nContent-Length: " + std::to_string(reply.body.size()) + "\r\nConnection: close\r\n\r\n" + reply.body;
}

// The library's server, used for one thing only: from a stream to a response.
class Protocol final : public httplib::Server {
 public:
  Protocol(const HttpOptions& options, const StreamLimits& limits, Ports& ports, Role role)
      : limits_(limits),
        ports_(ports),
        role_(role),
        bearer_token_(options.bearer_token),
        admin_uids_(options.admin_uids.begin(), options.admin_uids.end()) {
    admin_uids_.insert(0);
    admin_uids_.insert(::geteuid());
    set_payload_max_length(limits.body_bytes_max);
    set_keep_alive_max_count(1);
    // Refuses what no row serves before a byte of the body is read.
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      return BeforeBody(request, response) ? HandlerResponse::Handled : HandlerResponse::Unhandled;
    });
    const Handler serve = [this](const httplib::Request& request, httplib::Response& response) {
      AfterBody(request, response);
    };
    Get("[\\s\\S]*", serve);
    Post("[\\s\\S]*", serve);
    set_error_handler(HandlerWithResponse([this](const httplib::Request&, httplib::Response& response) {
      if (response.body.empty()) Fill(LibraryRefusal(response.status, limits_), response);
      CountError(response.status);
      return HandlerResponse::Handled;
    }));
    set_exception_handler([](const httplib::Request&, httplib::Response& response, std::exception_ptr) {
      Fill(Refuse(MakeError(Code::kInternal, "handler_failed", "our bug: the request could not be handled")), response);
    });
  }

  // Serves one request; true when an answer was written.
  bool Process(LimitedStream& stream, const ucred& peer) {
    LibraryStream adapter(stream, peer);
    bool closed = false;
    return process_request(adapter, /*close_connection=*/true, closed, [&stream](httplib::Request& request) {
      stream.BeginBody();
      // Neither partial nor compressed answers: both let a small request cost much.
      request.ranges.clear();
      request.headers.erase("Accept-Encoding");
    });
  }

  // Counted before the answer goes out, so that who has the answer sees the count.
  void CountError(int status) {
    errors_.fetch_add(1, std::memory_order_relaxed);
    if (status == 408) timed_out_.fetch_add(1, std::memory_order_relaxed);
    if (status == 413 || status == 414 || status == 431) too_large_.fetch_add(1, std::memory_order_relaxed);
  }
  std::uint64_t errors() const { return errors_.load(std::memory_order_relaxed); }
  std::uint64_t timed_out() const { return timed_out_.load(std::memory_order_relaxed); }
  std::uint64_t too_large() const { return too_large_.load(std::memory_order_relaxed); }
  bool MayAdminister(uid_t uid) const { return role_ != Role::kAdmin || admin_uids_.count(uid) != 0; }

 private:
  bool BeforeBody(const httplib::Request& request, httplib::Response& response) {
    if (!bearer_token_.empty()) {
      if (const std::optional<RouteReply> refusal = RefuseStranger(request, bearer_token_)) {
        Fill(*refusal, response);
        return true;
      }
    }
    Matched matched = Match(Routes(), role_, request.method, request.path);
    if (matched.row == nullptr) {
      Fill(matched.refusal, response);
      return true;
    }
    if (const std::optional<RouteReply> refusal = RefuseBody(request, limits_.body_bytes_max)) {
      Fill(*refusal, response);
      return true;
    }
    return false;
  }

  void AfterBody(const httplib::Request& request, httplib::Response& response) {
    if (request.body.size() > limits_.body_bytes_max) {
      Fill(LibraryRefusal(413, limits_), response);
      return;
    }
    const Matched matched = Match(Routes(), role_, request.method, request.path);
    REQUIRE(matched.row != nullptr, "a row matched before the body and not after it");
    RouteRequest call;
    const std::string& uid = request.remote_addr;
    std::from_chars(uid.data(), uid.data() + uid.size(), call.caller.uid);
    call.capture = matched.capture;
    call.body = request.body;
    if (request.method != "POST" || !request.has_header(kIdempotencyKey)) {
      return Fill(Serve(*matched.row, ports_, call), response);
    }
    const std::string key = request.get_header_value(kIdempotencyKey);
    if (const auto known = repeats_.Begin(call.caller.uid, key, request.method, request.path, request.body)) {
      return Fill(*known, response);
    }
    const RouteReply reply = Serve(*matched.row, ports_, call);
    repeats_.Finish(call.caller.uid, key, reply);
    Fill(reply, response);
  }

  const StreamLimits limits_;
  Ports& ports_;
  const Role role_;
  const std::string bearer_token_;  // empty: a Unix socket
  IdempotencyMemory repeats_;
  std::set<uid_t> admin_uids_;
  std::atomic<std::uint64_t> errors_{0}, timed_out_{0}, too_large_{0};
};

Status CheckOptions(const HttpOptions& options) {
  const bool fine = options.connections_max >= 1 && options.connections_max <= 256 &&
                    options.header_bytes_max >= 1024 && options.body_bytes_max >= 1024 &&
                    options.header_timeout_ms > 0 && options.request_timeout_ms >= options.header_timeout_ms &&
                    options.response_timeout_ms > 0;
  if (options.loopback_port) {
    const std::string& token = options.bearer_token;
    const bool visible = std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 127; });
    if (token.size() < 16 || token.size() > 512 || !visible) {
      return MakeError(Code::kInvalidArgument, "bearer_token",
                       "a loopback port needs a bearer token of 16 to 512 visible characters; make one with: "
                       "openssl rand -hex 24");
    }
  }
  if (fine) return {};
  return MakeError(Code::kInvalidArgument, "http_options",
                   "HTTP limits are out of range: 1..256 connections, at least 1 KiB of headers and body, positive "
                   "times, and the whole request no shorter than its headers");
}

}  // namespace

struct HttpServer::Impl {
  Impl(const HttpOptions& options_in, Ports& ports, Role role)
      : options(options_in),
        limits{options_in.header_bytes_max, options_in.body_bytes_max, options_in.header_timeout_ms,
               options_in.request_timeout_ms, options_in.response_timeout_ms},
        protocol(options_in, limits, ports, role) {}
  ~Impl() {
    if (wake >= 0) ::close(wake);
  }

  Status Listen(Role role);
  void AcceptLoop();
  void Admit(int fd);
  void RefuseFull(int fd);
  void WorkLoop();
  void ServeOne(int fd);
  void ServeStream(LimitedStream& stream, const ucred& peer);
  void Stop();

  const HttpOptions options;
  const StreamLimits limits;
  SystemClock clock;
  Protocol protocol;
  std::optional<UnixListener> listener;
  Descriptor port_listener;  // instead of it
  int listening = -1;        // of either
  int wake = -1;             // eventfd: readable once stopping

  std::thread acceptor;
  std::vector<std::thread> workers;
  log::RateLimit accept_log{clock, 10'000};

  std::mutex mutex;  // guards the four below
  std::condition_variable arrived;
  std::deque<int> waiting;
  std::set<int> served;  // descriptors that workers hold now
  std::size_t open = 0;
  bool stopping = false;

  std::atomic<std::uint64_t> accepted{0}, refused_full{0}, refused_peer{0}, accept_failed{0};
};

void HttpServer::Impl::AcceptLoop() {
  for (;;) {
    std::array<pollfd, 2> entries{{{wake, POLLIN, 0}, {listening, POLLIN, 0}}};
    if (::poll(entries.data(), entries.size(), -1) < 0 && errno != EINTR) return;
    if (entries[0].revents != 0) return;
    if (entries[1].revents == 0) continue;
    const int fd = ::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
      Admit(fd);
      continue;
    }
    if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) continue;
    // Out of descriptors or memory: the connection stays pending, so wait a little.
    accept_failed.fetch_add(1, std::memory_order_relaxed);
    std::uint64_t held_back = 0;
    if (accept_log.Allow(&held_back)) {
      log::Warning("cannot accept at {}: {} ({} more)", options.socket_path, std::strerror(errno), held_back);
    }
    pollfd stop{wake, POLLIN, 0};
    ::poll(&stop, 1, kAcceptBackoffMillis);
  }
}

void HttpServer::Impl::Admit(int fd) {
  accepted.fetch_add(1, std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex);
    if (open < options.connections_max) {
      ++open;
      waiting.push_back(fd);
      arrived.notify_one();
      return;
    }
  }
  RefuseFull(fd);
}

void HttpServer::Impl::RefuseFull(int fd) {
  refused_full.fetch_add(1, std::memory_order_relaxed);
  protocol.CountError(503);
  const RouteReply reply = Refuse(
      MakeError(Code::kResourceExhausted, "too_many_connections", "all connections are taken; try again shortly"), 503);
  const std::string answer = RawAnswer(503, "Service Unavailable", reply);
  // One attempt: a fresh socket's buffer takes it whole, and this thread never waits.
  if (::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) {
    log::Debug("a refused client at {} has gone already", options.socket_path);
  }
  ::shutdown(fd, SHUT_WR);
  ::close(fd);
}

void HttpServer::Impl::WorkLoop() {
  for (;;) {
    int fd = -1;
    {
      std::unique_lock lock(mutex);
      arrived.wait(lock, [this] { return stopping || !waiting.empty(); });
      if (stopping) return;
      fd = waiting.front();
      waiting.pop_front();
      served.insert(fd);
    }
    ServeOne(fd);
  }
}

void HttpServer::Impl::ServeOne(int fd) {
  ucred peer{::getpid(), kTokenUid, 0};
  socklen_t size = sizeof(peer);
  const bool known = options.loopback_port || ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
  LimitedStream stream(fd, clock, limits);
  if (!known || peer.uid == kOverflowUid || peer.pid <= 0) peer.uid = kOverflowUid;
  try {
    ServeStream(stream, peer);
  } catch (const std::exception& caught) {
    protocol.CountError(500);
    log::Failure("a connection at {} failed: {}", options.socket_path, log::Escape(caught.what()));
  } catch (...) {
    protocol.CountError(500);
    log::Failure("a connection at {} failed with something that is no exception", options.socket_path);
  }
  serving = nullptr;
  // Out of the set before the descriptor is closed, so that Stop never touches
  // one that has been given to somebody else.
  const std::lock_guard lock(mutex);
  served.erase(fd);
  --open;
}

void HttpServer::Impl::ServeStream(LimitedStream& stream, const ucred& peer) {
  if (peer.uid == kOverflowUid || !protocol.MayAdminister(peer.uid)) {
    refused_peer.fetch_add(1, std::memory_order_relaxed);
    protocol.CountError(403);
    const RouteReply reply = Refuse(MakeError(Code::kPermissionDenied, "peer_not_permitted",
                                              "uid " + std::to_string(peer.uid) + " may not use this socket"));
    const std::string answer = RawAnswer(403, "Forbidden", reply);
    if (stream.Write(answer.data(), answer.size()) > 0) stream.Linger();
    return;
  }
  serving = &stream;
  if (!protocol.Process(stream, peer) && stream.fault() == LimitedStream::Fault::kTooSlow) {
    // Cut within the request line, where the library says nothing.
    protocol.CountError(408);
    if (!stream.received_anything()) return;
    const RouteReply reply = LibraryRefusal(408, limits);
    const std::string answer = RawAnswer(408, "Request Timeout", reply);
    if (stream.Write(answer.data(), answer.size()) < 0) return;
  }
  stream.Linger();
}

void HttpServer::Impl::Stop() {
  {
    const std::lock_guard lock(mutex);
    if (stopping) return;
    stopping = true;
    for (const int fd : served) ::shutdown(fd, SHUT_RD);
  }
  arrived.notify_all();
  const std::uint64_t one = 1;
  ENSURE(wake < 0 || ::write(wake, &one, sizeof(one)) == sizeof(one), "an eventfd takes one");
  if (acceptor.joinable()) acceptor.join();
  for (std::thread& worker : workers) {
    if (worker.joinable()) worker.join();
  }
  for (const int fd : waiting) ::close(fd);
  waiting.clear();
  listener.reset();
  port_listener = Descriptor();
}

// A listening socket on a port of 127.0.0.1.
Result<Descriptor> ListenOnLoopback(std::uint16_t port) {
  Descriptor listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listening.valid()) return MakeError(Code::kUnavailable, "socket_setup", std::strerror(errno));
  const int yes = 1;
  ::setsockopt(listening.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(listening.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(listening.get(), kBacklog) != 0) {
    const int number = errno;
    return MakeError(number == EADDRINUSE ? Code::kBusy : Code::kUnavailable, "socket_setup",
                     "cannot listen on port " + std::to_string(port) + " of 127.0.0.1: " + std::strerror(number));
  }
  return listening;
}

Status HttpServer::Impl::Listen(Role role) {
  if (options.loopback_port && options.inherited_fd < 0) {
    Result<Descriptor> made = ListenOnLoopback(*options.loopback_port);
    if (!made.ok()) return made.error();
    port_listener = std::move(made).value();
    listening = port_listener.get();
    return {};
  }
  UnixListenOptions listen{.path = options.socket_path,
                           .mode = options.mode.value_or(role == Role::kApi ? 0660 : 0600),
                           .group = options.group,
                           .backlog = kBacklog,
                           .inherited_fd = options.inherited_fd};
  Result<UnixListener> made = UnixListener::Open(listen);
  if (!made.ok()) return made.error();
  listener.emplace(std::move(made).value());
  listening = listener->fd();
  return {};
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() { Stop(); }

void HttpServer::Stop() { impl_->Stop(); }

Result<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpOptions& options, Ports& ports, Role role) {
  if (Status fine = CheckOptions(options); !fine.ok()) return fine.error();
  if (Status fine = CheckRoutes(Routes()); !fine.ok()) return fine.error();
  auto impl = std::make_unique<Impl>(options, ports, role);
  if (Status listening = impl->Listen(role); !listening.ok()) return listening.error();
  impl->wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (impl->wake < 0) return MakeError(Code::kUnavailable, "eventfd", std::strerror(errno));

  std::unique_ptr<HttpServer> server(new HttpServer(std::move(impl)));
  Impl& running = *server->impl_;
  try {
    for (std::size_t i = 0; i < options.connections_max; ++i) {
      running.workers.emplace_back([&running] {
        NameThisThread("http");
        running.WorkLoop();
      });
    }
    running.acceptor = std::thread([&running] {
      NameThisThread("http-accept");
      running.AcceptLoop();
    });
  } catch (const std::system_error& caught) {
    return MakeError(Code::kUnavailable, "threads", std::string("cannot start HTTP threads: ") + caught.what());
  }
  return server;
}

HttpStatistics HttpServer::Statistics() const {
  HttpStatistics out;
  out.accepted = impl_->accepted.load(std::memory_order_relaxed);
  out.refused_full = impl_->refused_full.load(std::memory_order_relaxed);
  out.refused_peer = impl_->refused_peer.load(std::memory_order_relaxed);
  out.timed_out = impl_->protocol.timed_out();
  out.too_large = impl_->protocol.too_large();
  out.accept_failed = impl_->accept_failed.load(std::memory_order_relaxed);
  out.answered_error = impl_->protocol.errors();
  return out;
}

std::uint16_t HttpServer::port() const {
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  if (!impl_->options.loopback_port) return 0;
  if (::getsockname(impl_->listening, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.sin_port);
}

}  // namespace pointsman::admin
