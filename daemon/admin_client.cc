// AdminPorts: requests of clients that come over HTTP. Each becomes the frame that a
// client of the route socket would have sent, so that both have one meaning.
#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "daemon/admin_ports.h"
#include "wire.pb.h"

namespace pointsman::daemon {
namespace {

constexpr std::chrono::seconds kAnswerLimit{10};

// What the services answered, now or later.
class Answer {
 public:
  void Put(const google::protobuf::MessageLite& message) {
    const std::lock_guard lock(mutex_);
    bytes_ = message.SerializeAsString();
    done_.notify_all();
  }
  void Put(const Error& error) {
    const std::lock_guard lock(mutex_);
    error_ = error;
    done_.notify_all();
  }
  void Dropped() {
    const std::lock_guard lock(mutex_);
    if (bytes_ || error_) return;
    error_ = MakeError(Code::kInternal, "no_reply", "the daemon gave no answer to this request; report this");
    done_.notify_all();
  }
  template <typename Message>
  Result<Message> Wait() {
    std::unique_lock lock(mutex_);
    if (!done_.wait_for(lock, kAnswerLimit, [this] { return bytes_ || error_; })) {
      return MakeError(Code::kDeadlineExceeded, "no_answer_in_time",
                       "the log did not answer within 10 s; the request may have been stored: repeat it as it was");
    }
    if (error_) return *error_;
    Message message;
    message.ParseFromString(*bytes_);
    return message;
  }

 private:
  std::mutex mutex_;
  std::condition_variable done_;
  std::optional<std::string> bytes_;
  std::optional<Error> error_;
};

class Channel final : public ReplyChannel {
 public:
  explicit Channel(std::shared_ptr<Answer> answer) : answer_(std::move(answer)) {}
  void Now(const google::protobuf::MessageLite& message) override { answer_->Put(message); }
  void Fail(const Error& error) override { answer_->Put(error); }
  std::shared_ptr<LateReply> Later() override {
    struct Late final : LateReply {
      explicit Late(std::shared_ptr<Answer> to) : answer(std::move(to)) {}
      ~Late() override { answer->Dropped(); }
      void Send(const google::protobuf::MessageLite& message) override { answer->Put(message); }
      void Fail(const Error& error) override { answer->Put(error); }
      std::shared_ptr<Answer> answer;
    };
    return std::make_shared<Late>(answer_);
  }

