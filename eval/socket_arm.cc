#include "eval/socket_arm.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"

namespace pointsman::eval {

namespace {

Error FromFailure(const client::Failure& failure) {
  const bool known = failure.code > 0 && failure.code <= static_cast<std::uint32_t>(Code::kInternal);
  return MakeError(known ? static_cast<Code>(failure.code) : Code::kInternal, failure.reason, failure.message);
}

}  // namespace

SocketArm::SocketArm(const SocketArmOptions& options, client::Client client)
    : options_(options), client_(std::move(client)) {}
SocketArm::~SocketArm() = default;

Result<std::unique_ptr<SocketArm>> SocketArm::Connect(const SocketArmOptions& options) {
  client::Options connection;
  connection.socket_path = options.socket_path;
  connection.timeout_ms = options.timeout_ms;
  auto client = client::Client::Connect(connection);
  if (!client.ok()) return FromFailure(client.failure());
  return std::unique_ptr<SocketArm>(new SocketArm(options, std::move(*client)));
}

Result<ArmChoice> SocketArm::Route(const StreamItem& item) {
  wire::Route request;
  request.set_text(std::string(item.text));
  request.mutable_weights()->set_quality(options_.quality_weight);
  request.mutable_weights()->set_cost(1 - options_.quality_weight);
  auto reply = client_.Call(request);
  if (!reply.ok()) return FromFailure(reply.failure());
  const auto found = std::find(options_.models.begin(), options_.models.end(), reply->model());
  if (found == options_.models.end()) {
    return MakeError(Code::kNotFound, "unknown_model",
                     "the daemon chose " + reply->model() + ", which the table does not have");
  }
  ArmChoice choice;
  choice.model = static_cast<std::size_t>(found - options_.models.begin());
  choice.propensity = reply->propensity();
  choice.audit = reply->audit();
  choice.gold_wanted = reply->gold_wanted();
  choice.number = item.number;
  choice.token = reply->token();
  for (const wire::RankedModel& ranked : reply->ranked()) {
    if (ranked.name() == reply->model()) choice.predicted = ranked.quality();
  }
  return choice;
}

template <typename Message>
Status SocketArm::Send(const Message& message, Acknowledged item) {
  auto ack = client_.Call(message);
  if (!ack.ok()) return FromFailure(ack.failure());
  item.sequence = ack->sequence();
  item.durability = ack->durability();
  acknowledged_.push_back(std::move(item));
  return {};
}

Status SocketArm::Report(const ArmChoice& choice, const ArmFeedback& feedback) {
  wire::Outcome outcome;
  outcome.set_token(choice.token);
  if (std::isfinite(feedback.tokens_in)) outcome.set_tokens_in(static_cast<std::uint32_t>(feedback.tokens_in));
  if (std::isfinite(feedback.tokens_out)) outcome.set_tokens_out(static_cast<std::uint32_t>(feedback.tokens_out));
  if (std::isfinite(feedback.cost_usd)) outcome.set_cost_usd(feedback.cost_usd);
  Acknowledged item;
  item.token = choice.token;
  item.kind = Acknowledged::Kind::kOutcome;
  if (Status sent = Send(outcome, item); !sent.ok()) return sent;
  if (feedback.rating.has_value() && !options_.source.empty()) {
    wire::Rate rate;
    rate.set_token(choice.token);
    rate.set_source(options_.source);
    rate.set_value(*feedback.rating);
    item.kind = Acknowledged::Kind::kRating;
    item.value = *feedback.rating;
    if (Status sent = Send(rate, item); !sent.ok()) return sent;
  }
  if (feedback.gold.has_value()) {
    wire::Gold gold;
    gold.set_token(choice.token);
    gold.set_value(*feedback.gold);
    item.kind = Acknowledged::Kind::kGold;
    item.value = *feedback.gold;
    return Send(gold, item);
  }
  return {};
}

}  // namespace pointsman::eval
