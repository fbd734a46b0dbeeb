// Votes: kind Vote. Which answer do the models of one decision agree on?
//
// The decision's token must be the peer's own and alive, as for feedback. Answers
// are grouped by embed/answer_groups.h, texts by their n-grams. Nothing is logged or learnt, so a vote also
// works for a decision that never reached the log.
//
// Errors: INVALID_ARGUMENT (message, token length, number of answers, kind, a text
// too long), OUT_OF_RANGE confidence, NOT_FOUND forged_or_foreign, EXPIRED.
//
// Threads: any io thread. Bounded: 64 answers of 64 KiB, of which texts beyond
// 2 KiB are only compared for equality.
#pragma once

#include "daemon/dispatch.h"
#include "daemon/service_context.h"

namespace pointsman::daemon {

inline constexpr int kVoteAnswersMax = 64;
inline constexpr std::size_t kVoteTextBytesMax = 64U << 10;

class VoteService {
 public:
  explicit VoteService(ServiceContext& context) : context_(context) {}

  void HandleVote(const Peer& peer, const RequestFrame& frame, ReplyChannel& reply);

 private:
  ServiceContext& context_;
};

}  // namespace pointsman::daemon
