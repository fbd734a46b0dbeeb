#include "admin/json.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "base/log.h"

namespace pointsman::admin {
namespace {

using nlohmann::json;

constexpr int kNestingMax = 16;
constexpr std::uint64_t kExactMax = 1ULL << 53;

Error Bad(std::string reason, std::string message) {
  return MakeError(Code::kInvalidArgument, std::move(reason), std::move(message));
}

// Parses one object; refuses deep nesting and repeated fields while reading.
Result<json> ParseObject(std::string_view body) {
  bool too_deep = false;
  std::string repeated;
  std::vector<std::set<std::string>> keys;
  const json::parser_callback_t watch = [&](int depth, json::parse_event_t event, json& parsed) {
    if (depth > kNestingMax) too_deep = true;
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end && !keys.empty()) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.empty()) {
      if (!keys.back().insert(parsed.get_ref<const std::string&>()).second) repeated = parsed.get<std::string>();
    }
    return !too_deep;  // false throws the part away
  };
  json value = json::parse(body.begin(), body.end(), watch, /*allow_exceptions=*/false);
  if (too_deep) return Bad("malformed_json", "the body is nested deeper than 16 levels");
  if (value.is_discarded()) return Bad("malformed_json", "the body is not JSON; send one object");
  if (!repeated.empty()) return Bad("malformed_json", "field '" + log::Escape(repeated) + "' is there twice");
  if (!value.is_object()) return Bad("wrong_type", "the body must be one JSON object");
  return value;
}

// Takes the fields of one object; the first fault stays.
class Fields {
 public:
  explicit Fields(json object) : object_(std::move(object)) {}

  void Text(const char* name, std::string* out, bool required) {
    const json* value = Take(name, required);
    if (value == nullptr) return;
    if (!value->is_string()) return Wrong(name, "a string");
    *out = value->get<std::string>();
  }
  void Flag(const char* name, bool* out, bool required) {
    const json* value = Take(name, required);
    if (value == nullptr) return;
    if (!value->is_boolean()) return Wrong(name, "true or false");
    *out = value->get<bool>();
  }
  void Real(const char* name, double* out, bool required) {
    const json* value = Take(name, required);
    if (value == nullptr) return;
    if (!value->is_number()) return Wrong(name, "a number");
    *out = value->get<double>();
    if (!std::isfinite(*out)) OutOfRange(name, "a finite number");
  }
  template <typename Unsigned>
  void Whole(const char* name, Unsigned* out, bool required) {
    const json* value = Take(name, required);
    if (value == nullptr) return;
    if (!value->is_number_integer()) return Wrong(name, "a whole number");
    const bool fits =
        value->is_number_unsigned() && value->get<std::uint64_t>() <= std::numeric_limits<Unsigned>::max();
    if (!fits) {
      return OutOfRange(name, "between 0 and " + std::to_string(std::numeric_limits<Unsigned>::max()));
    }
    *out = static_cast<Unsigned>(value->get<std::uint64_t>());
  }
  // A string, or a whole number taken as its digits.
  void TextOrWhole(const char* name, std::string* out) {
    const json* value = Take(name, true);
    if (value == nullptr) return;
    if (value->is_number_unsigned()) {
      *out = std::to_string(value->get<std::uint64_t>());
    } else if (value->is_string()) {
      *out = value->get<std::string>();
    } else {
      Wrong(name, "a generation number or a bundle hash");
    }
  }
  Status Finish() {
    if (!status_.ok()) return status_;
    for (const auto& [name, value] : object_.items()) {
      if (known_.count(name) != 0) continue;
      std::string list;
      for (const std::string& known : known_) list += (list.empty() ? "" : ", ") + known;
      return Bad("unknown_field", "unknown field '" + log::Escape(name) + "'; known: " + list);
    }
    return {};
  }

