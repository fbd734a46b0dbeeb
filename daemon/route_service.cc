#include "daemon/route_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/fault_point.h"
#include "base/unit_draw.h"
#include "daemon/error_reply.h"
#include "policy/choice/decide.h"

namespace pointsman::daemon {
namespace {

constexpr std::uint32_t kExplainMax = 8;
constexpr std::uint32_t kCandidatesDefault = 8;
constexpr int kAllowedMax = 1000;
constexpr double kSwitchCostMax = 1000;

Result<policy::Weights> WeightsOf(const wire::Route& request, const policy::Weights& otherwise) {
  if (!request.preset().empty()) {
    if (request.has_weights()) {
      return MakeError(Code::kInvalidArgument, "preset_and_weights", "send either a preset or weights, not both");
    }
    return policy::PresetWeights(request.preset());
  }
  if (!request.has_weights()) return otherwise;
  const policy::Weights weights{request.weights().quality(), request.weights().cost()};
  const Status valid = policy::ValidateWeights(weights);
  if (!valid.ok()) return valid.error();
  return weights;
}

// What does not depend on the snapshot.
Result<policy::Query> QueryOf(const wire::Route& request, const policy::Weights& default_weights) {
  policy::Query query;
  const auto weights = WeightsOf(request, default_weights);
  if (!weights.ok()) return weights.error();
  query.weights = weights.value();
  if (!std::isfinite(request.cost_cap_usd()) || request.cost_cap_usd() < 0) {
    return MakeError(Code::kOutOfRange, "cost_cap", "cost_cap_usd must be a finite number >= 0; 0 means no cap");
  }
  if (!(request.quality_floor() >= 0 && request.quality_floor() <= 1)) {
    return MakeError(Code::kOutOfRange, "quality_floor", "quality_floor must be from 0 to 1");
  }
  if (request.allowed_size() > kAllowedMax) {
    return MakeError(Code::kInvalidArgument, "too_many_allowed",
                     fmt::format("{} names in allowed; at most {} are taken", request.allowed_size(), kAllowedMax));
  }
  query.cost_cap_usd = request.cost_cap_usd();
  query.quality_floor = request.quality_floor();
  if (!(request.switch_cost() >= 0 && request.switch_cost() <= kSwitchCostMax)) {
    return MakeError(Code::kOutOfRange, "switch_cost", "switch_cost must be from 0 to 1000 units of utility");
  }
  if (request.switch_cost() > 0 && request.incumbent().empty()) {
    return MakeError(Code::kInvalidArgument, "switch_without_incumbent",
                     "a switch_cost needs the incumbent: the model that answered this conversation so far");
  }
  if (!(request.latency_cap_ms() >= 0 && std::isfinite(request.latency_cap_ms()))) {
    return MakeError(Code::kOutOfRange, "latency_cap", "latency_cap_ms must be a finite number >= 0; 0 means no cap");
  }
  query.latency_cap_ms = request.latency_cap_ms();
  query.incumbent = request.incumbent();
  query.switch_cost = request.switch_cost();
  query.observed = request.observed();
  query.no_explore = request.no_explore();
  query.allowed.assign(request.allowed().begin(), request.allowed().end());
  query.tenant = request.tenant();
  query.tokens_in = request.tokens_in();
  if (query.tokens_in == 0 && !request.text().empty()) {
    query.tokens_in = static_cast<std::uint32_t>(request.text().size() / 4 + 1);
  }
  return query;
}

void FillRanked(const policy::Decision& decision, std::uint32_t wanted, wire::RouteReply* reply) {
  const std::size_t count = std::min<std::size_t>(decision.ranked.size(), wanted == 0 ? kCandidatesDefault : wanted);
  for (std::size_t i = 0; i < count; ++i) {
    const policy::Candidate& candidate = decision.ranked[i];
    wire::RankedModel* out = reply->add_ranked();
    out->set_name(candidate.name);
    out->set_quality(candidate.quality);
    out->set_quality_deviation(candidate.quality_deviation);
    out->set_cost_usd(candidate.cost_usd);
    out->set_utility(candidate.utility);
    out->set_probability(candidate.probability);
  }
}

void FillWhy(const policy::Bundle& bundle, const policy::Decision& decision, std::uint32_t wanted,
             wire::RouteReply* reply) {
  const std::size_t count = std::min(wanted, kExplainMax);
  if (count == 0) return;
  policy::ClusterWeights clusters = decision.membership.clusters;
  std::stable_sort(clusters.begin(), clusters.end(), [](const auto& a, const auto& b) { return a.weight > b.weight; });
  for (std::size_t i = 0; i < clusters.size() && i < count; ++i) {
    wire::NamedWeight* out = reply->add_clusters();
    const std::uint32_t number = clusters[i].cluster.value;
    out->set_number(number);
    out->set_name(number == 0 ? "background" : bundle.cluster_names[number - 1]);
    out->set_weight(clusters[i].weight);
  }
  for (std::size_t i = 0; i < decision.tasks.size() && i < count; ++i) {
    wire::NamedWeight* out = reply->add_tasks();
    out->set_number(decision.tasks[i].task);
    out->set_name(bundle.task_names[decision.tasks[i].task]);
    out->set_weight(decision.tasks[i].probability);
  }
}

// What the commit thread adds to a decision: its anchors, which the reply does not name
// and whose search costs as much as the choice.
store::Preparation AnchorsLater(const LiveView& view, std::span<const float> embedding,
                                policy::DecisionContext& context) {
  if (embedding.empty()) return nullptr;
  if (view.index == nullptr || view.index->bundle != view.snapshot->bundle) {
    policy::AddAnchors(*view.snapshot->bundle, embedding, context);
    return nullptr;
  }
  return [index = view.index, own = std::vector<float>(embedding.begin(), embedding.end())](store::Request& request) {
    policy::AddAnchors(*index, own, std::get<policy::DecisionMade>(request.what).context);
  };
}

}  // namespace

Status EmbeddingOf(const LiveView& view, const wire::Route& request, bool may_wait, std::vector<float>* vector) {
  vector->clear();
  const std::size_t dimension = view.snapshot->bundle->dimension();
  if (request.embedding_size() > 0) {
    if (!request.text().empty()) {
      return MakeError(Code::kInvalidArgument, "text_and_embedding", "send either text or an embedding, not both");
    }
    vector->assign(request.embedding().data(), request.embedding().data() + request.embedding_size());
    if (dimension == 0) {  // no bundle yet: every query lies in the background
      if (vector->size() > policy::kDimensionMax) {
        return MakeError(
            Code::kInvalidArgument, "bad_embedding",
            fmt::format("the embedding has {} numbers; at most {} are taken", vector->size(), policy::kDimensionMax));
      }
      const Status valid = policy::NormaliseEmbedding(*vector, vector->size());
      vector->clear();
      return valid;
    }
    return policy::NormaliseEmbedding(*vector, dimension);
  }
  const std::string& text = request.text();
  if (text.empty()) {
    return MakeError(Code::kInvalidArgument, "empty_query", "send the query's text or its embedding");
  }
  if (text.size() > kTextBytesMax) {
    return MakeError(Code::kInvalidArgument, "text_too_long",
                     fmt::format("the text is {} bytes long; at most {} are taken: send its beginning, or an embedding",
                                 text.size(), kTextBytesMax));
  }
  if (dimension == 0) return {};
  if (view.embedder == nullptr) {
    return MakeError(Code::kFailedPrecondition, "no_embedder",
                     "the live bundle's embedder cannot be used by this daemon; send an embedding, or activate "
                     "another generation");
  }
  auto embedded = may_wait ? view.embedder->Embed(text) : view.embedder->EmbedNow(text);
  if (!embedded.ok()) return embedded.error();
  *vector = std::move(embedded).value();
  return {};
}

Status RouteService::Route(const Peer& peer, const LiveView& view, const wire::Route& request, std::int64_t embed_until,
                           wire::RouteReply* reply) {
  reply->Clear();
  const auto tenant = TenantOf(peer, request.tenant());
  if (!tenant.ok()) return tenant.error();
  auto query = QueryOf(request, context_.default_weights);
  if (!query.ok()) return query.error();
  thread_local std::vector<float> embedding;
  const bool may_wait =
      view.embedder == nullptr || !view.embedder->waits() || context_.clock.MonotonicNanos() < embed_until;
  const Status embedded = EmbeddingOf(view, request, may_wait, &embedding);
  if (!embedded.ok()) return embedded;
  query->embedding = embedding;

  const policy::Snapshot& snapshot = *view.snapshot;
  const std::int64_t now_us = context_.clock.WallMicros();
  const std::int64_t expires_at_us = now_us + context_.decision_ttl_us;
  const store::TokenBytes token = context_.mint.Mint(peer.uid, tenant.value(), expires_at_us, snapshot.generation);
  std::memcpy(query->id.bytes.data(), token.data(), query->id.bytes.size());

  auto decision = policy::Decide(snapshot, query.value(), view.index.get());
  if (!decision.ok()) return decision.error();
  if (context_.planned_gold) {
    const std::lock_guard lock(planner_mutex_);
    policy::PlanGold(planner_, snapshot.options.gold_rate, query->weights.quality, policy::kLabelVariance,
                     UnitDraw(query->id, policy::kDrawGold), decision.value());
  }
  FAULT_POINT("daemon.route.decided");
  const policy::Candidate& chosen = decision->ranked[decision->chosen];

  store::Request logged{.what = policy::ToEventWithoutAnchors(snapshot, query.value(), decision.value(), now_us),
                        .origin = policy::Origin::kClient,
                        .actor_uid = peer.uid};
  auto& event = std::get<policy::DecisionMade>(logged.what);
  event.owner_uid = peer.uid;
  event.tenant = tenant.value();
  event.expires_at_us = expires_at_us;
  const Status submitted =
      context_.queue.Submit(std::move(logged), false, nullptr, AnchorsLater(view, query->embedding, event.context));
  if (!submitted.ok()) {
    context_.not_logged.Add(query->id);
    context_.metrics.CountNotLogged();
  }
  FAULT_POINT("daemon.route.submitted");
  if (decision->forced) context_.metrics.CountForced();

  reply->set_token(token.data(), token.size());
  reply->set_model(chosen.name);
  const policy::ModelView* model = snapshot.FindLive(chosen.name);
  reply->set_model_epoch(model == nullptr ? 0 : model->model.epoch);
  reply->set_propensity(decision->propensity);
  FillRanked(decision.value(), request.candidates_max(), reply);
  reply->set_gold_wanted(decision->gold_wanted);
  reply->set_gold_probability(decision->gold_probability);
  reply->set_audit(decision->audit);
  reply->set_forced(decision->forced);
  reply->set_observed(decision->observed);
  if (decision->observed) reply->set_advised(decision->ranked[decision->advised].name);
  reply->set_followed(decision->followed);
  reply->set_generation(snapshot.generation.value);
  // The commit thread writes it within about a millisecond; now it is in memory only.
  reply->set_durability(static_cast<std::uint32_t>(store::Durability::kNone));
  FillWhy(*snapshot.bundle, decision.value(), request.explain(), reply);
  reply->set_expires_at_us(expires_at_us);
  return {};
}

template <typename Request, typename Reply, typename Answer>
void RouteService::Serve(const Peer& peer, const Request& request, bool texts, ReplyChannel& channel, Reply* reply,
                         Answer answer) {
  const std::int64_t start = context_.clock.MonotonicNanos();
  const auto observe = [this, start] {
    if constexpr (!std::is_same_v<Reply, wire::RouteReply>) return;
    context_.metrics.ObserveRoute(static_cast<double>(context_.clock.MonotonicNanos() - start) * 1e-9);
  };
  auto view = context_.cell.Load();
  if (!texts || view->embedder == nullptr || !view->embedder->waits()) {
    const Status answered = answer(peer, *view, request, 0, reply);
    if (!answered.ok()) return Refuse(context_, answered.error(), channel);
    channel.Now(*reply);
    return observe();
  }
  const std::shared_ptr<LateReply> late = channel.Later();
  const auto work = [this, peer, view = std::move(view), request, late, observe, answer](std::int64_t embed_until) {
    Reply own;
    const Status answered = answer(peer, *view, request, embed_until, &own);
    if (!answered.ok()) {
      context_.metrics.CountRefused(answered.error().code);
      return late->Fail(answered.error());
    }
    late->Send(own);
    observe();
  };
  if (!pool_.Submit([work, until = start + kEmbedWaitNanos] { work(until); })) work(start);
}

void RouteService::HandleRoute(const Peer& peer, const RequestFrame& frame, ReplyChannel& reply) {
  thread_local wire::Route request;
  thread_local wire::RouteReply answer;
  if (!request.ParseFromArray(frame.payload.data(), static_cast<int>(frame.payload.size()))) {
    return Refuse(context_, Malformed("Route"), reply);
  }
  Serve(peer, request, !request.text().empty(), reply, &answer,
        [this](const Peer& who, const LiveView& view, const wire::Route& one, std::int64_t until,
               wire::RouteReply* out) { return Route(who, view, one, until, out); });
}

Status RouteService::AnswerBatch(const Peer& peer, const LiveView& view, const wire::RouteBatch& request,
                                 std::int64_t embed_until, wire::RouteBatchReply* reply) {
  reply->Clear();
  for (const wire::Route& one : request.routes()) {
    wire::RouteBatchItem* item = reply->add_items();
    const Status routed = Route(peer, view, one, embed_until, item->mutable_reply());
    if (routed.ok()) continue;
    context_.metrics.CountRefused(routed.error().code);
    item->clear_reply();
    FillErrorReply(routed.error(), item->mutable_error());
  }
  return {};
}

void RouteService::HandleBatch(const Peer& peer, const RequestFrame& frame, ReplyChannel& reply) {
  thread_local wire::RouteBatch request;
  thread_local wire::RouteBatchReply answer;
  if (!request.ParseFromArray(frame.payload.data(), static_cast<int>(frame.payload.size()))) {
    return Refuse(context_, Malformed("RouteBatch"), reply);
  }
  if (request.routes_size() == 0 || request.routes_size() > kBatchMax) {
    return Refuse(context_,
                  MakeError(Code::kInvalidArgument, "batch_size",
                            fmt::format("a batch of {} queries; send 1 to {}", request.routes_size(), kBatchMax)),
                  reply);
  }
  const bool texts = std::any_of(request.routes().begin(), request.routes().end(),
                                 [](const wire::Route& one) { return !one.text().empty(); });
  Serve(peer, request, texts, reply, &answer,
        [this](const Peer& who, const LiveView& view, const wire::RouteBatch& all, std::int64_t until,
               wire::RouteBatchReply* out) { return AnswerBatch(who, view, all, until, out); });
}

}  // namespace pointsman::daemon
