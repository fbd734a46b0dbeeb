// HTTP over one Unix socket, or over one loopback port: the folder's only user of
// cpp-httplib.
//
// Identity   the peer's uid as the kernel reports it (SO_PEERCRED); no header can
//            change it. The overflow uid 65534 and a peer without a process are
//            refused, as on the route socket. On the admin socket only root, the
//            daemon's own user and `admin_uids` are served.
// Loopback   serves the rows of the API socket to whoever sends the bearer token.
//            All of them are one caller, kTokenUid. The Host header must name this
//            machine (a page that rebinds its name does not get in).
// Repeats    a POST with Idempotency-Key: admin/idempotency.h.
// Requests   one per connection ("Connection: close"): what follows the first
//            request on a connection is thrown away. Bodies only as
//            application/json, with a length or chunked, not compressed.
// Bounds     headers, body (also chunked), time for the headers, for the whole
//            request and for the answer, connections, threads. Beyond
//            connections_max a connection is answered 503 and counted.
// Threads    one that accepts and connections_max workers, so that a connection
//            that was taken never waits for a thread. No exception leaves them.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "admin/ports.h"
#include "admin/routes.h"
#include "base/result.h"

namespace pointsman::admin {

// Who comes through the loopback port: no user of the machine has this number.
inline constexpr std::uint32_t kTokenUid = 0xFFFFFFFE;

struct HttpOptions {
  std::string socket_path;
  // Instead of socket_path: a port of 127.0.0.1 (0: the system chooses).
  std::optional<std::uint16_t> loopback_port;
  std::string bearer_token;                  // of the loopback port; 16 to 512 visible characters
  int inherited_fd = -1;                     // a listening socket from systemd, instead of making one
  std::optional<mode_t> mode;                // none: 0660 for the API socket, 0600 for the admin socket
  std::optional<gid_t> group;                // owner group of the socket; none: the process's
  std::vector<uid_t> admin_uids;             // served on the admin socket besides root and our own user
  std::size_t connections_max = 16;          // 1..256; also the number of workers
  std::size_t header_bytes_max = 64U << 10;  // request line and headers; one line at most 8 KiB
  std::size_t body_bytes_max = 1U << 20;
  int header_timeout_ms = 2'000;     // from accept to the end of the headers
  int request_timeout_ms = 10'000;   // from accept to the end of the body
  int response_timeout_ms = 10'000;  // for the client to take the answer
};

struct HttpStatistics {
  std::uint64_t accepted = 0;
  std::uint64_t refused_full = 0;    // connections_max reached
  std::uint64_t refused_peer = 0;    // no usable identity, or not an administrator
  std::uint64_t timed_out = 0;       // too slow in sending
  std::uint64_t too_large = 0;       // headers or body
  std::uint64_t answered_error = 0;  // status 400 and above, all of the above included
  std::uint64_t accept_failed = 0;   // the system gave no connection (descriptors)
};

class HttpServer {
 public:
  // Binds, starts the threads, serves. `ports` must outlive the server.
  // Errors: those of UnixListener::Open; INVALID_ARGUMENT for options out of range
  // or a route table that breaks its rules; UNAVAILABLE when threads are refused.
  static Result<std::unique_ptr<HttpServer>> Start(const HttpOptions& options, Ports& ports, Role role);
  // Stop()s.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Takes no more connections, cuts those that still send, lets running handlers
  // answer, joins all threads and removes the socket. Idempotent; not from a handler.
  void Stop();

  // Threads: any.
  HttpStatistics Statistics() const;
  // Of the loopback port; 0 for a Unix socket.
  std::uint16_t port() const;

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pointsman::admin