 private:
  const json* Take(const char* name, bool required) {
    known_.insert(name);
    const auto found = object_.find(name);
    if (found != object_.end()) return &*found;
    if (required) Fail(Bad("missing_field", std::string("field '") + name + "' is missing"));
    return nullptr;
  }
  void Wrong(const char* name, const std::string& wanted) {
    Fail(Bad("wrong_type", std::string("field '") + name + "' must be " + wanted));
  }
  void OutOfRange(const char* name, const std::string& wanted) {
    Fail(MakeError(Code::kOutOfRange, "out_of_range", std::string("field '") + name + "' must be " + wanted));
  }
  void Fail(Error error) {
    if (status_.ok()) status_ = std::move(error);
  }

  json object_;
  std::set<std::string> known_;
  Status status_;
};

void TakePrice(Fields& fields, policy::Price* price, bool required) {
  fields.Real("input_usd_per_million", &price->input_usd_per_million, required);
  fields.Real("output_usd_per_million", &price->output_usd_per_million, required);
}

// Reads an object into T with `take`, then refuses what is left over.
template <typename T, typename Take>
Result<T> ParseInto(std::string_view body, Take take) {
  Result<json> object = ParseObject(body);
  if (!object.ok()) return object.error();
  Fields fields(std::move(object).value());
  T out;
  take(fields, out);
  if (Status status = fields.Finish(); !status.ok()) return status.error();
  return out;
}

json Finite(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

json PriceJson(const policy::Price& price) {
  return {{"input_usd_per_million", Finite(price.input_usd_per_million)},
          {"output_usd_per_million", Finite(price.output_usd_per_million)}};
}

json NamedJson(const std::vector<Explanation::Named>& list) {
  json out = json::array();
  for (const auto& item : list) {
    out.push_back({{"number", item.number}, {"name", item.name}, {"weight", Finite(item.weight)}});
  }
  return out;
}

}  // namespace

json Number64(std::uint64_t value) { return value <= kExactMax ? json(value) : json(std::to_string(value)); }

std::string Hex64(std::uint64_t value) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out = "0x";
  for (int shift = 60; shift >= 0; shift -= 4) out += kDigits[(value >> shift) & 15];
  return out;
}

json BudgetsJson(const StatusReport& report) {
  json budgets = json::array();
  for (const auto& budget : report.budgets) {
    budgets.push_back({{"tenant", budget.tenant},
                       {"usd_per_request", Finite(budget.usd_per_request)},
                       {"mean_cost_usd", Finite(budget.mean_cost_usd)},
                       {"lambda", Finite(budget.lambda)},
                       {"spent_usd", Finite(budget.spent_usd)},
                       {"settled", Number64(budget.settled)}});
  }
  return budgets;
}

json ToJson(const StatusReport& report) {
  json sources = json::array();
  for (const auto& source : report.sources) {
    sources.push_back({{"name", source.name},
                       {"reports", Number64(source.reports)},
                       {"bias", Finite(source.bias)},
                       {"bias_deviation", Finite(source.bias_deviation)}});
  }
  return {
      {"version", report.version},
      {"generation", report.generation},
      {"bundle", report.bundle},
      {"bundle_made_from", report.bundle_made_from},
      {"embedder", report.embedder},
      {"dimension", report.dimension},
      {"last_sequence", Number64(report.last_sequence)},
      {"synced_sequence", Number64(report.synced_sequence)},
      {"learned_sequence", Number64(report.learned_sequence)},
      {"checkpoint_sequence", Number64(report.checkpoint_sequence)},
      {"base_sequence", Number64(report.base_sequence)},
      {"state_hash", Hex64(report.state_hash)},
      {"open_decisions", Number64(report.open_decisions)},
      {"disk_bytes", Number64(report.disk_bytes)},
      {"decisions", Number64(report.decisions)},
      {"audits", Number64(report.audits)},
      {"outcomes", Number64(report.outcomes)},
      {"ratings", Number64(report.ratings)},
      {"gold", Number64(report.gold)},
      {"preferences", Number64(report.preferences)},
      {"retractions", Number64(report.retractions)},
      {"expired", Number64(report.expired)},
      {"not_folded", Number64(report.not_folded)},
      {"quarantined_cells", Number64(report.quarantined_cells)},
      {"lost_unsynced", Number64(report.lost_unsynced)},
      {"refused", Number64(report.refused)},
      {"commit_waiting", Number64(report.commit_waiting)},
      {"commit_refused", Number64(report.commit_refused)},
      {"connections", Number64(report.connections)},
      {"frozen", report.frozen},
      {"audited_gold", Number64(report.audited_gold)},
      {"audited_rmse", Finite(report.audited_rmse)},
      {"audited_z_squared", Finite(report.audited_z_squared)},
      {"uptime_seconds", Finite(report.uptime_seconds)},
      {"sources", std::move(sources)},
      {"alarms", Number64(report.alarms)},
      {"cell_alarms", Number64(report.cell_alarms)},
      {"judge_alarms", Number64(report.judge_alarms)},
      {"model_width", Finite(report.model_width)},
      {"trust_width", Finite(report.trust_width)},
      {"budgets", BudgetsJson(report)},
      {"warnings", report.warnings},
  };
}

