#include "admin/client_handlers.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "admin/client_json.h"
#include "admin/json.h"

namespace pointsman::admin {
namespace {

using nlohmann::json;

constexpr std::size_t kGoldQueueMax = 200;

template <typename T>
RouteReply ReplyWith(const Result<T>& result) {
  if (!result.ok()) return Refuse(result.error());
  return RouteReply{200, "application/json", Dump(ToJson(result.value())), ""};
}

}  // namespace

RouteReply PostRoute(Ports& ports, const RouteRequest& request) {
  const Result<RouteAsk> ask = ParseRoute(request.body);
  if (!ask.ok()) return Refuse(ask.error());
  return ReplyWith(ports.Route(request.caller, ask.value()));
}

RouteReply PostRouteBatch(Ports& ports, const RouteRequest& request) {
  const Result<std::vector<RouteAsk>> asks = ParseRouteBatch(request.body);
  if (!asks.ok()) return Refuse(asks.error());
  const auto answers = ports.RouteBatch(request.caller, asks.value());
  if (!answers.ok()) return Refuse(answers.error());
  json items = json::array();
  for (const Result<RouteAnswer>& answer : answers.value()) {
    if (answer.ok()) {
      items.push_back({{"reply", ToJson(answer.value())}});
    } else {
      items.push_back({{"error", ProblemJson(answer.error(), HttpStatus(answer.error().code))}});
    }
  }
  return RouteReply{200, "application/json", Dump({{"items", std::move(items)}}), ""};
}

RouteReply PostOutcome(Ports& ports, const RouteRequest& request) {
  const Result<OutcomeAsk> ask = ParseOutcome(request.body);
  if (!ask.ok()) return Refuse(ask.error());
  return ReplyWith(ports.ReportOutcome(request.caller, ask.value()));
}

RouteReply PostFeedback(Ports& ports, const RouteRequest& request) {
  const auto ask = ParseFeedback(request.body);
  if (!ask.ok()) return Refuse(ask.error());
  if (const auto* preference = std::get_if<PreferenceAsk>(&ask.value())) {
    return ReplyWith(ports.Prefer(request.caller, *preference));
  }
  return ReplyWith(ports.GiveFeedback(request.caller, std::get<FeedbackAsk>(ask.value())));
}

RouteReply PostRetract(Ports& ports, const RouteRequest& request) {
  const Result<RetractAsk> ask = ParseRetract(request.body);
  if (!ask.ok()) return Refuse(ask.error());
  return ReplyWith(ports.Retract(request.caller, ask.value()));
}

RouteReply PostVote(Ports& ports, const RouteRequest& request) {
  const Result<VoteAsk> ask = ParseVote(request.body);
  if (!ask.ok()) return Refuse(ask.error());
  return ReplyWith(ports.Vote(request.caller, ask.value()));
}

RouteReply GetGoldQueue(Ports& ports, const RouteRequest&) {
  const Result<std::vector<GoldTask>> queue = ports.GoldQueue(kGoldQueueMax);
  if (!queue.ok()) return Refuse(queue.error());
  json list = json::array();
  for (const GoldTask& task : queue.value()) list.push_back(ToJson(task));
  return RouteReply{200, "application/json", Dump({{"decisions", std::move(list)}}), ""};
}

RouteReply PostGold(Ports& ports, const RouteRequest& request) {
  const Result<GoldBody> body = ParseGold(request.body);
  if (!body.ok()) return Refuse(body.error());
  return ReplyWith(ports.GiveGold(request.caller, body->decision, body->value, body->revision));
}

RouteReply PostUndo(Ports& ports, const RouteRequest& request) {
  if (const Status body = ParseNothing(request.body); !body.ok()) return Refuse(body.error());
  return ReplyWith(ports.Undo(request.caller));
}

}  // namespace pointsman::admin
