#include "daemon/target_file.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

namespace pointsman::daemon {
namespace {

constexpr std::array<std::string_view, 4> kKeys = {"model", "weights", "explore", "epsilon"};

class Reader {
 public:
  Reader(const toml::table& table, const std::string& name) : table_(table), name_(name) {}

  Result<policy::TargetPolicy> Read() {
    for (const auto& [key, node] : table_) {
      if (std::find(kKeys.begin(), kKeys.end(), key.str()) == kKeys.end()) {
        Fault(node, key.str(), fmt::format("is not known; known are {}", fmt::join(kKeys, ", ")));
      }
    }
    policy::TargetPolicy target;
    ReadModel(target);
    ReadWeights(target);
    ReadExploration(target);
    if (unjudgeable_) return *unjudgeable_;
    if (!faults_.empty())
      return MakeError(Code::kInvalidArgument, "bad_policy", fmt::format("{}", fmt::join(faults_, "\n")));
    return target;
  }

 private:
  void Fault(const toml::node& node, std::string_view key, std::string_view message) {
    faults_.push_back(fmt::format("{}:{}: {}: {}", name_, node.source().begin.line, key, message));
  }

  void ReadModel(policy::TargetPolicy& target) {
    const toml::node* node = table_.get("model");
    if (node == nullptr) return;
    target.model = node->value<std::string>().value_or("");
    if (!node->is_string() || target.model.empty()) return Fault(*node, "model", "must be a model's name in quotes");
    if (table_.size() > 1) Fault(*node, "model", "always takes this model, so no other key may stand beside it");
  }

  void ReadWeights(policy::TargetPolicy& target) {
    const toml::node* node = table_.get("weights");
    if (node == nullptr) return;
    if (const auto* preset = node->as_string()) {
      const auto weights = policy::PresetWeights(preset->get());
      if (!weights.ok()) return Fault(*node, "weights", weights.error().message);
      target.weights = weights.value();
      return;
    }
    const toml::table* pair = node->as_table();
    const toml::node* quality = pair == nullptr ? nullptr : pair->get("quality");
    const toml::node* cost = pair == nullptr ? nullptr : pair->get("cost");
    if (quality == nullptr || cost == nullptr || pair->size() != 2 || !quality->is_number() || !cost->is_number()) {
      return Fault(*node, "weights", "must be a preset in quotes or { quality = NUMBER, cost = NUMBER }");
    }
    target.weights = {.quality = *quality->value<double>(), .cost = *cost->value<double>()};
    if (const Status valid = policy::ValidateWeights(*target.weights); !valid.ok()) {
      Fault(*node, "weights", valid.error().message);
    }
  }

  void ReadExploration(policy::TargetPolicy& target) {
    const toml::node* epsilon = table_.get("epsilon");
    const toml::node* node = table_.get("explore");
    const std::string kind = node == nullptr ? "greedy" : node->value<std::string>().value_or("");
    if (kind == "thompson" || kind == "squarecb" || kind == "prior") {
      unjudgeable_ = MakeError(Code::kInvalidArgument, "not_judgeable",
                               fmt::format("{}: explore = \"{}\" needs what the log does not keep of each candidate; "
                                           "\"greedy\" and \"epsilon\" can be judged",
                                           name_, kind));
    } else if (kind != "greedy" && kind != "epsilon") {
      Fault(*node, "explore", "must be \"greedy\" or \"epsilon\"");
    } else if (kind == "epsilon" && epsilon == nullptr) {
      Fault(*node, "explore", "needs epsilon = the share of decisions that are drawn uniformly");
    }
    if (epsilon == nullptr) return;
    const auto share = epsilon->is_number() ? epsilon->value<double>() : std::nullopt;
    if (!share || !(*share >= 0 && *share <= 1)) return Fault(*epsilon, "epsilon", "must be a number from 0 to 1");
    if (kind == "greedy") return Fault(*epsilon, "epsilon", "needs explore = \"epsilon\"");
    target.epsilon = *share;
  }

  const toml::table& table_;
  const std::string& name_;
  std::vector<std::string> faults_;
  std::optional<Error> unjudgeable_;
};

}  // namespace

Result<policy::TargetPolicy> ParseTargetPolicy(std::string_view text, const std::string& name) {
  try {
    const toml::table table = toml::parse(text, name);
    return Reader(table, name).Read();
  } catch (const toml::parse_error& error) {
    return MakeError(Code::kInvalidArgument, "not_toml",
                     fmt::format("{}:{}: {}", name, error.source().begin.line, error.description()));
  }
}

}  // namespace pointsman::daemon
