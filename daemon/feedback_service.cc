#include "daemon/feedback_service.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "base/fault_point.h"
#include "base/log.h"
#include "store/subject_hash.h"
#include "wire.pb.h"

namespace pointsman::daemon {
namespace {

constexpr std::string_view kGold = "gold";
constexpr std::size_t kSubjectBytesMax = 1024;
constexpr double kLatencyMsMax = 1e9;

Status CheckUnit(double value) {
  if (value >= 0 && value <= 1) return {};
  return MakeError(Code::kOutOfRange, "value", fmt::format("the value is {}; it must be from 0 to 1", value));
}

Status CheckSubject(const std::string& subject) {
  if (subject.size() <= kSubjectBytesMax) return {};
  return MakeError(Code::kInvalidArgument, "subject_too_long",
                   fmt::format("the subject is {} bytes long; at most {} are taken", subject.size(), kSubjectBytesMax));
}

// For Metrics::NoteFeedback: 0 gold, 1 rating or preference, 2 outcome.
std::size_t KindOf(const store::Submission& what) {
  if (std::holds_alternative<policy::OutcomeReport>(what)) return 2;
  const auto* report = std::get_if<policy::FeedbackReport>(&what);
  return report != nullptr && report->channel == 0 ? 0 : 1;
}

template <typename Message>
bool Parse(const RequestFrame& frame, Message* message) {
  return message->ParseFromArray(frame.payload.data(), static_cast<int>(frame.payload.size()));
}

Result<policy::OutcomeReport> ReportOf(const wire::Outcome& request) {
  policy::OutcomeReport report;
  if (!(request.latency_ms() >= 0 && request.latency_ms() <= kLatencyMsMax)) {
    return MakeError(Code::kOutOfRange, "latency_ms", "latency_ms must be a finite number >= 0");
  }
  if (request.has_cost_usd() && !(request.cost_usd() >= 0 && std::isfinite(request.cost_usd()))) {
    return MakeError(Code::kOutOfRange, "cost_usd", "cost_usd must be a finite number >= 0");
  }
  if (request.verdict() > static_cast<std::uint32_t>(policy::Verdict::kFailed)) {
    return MakeError(Code::kOutOfRange, "verdict", "verdict must be 0 none, 1 too weak, 2 too costly or 3 failed");
  }
  report.tokens_in = request.tokens_in();
  report.tokens_out = request.tokens_out();
  report.latency_ms = request.latency_ms();
  report.failed = request.failed();
  report.verdict = static_cast<policy::Verdict>(request.verdict());
  if (request.has_cost_usd()) report.cost_usd = request.cost_usd();
  report.revision = request.revision();
  return report;
}

}  // namespace

Result<DecisionId> FeedbackService::OpenToken(const Peer& peer, const std::string& bytes, std::string_view tenant) {
  const auto opened = daemon::OpenToken(context_, peer, bytes, tenant);
  if (!opened.ok()) context_.metrics.CountFeedbackLost(opened.error().code);
  if (opened.ok() && context_.not_logged.Contains(opened.value())) {
    return MakeError(
        Code::kFailedPrecondition, "decision_not_logged",
        "this decision could not be written (queue or disk full) and is not in the log; its feedback cannot "
        "count");
  }
  return opened;
}

Result<std::uint8_t> FeedbackService::ChannelOf(std::string_view source) const {
  const auto view = context_.cell.Load();
  const auto& sources = view->snapshot->options.sources;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (sources[i] == source) return static_cast<std::uint8_t>(i + 1);
  }
  std::string known;
  for (const std::string& name : sources) known += (known.empty() ? "" : ", ") + name;
  return MakeError(Code::kNotFound, "unknown_source",
                   fmt::format("the rating source \"{}\" is not known; known are: {}. Add it to learning.sources",
                               log::Escape(source), known.empty() ? "none" : known));
}

Status FeedbackService::MayGiveGold(const Peer& peer) const {
  if (HoldsRole(context_.rules, peer.uid, Role::kGold)) return {};
  return MakeError(Code::kPermissionDenied, "gold_not_permitted",
                   fmt::format("uid {} may not give or retract gold; add it to sockets.gold_uids", peer.uid));
}

SubjectHash FeedbackService::SubjectOf(const Peer& peer, std::string_view tenant, std::string_view subject) const {
  if (!HoldsRole(context_.rules, peer.uid, Role::kSubjects)) {
    return store::HashSubject(context_.subject_key, "", fmt::format("uid {}", peer.uid));
  }
  const auto name = TenantOf(peer, tenant);
  return store::HashSubject(context_.subject_key, name.ok() ? name.value() : "", subject);
}

void FeedbackService::Commit(const Peer& peer, store::Submission what, ReplyChannel& reply) {
  FAULT_POINT("daemon.feedback.validated");
  const std::shared_ptr<LateReply> late = reply.Later();
  Metrics* metrics = &context_.metrics;
  const Clock* clock = &context_.clock;
  const std::size_t kind = KindOf(what);
  const Status submitted = context_.queue.Submit(
      {std::move(what), policy::Origin::kClient, peer.uid}, true,
      [late, metrics, clock, kind](const Result<store::Receipt>& outcome, store::Durability durability) {
        if (!outcome.ok()) {
          metrics->CountFeedbackLost(outcome.error().code);
          metrics->CountRefused(outcome.error().code);
          late->Fail(outcome.error());
          return;
        }
        metrics->NoteFeedback(kind, clock->WallMicros());
        FAULT_POINT("daemon.feedback.committed");
        wire::Ack ack;
        ack.set_code(static_cast<std::uint32_t>(outcome->code));
        ack.set_sequence(outcome->seq.value);
        ack.set_durability(static_cast<std::uint32_t>(durability));
        late->Send(ack);
      });
  if (submitted.ok()) return;
  metrics->CountRefused(submitted.error().code);
  late->Fail(submitted.error());
}

