// The seam between transport (listener, session) and services (route, feedback).
//
// Threads: Handle runs on the io thread that owns the connection and must not
// block or throw. A reply is given at once through ReplyChannel::Now, or later
// from any thread through the handle that Later returns.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/error.h"
#include "daemon/frame.h"

namespace google::protobuf {
class MessageLite;
}

namespace pointsman::daemon {

// Who is at the other end: SO_PEERCRED, never a header. The overflow uid 65534
// and pid <= 0 are refused when the connection is accepted.
struct Peer {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
};

struct RequestFrame {
  FrameKind kind = FrameKind::kPing;
  std::uint64_t correlation = 0;
  std::string_view payload;  // valid during Handle only
};

// A reply that is still owed. Dropping it unanswered sends INTERNAL, so a client
// never waits for nothing. Threads: any; answer at most once. After the
// connection has gone an answer goes nowhere.
class LateReply {
 public:
  virtual ~LateReply() = default;
  virtual void Send(const google::protobuf::MessageLite& message) = 0;
  virtual void Fail(const Error& error) = 0;
};

// Threads: the io thread, during Handle.
class ReplyChannel {
 public:
  virtual ~ReplyChannel() = default;
  // Exactly one of these per request.
  virtual void Now(const google::protobuf::MessageLite& message) = 0;
  virtual void Fail(const Error& error) = 0;
  virtual std::shared_ptr<LateReply> Later() = 0;
};

// Turns one request into one reply; implemented by the services.
class Dispatcher {
 public:
  virtual ~Dispatcher() = default;
  virtual void Handle(const Peer& peer, const RequestFrame& request, ReplyChannel& reply) = 0;
};

}  // namespace pointsman::daemon
