#include "daemon/config.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <toml++/toml.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>

#include "base/log.h"
#include "daemon/toml_section.h"

namespace pointsman::daemon {
namespace {

void ReadSockets(Section section, Config& config) {
  constexpr std::size_t kSocketPathMax = 107;  // sun_path with its final zero
  section.Path("route", kSocketPathMax, false, config.route_socket);
  section.Path("api", kSocketPathMax, true, config.api_socket);
  section.Path("admin", kSocketPathMax, true, config.admin_socket);
  section.Text("group", config.group);
  section.Uids("gold_uids", config.gold_uids);
  section.Uids("subject_uids", config.subject_uids);
  std::set<std::string> paths;
  for (const std::string& path : {config.route_socket, config.api_socket, config.admin_socket}) {
    if (!path.empty() && !paths.insert(path).second) {
      section.Fault(nullptr, "route", fmt::format("{} is used for two sockets; give each its own path", path));
    }
  }
  section.Close();
}

void ReadHttp(Section section, Config& config) {
  section.Whole("loopback_port", 0, 65'535, config.loopback_port);
  section.Path("token_file", 4095, true, config.token_file);
  if (config.loopback_port != 0 && config.token_file.empty()) {
    section.Fault(section.Get("loopback_port"), "loopback_port",
                  "a port needs token_file: a file, readable by the daemon only, with 16 to 512 characters");
  }
  section.Close();
}

void ReadRouting(Section section, Config& config) {
  std::string preset;
  section.Text("preset", preset);
  const toml::node* weights = section.Get("weights");
  if (!preset.empty()) {
    const auto named = policy::PresetWeights(preset);
    if (!named.ok()) {
      section.Fault(section.Get("preset"), "preset", named.error().message);
    } else {
      config.default_weights = named.value();
    }
    if (weights != nullptr) section.Fault(weights, "weights", "give either preset or weights, not both");
  } else if (weights != nullptr) {
    Section below = section.Below("weights");
    below.Number("quality", 0, 1, config.default_weights.quality);
    below.Number("cost", 0, 1, config.default_weights.cost);
    below.Close();
    const Status valid = policy::ValidateWeights(config.default_weights);
    if (!valid.ok()) section.Fault(weights, "weights", valid.error().message);
  }
  section.Whole("decision_ttl_minutes", 1, 525'600, config.decision_ttl_minutes);
  section.Text("fallback_model", config.options.fallback_model);
  section.Path("bundle", 4095, true, config.first_bundle);
  section.Close();
}

void ReadLearning(Section section, Config& config) {
  policy::Options& options = config.options;
  options.sources = {"thumbs"};
  section.Texts("sources", options.sources);
  section.Whole("refit_every", 0, 1'000'000'000, config.refit_every);
  section.Number("rating_half_life_days", 0.001, 36'500, options.rating_half_life_days);
  section.Number("gold_half_life_days", 0.001, 36'500, options.gold_half_life_days);
  section.Number("gold_rate", 0, 1, options.gold_rate);
  std::string gold_choice = "random";
  section.Text("gold_choice", gold_choice);
  config.planned_gold = gold_choice == "planned";
  if (!config.planned_gold && gold_choice != "random") {
    section.Fault(section.Get("gold_choice"), "gold_choice", "must be \"random\" or \"planned\"");
  }
  section.Number("audit_rate_start", 0, 1, options.audit_rate_start);
  section.Number("audit_rate", 0, 1, options.audit_rate);
  section.Whole("audit_start_decisions", 0, 1'000'000'000, options.audit_start_decisions);
  std::string exploration = "greedy_audits";
  section.Text("exploration", exploration);
  if (exploration == "thompson") {
    options.exploration = policy::Exploration::kThompson;
  } else if (exploration == "epsilon") {
    options.exploration = policy::Exploration::kEpsilon;
  } else if (exploration == "squarecb") {
    options.exploration = policy::Exploration::kSquareCb;
  } else if (exploration != "greedy_audits") {
    section.Fault(section.Get("exploration"), "exploration",
                  "must be \"greedy_audits\", \"thompson\", \"epsilon\" or \"squarecb\"");
  }
  section.Flag("change_detection", options.change_detection);
  section.Flag("subject_cap", options.subject_cap);
  section.Number("epsilon", 0, 1, options.epsilon);
  section.Number("squarecb_gamma", 1, 1e6, options.squarecb_gamma);
  section.Number("thompson_scale", 0, 100, options.thompson_scale);
  section.Number("probability_floor", 0, 0.1, options.probability_floor);
  if (section.Get("widths") != nullptr) {
    options.widths_overridden = true;
    Section widths = section.Below("widths");
    constexpr double kSmallest = 1e-6;
    widths.Number("model", kSmallest, 10, options.widths.model);
    widths.Number("trust", kSmallest, 10, options.widths.trust);
    widths.Number("cell", kSmallest, 10, options.widths.cell);
    widths.Number("source", kSmallest, 10, options.widths.source);
    widths.Number("source_model", kSmallest, 10, options.widths.source_model);
    widths.Number("source_cell", kSmallest, 10, options.widths.source_cell);
    widths.Number("common", 0, 10, options.widths.common);
    widths.Close();
  }
  const Status valid = policy::ValidateOptions(options);
  if (!valid.ok()) section.Fault(section.Get("sources"), "sources", valid.error().message);
  section.Close();
}

void ReadBudget(Section section, Config& config) {
  policy::Options& options = config.options;
  section.Number("usd_per_request", 0, 1e6, options.budget_usd);
  section.Number("step", 1e-6, 1, options.pacing_step);
  section.Number("lambda_max", 1e-3, 1e6, options.lambda_max);
  section.Dollars("tenants", options.tenant_budgets);
  const Status valid = policy::ValidateOptions(options);
  if (!valid.ok()) section.Fault(section.Get("tenants"), "tenants", valid.error().message);
  section.Close();
}

void ReadRollout(Section section, Config& config) {
  std::string mode = "full";
  section.Text("mode", mode);
  const auto parsed = policy::ParseRolloutMode(mode);
  if (!parsed.ok()) section.Fault(section.Get("mode"), "mode", parsed.error().message);
  double share = 0.1;
  section.Number("share", 0, 1, share);
  std::string incumbent;
  section.Text("incumbent", incumbent);
  if (parsed.ok() && parsed.value() != policy::RolloutMode::kFull) {
    config.rollout = {parsed.value(), share, incumbent};
    const Status valid = policy::ValidateRollout(config.rollout);
    if (!valid.ok()) section.Fault(section.Get("share"), "share", valid.error().message);
  }
  section.Close();
}

void ReadModels(const toml::node* node, Faults& faults, Config& config) {
  if (node == nullptr) return;
  const auto* array = node->as_array();
  if (array == nullptr || !(array->empty() || array->is_array_of_tables())) {
    return faults.Add(node, "models", "must be written as [[models]], one table a model");
  }
  constexpr double kDearest = 1e6;  // dollars per million tokens: one dollar a token
  std::set<std::string> names;
  for (std::size_t i = 0; i < array->size(); ++i) {
    const toml::table* table = array->get(i)->as_table();
    Section section(table, fmt::format("models[{}]", i), faults);
    ConfiguredModel model;
    section.Text("name", model.name);
    if (model.name.empty() || model.name.size() > 128 ||
        !std::all_of(model.name.begin(), model.name.end(), [](char c) { return c >= 0x20 && c < 0x7f; })) {
      section.Fault(table, "name", "every model needs a name of 1 to 128 printable ASCII characters");
    } else if (!names.insert(model.name).second) {
      section.Fault(table, "name", fmt::format("the model \"{}\" is listed twice; remove one", model.name));
    }
    section.Number("input_usd_per_million", 0, kDearest, model.price.input_usd_per_million);
    section.Number("output_usd_per_million", 0, kDearest, model.price.output_usd_per_million);
    section.Whole("context_tokens", 0, 1'000'000'000, model.context_tokens);
    section.Close();
    config.models.push_back(std::move(model));
  }
}

void ReadLimits(Section section, Limits& limits) {
  section.Whole("io_threads", 0, 64, limits.io_threads);
  section.Whole("connections", 1, 16'384, limits.connections);
  section.Whole("connections_per_uid", 1, 16'384, limits.connections_per_uid);
  section.Whole("commit_queue", 64, 1U << 20, limits.commit_queue);
  section.Whole("open_decisions", 1000, 100'000'000, limits.open_decisions);
  section.Whole("free_space_min_mib", 16, 1U << 20, limits.free_space_min_mib);
  section.Whole("log_quota_mib", 0, 1U << 20, limits.log_quota_mib);
  section.Whole("spare_bundles", 1, 1000, limits.spare_bundles);
  section.Whole("checkpoint_events", 1, 1'000'000'000, limits.checkpoint_events);
  section.Whole("checkpoint_seconds", 1, 86'400, limits.checkpoint_seconds);
  section.Close();
}

}  // namespace

Result<Config> ParseConfig(std::string_view text, std::string_view name) {
  Faults faults{std::string(name), {}};
  Config config;
  try {
    const toml::table root = toml::parse(text, name);
    Section top(&root, "", faults);
    Section store = top.Below("store");
    store.Path("directory", 4000, false, config.store_directory);
    std::string durability = "synced";
    store.Text("durability", durability);
    if (durability != "synced") {
      store.Fault(store.Get("durability"), "durability", "only \"synced\" is supported by this version");
    }
    store.Close();
    ReadSockets(top.Below("sockets"), config);
    ReadHttp(top.Below("http"), config);
    ReadRouting(top.Below("routing"), config);
    ReadLearning(top.Below("learning"), config);
    ReadBudget(top.Below("budget"), config);
    ReadRollout(top.Below("rollout"), config);
    ReadModels(top.Get("models"), faults, config);
    ReadLimits(top.Below("limits"), config.limits);
    top.Close();
  } catch (const toml::parse_error& fault) {
    faults.lines.emplace_back(fault.source().begin.line, fmt::format("{}:{}: not valid TOML: {}", name,
                                                                     fault.source().begin.line, fault.description()));
  }
  if (faults.lines.empty()) return config;
  std::stable_sort(faults.lines.begin(), faults.lines.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string message;
  for (const auto& [line, fault] : faults.lines) {
    if (!message.empty()) message += '\n';
    message += fault;
  }
  return MakeError(Code::kInvalidArgument, "config_invalid", std::move(message));
}

Result<std::string> ReadTokenFile(const std::string& path) {
  struct stat status {};
  std::ifstream file(path, std::ios::binary);
  if (!file || ::stat(path.c_str(), &status) != 0) {
    return MakeError(Code::kNotFound, "token_file", fmt::format("the file {} cannot be read", path));
  }
  if ((status.st_mode & S_IROTH) != 0) {
    return MakeError(Code::kPermissionDenied, "token_file",
                     fmt::format("everybody may read {}; chmod it to 0640 or less", path));
  }
  std::string token;
  std::getline(file, token);
  return token;
}

Result<Config> LoadConfig(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return MakeError(Code::kNotFound, "config_not_found",
                     fmt::format("the configuration {} cannot be read; give its path with --config", path));
  }
  std::ostringstream text;
  text << file.rdbuf();
  return ParseConfig(text.str(), path);
}

}  // namespace pointsman::daemon
