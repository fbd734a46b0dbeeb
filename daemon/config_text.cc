#include "daemon/config_text.h"

#include <fmt/format.h>

#include <iterator>
#include <map>
#include <sstream>
#include <string_view>

namespace pointsman::daemon {
namespace {

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// With a point or an exponent, so that TOML reads a float again.
std::string Real(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

class Writer {
 public:
  void Section(std::string_view name) { text_ += fmt::format("{}[{}]\n", text_.empty() ? "" : "\n", name); }
  void Table(std::string_view name) { text_ += fmt::format("\n[[{}]]\n", name); }
  void Text(std::string_view key, std::string_view value) { Line(key, Quoted(value)); }
  void Number(std::string_view key, double value) { Line(key, Real(value)); }
  template <typename Integer>
  void Whole(std::string_view key, Integer value) {
    Line(key, fmt::format("{}", value));
  }
  template <typename List, typename Show>
  void Items(std::string_view key, const List& list, Show show) {
    std::string items;
    for (const auto& item : list) items += (items.empty() ? "" : ", ") + show(item);
    Line(key, "[" + items + "]");
  }
  void Line(std::string_view key, std::string_view value) { text_ += fmt::format("{} = {}\n", key, value); }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string_view NameOf(policy::Exploration exploration) {
  switch (exploration) {
    case policy::Exploration::kThompson: return "thompson";
    case policy::Exploration::kEpsilon: return "epsilon";
    case policy::Exploration::kSquareCb: return "squarecb";
    default: return "greedy_audits";
  }
}

void WriteLearning(const Config& config, Writer* out) {
  const policy::Options& options = config.options;
  out->Section("learning");
  out->Whole("refit_every", config.refit_every);
  out->Items("sources", options.sources, Quoted);
  out->Number("rating_half_life_days", options.rating_half_life_days);
  out->Number("gold_half_life_days", options.gold_half_life_days);
  out->Number("gold_rate", options.gold_rate);
  out->Text("gold_choice", config.planned_gold ? "planned" : "random");
  out->Number("audit_rate_start", options.audit_rate_start);
  out->Whole("audit_start_decisions", options.audit_start_decisions);
  out->Number("audit_rate", options.audit_rate);
  out->Text("exploration", NameOf(options.exploration));
  out->Number("thompson_scale", options.thompson_scale);
  out->Number("probability_floor", options.probability_floor);
  out->Number("epsilon", options.epsilon);
  out->Number("squarecb_gamma", options.squarecb_gamma);
  out->Line("change_detection", options.change_detection ? "true" : "false");
  out->Line("subject_cap", options.subject_cap ? "true" : "false");
  if (options.widths_overridden) {
    out->Section("learning.widths");
    out->Number("model", options.widths.model);
    out->Number("trust", options.widths.trust);
    out->Number("cell", options.widths.cell);
    out->Number("source", options.widths.source);
    out->Number("source_model", options.widths.source_model);
    out->Number("source_cell", options.widths.source_cell);
    out->Number("common", options.widths.common);
  }
  out->Section("budget");
  out->Number("usd_per_request", options.budget_usd);
  out->Number("step", options.pacing_step);
  out->Number("lambda_max", options.lambda_max);
  if (!options.tenant_budgets.empty()) out->Section("budget.tenants");
  for (const auto& budget : options.tenant_budgets) out->Number(Quoted(budget.tenant), budget.usd);
}

void WriteLimits(const Limits& limits, Writer* out) {
  out->Section("limits");
  out->Whole("io_threads", limits.io_threads);
  out->Whole("connections", limits.connections);
  out->Whole("connections_per_uid", limits.connections_per_uid);
  out->Whole("commit_queue", limits.commit_queue);
  out->Whole("open_decisions", limits.open_decisions);
  out->Whole("free_space_min_mib", limits.free_space_min_mib);
  out->Whole("log_quota_mib", limits.log_quota_mib);
  out->Whole("spare_bundles", limits.spare_bundles);
  out->Whole("checkpoint_events", limits.checkpoint_events);
  out->Whole("checkpoint_seconds", limits.checkpoint_seconds);
}

// "section.key" -> value of a text that Writer made; models by their place.
std::map<std::string, std::string> Values(const std::string& text) {
  std::map<std::string, std::string> values;
  std::istringstream lines(text);
  std::string section;
  int model = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t equals = line.find(" = ");
    if (line.starts_with("[[")) {
      section = fmt::format("models[{}]", model++);
    } else if (line.starts_with("[")) {
      section = line.substr(1, line.size() - 2);
    } else if (equals != std::string::npos) {
      values[section + "." + line.substr(0, equals)] = line.substr(equals + 3);
    }
  }
  return values;
}

}  // namespace

std::vector<std::string> ConfigChanges(const Config& before, const Config& after) {
  const auto old_values = Values(ConfigText(before));
  const auto new_values = Values(ConfigText(after));
  std::vector<std::string> changes;
  for (const auto& [key, value] : new_values) {
    const auto found = old_values.find(key);
    if (found == old_values.end()) {
      changes.push_back(key + ": now " + value);
    } else if (found->second != value) {
      changes.push_back(key + ": " + found->second + " -> " + value);
    }
  }
  for (const auto& [key, value] : old_values) {
    if (new_values.count(key) == 0) changes.push_back(key + ": no longer " + value);
  }
  return changes;
}

std::string ConfigText(const Config& config) {
  Writer out;
  out.Section("store");
  out.Text("directory", config.store_directory);
  out.Text("durability", "synced");
  out.Section("sockets");
  out.Text("route", config.route_socket);
  out.Text("api", config.api_socket);
  out.Text("admin", config.admin_socket);
  out.Text("group", config.group);
  out.Items("gold_uids", config.gold_uids, [](std::uint32_t uid) { return fmt::format("{}", uid); });
  out.Items("subject_uids", config.subject_uids, [](std::uint32_t uid) { return fmt::format("{}", uid); });
  out.Section("http");
  out.Whole("loopback_port", config.loopback_port);
  out.Text("token_file", config.token_file);
  out.Section("routing");
  out.Line("weights", fmt::format("{{ quality = {}, cost = {} }}", Real(config.default_weights.quality),
                                  Real(config.default_weights.cost)));
  out.Whole("decision_ttl_minutes", config.decision_ttl_minutes);
  out.Text("fallback_model", config.options.fallback_model);
  out.Text("bundle", config.first_bundle);
  WriteLearning(config, &out);
  out.Section("rollout");
  out.Text("mode", policy::RolloutModeName(config.rollout.mode));
  out.Number("share", config.rollout.share);
  out.Text("incumbent", config.rollout.incumbent);
  WriteLimits(config.limits, &out);
  for (const ConfiguredModel& model : config.models) {
    out.Table("models");
    out.Text("name", model.name);
    out.Number("input_usd_per_million", model.price.input_usd_per_million);
    out.Number("output_usd_per_million", model.price.output_usd_per_million);
    out.Whole("context_tokens", model.context_tokens);
  }
  return out.Take();
}

}  // namespace pointsman::daemon