 private:
  std::shared_ptr<Answer> answer_;
};

Result<std::string> TokenBytesOf(const std::string& text) {
  const auto token = store::ParseTokenText(text);
  if (!token.ok()) return token.error();
  return std::string(token->begin(), token->end());
}

std::string TextOfToken(const std::string& bytes) {
  store::TokenBytes token{};
  std::copy_n(bytes.begin(), std::min(bytes.size(), token.size()), token.begin());
  return store::TokenText(token);
}

wire::Route WireOf(const admin::RouteAsk& ask) {
  wire::Route route;
  route.set_text(ask.text);
  route.mutable_embedding()->Add(ask.embedding.begin(), ask.embedding.end());
  route.set_preset(ask.preset);
  if (ask.weights) {
    route.mutable_weights()->set_quality(ask.weights->quality);
    route.mutable_weights()->set_cost(ask.weights->cost);
  }
  for (const std::string& name : ask.allowed) route.add_allowed(name);
  route.set_cost_cap_usd(ask.cost_cap_usd);
  route.set_quality_floor(ask.quality_floor);
  route.set_tokens_in(ask.tokens_in);
  route.set_no_explore(ask.no_explore);
  route.set_latency_cap_ms(ask.latency_cap_ms);
  route.set_incumbent(ask.incumbent);
  route.set_switch_cost(ask.switch_cost);
  route.set_observed(ask.observed);
  route.set_tenant(ask.tenant);
  route.set_explain(ask.explain);
  route.set_candidates_max(ask.candidates_max);
  return route;
}

std::vector<admin::RouteAnswer::Named> NamedOf(const google::protobuf::RepeatedPtrField<wire::NamedWeight>& list) {
  std::vector<admin::RouteAnswer::Named> out;
  for (const auto& item : list) out.push_back({item.number(), item.name(), item.weight()});
  return out;
}

admin::RouteAnswer AnswerOf(const wire::RouteReply& reply) {
  admin::RouteAnswer answer;
  answer.token = TextOfToken(reply.token());
  answer.model = reply.model();
  answer.model_epoch = reply.model_epoch();
  answer.propensity = reply.propensity();
  for (const auto& model : reply.ranked()) {
    answer.ranked.push_back({model.name(), model.quality(), model.quality_deviation(), model.cost_usd(),
                             model.utility(), model.probability()});
  }
  answer.gold_wanted = reply.gold_wanted();
  answer.gold_probability = reply.gold_probability();
  answer.audit = reply.audit();
  answer.forced = reply.forced();
  answer.observed = reply.observed();
  answer.advised = reply.advised();
  answer.followed = reply.followed();
  answer.generation = reply.generation();
  answer.durability = reply.durability();
  answer.clusters = NamedOf(reply.clusters());
  answer.tasks = NamedOf(reply.tasks());
  answer.expires_at_us = reply.expires_at_us();
  return answer;
}

Error ErrorOf(const wire::ErrorReply& reply) {
  const bool known = reply.code() <= static_cast<std::uint32_t>(Code::kInternal);
  return MakeError(known ? static_cast<Code>(reply.code()) : Code::kInternal, reply.reason(), reply.message());
}

Result<std::uint32_t> VerdictOf(const std::string& name) {
  if (name.empty()) return 0U;
  if (name == "too_weak") return 1U;
  if (name == "too_costly") return 2U;
  if (name == "failed") return 3U;
  return MakeError(Code::kInvalidArgument, "verdict", "verdict must be too_weak, too_costly or failed, or be left out");
}

}  // namespace

template <typename Reply, typename Request>
Result<Reply> AdminPorts::Ask(const admin::Caller& caller, FrameKind kind, const Request& request) {
  const bool feedback = kind != FrameKind::kRoute && kind != FrameKind::kRouteBatch && kind != FrameKind::kVote;
  PeerGate* const gate = context_.gate.load(std::memory_order_acquire);
  if (feedback && gate != nullptr && gate->Penalised(caller.uid)) {
    return MakeError(Code::kResourceExhausted, "penalised",
                     fmt::format("uid {} sent too many broken frames or forged tokens; repair the client", caller.uid));
  }
  auto answer = std::make_shared<Answer>();
  Channel channel(answer);
  const std::string payload = request.SerializeAsString();
  dispatcher_.Handle(Peer{caller.uid, 0, 1}, RequestFrame{kind, 1, payload}, channel);
  return answer->Wait<Reply>();
}

namespace {

Result<admin::Acknowledgement> AckOf(const Result<wire::Ack>& reply) {
  if (!reply.ok()) return reply.error();
  return admin::Acknowledgement{static_cast<Code>(reply->code()), reply->sequence(), reply->durability()};
}

}  // namespace

Result<admin::RouteAnswer> AdminPorts::Route(const admin::Caller& caller, const admin::RouteAsk& ask) {
  const auto reply = Ask<wire::RouteReply>(caller, FrameKind::kRoute, WireOf(ask));
  if (!reply.ok()) return reply.error();
  return AnswerOf(reply.value());
}

Result<std::vector<Result<admin::RouteAnswer>>> AdminPorts::RouteBatch(const admin::Caller& caller,
                                                                       const std::vector<admin::RouteAsk>& asks) {
  wire::RouteBatch batch;
  for (const admin::RouteAsk& ask : asks) *batch.add_routes() = WireOf(ask);
  const auto reply = Ask<wire::RouteBatchReply>(caller, FrameKind::kRouteBatch, batch);
  if (!reply.ok()) return reply.error();
  std::vector<Result<admin::RouteAnswer>> answers;
  for (const wire::RouteBatchItem& item : reply->items()) {
    if (item.has_error()) {
      answers.emplace_back(ErrorOf(item.error()));
    } else {
      answers.emplace_back(AnswerOf(item.reply()));
    }
  }
  return answers;
}

Result<admin::Acknowledgement> AdminPorts::ReportOutcome(const admin::Caller& caller, const admin::OutcomeAsk& ask) {
  auto token = TokenBytesOf(ask.token);
  if (!token.ok()) return token.error();
  const auto verdict = VerdictOf(ask.verdict);
  if (!verdict.ok()) return verdict.error();
  wire::Outcome outcome;
  outcome.set_token(std::move(token).value());
  outcome.set_tokens_in(ask.tokens_in);
  outcome.set_tokens_out(ask.tokens_out);
  outcome.set_latency_ms(ask.latency_ms);
  outcome.set_failed(ask.failed);
  outcome.set_verdict(verdict.value());
  if (ask.cost_usd) outcome.set_cost_usd(*ask.cost_usd);
  outcome.set_revision(ask.revision);
  outcome.set_tenant(ask.tenant);
  return AckOf(Ask<wire::Ack>(caller, FrameKind::kOutcome, outcome));
}

Result<admin::Acknowledgement> AdminPorts::GiveFeedback(const admin::Caller& caller, const admin::FeedbackAsk& ask) {
  auto token = TokenBytesOf(ask.token);
  if (!token.ok()) return token.error();
  if (ask.source == "gold") {
    if (!ask.subject.empty()) {
      return MakeError(Code::kInvalidArgument, "gold_subject", "gold has no subject: it is the operator's word");
    }
    wire::Gold gold;
    gold.set_token(std::move(token).value());
    gold.set_value(ask.value);
    gold.set_revision(ask.revision);
    gold.set_tenant(ask.tenant);
    return AckOf(Ask<wire::Ack>(caller, FrameKind::kGold, gold));
  }
  wire::Rate rate;
  rate.set_token(std::move(token).value());
  rate.set_source(ask.source);
  rate.set_value(ask.value);
  rate.set_subject(ask.subject);
  rate.set_revision(ask.revision);
  rate.set_tenant(ask.tenant);
  return AckOf(Ask<wire::Ack>(caller, FrameKind::kRate, rate));
}

Result<admin::Acknowledgement> AdminPorts::Prefer(const admin::Caller& caller, const admin::PreferenceAsk& ask) {
  auto winner = TokenBytesOf(ask.winner);
  if (!winner.ok()) return winner.error();
  auto loser = TokenBytesOf(ask.loser);
  if (!loser.ok()) return loser.error();
  wire::Prefer prefer;
  prefer.set_winner(std::move(winner).value());
  prefer.set_loser(std::move(loser).value());
  prefer.set_tie(ask.tie);
  prefer.set_source(ask.source);
  prefer.set_subject(ask.subject);
  prefer.set_revision(ask.revision);
  prefer.set_tenant(ask.tenant);
  return AckOf(Ask<wire::Ack>(caller, FrameKind::kPrefer, prefer));
}

Result<admin::Acknowledgement> AdminPorts::Retract(const admin::Caller& caller, const admin::RetractAsk& ask) {
  auto token = TokenBytesOf(ask.token);
  if (!token.ok()) return token.error();
  wire::Retract retract;
  retract.set_token(std::move(token).value());
  retract.set_source(ask.source);
  retract.set_subject(ask.subject);
  retract.set_revision(ask.revision);
  retract.set_tenant(ask.tenant);
  return AckOf(Ask<wire::Ack>(caller, FrameKind::kRetract, retract));
}

Result<admin::VoteAnswer> AdminPorts::Vote(const admin::Caller& caller, const admin::VoteAsk& ask) {
  auto token = TokenBytesOf(ask.token);
  if (!token.ok()) return token.error();
  wire::Vote vote;
  vote.set_token(std::move(token).value());
  vote.set_kind(ask.kind);
  vote.set_tenant(ask.tenant);
  for (const auto& answer : ask.answers) {
    wire::VoteAnswer* out = vote.add_answers();
    out->set_text(answer.text);
    out->set_model(answer.model);
    if (answer.confidence) out->set_confidence(*answer.confidence);
  }
  const auto reply = Ask<wire::VoteReply>(caller, FrameKind::kVote, vote);
  if (!reply.ok()) return reply.error();
  admin::VoteAnswer out{reply->chosen(), reply->answer(), reply->model(), reply->agreement(), reply->escalate(), {},
                        reply->kind()};
  for (const wire::VoteGroup& group : reply->groups()) {
    out.groups.emplace_back(group.answers().begin(), group.answers().end());
  }
  return out;
}

}  // namespace pointsman::daemon
