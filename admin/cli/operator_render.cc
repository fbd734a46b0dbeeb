#include "admin/cli/operator_render.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <ostream>

#include "admin/cli/render.h"
#include "admin/cli/rollout_verbs.h"

namespace pointsman::cli {
namespace {

using nlohmann::json;
using Align = Table::Align;

bool Flag(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

const json& List(const json& object, const char* name) {
  static const json kEmpty = json::array();
  const auto found = object.find(name);
  return found != object.end() && found->is_array() ? *found : kEmpty;
}

std::int64_t Micros(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

std::string Short(const std::string& hash) { return hash.size() > 12 ? hash.substr(0, 12) : hash; }

std::string Number(const json& object, const char* name, int decimals) {
  return Fixed(FieldNumber(object, name), decimals);
}

std::string MemoryLine(const json& memory) {
  const auto megabytes = [&](const char* name) { return Fixed(FieldNumber(memory, name) / 1048576.0, 1); };
  return megabytes("resident_bytes") + " MiB, " + megabytes("allocated_bytes") + " allocated; memtables " +
         megabytes("memtable_bytes") + ", read cache " + megabytes("read_cache_bytes");
}

Table ModelTable() {
  return Table({{"MODEL"},
                {"EPOCH", Align::kRight},
                {"STATE"},
                {"$/M IN", Align::kRight},
                {"$/M OUT", Align::kRight},
                {"PRIOR", Align::kRight},
                {"LEVEL", Align::kRight},
                {"+-", Align::kRight},
                {"DECISIONS", Align::kRight},
                {"RATINGS", Align::kRight},
                {"GOLD", Align::kRight},
                {"FAILED", Align::kRight}});
}

void AddModelRow(Table& table, const json& model) {
  const json price = model.value("price", json::object());
  table.Row({FieldText(model, "name"), FieldText(model, "epoch"), FieldText(model, "state"),
             Number(price, "input_usd_per_million", 3), Number(price, "output_usd_per_million", 3),
             Flag(model, "in_bundle") ? Number(model, "prior_quality", 3) : "-", Number(model, "level", 3),
             Number(model, "level_deviation", 3), FieldText(model, "decisions"), FieldText(model, "ratings"),
             FieldText(model, "gold"), FieldText(model, "failures")});
}

// What a trial may cost and has cost.
void PrintTrial(Context& context, const json& model) {
  const auto found = model.find("trial");
  if (found == model.end() || !found->is_object()) return;
  const json& trial = *found;
  context.out << "\n"
              << Printable(FieldText(model, "name")) << " is " << FieldText(model, "state") << ": "
              << FieldText(trial, "reports") << " reports (judged from " << FieldText(trial, "reports_needed")
              << " on), " << FieldText(trial, "gold_asked") << " labels asked for, " << FieldText(trial, "probes")
              << " probes; " << FieldText(trial, "plays") << " draws although another model was the best guess gave up "
              << Number(trial, "spent", 2) << " of at most " << Number(trial, "allowance", 2) << " in utility";
  if (FieldNumber(trial, "allowance_usd") > 0) {
    context.out << " and $" << Number(trial, "spent_usd", 4) << " of $" << Number(trial, "allowance_usd", 4);
  }
  context.out << "\n";
}

Table GenerationTable() {
  return Table({{"GENERATION", Align::kRight},
                {"LIVE"},
                {"BUNDLE"},
                {"ACTIVATED"},
                {"CLUSTERS", Align::kRight},
                {"MODELS", Align::kRight},
                {"LABELS"},
                {"MADE FROM"},
                {"REASON"}});
}

void AddGenerationRow(Table& table, const json& generation) {
  table.Row({FieldText(generation, "number"), Flag(generation, "live") ? "live" : "",
             Short(FieldText(generation, "bundle")), UtcTime(Micros(generation, "activated_at_us")),
             FieldText(generation, "clusters"), FieldText(generation, "models"), FieldText(generation, "labels"),
             FieldText(generation, "made_from"), FieldText(generation, "reason")});
}

void PrintNamed(Context& context, const char* title, const json& list) {
  if (list.empty()) return;
  context.out << title;
  const char* separator = " ";
  for (const json& item : list) {
    context.out << separator << Printable(FieldText(item, "name")) << " (" << FieldText(item, "number") << ") "
                << Fixed(FieldNumber(item, "weight") * 100, 0) << "%";
    separator = ", ";
  }
  context.out << "\n";
}

}  // namespace

std::string FieldText(const json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return "-";
  if (found->is_string()) return found->get_ref<const std::string&>().empty() ? "-" : found->get<std::string>();
  return found->dump();
}

double FieldNumber(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number() ? found->get<double>() : std::numeric_limits<double>::quiet_NaN();
}

// Nothing where nobody stands out.
void ShowSubjects(Context& context, const json& subjects) {
  if (FieldNumber(subjects, "excluded") > 0) {
    context.out << "\n" << FieldText(subjects, "excluded") << " subjects are excluded: what they say does not count\n";
  }
  const json& conspicuous = List(subjects, "conspicuous");
  if (conspicuous.empty()) return;
  context.out << "\n";
  Table table({{"SUBJECT"},
               {"REPORTS", Align::kRight},
               {"WEIGHT", Align::kRight},
               {"TRUST", Align::kRight},
               {"WITH GOLD", Align::kRight},
               {"DEVIATION", Align::kRight}});
  for (const json& one : conspicuous) {
    table.Row({FieldText(one, "subject"), FieldText(one, "reports"), Number(one, "mean_weight", 2),
               Number(one, "trust", 2), Number(one, "answers_with_gold", 0), Number(one, "deviation", 1)});
  }
  table.Print(context.out, context.colour);
}

void ShowStatus(Context& context, const json& status) {
  Table table({{"WHAT"}, {"VALUE"}});
  table.Row({"version", FieldText(status, "version")});
  table.Row({"up", Duration(FieldNumber(status, "uptime_seconds"))});
  table.Row({"generation", FieldText(status, "generation") + "  bundle " + Short(FieldText(status, "bundle"))});
  table.Row({"made from", FieldText(status, "bundle_made_from")});
  table.Row({"embedder", FieldText(status, "embedder") + ", " + FieldText(status, "dimension") + " dimensions"});
  table.Row({"sequence", FieldText(status, "last_sequence") + " last, " + FieldText(status, "synced_sequence") +
                             " synced, " + FieldText(status, "learned_sequence") + " learnt, " +
                             FieldText(status, "checkpoint_sequence") + " in the checkpoint"});
  table.Row({"state hash", FieldText(status, "state_hash")});
  table.Row({"learning", Flag(status, "frozen") ? "frozen" : "on"});
  table.Row({"rollout", RolloutLine(status.value("rollout", json::object()))});
  table.Row({"decisions", FieldText(status, "decisions") + ", " + FieldText(status, "open_decisions") + " open, " +
                              FieldText(status, "audits") + " audits, " + FieldText(status, "expired") + " expired"});
  table.Row({"feedback", FieldText(status, "outcomes") + " outcomes, " + FieldText(status, "ratings") + " ratings, " +
                             FieldText(status, "gold") + " gold, " + FieldText(status, "preferences") +
                             " preferences, " + FieldText(status, "retractions") + " retractions"});
  table.Row({"calibration", FieldText(status, "audited_gold") + " audited gold, rmse " +
                                Number(status, "audited_rmse", 3) + ", z^2 " + Number(status, "audited_z_squared", 2)});
  table.Row({"trouble", FieldText(status, "refused") + " refused, " + FieldText(status, "commit_refused") +
                            " refused by a full queue, " + FieldText(status, "not_folded") + " not folded, " +
                            FieldText(status, "quarantined_cells") + " cells in quarantine, " +
                            FieldText(status, "lost_unsynced") + " lost unsynced"});
  table.Row({"disk", Fixed(FieldNumber(status, "disk_bytes") / 1048576.0, 1) + " MiB"});
  table.Row({"memory", MemoryLine(status.value("memory", json::object()))});
  table.Row({"connections", FieldText(status, "connections") + ", " + FieldText(status, "commit_waiting") +
                                " requests waiting for the disk"});
  table.Print(context.out, context.colour);
  const json& sources = List(status, "sources");
  if (!sources.empty()) {
    context.out << "\n";
    Table biases({{"SOURCE"}, {"REPORTS", Align::kRight}, {"BIAS", Align::kRight}, {"+-", Align::kRight}, {"READ"}});
    for (const json& source : sources) {
      biases.Row({FieldText(source, "name"), FieldText(source, "reports"), Number(source, "bias", 3),
                  Number(source, "bias_deviation", 3),
                  source.value("quarantine", "").empty() ? "yes" : "no: " + FieldText(source, "quarantine")});
    }
    biases.Print(context.out, context.colour);
  }
  ShowSubjects(context, status.value("subjects", json::object()));
  for (const json& warning : List(status, "warnings")) {
    if (warning.is_string()) context.out << "\nwarning: " << Printable(warning.get<std::string>()) << "\n";
  }
}

void ShowModels(Context& context, const json& answer) {
  Table table = ModelTable();
  for (const json& model : List(answer, "models")) AddModelRow(table, model);
  table.Print(context.out, context.colour);
  for (const json& model : List(answer, "models")) PrintTrial(context, model);
}

void ShowModel(Context& context, const json& model) {
  Table table = ModelTable();
  AddModelRow(table, model);
  table.Print(context.out, context.colour);
  PrintTrial(context, model);
}

void ShowProbes(Context& context, const json& answer) {
  ShowModel(context, answer.value("model", json::object()));
  context.out << "\n" << FieldText(answer, "probes") << " probes taken in\n";
  const json& thin = List(answer, "thin_clusters");
  if (thin.empty()) return;
  context.out << "fewer than 5 of them in " << thin.size() << " clusters that matter:";
  for (const json& cluster : thin)
    context.out << " " << Printable(cluster.is_string() ? cluster.get<std::string>() : "");
  context.out << "\n";
}

void ShowClusters(Context& context, const json& answer) {
  Table table({{"CLUSTER", Align::kRight},
               {"NAME"},
               {"SIZE", Align::kRight},
               {"LEADER"},
               {"QUALITY", Align::kRight},
               {"GOLD", Align::kRight},
               {"RATINGS", Align::kRight}});
  for (const json& cluster : List(answer, "clusters")) {
    table.Row({FieldText(cluster, "number"), FieldText(cluster, "name"), FieldText(cluster, "size"),
               FieldText(cluster, "leader"), Number(cluster, "leader_quality", 3), Number(cluster, "gold_weight", 1),
               Number(cluster, "rating_weight", 1)});
  }
  table.Print(context.out, context.colour);
}

void ShowCluster(Context& context, const json& cluster) {
  context.out << "cluster " << FieldText(cluster, "number") << "  " << Printable(FieldText(cluster, "name")) << "  ("
              << FieldText(cluster, "size") << " bootstrap queries)\n\n";
  Table table({{"MODEL"},
               {"PRIOR", Align::kRight},
               {"QUALITY", Align::kRight},
               {"+-", Align::kRight},
               {"GOLD", Align::kRight},
               {"RATINGS", Align::kRight},
               {"NOTE"}});
  for (const json& cell : List(cluster, "cells")) {
    table.Row({FieldText(cell, "model"), Number(cell, "prior", 3), Number(cell, "quality", 3),
               Number(cell, "quality_deviation", 3), Number(cell, "gold_weight", 1), Number(cell, "rating_weight", 1),
               Flag(cell, "conflict") ? "gold contradicts ratings" : ""});
  }
  table.Print(context.out, context.colour);
}

void ShowGenerations(Context& context, const json& answer) {
  Table table = GenerationTable();
  for (const json& generation : List(answer, "generations")) AddGenerationRow(table, generation);
  table.Print(context.out, context.colour);
}

void ShowGeneration(Context& context, const json& generation) {
  Table table = GenerationTable();
  AddGenerationRow(table, generation);
  table.Print(context.out, context.colour);
}

void ShowDiff(Context& context, const json& diff) {
  Table models({{"MODEL"},
                {"PRIOR", Align::kRight},
                {"THEN", Align::kRight},
                {"SHARE", Align::kRight},
                {"THEN", Align::kRight}});
  const auto prior = [](const json& model, const char* name) {
    return FieldNumber(model, name) < 0 ? std::string("-") : Number(model, name, 3);
  };
  for (const json& model : List(diff, "models")) {
    models.Row({Printable(FieldText(model, "name")), prior(model, "prior_from"), prior(model, "prior_to"),
                Fixed(FieldNumber(model, "share_from") * 100, 1) + "%",
                Fixed(FieldNumber(model, "share_to") * 100, 1) + "%"});
  }
  models.Print(context.out, context.colour);
  if (Flag(diff, "comparable")) {
    Table clusters(
        {{"CLUSTER", Align::kRight}, {"KIND"}, {"SIZE", Align::kRight}, {"COSINE", Align::kRight}, {"NAME"}, {"FROM"}});
    for (const json& cluster : List(diff, "clusters")) {
      std::string sources;
      for (const json& name : List(cluster, "from")) {
        sources += (sources.empty() ? "" : "; ") + Printable(name.get<std::string>());
      }
      clusters.Row({FieldText(cluster, "number"), FieldText(cluster, "kind"), FieldText(cluster, "size"),
                    Number(cluster, "cosine", 2), Printable(FieldText(cluster, "name")), sources});
    }
    context.out << "\n";
    clusters.Print(context.out, context.colour);
  } else {
    context.out << "\nthe bundles embed differently: their clusters cannot be set side by side\n";
  }
  context.out << "\nshares and value by the priors alone, on " << FieldText(diff, "decisions") << " logged decisions";
  if (FieldNumber(diff, "value_from") >= 0 && FieldNumber(diff, "value_to") >= 0) {
    context.out << ": value " << Number(diff, "value_from", 3) << " +- " << Number(diff, "value_from_error", 3)
                << ", then " << Number(diff, "value_to", 3) << " +- " << Number(diff, "value_to_error", 3);
  } else {
    context.out << "; no gold tells the value";
  }
  context.out << "\n";
}

void ShowBootstrap(Context& context, const json& report) {
  context.out << "bootstrap " << Printable(FieldText(report, "state")) << ": " << Printable(FieldText(report, "stage"))
              << ", " << Fixed(FieldNumber(report, "progress") * 100, 0) << "%\n";
  const std::string message = FieldText(report, "message");
  if (message != "-") context.out << Printable(message) << "\n";
  if (FieldNumber(report, "asked") + FieldNumber(report, "reused") > 0) {
    context.out << FieldText(report, "asked") << " answers bought, " << FieldText(report, "reused") << " reused, "
                << Fixed(FieldNumber(report, "cost_usd"), 4) << " dollars so far\n";
  }
  const std::string gate = FieldText(report, "gate");
  if (gate != "-" && message.find(gate) == std::string::npos) context.out << Printable(gate) << "\n";
  const std::string bundle = FieldText(report, "bundle");
  if (bundle != "-") context.out << "bundle " << Printable(bundle) << "\n";
  if (FieldNumber(report, "generation") > 0) {
    context.out << "live as generation " << FieldText(report, "generation") << "\n";
  }
}

void ShowPlan(Context& context, const json& plan) {
  context.out << "plan " << Printable(FieldText(plan, "name")) << ": at most " << FieldText(plan, "queries")
              << " queries\n";
  Table table({{"STAGE"},
               {"MODEL"},
               {"CALLS", Align::kRight},
               {"TOKENS IN", Align::kRight},
               {"TOKENS OUT", Align::kRight},
               {"DOLLARS", Align::kRight}});
  for (const json& stage : List(plan, "stages")) {
    table.Row({Printable(FieldText(stage, "stage")), Printable(FieldText(stage, "model")), FieldText(stage, "calls"),
               Fixed(FieldNumber(stage, "tokens_in"), 0), Fixed(FieldNumber(stage, "tokens_out"), 0),
               Fixed(FieldNumber(stage, "cost_usd"), 4)});
  }
  table.Print(context.out, context.colour);
  context.out << "expected " << Fixed(FieldNumber(plan, "cost_usd"), 4) << " dollars, at worst "
              << Fixed(FieldNumber(plan, "worst_cost_usd"), 4);
  const double budget = FieldNumber(plan, "budget_usd");
  context.out << (budget > 0 ? "; the budget is " + Fixed(budget, 4) : std::string("; no budget is set")) << "\n";
}

void ShowRefit(Context& context, const json& report) {
  for (const json& source : List(report, "sources")) {
    context.out << Printable(FieldText(source, "source")) << ": " << FieldText(source, "outcome");
    if (FieldText(source, "outcome") == "refused") {
      context.out << ": " << Printable(FieldText(source, "message")) << "\n";
      continue;
    }
    if (FieldText(source, "outcome") == "installed") context.out << ", version " << FieldText(source, "version");
    context.out << " (" << FieldText(source, "learner") << "; " << FieldText(source, "ratings") << " ratings, "
                << FieldText(source, "gold") << " gold, " << FieldText(source, "paired") << " with both; noise "
                << Fixed(FieldNumber(source, "noise"), 3) << ", error " << Fixed(FieldNumber(source, "error"), 3)
                << ")\n";
    Table table({{"CLUSTER", Align::kRight}, {"NAME"}, {"BIAS", Align::kRight}, {"+-", Align::kRight}});
    for (const json& cluster : List(source, "clusters")) {
      table.Row({FieldText(cluster, "number"), Printable(FieldText(cluster, "name")),
                 Fixed(FieldNumber(cluster, "bias"), 3), Fixed(FieldNumber(cluster, "error"), 3)});
    }
    table.Print(context.out, context.colour);
  }
}

namespace {

// Who decided, where it was not the router alone; a line, or nothing.
std::string RolloutOf(const json& e) {
  if (Flag(e, "observed")) {
    return "observed the caller chose; the router would have played " + Printable(FieldText(e, "advised")) + "\n";
  }
  const std::string incumbent = e.value("incumbent", "");
  if (incumbent.empty()) return "";
  return "rollout  " +
         (Flag(e, "followed") ? "the incumbent " + Printable(incumbent) + " was followed"
                              : "the router was followed, not the incumbent " + Printable(incumbent)) +
         "; the router's share was " + Fixed(100 * FieldNumber(e, "router_share"), 1) + " %\n";
}

}  // namespace

void ShowExplanation(Context& context, const json& e) {
  context.out << "decision " << Printable(FieldText(e, "decision")) << "  (sequence " << FieldText(e, "sequence")
              << ", " << UtcTime(Micros(e, "decided_at_us")) << ", generation " << FieldText(e, "generation") << ")\n"
              << "chosen   " << Printable(FieldText(e, "chosen")) << " with probability " << Number(e, "propensity", 4)
              << (Flag(e, "audit") ? ", audit" : "") << (Flag(e, "forced") ? ", forced" : "")
              << (Flag(e, "gold_wanted") ? ", gold wanted" : "") << "\n"
              << RolloutOf(e) << "quality  " << Number(e, "predicted_quality", 3) << " +- "
              << Number(e, "predicted_deviation", 3) << " predicted, " << Number(e, "prior", 3) << " before learning\n";
  PrintNamed(context, "clusters", List(e, "clusters"));
  PrintNamed(context, "tasks   ", List(e, "tasks"));
  const json& candidates = List(e, "candidates");
  if (!candidates.empty()) {
    context.out << "\n";
    Table table({{"MODEL"},
                 {"PROBABILITY", Align::kRight},
                 {"QUALITY", Align::kRight},
                 {"COST", Align::kRight},
                 {"UTILITY", Align::kRight}});
    for (const json& item : candidates) {
      table.Row({FieldText(item, "model"), Number(item, "probability", 4), Number(item, "quality", 3),
                 Dollars(FieldNumber(item, "cost_usd")), Number(item, "utility", 4)});
    }
    table.Print(context.out, context.colour);
  }
  context.out << "\n";
  if (Flag(e, "outcome_known")) {
    context.out << "outcome  " << FieldText(e, "tokens_out") << " tokens out, " << Number(e, "latency_ms", 0) << " ms"
                << (Flag(e, "failed") ? ", failed" : "") << "\n";
  }
  for (const json& channel : List(e, "channels")) {
    context.out << "feedback " << Printable(FieldText(channel, "source")) << " "
                << (Flag(channel, "retracted") ? "retracted" : Number(channel, "value", 3)) << " (revision "
                << FieldText(channel, "revision") << ")\n";
  }
  context.out << (Flag(e, "open") ? "feedback is still taken\n" : "closed for feedback\n");
}

void ShowLearning(Context& context, const json& answer) {
  context.out << (Flag(answer, "frozen") ? "learning is frozen: feedback is stored and not folded\n"
                                         : "learning is on\n");
}

}  // namespace pointsman::cli
