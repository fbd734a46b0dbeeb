#include "admin/http_server.h"

#include <httplib.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

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
#include "base/clock.h"
#include "base/log.h"
#include "base/unix_listener.h"

namespace pointsman::admin {
namespace {

constexpr uid_t kOverflowUid = 65534;
constexpr int kAcceptBackoffMillis = 100;

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
  response.set_header("Cache-Control", "no-store");
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
      : limits_(limits), ports_(ports), role_(role), admin_uids_(options.admin_uids.begin(), options.admin_uids.end()) {
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
    Fill(Serve(*matched.row, ports_, call), response);
  }

  const StreamLimits limits_;
  Ports& ports_;
  const Role role_;
  std::set<uid_t> admin_uids_;
  std::atomic<std::uint64_t> errors_{0}, timed_out_{0}, too_large_{0};
};

Status CheckOptions(const HttpOptions& options) {
  const bool fine = options.connections_max >= 1 && options.connections_max <= 256 &&
                    options.header_bytes_max >= 1024 && options.body_bytes_max >= 1024 &&
                    options.header_timeout_ms > 0 && options.request_timeout_ms >= options.header_timeout_ms &&
                    options.response_timeout_ms > 0;
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
  int wake = -1;  // eventfd: readable once stopping

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
    std::array<pollfd, 2> entries{{{wake, POLLIN, 0}, {listener->fd(), POLLIN, 0}}};
    if (::poll(entries.data(), entries.size(), -1) < 0 && errno != EINTR) return;
    if (entries[0].revents != 0) return;
    if (entries[1].revents == 0) continue;
    const int fd = ::accept4(listener->fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
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
  ucred peer{};
  socklen_t size = sizeof(peer);
  const bool known = ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
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
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() { Stop(); }

void HttpServer::Stop() { impl_->Stop(); }

Result<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpOptions& options, Ports& ports, Role role) {
  if (Status fine = CheckOptions(options); !fine.ok()) return fine.error();
  if (Status fine = CheckRoutes(Routes()); !fine.ok()) return fine.error();
  auto impl = std::make_unique<Impl>(options, ports, role);
  UnixListenOptions listen{.path = options.socket_path,
                           .mode = options.mode.value_or(role == Role::kApi ? 0660 : 0600),
                           .group = options.group,
                           .backlog = 64};
  Result<UnixListener> listener = UnixListener::Open(listen);
  if (!listener.ok()) return listener.error();
  impl->listener.emplace(std::move(listener).value());
  impl->wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (impl->wake < 0) return MakeError(Code::kUnavailable, "eventfd", std::strerror(errno));

  std::unique_ptr<HttpServer> server(new HttpServer(std::move(impl)));
  Impl& running = *server->impl_;
  try {
    for (std::size_t i = 0; i < options.connections_max; ++i) {
      running.workers.emplace_back([&running] { running.WorkLoop(); });
    }
    running.acceptor = std::thread([&running] { running.AcceptLoop(); });
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

}  // namespace pointsman::admin
