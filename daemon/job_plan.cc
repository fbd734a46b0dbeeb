#include "daemon/job_plan.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

#include "base/json_text.h"
#include "base/log.h"
#include "daemon/toml_section.h"

namespace pointsman::daemon {
namespace {

using bootstrap::LabelSource;
using bootstrap::Plan;
using bootstrap::PlanEndpoint;
using bootstrap::QuerySource;

constexpr std::size_t kPlanBytesMax = 1U << 20;
constexpr std::size_t kSamplesMax = 10'000;
constexpr std::size_t kSampleBytesMax = 4096;

// What holds for every endpoint that does not say otherwise.
struct CommonLimits {
  std::uint32_t concurrency = 4;
  double requests_per_minute = 0;
  std::uint32_t timeout_seconds = 120;
  std::uint32_t tries = 6;
};

std::string InFolder(const std::string& folder, const std::string& path) {
  if (path.empty() || path.front() == '/') return path;
  return (std::filesystem::path(folder) / path).lexically_normal().string();
}

void ReadEndpoint(Section section, const std::string& field, const std::string& folder, const CommonLimits& limits,
                  PlanEndpoint* endpoint) {
  bootstrap::ChatEndpointOptions& chat = endpoint->chat;
  chat.field = field;
  chat.input_usd_per_million = chat.output_usd_per_million = std::numeric_limits<double>::quiet_NaN();
  chat.concurrency = limits.concurrency;
  chat.requests_per_minute = limits.requests_per_minute;
  chat.timeout_ms = limits.timeout_seconds * 1000;
  chat.tries = limits.tries;
  section.Text("name", chat.name);
  section.Text("base_url", chat.base_url);
  section.Text("model", chat.model);
  section.Text("key_env", endpoint->key_env);
  section.Text("ca_file", chat.ca_file);
  chat.ca_file = InFolder(folder, chat.ca_file);
  section.Number("input_usd_per_million", 0, 1e6, chat.input_usd_per_million);
  section.Number("output_usd_per_million", 0, 1e6, chat.output_usd_per_million);
  section.Whole("max_tokens", 1, 1'000'000, chat.max_tokens);
  section.Number("temperature", 0, 2, chat.temperature);
  section.Flag("log_probabilities", chat.log_probabilities);
  section.Whole("concurrency", 1, 256, chat.concurrency);
  section.Number("requests_per_minute", 0, 1e6, chat.requests_per_minute);
  section.Close();
  if (chat.name.empty()) chat.name = chat.model;
}

void ReadModels(const toml::node* node, const std::string& folder, const CommonLimits& limits, Faults& faults,
                Plan* plan) {
  if (node == nullptr) return;
  const auto* array = node->as_array();
  if (array == nullptr) return faults.Add(node, "models", "must be a list of tables: [[models]]");
  for (std::size_t i = 0; i < array->size(); ++i) {
    const std::string field = fmt::format("models[{}]", i);
    const toml::table* table = array->get(i)->as_table();
    if (table == nullptr) {
      faults.Add(array->get(i), field, "must be a table: [[models]]");
      continue;
    }
    ReadEndpoint(Section(table, field, faults), field, folder, limits, &plan->models.emplace_back());
  }
}

void ReadSamples(Section& section, const std::string& folder, std::vector<std::string>* samples) {
  std::string path;
  section.Text("samples", path);
  if (path.empty()) return;
  std::ifstream file(InFolder(folder, path), std::ios::binary);
  if (!file) return section.Fault(section.Get("samples"), "samples", "the file cannot be read");
  for (std::string line; std::getline(file, line) && samples->size() < kSamplesMax;) {
    if (!line.empty()) samples->push_back(line.substr(0, kSampleBytesMax));
  }
  if (samples->empty()) section.Fault(section.Get("samples"), "samples", "the file holds no line");
}

void ReadSynthesis(Section section, const std::string& folder, bootstrap::SynthesisOptions* options) {
  std::string taxonomy = "starter";
  std::string style = "choice";
  std::vector<std::string> domains;
  section.Text("taxonomy", taxonomy);
  section.Texts("domains", domains);
  section.Whole("new_domains", 0, 20, options->new_domains);
  section.Whole("subcategories", 1, 10, options->subcategories);
  section.Whole("levels", 1, 5, options->levels);
  section.Whole("rounds", 0, 20, options->rounds);
  section.Whole("stable_rounds", 1, 10, options->stable_rounds);
  section.Text("style", style);
  section.Whole("options", 2, 10, options->options);
  section.Whole("per_node", 1, 1000, options->per_node);
  section.Whole("batch", 1, 40, options->batch);
  ReadSamples(section, folder, &options->samples);
  if (taxonomy != "starter" && taxonomy != "grow") {
    section.Fault(section.Get("taxonomy"), "taxonomy", "must be \"starter\" or \"grow\"");
  }
  if (style != "choice" && style != "open") {
    section.Fault(section.Get("style"), "style", "must be \"choice\" or \"open\"");
  }
  options->starter_taxonomy = taxonomy == "starter";
  options->style = style == "open" ? bootstrap::AnswerStyle::kOpen : bootstrap::AnswerStyle::kChoice;
  for (const std::string& domain : domains) {
    const std::size_t colon = domain.find(": ");
    const bool described = colon != std::string::npos;
    options->domains.push_back({domain.substr(0, colon), described ? domain.substr(colon + 2) : ""});
  }
  section.Close();
}

void ReadLabels(Section& section, Plan* plan) {
  std::vector<std::string> names;
  section.Texts("labels", names);
  if (section.Get("labels") == nullptr) return;
  plan->labels.clear();
  for (const std::string& name : names) {
    if (name == "reference") {
      plan->labels.push_back(LabelSource::kReference);
    } else if (name == "judge") {
      plan->labels.push_back(LabelSource::kJudge);
    } else if (name == "consensus") {
      plan->labels.push_back(LabelSource::kConsensus);
    } else {
      section.Fault(section.Get("labels"), "labels", "may hold reference, judge and consensus");
    }
  }
}

void ReadPlan(const toml::table& root, const std::string& folder, Faults& faults, Plan* plan) {
  Section top(&root, "", faults);
  std::string queries = "starter";
  plan->starter_directory = "/usr/share/pointsman/starter";
  top.Text("name", plan->name);
  top.Text("queries", queries);
  top.Text("starter", plan->starter_directory);
  plan->starter_directory = InFolder(folder, plan->starter_directory);
  top.Whole("queries_max", 0, 1'000'000, plan->queries_max);
  top.Whole("per_query", 0, 1000, plan->per_query);
  top.Whole("seed", 0, std::numeric_limits<std::int64_t>::max(), plan->seed);
  ReadLabels(top, plan);
  plan->source = queries == "starter"      ? QuerySource::kStarter
                 : queries == "synthesise" ? QuerySource::kSynthesise
                                           : QuerySource::kFile;
  if (plan->source == QuerySource::kFile) plan->queries_path = InFolder(folder, queries);
  CommonLimits limits;
  Section limit_section = top.Below("limits");
  limit_section.Number("budget_usd", 0, 1e9, plan->budget_usd);
  limit_section.Whole("concurrency", 1, 256, limits.concurrency);
  limit_section.Number("requests_per_minute", 0, 1e6, limits.requests_per_minute);
  limit_section.Whole("timeout_seconds", 1, 3600, limits.timeout_seconds);
  limit_section.Whole("tries", 1, 20, limits.tries);
  limit_section.Close();
  for (const auto& [key, endpoint] : {std::pair{"generator", &plan->generator}, std::pair{"judge", &plan->judge}}) {
    if (root.get(key) != nullptr) {
      ReadEndpoint(top.Below(key), key, folder, limits, endpoint);
    } else {
      static_cast<void>(top.Get(key));
    }
  }
  ReadModels(top.Get("models"), folder, limits, faults, plan);
  ReadSynthesis(top.Below("synthesise"), folder, &plan->synthesis);
  top.Close();
}

}  // namespace

Result<Plan> ParsePlan(const std::string& text, const std::string& name, const std::string& folder) {
  Plan plan;
  Faults faults{name, {}};
  try {
    ReadPlan(toml::parse(text, name), folder, faults, &plan);
  } catch (const toml::parse_error& fault) {
    faults.lines.emplace_back(fault.source().begin.line, fmt::format("{}:{}: not valid TOML: {}", name,
                                                                     fault.source().begin.line, fault.description()));
  }
  std::stable_sort(faults.lines.begin(), faults.lines.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string message;
  for (const auto& [line, fault] : faults.lines) message += (message.empty() ? "" : "; ") + fault;
  if (!message.empty()) return MakeError(Code::kInvalidArgument, "plan", std::move(message));
  const Status valid = bootstrap::ValidatePlan(plan);
  if (!valid.ok()) return MakeError(valid.error().code, valid.error().reason, name + ": " + valid.error().message);
  return plan;
}

Result<Plan> LoadPlan(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::error_code fault;
  if (!file || !std::filesystem::is_regular_file(path, fault)) {
    return MakeError(Code::kNotFound, "plan_not_found", fmt::format("the plan {} cannot be read", log::Escape(path)));
  }
  if (std::filesystem::file_size(path, fault) > kPlanBytesMax) {
    return MakeError(Code::kResourceExhausted, "plan_too_large",
                     fmt::format("the plan {} has more than {} bytes", log::Escape(path), kPlanBytesMax));
  }
  std::ostringstream text;
  text << file.rdbuf();
  const std::filesystem::path place(path);
  return ParsePlan(text.str(), place.filename().string(), place.parent_path().string());
}

std::string EstimateJson(const Plan& plan, const bootstrap::PlanEstimate& estimate) {
  std::string json = fmt::format(
      "{{\"name\":{},\"queries\":{},\"cost_usd\":{:.6f},\"worst_cost_usd\":{:.6f},"
      "\"budget_usd\":{},\"stages\":[",
      JsonText(plan.name), estimate.queries, estimate.cost_usd, estimate.worst_cost_usd, plan.budget_usd);
  bool first = true;
  for (const bootstrap::PlanStage& stage : estimate.stages) {
    json += fmt::format(
        "{}{{\"stage\":{},\"model\":{},\"calls\":{},\"tokens_in\":{:.0f},\"tokens_out\":{:.0f},\"cost_usd\":{:.6f}}}",
        first ? "" : ",", JsonText(stage.stage), JsonText(stage.model), stage.calls, stage.tokens_in, stage.tokens_out,
        stage.cost_usd);
    first = false;
  }
  return json + "]}";
}

}  // namespace pointsman::daemon
