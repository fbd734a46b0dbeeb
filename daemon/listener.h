// The route socket: accepts peers and hands them to io loops.
//
//   auto transport = Transport::Start({.socket_path = "/run/pointsman/route.sock"}, dispatcher, clock);
//   if (!transport.ok()) ...            // says what to do
//   ...
//   transport.value()->Stop(5000);      // drain, close, join, remove the socket
//
// Threads: Start and Stop from one thread; statistics() from any. Each of the
// `loops` io threads owns the connections handed to it; a request stays there.
// Lifetime: dispatcher and clock outlive the Transport. LateReply handles may
// outlive it: they then go nowhere.
//
// Socket path: the rules of base/unix_listener.h.
//
// SIGPIPE is never raised: all writes use MSG_NOSIGNAL.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "daemon/dispatch.h"
#include "daemon/peer.h"

namespace pointsman::daemon {

struct TransportOptions {
  std::string socket_path;      // at most 107 bytes
  unsigned socket_mode = 0660;  // permission bits of the socket file
  std::string socket_group;     // name of its group; empty: unchanged
  int inherited_fd = -1;        // a listening socket from systemd, instead of making one
  std::size_t loops = 0;        // io threads; 0: one per core
  int backlog = 512;
  PeerRules peers;

  std::uint32_t payload_bytes_max = kFramePayloadBytesMax;  // of a request
  std::uint32_t reply_bytes_max = 4U << 20;                 // of a reply; a larger one becomes INTERNAL
  std::size_t output_bytes_max = 4U << 20;  // unsent replies of a connection; above: it is not read until half is gone
  std::size_t late_replies_max = 64;        // owed at once to one connection
  // Deadlines in milliseconds, kept to within one tick; 0: none.
  std::int64_t header_ms = 2'000;      // from a frame's first byte to its whole header
  std::int64_t frame_ms = 10'000;      // from a frame's first byte to its last
  std::int64_t output_ms = 5'000;      // for a full or closing connection to take its replies
  std::int64_t idle_ms = 0;            // without a frame and without a reply owed; none: a quota bounds pooled clients
  std::int64_t tick_ms = 250;          // how often deadlines are looked at
  std::int64_t accept_pause_ms = 100;  // when descriptors have run out
};

// Counters since the start, but for connections_open. Threads: any.
struct TransportStatistics {
  using Counter = std::atomic<std::uint64_t>;
  Counter connections_open{0};
  Counter accepted{0};
  Counter refused_identity{0};  // no identity
  Counter refused_uid{0};       // uid not allowed
  Counter refused_total{0};     // connections_max
  Counter refused_per_uid{0};   // connections_per_uid_max
  Counter refused_penalty{0};
  Counter accept_pauses{0};  // descriptors or memory ran out
  Counter frames_in{0};      // whole frames
  Counter replies{0};        // of any kind
  Counter errors{0};         // among them ErrorReply
  Counter bytes_in{0};
  Counter bytes_out{0};
  Counter bad_frames{0};  // frame boundary lost, or cut off by the end of the stream
  Counter unknown_kinds{0};
  Counter timeouts_frame{0};  // header or frame deadline
  Counter timeouts_idle{0};
  Counter timeouts_output{0};
  Counter output_overflow{0};     // times a connection's replies reached output_bytes_max
  Counter late_refused{0};        // late_replies_max
  Counter late_dropped{0};        // dropped unanswered, or an answer never given: our bug
  Counter replies_lost{0};        // the client had gone
  Counter handler_exceptions{0};  // our bug
};

class Transport {
 public:
  // Binds and serves. Errors (nothing is left behind but the lock file):
  //   INVALID_ARGUMENT     path empty or too long, unknown group, an option out of range
  //   FAILED_PRECONDITION  not_a_socket, symbolic_link, parent missing
  //   PERMISSION_DENIED    unsafe_directory, foreign_socket, or the kernel refuses
  //   BUSY                 socket_in_use: another daemon serves it; it is left alone
  //   RESOURCE_EXHAUSTED   no descriptor, memory or thread
  static Result<std::unique_ptr<Transport>> Start(const TransportOptions& options, Dispatcher& dispatcher,
                                                  const Clock& clock);
  // Stop(0) if it has not been called.
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Accepts nobody more, answers what was sent before the call, for at most
  // `deadline_ms`, then closes what is left and joins the threads. Repeating it
  // does nothing. Never call it from an io thread.
  void Stop(std::int64_t deadline_ms);

  const TransportStatistics& statistics() const;
  // The gate, for services that see an offence or ask for a role.
  PeerGate& peers();

 private:
  class Impl;
  explicit Transport(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pointsman::daemon
