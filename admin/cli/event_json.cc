#include "admin/cli/event_json.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "admin/json.h"

namespace pointsman::cli {
namespace {

using namespace policy;  // NOLINT(google-build-using-namespace): one overload per payload type
using admin::Number64;
using nlohmann::json;

json Finite(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

template <typename T>
json Maybe(const std::optional<T>& value) {
  return value ? json(*value) : json(nullptr);
}

const char* OriginName(Origin origin) {
  switch (origin) {
    case Origin::kClient: return "client";
    case Origin::kOperator: return "operator";
    case Origin::kConfig: return "config";
    case Origin::kLearner: return "learner";
    case Origin::kStore: return "store";
  }
  return "unknown";
}

json PriceJson(const Price& price) {
  return {{"input_usd_per_million", Finite(price.input_usd_per_million)},
          {"output_usd_per_million", Finite(price.output_usd_per_million)}};
}

json ContextJson(const DecisionContext& context) {
  json clusters = json::array();
  for (const ClusterWeight& item : context.clusters) {
    clusters.push_back({{"cluster", item.cluster.value}, {"weight", Finite(item.weight)}});
  }
  json anchors = json::array();
  for (const AnchorWeight& item : context.anchors) {
    anchors.push_back({{"anchor", item.anchor}, {"weight", Finite(item.weight)}});
  }
  return {{"decision", HexBytes(context.decision.bytes)},
          {"model", context.model.value},
          {"generation", context.generation.value},
          {"bundle", HexBytes(context.bundle.bytes)},
          {"decided_at_us", context.decided_at_us},
          {"clusters", std::move(clusters)},
          {"anchors", std::move(anchors)},
          {"prior", Finite(context.prior)},
          {"prior_centred", Finite(context.prior_centred)},
          {"predicted_quality", Finite(context.predicted_quality)},
          {"predicted_variance", Finite(context.predicted_variance)},
          {"propensity", Finite(context.propensity)},
          {"audit", context.audit},
          {"gold_probability", Finite(context.gold_probability)}};
}

json ChannelsJson(const Channels& channels) {
  json out = json::array();
  for (const ChannelValue& item : channels) {
    out.push_back({{"channel", item.channel}, {"value", Finite(item.value)}, {"offset", Finite(item.offset)}});
  }
  return out;
}

json ToJson(const DecisionMade& event) {
  json candidates = json::array();
  for (const LoggedCandidate& item : event.candidates) {
    candidates.push_back({{"model", item.model.value},
                          {"probability", Finite(item.probability)},
                          {"quality", Finite(item.quality)},
                          {"cost_usd", Finite(item.cost_usd)},
                          {"utility", Finite(item.utility)}});
  }
  json tasks = json::array();
  for (const TaskProbability& item : event.tasks) {
    tasks.push_back({{"task", item.task}, {"probability", Finite(item.probability)}});
  }
  return {{"context", ContextJson(event.context)},
          {"weights", {{"quality", Finite(event.weights.quality)}, {"cost", Finite(event.weights.cost)}}},
          {"lambda", Finite(event.lambda)},
          {"tokens_in", event.tokens_in},
          {"gold_wanted", event.gold_wanted},
          {"forced", event.forced},
          {"no_explore", event.no_explore},
          {"observed", event.observed},
          {"advised", event.advised.value},
          {"incumbent", event.incumbent.value},
          {"followed", event.followed},
          {"router_share", Finite(event.router_share)},
          {"owner_uid", event.owner_uid},
          {"tenant", event.tenant},
          {"expires_at_us", event.expires_at_us},
          {"eligible", event.eligible},
          {"candidates", std::move(candidates)},
          {"tasks", std::move(tasks)}};
}

json ToJson(const OutcomeReported& event) {
  return {{"decision", HexBytes(event.decision.bytes)},
          {"model", event.model.value},
          {"decided_at_us", event.decided_at_us},
          {"tokens_in", event.tokens_in},
          {"tokens_out", event.tokens_out},
          {"latency_ms", Finite(event.latency_ms)},
          {"failed", event.failed},
          {"verdict", static_cast<int>(event.verdict)},
          {"cost_usd", Maybe(event.cost_usd)},
          {"revision", event.revision},
          {"replaced_tokens_out", Maybe(event.replaced_tokens_out)},
          {"replaced_failed", event.replaced_failed}};
}

json RowJson(const RowChanged& event) {
  json compared = json::array();
  for (const policy::SubjectSaid& said : event.compared) {
    compared.push_back(
        {{"channel", said.channel}, {"subject", admin::Hex64(said.subject.value)}, {"value", Finite(said.value)}});
  }
  return {{"context", ContextJson(event.context)},
          {"before", ChannelsJson(event.before)},
          {"after", ChannelsJson(event.after)},
          {"weight_before", Finite(event.weight_before)},
          {"weight_after", Finite(event.weight_after)},
          {"last_folded", Number64(event.last_folded.value)},
          {"channel", event.channel},
          {"subject", admin::Hex64(event.subject.value)},
          {"revision", event.revision},
          {"value", Finite(event.value)},
          {"arrival_weight", Finite(event.arrival_weight)},
          {"first_word", event.first_word},
          {"compared", std::move(compared)}};
}
json ToJson(const RatingGiven& event) { return RowJson(event); }
json ToJson(const GoldGiven& event) { return RowJson(event); }
json ToJson(const Retracted& event) { return RowJson(event); }

json ToJson(const PreferenceGiven& event) {
  return {{"winner", ContextJson(event.winner)},
          {"loser", ContextJson(event.loser)},
          {"outcome", Finite(event.outcome)},
          {"channel", event.channel},
          {"subject", admin::Hex64(event.subject.value)},
          {"revision", event.revision},
          {"replaced_outcome", Maybe(event.replaced_outcome)},
          {"last_folded", Number64(event.last_folded.value)},
          {"arrival_weight", Finite(event.arrival_weight)},
          {"first_word", event.first_word}};
}

json ToJson(const DecisionExpired& event) {
  return {{"count", Number64(event.count)}, {"up_to", Number64(event.up_to.value)}};
}
json ToJson(const Tick&) { return json::object(); }
json ToJson(const ModelAdded& event) {
  return {{"id", event.id.value},
          {"name", event.name},
          {"price", PriceJson(event.price)},
          {"context_tokens", event.context_tokens},
          {"on_trial", event.on_trial},
          {"like", event.like},
          {"level_width", Finite(event.level_width)}};
}
json ToJson(const ModelProbed& event) {
  json values = json::array();
  for (const ProbeRow& row : event.rows) values.push_back(Finite(row.value));
  return {{"id", event.id.value}, {"values", values}};
}
json ToJson(const ModelStateChanged& event) {
  return {{"id", event.id.value}, {"state", static_cast<int>(event.state)}};
}
json ToJson(const PriceChanged& event) { return {{"id", event.id.value}, {"price", PriceJson(event.price)}}; }
json ToJson(const EpochDeclared& event) { return {{"id", event.id.value}}; }

json TenantBudgetsJson(const std::vector<TenantBudget>& budgets) {
  json all = json::object();
  for (const TenantBudget& budget : budgets) all[budget.tenant] = Finite(budget.usd);
  return all;
}

json ToJson(const OptionsChanged& event) {
  const Options& options = event.options;
  const Widths& widths = options.widths;
  return {{"sources", options.sources},
          {"rating_half_life_days", Finite(options.rating_half_life_days)},
          {"gold_half_life_days", Finite(options.gold_half_life_days)},
          {"gold_rate", Finite(options.gold_rate)},
          {"audit_rate_start", Finite(options.audit_rate_start)},
          {"audit_rate", Finite(options.audit_rate)},
          {"audit_start_decisions", Number64(options.audit_start_decisions)},
          {"exploration", static_cast<int>(options.exploration)},
          {"thompson_scale", Finite(options.thompson_scale)},
          {"probability_floor", Finite(options.probability_floor)},
          {"epsilon", Finite(options.epsilon)},
          {"squarecb_gamma", Finite(options.squarecb_gamma)},
          {"change_detection", options.change_detection},
          {"subject_cap", options.subject_cap},
          {"budget_usd", Finite(options.budget_usd)},
          {"pacing_step", Finite(options.pacing_step)},
          {"lambda_max", Finite(options.lambda_max)},
          {"tenant_budgets", TenantBudgetsJson(options.tenant_budgets)},
          {"widths_overridden", options.widths_overridden},
          {"widths",
           {{"model", Finite(widths.model)},
            {"trust", Finite(widths.trust)},
            {"cell", Finite(widths.cell)},
            {"source", Finite(widths.source)},
            {"source_model", Finite(widths.source_model)},
            {"source_cell", Finite(widths.source_cell)},
            {"common", Finite(widths.common)}}},
          {"fallback_model", options.fallback_model}};
}

json ToJson(const GenerationActivated& event) {
  return {{"generation", event.generation.value}, {"bundle", HexBytes(event.bundle.bytes)}, {"reason", event.reason}};
}
json ToJson(const BiasSurfaceInstalled& event) {
  json models = json::object();
  for (const ModelBias& model : event.models) models[std::to_string(model.model.value)] = Finite(model.bias);
  return {{"channel", event.channel},
          {"version", event.version},
          {"bundle", HexBytes(event.bundle.bytes)},
          {"fitted_from", Number64(event.fitted_from.value)},
          {"fitted_to", Number64(event.fitted_to.value)},
          {"ratings", Number64(event.ratings)},
          {"gold", Number64(event.gold)},
          {"noise", Finite(event.noise)},
          {"error", Finite(event.error)},
          {"learner", event.learner},
          {"clusters", event.clusters},
          {"models", models}};
}
json ToJson(const SubjectExcluded& event) { return {{"subject", admin::Hex64(event.subject.value)}}; }
json ToJson(const SubjectIncluded& event) { return {{"subject", admin::Hex64(event.subject.value)}}; }
json ToJson(const LearningSwitched& event) { return {{"frozen", event.frozen}}; }
json ToJson(const CellReset& event) { return {{"cluster", event.cluster.value}, {"model", event.model.value}}; }
json ToJson(const AdminNote& event) { return {{"text", event.text}}; }
json ToJson(const Refitted& event) {
  json pacers = json::object();
  for (const PacerStart& pacer : event.pacers) pacers[pacer.tenant] = Finite(pacer.lambda);
  return {{"noise", event.noise},
          {"response", event.response},
          {"model_width", Finite(event.model_width)},
          {"trust_width", Finite(event.trust_width)},
          {"pacers", pacers}};
}

json ToJson(const RolloutChanged& event) {
  return {{"mode", std::string(RolloutModeName(event.rollout.mode))},
          {"share", Finite(event.rollout.share)},
          {"incumbent", event.rollout.incumbent},
          {"reason", event.reason}};
}

}  // namespace

std::string HexBytes(std::span<const std::uint8_t> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

json EventJson(const Event& event) {
  return {{"seq", Number64(event.seq.value)},
          {"at_us", event.at_us},
          {"origin", OriginName(event.origin)},
          {"actor_uid", event.actor_uid},
          {"type", std::string(EventTypeName(EventType(event.payload)))},
          {"event", std::visit([](const auto& payload) { return ToJson(payload); }, event.payload)}};
}

}  // namespace pointsman::cli