json ToJson(const ModelReport& report) {
  json biases = json::array();
  for (const ModelReport::Bias& bias : report.biases) {
    biases.push_back(
        {{"source", bias.source}, {"bias", Finite(bias.bias)}, {"deviation", Finite(bias.deviation)}});
  }
  return {{"id", report.id},
          {"name", report.name},
          {"epoch", report.epoch},
          {"state", report.state},
          {"price", PriceJson(report.price)},
          {"context_tokens", report.context_tokens},
          {"in_bundle", report.in_bundle},
          {"prior_quality", Finite(report.prior_quality)},
          {"level", Finite(report.level)},
          {"level_deviation", Finite(report.level_deviation)},
          {"expected_tokens_out", Finite(report.expected_tokens_out)},
          {"decisions", Number64(report.decisions)},
          {"outcomes", Number64(report.outcomes)},
          {"failures", Number64(report.failures)},
          {"ratings", Number64(report.ratings)},
          {"gold", Number64(report.gold)},
          {"biases", std::move(biases)}};
}

json ToJson(const ModelTreeReport& report) {
  json leaves = json::array();
  for (const ModelTreeReport::Leaf& leaf : report.leaves) {
    leaves.push_back({{"model", leaf.model}, {"family", leaf.family}});
  }
  json joins = json::array();
  for (const policy::Join& join : report.joins) {
    joins.push_back({{"left", join.left},
                     {"right", join.right},
                     {"distance", Finite(join.distance)},
                     {"models", join.size}});
  }
  return {{"clusters", report.clusters}, {"leaves", std::move(leaves)}, {"joins", std::move(joins)}};
}

json ToJson(const ModelProfile& profile) {
  json niches = json::array();
  for (const NicheReport& niche : profile.niches) {
    niches.push_back({{"cluster", niche.cluster},
                      {"terms", niche.terms},
                      {"size", niche.size},
                      {"rank", niche.rank},
                      {"quality", Finite(niche.quality)},
                      {"quality_deviation", Finite(niche.quality_deviation)},
                      {"lead", Finite(niche.lead)},
                      {"skill", Finite(niche.skill)},
                      {"gold_weight", Finite(niche.gold_weight)},
                      {"rating_weight", Finite(niche.rating_weight)},
                      {"conflict", niche.conflict}});
  }
  return {{"model", ToJson(profile.model)},
          {"clusters", profile.clusters},
          {"best_in", profile.best_in},
          {"mean_quality", Finite(profile.mean_quality)},
          {"niches", std::move(niches)}};
}

json ToJson(const ClusterReport& report) {
  return {{"number", report.number},
          {"name", report.name},
          {"size", report.size},
          {"leader", report.leader},
          {"leader_quality", Finite(report.leader_quality)},
          {"gold_weight", Finite(report.gold_weight)},
          {"rating_weight", Finite(report.rating_weight)}};
}

json ToJson(const ClusterDetail& detail) {
  json cells = json::array();
  for (const CellReport& cell : detail.cells) {
    cells.push_back({{"model", cell.model},
                     {"prior", Finite(cell.prior)},
                     {"quality", Finite(cell.quality)},
                     {"quality_deviation", Finite(cell.quality_deviation)},
                     {"gold_weight", Finite(cell.gold_weight)},
                     {"rating_weight", Finite(cell.rating_weight)},
                     {"conflict", cell.conflict}});
  }
  json out = ToJson(detail.summary);
  out["cells"] = std::move(cells);
  return out;
}

