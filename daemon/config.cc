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

namespace pointsman::daemon {
namespace {

// Levenshtein distance; for "did you mean".
std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

struct Faults {
  std::string name;
  std::vector<std::pair<std::uint32_t, std::string>> lines;

  void Add(const toml::node* where, std::string_view key, std::string_view message) {
    const std::uint32_t line = where == nullptr ? 0 : where->source().begin.line;
    lines.emplace_back(line, fmt::format("{}:{}: {}: {}", name, line, key, message));
  }
};

// One table of the file. Every key that the program knows is asked for once; what
// was not asked for is unknown.
class Section {
 public:
  Section(const toml::table* table, std::string path, Faults& faults)
      : table_(table), path_(std::move(path)), faults_(faults) {}

  const toml::node* Get(std::string_view key) {
    known_.emplace_back(key);
    return table_ == nullptr ? nullptr : table_->get(key);
  }

  void Text(std::string_view key, std::string& out) {
    const toml::node* node = Get(key);
    if (node == nullptr) return;
    if (const auto* text = node->as_string()) {
      out = text->get();
    } else {
      Fault(node, key, "must be a text in quotes");
    }
  }

  void Path(std::string_view key, std::size_t bytes_max, bool may_be_empty, std::string& out) {
    Text(key, out);
    const toml::node* node = table_ == nullptr ? nullptr : table_->get(key);
    if (node == nullptr || (out.empty() && may_be_empty)) return;
    if (out.empty() || out.front() != '/') {
      Fault(node, key, "must be an absolute path");
    } else if (out.size() > bytes_max) {
      Fault(node, key, fmt::format("is {} bytes long; at most {} are possible", out.size(), bytes_max));
    }
  }

  template <typename Integer>
  void Whole(std::string_view key, std::uint64_t min, std::uint64_t max, Integer& out) {
    const toml::node* node = Get(key);
    if (node == nullptr) return;
    const auto* number = node->as_integer();
    if (number == nullptr) return Fault(node, key, "must be a whole number");
    const std::int64_t value = number->get();
    if (value < 0 || static_cast<std::uint64_t>(value) < min || static_cast<std::uint64_t>(value) > max) {
      return Fault(node, key, fmt::format("is {}; must be from {} to {}", value, min, max));
    }
    out = static_cast<Integer>(value);
  }

  void Number(std::string_view key, double min, double max, double& out) {
    const toml::node* node = Get(key);
    if (node == nullptr) return;
    const auto value = node->is_number() ? node->value<double>() : std::nullopt;
    if (!value) return Fault(node, key, "must be a number");
    if (!(*value >= min && *value <= max)) {
      return Fault(node, key, fmt::format("is {}; must be from {} to {}", *value, min, max));
    }
    out = *value;
  }

  void Texts(std::string_view key, std::vector<std::string>& out) {
    const toml::node* node = Get(key);
    if (node == nullptr) return;
    const auto* array = node->as_array();
    if (array == nullptr) return Fault(node, key, "must be a list of texts");
    out.clear();
    for (const toml::node& item : *array) {
      if (const auto* text = item.as_string()) {
        out.push_back(text->get());
      } else {
        Fault(&item, key, "must hold texts only");
      }
    }
  }

  void Uids(std::string_view key, std::vector<std::uint32_t>& out) {
    const toml::node* node = Get(key);
    if (node == nullptr) return;
    const auto* array = node->as_array();
    if (array == nullptr) return Fault(node, key, "must be a list of numeric user ids");
    for (const toml::node& item : *array) {
      const auto* number = item.as_integer();
      if (number == nullptr || number->get() < 0 || number->get() >= std::numeric_limits<std::uint32_t>::max()) {
        Fault(&item, key, "must hold numeric user ids only");
      } else {
        out.push_back(static_cast<std::uint32_t>(number->get()));
      }
    }
  }

  void Flag(std::string_view key, bool& out) {
    const toml::node* node = Get(key);
    if (node == nullptr) return;
    if (const auto* flag = node->as_boolean()) {
      out = flag->get();
    } else {
      Fault(node, key, "must be true or false");
    }
  }

  // A table whose keys are names of tenants and whose values are dollars.
  void Dollars(std::string_view key, std::vector<policy::TenantBudget>& out) {
    const toml::node* node = Get(key);
    if (node == nullptr) return;
    const toml::table* table = node->as_table();
    if (table == nullptr) return Fault(node, key, "must be a table of tenant = dollars a request");
    for (const auto& [tenant, value] : *table) {
      const auto usd = value.is_number() ? value.value<double>() : std::nullopt;
      if (!usd || !(*usd > 0 && *usd <= 1e6)) {
        Fault(&value, key,
              fmt::format("the budget of {} must be dollars a request, above 0", log::Escape(tenant.str())));
      } else {
        out.push_back({std::string(tenant.str()), *usd});
      }
    }
  }

  // A table below this one; a section without entries where it is absent.
  Section Below(std::string_view key) {
    const toml::node* node = Get(key);
    const toml::table* table = node == nullptr ? nullptr : node->as_table();
    if (node != nullptr && table == nullptr) Fault(node, key, "must be a table");
    return Section(table, Name(key), faults_);
  }

  void Fault(const toml::node* node, std::string_view key, std::string_view message) {
    faults_.Add(node, Name(key), message);
  }

  // Reports what nobody asked for. Call it last.
  void Close() {
    if (table_ == nullptr) return;
    for (const auto& [key, node] : *table_) {
      const std::string_view given = key.str();
      if (std::find(known_.begin(), known_.end(), given) != known_.end()) continue;
      const auto nearest = std::min_element(known_.begin(), known_.end(), [&](const auto& a, const auto& b) {
        return EditDistance(a, given) < EditDistance(b, given);
      });
      faults_.lines.emplace_back(
          key.source().begin.line,
          fmt::format("{}:{}: {}: unknown key; the nearest known one is \"{}\"", faults_.name, key.source().begin.line,
                      Name(log::Escape(given)), nearest == known_.end() ? "" : *nearest));
    }
  }

 private:
  std::string Name(std::string_view key) const {
    return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
  }

  const toml::table* table_;
  std::string path_;
  Faults& faults_;
  std::vector<std::string> known_;
};

void ReadSockets(Section section, Config& config) {
  constexpr std::size_t kSocketPathMax = 107;  // sun_path with its final zero
  section.Path("route", kSocketPathMax, false, config.route_socket);
  section.Path("api", kSocketPathMax, true, config.api_socket);
  section.Path("admin", kSocketPathMax, true, config.admin_socket);
  section.Text("group", config.group);
  section.Uids("gold_uids", config.gold_uids);
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
  section.Number("rating_half_life_days", 0.001, 36'500, options.rating_half_life_days);
  section.Number("gold_half_life_days", 0.001, 36'500, options.gold_half_life_days);
  section.Number("gold_rate", 0, 1, options.gold_rate);
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
