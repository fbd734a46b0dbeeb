#include "daemon/dispatcher.h"

#include <memory>

#include "daemon/hex.h"
#include "daemon/version.h"
#include "wire.pb.h"

namespace pointsman::daemon {

ServiceDispatcher::ServiceDispatcher(ServiceContext& context, LearnerLoop& learner)
    : context_(context),
      learner_(learner),
      routes_(context),
      feedback_(context),
      votes_(context),
      started_nanos_(context.clock.MonotonicNanos()) {}

void ServiceDispatcher::Handle(const Peer& peer, const RequestFrame& request, ReplyChannel& reply) {
  context_.metrics.CountRequest(request.kind);
  switch (request.kind) {
    case FrameKind::kRoute: return routes_.HandleRoute(peer, request, reply);
    case FrameKind::kRouteBatch: return routes_.HandleBatch(peer, request, reply);
    case FrameKind::kOutcome: return feedback_.HandleOutcome(peer, request, reply);
    case FrameKind::kRate: return feedback_.HandleRate(peer, request, reply);
    case FrameKind::kPrefer: return feedback_.HandlePrefer(peer, request, reply);
    case FrameKind::kGold: return feedback_.HandleGold(peer, request, reply);
    case FrameKind::kRetract: return feedback_.HandleRetract(peer, request, reply);
    case FrameKind::kVote: return votes_.HandleVote(peer, request, reply);
    case FrameKind::kStatus: return HandleStatus(reply);
    case FrameKind::kPing: {
      thread_local wire::Ping ping;
      if (!ping.ParseFromArray(request.payload.data(), static_cast<int>(request.payload.size()))) {
        return Refuse(context_, Malformed("Ping"), reply);
      }
      return reply.Now(ping);
    }
    case FrameKind::kError: break;
  }
  Refuse(context_,
         MakeError(Code::kInvalidArgument, "unknown_kind",
                   "this kind of frame is not known; kinds 1 to 10 are (docs/WIRE.md)"),
         reply);
}

void ServiceDispatcher::HandleStatus(ReplyChannel& reply) {
  auto late = reply.Later();
  const double uptime = static_cast<double>(context_.clock.MonotonicNanos() - started_nanos_) * 1e-9;
  const Status asked = learner_.Inspect(true, [this, late, uptime](const policy::State& state, std::uint64_t hash) {
    const auto view = context_.cell.Load();
    const policy::Bundle& bundle = *view->snapshot->bundle;
    wire::StatusReply status;
    status.set_version(kVersion);
    status.set_generation(state.generation.value);
    status.set_bundle(state.bundle.IsZero() ? "" : Hex(state.bundle.bytes));
    const store::StoreStatistics log = context_.store.Statistics();
    status.set_last_sequence(log.last_seq.value);
    status.set_synced_sequence(log.synced_seq.value);
    status.set_learned_sequence(state.last_seq.value);
    status.set_state_hash(hash);
    status.set_models(static_cast<std::uint32_t>(view->snapshot->models.size()));
    status.set_clusters(static_cast<std::uint32_t>(bundle.cluster_count()));
    status.set_decisions(state.counters.decisions);
    status.set_outcomes(state.counters.outcomes);
    std::uint64_t ratings = 0;
    for (std::size_t c = 1; c < state.counters.feedback.size(); ++c) ratings += state.counters.feedback[c];
    status.set_ratings(ratings);
    status.set_gold(state.counters.feedback[0]);
    status.set_preferences(state.counters.preferences);
    status.set_frozen(state.frozen);
    status.set_embedder(bundle.embedder.kind);
    status.set_dimension(bundle.embedder.dimension);
    status.set_refused(context_.metrics.refused());
    status.set_uptime_seconds(uptime);
    late->Send(status);
  });
  if (asked.ok()) return;
  context_.metrics.CountRefused(asked.error().code);
  late->Fail(asked.error());
}

}  // namespace pointsman::daemon