json ToJson(const GenerationReport& report) {
  return {{"number", report.number},
          {"bundle", report.bundle},
          {"made_from", report.made_from},
          {"labels", report.labels},
          {"clusters", report.clusters},
          {"models", report.models},
          {"rows", Number64(report.rows)},
          {"activated_sequence", Number64(report.activated_sequence)},
          {"activated_at_us", report.activated_at_us},
          {"reason", report.reason},
          {"live", report.live}};
}

json ToJson(const GenerationDiff& diff) {
  json clusters = json::array();
  for (const GenerationDiff::Cluster& cluster : diff.clusters) {
    clusters.push_back({{"kind", cluster.kind},
                        {"number", cluster.number},
                        {"name", cluster.name},
                        {"size", cluster.size},
                        {"from", cluster.from},
                        {"cosine", Finite(cluster.cosine)}});
  }
  json models = json::array();
  for (const GenerationDiff::Model& model : diff.models) {
    models.push_back({{"name", model.name},
                      {"prior_from", Finite(model.prior_from)},
                      {"prior_to", Finite(model.prior_to)},
                      {"share_from", Finite(model.share_from)},
                      {"share_to", Finite(model.share_to)}});
  }
  return {{"comparable", diff.comparable},
          {"clusters", std::move(clusters)},
          {"models", std::move(models)},
          {"decisions", Number64(diff.decisions)},
          {"value_from", Finite(diff.value_from)},
          {"value_from_error", Finite(diff.value_from_error)},
          {"value_to", Finite(diff.value_to)},
          {"value_to_error", Finite(diff.value_to_error)}};
}

json ToJson(const BootstrapReport& report) {
  return {{"state", report.state},
          {"stage", report.stage},
          {"progress", Finite(report.progress)},
          {"message", report.message},
          {"bundle", report.bundle},
          {"generation", report.generation},
          {"started_at_us", report.started_at_us},
          {"ended_at_us", report.ended_at_us},
          {"cost_usd", Finite(report.cost_usd)},
          {"asked", Number64(report.asked)},
          {"reused", Number64(report.reused)},
          {"gate", report.gate}};
}

json ToJson(const Explanation& explanation) {
  json candidates = json::array();
  for (const auto& item : explanation.candidates) {
    candidates.push_back({{"model", item.model},
                          {"probability", Finite(item.probability)},
                          {"quality", Finite(item.quality)},
                          {"cost_usd", Finite(item.cost_usd)},
                          {"utility", Finite(item.utility)}});
  }
  json channels = json::array();
  for (const auto& item : explanation.channels) {
    channels.push_back({{"source", item.source},
                        {"value", Finite(item.value)},
                        {"revision", item.revision},
                        {"retracted", item.retracted}});
  }
  return {{"decision", explanation.token_id},
          {"sequence", Number64(explanation.sequence)},
          {"decided_at_us", explanation.decided_at_us},
          {"generation", explanation.generation},
          {"chosen", explanation.chosen},
          {"propensity", Finite(explanation.propensity)},
          {"audit", explanation.audit},
          {"forced", explanation.forced},
          {"gold_wanted", explanation.gold_wanted},
          {"prior", Finite(explanation.prior)},
          {"predicted_quality", Finite(explanation.predicted_quality)},
          {"predicted_deviation", Finite(explanation.predicted_deviation)},
          {"clusters", NamedJson(explanation.clusters)},
          {"tasks", NamedJson(explanation.tasks)},
          {"candidates", std::move(candidates)},
          {"channels", std::move(channels)},
          {"outcome_known", explanation.outcome_known},
          {"tokens_out", explanation.tokens_out},
          {"latency_ms", Finite(explanation.latency_ms)},
          {"failed", explanation.failed},
          {"open", explanation.open}};
}