void FeedbackService::HandleOutcome(const Peer& peer, const RequestFrame& frame, ReplyChannel& reply) {
  thread_local wire::Outcome request;
  if (!Parse(frame, &request)) return Refuse(context_, Malformed("Outcome"), reply);
  const auto id = OpenToken(peer, request.token(), request.tenant());
  if (!id.ok()) return Refuse(context_, id.error(), reply);
  auto report = ReportOf(request);
  if (!report.ok()) return Refuse(context_, report.error(), reply);
  report->decision = id.value();
  report->tenant = request.tenant();
  Commit(peer, std::move(report).value(), reply);
}

void FeedbackService::HandleRate(const Peer& peer, const RequestFrame& frame, ReplyChannel& reply) {
  thread_local wire::Rate request;
  if (!Parse(frame, &request)) return Refuse(context_, Malformed("Rate"), reply);
  const auto id = OpenToken(peer, request.token(), request.tenant());
  if (!id.ok()) return Refuse(context_, id.error(), reply);
  for (const Status& checked : {CheckUnit(request.value()), CheckSubject(request.subject())}) {
    if (!checked.ok()) return Refuse(context_, checked.error(), reply);
  }
  const auto channel = ChannelOf(request.source());
  if (!channel.ok()) return Refuse(context_, channel.error(), reply);
  policy::FeedbackReport report;
  report.decision = id.value();
  report.channel = channel.value();
  report.subject = SubjectOf(peer, request.tenant(), request.subject());
  report.revision = request.revision();
  report.value = request.value();
  Commit(peer, report, reply);
}

void FeedbackService::HandlePrefer(const Peer& peer, const RequestFrame& frame, ReplyChannel& reply) {
  thread_local wire::Prefer request;
  if (!Parse(frame, &request)) return Refuse(context_, Malformed("Prefer"), reply);
  const auto winner = OpenToken(peer, request.winner(), request.tenant());
  if (!winner.ok()) return Refuse(context_, winner.error(), reply);
  const auto loser = OpenToken(peer, request.loser(), request.tenant());
  if (!loser.ok()) return Refuse(context_, loser.error(), reply);
  const Status subject = CheckSubject(request.subject());
  if (!subject.ok()) return Refuse(context_, subject.error(), reply);
  if (winner.value() == loser.value()) {
    return Refuse(
        context_,
        MakeError(Code::kInvalidArgument, "same_decision", "winner and loser are the same decision; send two tokens"),
        reply);
  }
  policy::PreferenceReport report;
  if (request.source() == kGold) {
    const Status permitted = MayGiveGold(peer);
    if (!permitted.ok()) return Refuse(context_, permitted.error(), reply);
    report.channel = 0;
  } else {
    const auto channel = ChannelOf(request.source());
    if (!channel.ok()) return Refuse(context_, channel.error(), reply);
    report.channel = channel.value();
  }
  report.winner = winner.value();
  report.loser = loser.value();
  report.outcome = request.tie() ? 0.5 : 1.0;
  report.subject = SubjectOf(peer, request.tenant(), request.subject());
  report.revision = request.revision();
  Commit(peer, report, reply);
}

void FeedbackService::HandleGold(const Peer& peer, const RequestFrame& frame, ReplyChannel& reply) {
  thread_local wire::Gold request;
  if (!Parse(frame, &request)) return Refuse(context_, Malformed("Gold"), reply);
  const auto id = OpenToken(peer, request.token(), request.tenant());
  if (!id.ok()) return Refuse(context_, id.error(), reply);
  for (const Status& checked : {CheckUnit(request.value()), MayGiveGold(peer)}) {
    if (!checked.ok()) return Refuse(context_, checked.error(), reply);
  }
  policy::FeedbackReport report;
  report.decision = id.value();
  report.channel = 0;
  report.revision = request.revision();
  report.value = request.value();
  Commit(peer, report, reply);
}

void FeedbackService::HandleRetract(const Peer& peer, const RequestFrame& frame, ReplyChannel& reply) {
  thread_local wire::Retract request;
  if (!Parse(frame, &request)) return Refuse(context_, Malformed("Retract"), reply);
  const auto id = OpenToken(peer, request.token(), request.tenant());
  if (!id.ok()) return Refuse(context_, id.error(), reply);
  const Status subject = CheckSubject(request.subject());
  if (!subject.ok()) return Refuse(context_, subject.error(), reply);
  policy::FeedbackReport report;
  report.decision = id.value();
  report.revision = request.revision();
  if (request.source() == kGold) {
    const Status permitted = MayGiveGold(peer);
    if (!permitted.ok()) return Refuse(context_, permitted.error(), reply);
  } else {
    const auto channel = ChannelOf(request.source());
    if (!channel.ok()) return Refuse(context_, channel.error(), reply);
    report.channel = channel.value();
    report.subject = SubjectOf(peer, request.tenant(), request.subject());
  }
  Commit(peer, report, reply);
}

}  // namespace pointsman::daemon
