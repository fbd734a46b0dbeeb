// From a frame's kind to its service; Status and Ping are answered here.
//
// Threads: Handle on any io thread.
#pragma once

#include "daemon/dispatch.h"
#include "daemon/feedback_service.h"
#include "daemon/learner_loop.h"
#include "daemon/route_service.h"
#include "daemon/vote_service.h"

namespace pointsman::daemon {

class ServiceDispatcher final : public Dispatcher {
 public:
  // Both outlive the dispatcher and every reply that is owed.
  ServiceDispatcher(ServiceContext& context, LearnerLoop& learner);
  void Handle(const Peer& peer, const RequestFrame& request, ReplyChannel& reply) override;
  // No reply is owed by a thread of the dispatcher's afterwards. Before the transport and
  // the commit queue go.
  void Stop() { routes_.Stop(); }

 private:
  // Answered from the learner thread: the state's hash is its to compute.
  void HandleStatus(ReplyChannel& reply);

  ServiceContext& context_;
  LearnerLoop& learner_;
  RouteService routes_;
  FeedbackService feedback_;
  VoteService votes_;
  const std::int64_t started_nanos_;
};

}  // namespace pointsman::daemon