std::string_view RetryName(Retry retry) {
  switch (retry) {
    case Retry::kNever: return "never";
    case Retry::kSameRequest: return "same_request";
    case Retry::kAfterBackoff: return "after_backoff";
  }
  Unreachable("a Retry outside its enumeration");
}

json ProblemJson(const Error& error, int http_status) {
  return {{"type", "about:blank"},
          {"title", std::string(CodeName(error.code))},
          {"status", http_status},
          {"detail", error.message},
          {"code", std::string(CodeName(error.code))},
          {"reason", error.reason},
          {"retry", std::string(RetryName(RetryAdvice(error.code)))}};
}

std::string Dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

Result<AddModelBody> ParseAddModel(std::string_view body) {
  return ParseInto<AddModelBody>(body, [](Fields& fields, AddModelBody& out) {
    fields.Text("name", &out.name, true);
    TakePrice(fields, &out.price, true);
    fields.Whole("context_tokens", &out.context_tokens, false);
  });
}

Result<PriceBody> ParsePrice(std::string_view body) {
  return ParseInto<PriceBody>(body, [](Fields& fields, PriceBody& out) { TakePrice(fields, &out.price, true); });
}

Result<StateBody> ParseState(std::string_view body) {
  Result<StateBody> parsed =
      ParseInto<StateBody>(body, [](Fields& fields, StateBody& out) { fields.Text("state", &out.state, true); });
  if (!parsed.ok()) return parsed;
  const std::string& state = parsed.value().state;
  if (state != "active" && state != "draining" && state != "retired") {
    return Bad("unknown_state", "field 'state' must be active, draining or retired");
  }
  return parsed;
}

Result<ActivateBody> ParseActivate(std::string_view body) {
  return ParseInto<ActivateBody>(body,
                                 [](Fields& fields, ActivateBody& out) { fields.TextOrWhole("target", &out.target); });
}

Result<LearningBody> ParseLearning(std::string_view body) {
  return ParseInto<LearningBody>(body,
                                 [](Fields& fields, LearningBody& out) { fields.Flag("frozen", &out.frozen, true); });
}

Result<BootstrapRequest> ParseBootstrap(std::string_view body) {
  Result<BootstrapRequest> parsed = ParseInto<BootstrapRequest>(body, [](Fields& fields, BootstrapRequest& out) {
    fields.Text("table_path", &out.table_path, false);
    fields.Text("plan_path", &out.plan_path, false);
    fields.Text("labels", &out.labels, false);
    fields.Whole("clusters_max", &out.clusters_max, false);
    fields.Whole("seed", &out.seed, false);
    fields.Flag("refit_embedder", &out.refit_embedder, false);
    fields.Text("embedder", &out.embedder, false);
    fields.Flag("activate", &out.activate, false);
    fields.Flag("force", &out.force, false);
  });
  if (!parsed.ok()) return parsed;
  const BootstrapRequest& request = parsed.value();
  if (request.table_path.empty() == request.plan_path.empty()) {
    return Bad("table_or_plan", "give one of the fields 'table_path' and 'plan_path'");
  }
  if ((request.table_path + request.plan_path).front() != '/') {
    return Bad("relative_path", "field '" + std::string(request.plan_path.empty() ? "table_path" : "plan_path") +
                                    "' must be an absolute path that the daemon can read");
  }
  if (request.labels != "consensus" && request.labels != "scores") {
    return Bad("unknown_labels", "field 'labels' must be consensus or scores");
  }
  if (request.clusters_max < 1 || request.clusters_max > 4096) {
    return MakeError(Code::kOutOfRange, "out_of_range", "field 'clusters_max' must be between 1 and 4096");
  }
  return parsed;
}

Result<std::string> ParsePlanPath(std::string_view body) {
  return ParseInto<std::string>(body,
                                [](Fields& fields, std::string& out) { fields.Text("plan_path", &out, true); });
}

Status ParseNothing(std::string_view body) {
  if (body.empty()) return {};
  Result<json> object = ParseObject(body);
  if (!object.ok()) return object.error();
  return Fields(std::move(object).value()).Finish();
}

}  // namespace pointsman::admin
