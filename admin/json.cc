#include "admin/json.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "admin/json_fields.h"
#include "admin/rollout_json.h"

namespace pointsman::admin {
namespace {

using nlohmann::json;

constexpr std::uint64_t kExactMax = 1ULL << 53;

void TakePrice(Fields& fields, policy::Price* price, bool required) {
  fields.Real("input_usd_per_million", &price->input_usd_per_million, required);
  fields.Real("output_usd_per_million", &price->output_usd_per_million, required);
}

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

json ToJson(const StatusReport::Subjects& subjects) {
  json conspicuous = json::array();
  for (const auto& one : subjects.conspicuous) {
    conspicuous.push_back({{"subject", one.subject},
                           {"reports", Number64(one.reports)},
                           {"mean_weight", Finite(one.mean_weight)},
                           {"trust", Finite(one.trust)},
                           {"answers_with_gold", Finite(one.pairs)},
                           {"deviation", Finite(one.deviation)}});
  }
  return {{"capped", subjects.capped},
          {"reports", Number64(subjects.reports)},
          {"lessened", Number64(subjects.lessened)},
          {"withheld", Finite(subjects.withheld)},
          {"watched", Number64(subjects.watched)},
          {"distrusted", Number64(subjects.distrusted)},
          {"excluded", Number64(subjects.excluded)},
          {"likeness", Finite(subjects.likeness)},
          {"group_alarm", subjects.group_alarm},
          {"group_since", Number64(subjects.group_since)},
          {"group_alarms", Number64(subjects.group_alarms)},
          {"conspicuous", std::move(conspicuous)}};
}

json ToJson(const StatusReport& report) {
  json sources = json::array();
  for (const auto& source : report.sources) {
    sources.push_back({{"name", source.name},
                       {"reports", Number64(source.reports)},
                       {"bias", Finite(source.bias)},
                       {"bias_deviation", Finite(source.bias_deviation)},
                       {"quarantine", source.quarantine},
                       {"quarantined_since", Number64(source.quarantined_since)},
                       {"answers_with_gold", Finite(source.pairs)}});
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
      {"memory",
       {{"resident_bytes", Number64(report.memory.resident)},
        {"allocated_bytes", Number64(report.memory.allocated)},
        {"memtable_bytes", Number64(report.memory.memtables)},
        {"read_cache_bytes", Number64(report.memory.read_cache)}}},
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
      {"guard_z_squared", Finite(report.guard_z_squared)},
      {"guard_bias_factor", Finite(report.guard_bias_factor)},
      {"guard_steps", Number64(report.guard_steps)},
      {"model_width", Finite(report.model_width)},
      {"trust_width", Finite(report.trust_width)},
      {"budgets", BudgetsJson(report)},
      {"subjects", ToJson(report.subjects)},
      {"rollout", ToJson(report.rollout)},
      {"warnings", report.warnings},
  };
}

json TrialJson(const TrialReport& trial) {
  return {{"prior", trial.prior},
          {"like", trial.like},
          {"reports", Number64(trial.reports)},
          {"reports_needed", Number64(trial.reports_needed)},
          {"plays", Number64(trial.plays)},
          {"spent", Finite(trial.spent)},
          {"allowance", Finite(trial.allowance)},
          {"spent_usd", Finite(trial.spent_usd)},
          {"allowance_usd", Finite(trial.allowance_usd)},
          {"gold_asked", Number64(trial.gold_asked)},
          {"probes", Number64(trial.probes)}};
}

json ToJson(const ProbeReport& report) {
  return {{"model", ToJson(report.model)}, {"probes", Number64(report.probes)}, {"thin_clusters", report.thin}};
}

json ToJson(const ModelReport& report) {
  json biases = json::array();
  for (const ModelReport::Bias& bias : report.biases) {
    biases.push_back({{"source", bias.source}, {"bias", Finite(bias.bias)}, {"deviation", Finite(bias.deviation)}});
  }
  json model = {{"id", report.id},
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
                {"latency_median_ms", Finite(report.latency_median_ms)},
                {"latency_high_ms", Finite(report.latency_high_ms)},
                {"decisions", Number64(report.decisions)},
                {"outcomes", Number64(report.outcomes)},
                {"failures", Number64(report.failures)},
                {"ratings", Number64(report.ratings)},
                {"gold", Number64(report.gold)},
                {"biases", std::move(biases)}};
  if (report.trial) model["trial"] = TrialJson(*report.trial);
  return model;
}

json ToJson(const ModelTreeReport& report) {
  json leaves = json::array();
  for (const ModelTreeReport::Leaf& leaf : report.leaves) {
    leaves.push_back({{"model", leaf.model}, {"family", leaf.family}});
  }
  json joins = json::array();
  for (const policy::Join& join : report.joins) {
    joins.push_back(
        {{"left", join.left}, {"right", join.right}, {"distance", Finite(join.distance)}, {"models", join.size}});
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
          {"x", Finite(report.x)},
          {"y", Finite(report.y)},
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
  return {{"comparable", diff.comparable},         {"clusters", std::move(clusters)},
          {"models", std::move(models)},           {"decisions", Number64(diff.decisions)},
          {"value_from", Finite(diff.value_from)}, {"value_from_error", Finite(diff.value_from_error)},
          {"value_to", Finite(diff.value_to)},     {"value_to_error", Finite(diff.value_to_error)}};
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

json ToJson(const RefitReport& report) {
  json sources = json::array();
  for (const RefitReport::Source& source : report.sources) {
    json clusters = json::array();
    for (const RefitReport::Bias& cluster : source.clusters) {
      clusters.push_back({{"number", cluster.number},
                          {"name", cluster.name},
                          {"bias", Finite(cluster.bias)},
                          {"error", Finite(cluster.error)}});
    }
    sources.push_back({{"source", source.source},
                       {"outcome", source.outcome},
                       {"message", source.message},
                       {"version", source.version},
                       {"learner", source.learner},
                       {"ratings", Number64(source.ratings)},
                       {"gold", Number64(source.gold)},
                       {"paired", Number64(source.paired)},
                       {"fitted_from", Number64(source.fitted_from)},
                       {"fitted_to", Number64(source.fitted_to)},
                       {"scale", Finite(source.scale)},
                       {"noise", Finite(source.noise)},
                       {"error", Finite(source.error)},
                       {"correction", Finite(source.correction)},
                       {"clusters", clusters}});
  }
  return {{"sources", sources}};
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
          {"incumbent", explanation.incumbent},
          {"followed", explanation.followed},
          {"router_share", Finite(explanation.router_share)},
          {"observed", explanation.observed},
          {"advised", explanation.advised},
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

namespace {

json AloneJson(const TrafficReport::Alone& alone) {
  return {{"model", alone.model},
          {"saved_usd", Finite(alone.saved_usd)},
          {"saved_share", Finite(alone.saved_share)},
          {"quality_gained", Finite(alone.quality_gained)}};
}

}  // namespace

json ToJson(const TrafficReport& report) {
  json points = json::array();
  for (const auto& point : report.points) {
    points.push_back({{"at_us", point.at_us},
                      {"decisions", Number64(point.decisions)},
                      {"quality", Finite(point.quality)},
                      {"cost_usd", Finite(point.cost_usd)}});
  }
  json models = json::array();
  for (const auto& share : report.models) {
    models.push_back({{"model", share.model},
                      {"decisions", Number64(share.decisions)},
                      {"candidates", Number64(share.candidates)},
                      {"quality", Finite(share.quality)},
                      {"cost_usd", Finite(share.cost_usd)}});
  }
  json clusters = json::array();
  for (const auto& count : report.clusters) {
    clusters.push_back({{"number", count.number}, {"decisions", Finite(count.decisions)}});
  }
  json channels = json::array();
  for (const auto& channel : report.channels) {
    channels.push_back(
        {{"source", channel.source}, {"reports", Number64(channel.reports)}, {"mean", Finite(channel.mean)}});
  }
  return {{"from_us", report.from_us},
          {"to_us", report.to_us},
          {"decisions", Number64(report.decisions)},
          {"audits", Number64(report.audits)},
          {"forced", Number64(report.forced)},
          {"quality", Finite(report.quality)},
          {"cost_usd", Finite(report.cost_usd)},
          {"points", std::move(points)},
          {"models", std::move(models)},
          {"clusters", std::move(clusters)},
          {"channels", std::move(channels)},
          {"dearest", AloneJson(report.dearest)},
          {"best", AloneJson(report.best)},
          {"observed",
           {{"decisions", Number64(report.observed.decisions)},
            {"agreed", Number64(report.observed.agreed)},
            {"quality", Finite(report.observed.quality)},
            {"cost_usd", Finite(report.observed.cost_usd)},
            {"advised_quality", Finite(report.observed.advised_quality)},
            {"advised_cost_usd", Finite(report.observed.advised_cost_usd)}}}};
}

json ToJson(const GoldTask& task) {
  json clusters = json::array();
  for (const auto& item : task.clusters) {
    clusters.push_back({{"number", item.number}, {"name", item.name}, {"weight", Finite(item.weight)}});
  }
  return {{"decision", task.decision},
          {"sequence", Number64(task.sequence)},
          {"decided_at_us", task.decided_at_us},
          {"expires_at_us", task.expires_at_us},
          {"tenant", task.tenant},
          {"model", task.model},
          {"audit", task.audit},
          {"worth", Finite(task.worth)},
          {"gold_probability", Finite(task.gold_probability)},
          {"predicted_quality", Finite(task.predicted_quality)},
          {"predicted_deviation", Finite(task.predicted_deviation)},
          {"clusters", std::move(clusters)}};
}

json ToJson(const UndoReport& report) {
  return {{"undone", report.undone}, {"undone_sequence", Number64(report.undone_sequence)}, {"now", report.now}};
}

std::string_view RetryName(Retry retry) {
  switch (retry) {
    case Retry::kNever: return "never";
    case Retry::kSameRequest: return "same_request";
    case Retry::kAfterBackoff: return "after_backoff";
  }
  Unreachable("a Retry outside its enumeration");
}

std::string Dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

Result<NewModel> ParseAddModel(std::string_view body) {
  return ParseInto<NewModel>(body, [](Fields& fields, NewModel& out) {
    fields.Text("name", &out.name, true);
    TakePrice(fields, &out.price, true);
    fields.Whole("context_tokens", &out.context_tokens, false);
    fields.Text("family", &out.facts.family, false);
    double strength = std::nan("");
    fields.Real("strength", &strength, false);
    if (!std::isnan(strength)) out.facts.strength = strength;
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
    return BadInput("unknown_state", "field 'state' must be active, draining or retired");
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

Result<GoldBody> ParseGold(std::string_view body) {
  return ParseInto<GoldBody>(body, [](Fields& fields, GoldBody& out) {
    fields.Text("decision", &out.decision, true);
    fields.Real("value", &out.value, true);
    fields.Whole("revision", &out.revision, false);
  });
}

Result<BootstrapRequest> ParseBootstrap(std::string_view body) {
  Result<BootstrapRequest> parsed = ParseInto<BootstrapRequest>(body, [](Fields& fields, BootstrapRequest& out) {
    fields.Text("table_path", &out.table_path, false);
    fields.Text("plan_path", &out.plan_path, false);
    fields.Text("labels", &out.labels, false);
    fields.Text("method", &out.method, false);
    fields.Text("filter", &out.filter, false);
    fields.Text("recogniser", &out.recogniser, false);
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
    return BadInput("table_or_plan", "give one of the fields 'table_path' and 'plan_path'");
  }
  if ((request.table_path + request.plan_path).front() != '/') {
    return BadInput("relative_path", "field '" + std::string(request.plan_path.empty() ? "table_path" : "plan_path") +
                                         "' must be an absolute path that the daemon can read");
  }
  if (request.labels != "consensus" && request.labels != "scores") {
    return BadInput("unknown_labels", "field 'labels' must be consensus or scores");
  }
  if (request.clusters_max < 1 || request.clusters_max > 4096) {
    return MakeError(Code::kOutOfRange, "out_of_range", "field 'clusters_max' must be between 1 and 4096");
  }
  return parsed;
}

Result<RefitRequest> ParseRefit(std::string_view body) {
  Result<RefitRequest> parsed = ParseInto<RefitRequest>(body, [](Fields& fields, RefitRequest& out) {
    fields.Text("learner", &out.learner, false);
    fields.Text("base", &out.base, false);
    fields.Flag("dry_run", &out.dry_run, false);
  });
  if (!parsed.ok()) return parsed;
  const RefitRequest& request = parsed.value();
  if (request.learner != "r" && request.learner != "dr") {
    return BadInput("unknown_learner", "field 'learner' must be r or dr");
  }
  if (request.base != "ridge" && request.base != "forest") {
    return BadInput("unknown_base", "field 'base' must be ridge or forest");
  }
  return parsed;
}

Result<std::string> ParsePlanPath(std::string_view body) {
  return ParseInto<std::string>(body, [](Fields& fields, std::string& out) { fields.Text("plan_path", &out, true); });
}

Status ParseNothing(std::string_view body) {
  if (body.empty()) return {};
  Result<json> object = ParseObject(body);
  if (!object.ok()) return object.error();
  return Fields(std::move(object).value()).Finish();
}

}  // namespace pointsman::admin
