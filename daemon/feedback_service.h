// What comes back: kinds Outcome, Rate, Prefer, Gold, Retract.
//
// Order of checks (DESIGN 5): the token's MAC before any lookup, then range,
// source, authority. The report is committed with a sync and answered from the
// commit thread. Every answer is an Ack or a typed error; never silence.
//
// Errors: INVALID_ARGUMENT (message, token length), NOT_FOUND (forged or foreign
// token, unknown source with the list of known ones, unknown decision), EXPIRED,
// OUT_OF_RANGE, PERMISSION_DENIED gold_not_permitted, CONFLICT,
// FAILED_PRECONDITION decision_not_logged, RESOURCE_EXHAUSTED (queue full),
// UNAVAILABLE (disk full, shutting down).
//
// Threads: any io thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "daemon/dispatch.h"
#include "daemon/service_context.h"

namespace pointsman::daemon {

class FeedbackService {
 public:
  explicit FeedbackService(ServiceContext& context) : context_(context) {}

  void HandleOutcome(const Peer& peer, const RequestFrame& frame, ReplyChannel& reply);
  void HandleRate(const Peer& peer, const RequestFrame& frame, ReplyChannel& reply);
  void HandlePrefer(const Peer& peer, const RequestFrame& frame, ReplyChannel& reply);
  void HandleGold(const Peer& peer, const RequestFrame& frame, ReplyChannel& reply);
  void HandleRetract(const Peer& peer, const RequestFrame& frame, ReplyChannel& reply);

 private:
  // MAC, expiry, and that the decision reached the log.
  Result<DecisionId> OpenToken(const Peer& peer, const std::string& bytes, std::string_view tenant);
  // The channel of a rating source.
  Result<std::uint8_t> ChannelOf(std::string_view source) const;
  Status MayGiveGold(const Peer& peer) const;
  // Of a peer that may not rate for many: the peer itself, whatever it names.
  SubjectHash SubjectOf(const Peer& peer, std::string_view tenant, std::string_view subject) const;
  void Commit(const Peer& peer, store::Submission what, ReplyChannel& reply);

  ServiceContext& context_;
};

}  // namespace pointsman::daemon
