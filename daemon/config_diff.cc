#include "daemon/config_diff.h"

#include <algorithm>
#include <chrono>

#include "base/log.h"

namespace pointsman::daemon {
namespace {

constexpr std::chrono::seconds kLookLimit{60};
constexpr Actor kFromConfig{policy::Origin::kConfig, 0};

// The file's rollout, where no operator and no learner set one since.
Status ApplyRollout(const policy::Rollout& wanted, LearnerLoop& learner, Mutations& mutations) {
  const auto now =
      learner.Query<policy::RolloutRecord>(kLookLimit, [](const policy::State& state) { return state.rollout; });
  if (!now.ok()) return now.error();
  if (now->rollout == wanted) return {};
  if (now->since.value == 0 || now->set_by == policy::Origin::kConfig) {
    return mutations.SetRollout(kFromConfig, wanted, "configuration");
  }
  log::Warning(
      "[rollout] in the configuration differs from the {} rollout in force, which stays. `pointsman rollout` "
      "changes it",
      policy::RolloutModeName(now->rollout.mode));
  return {};
}

}  // namespace

Status ApplyConfig(const Config& config, LearnerLoop& learner, Mutations& mutations) {
  const auto pool = learner.Query<policy::Pool>(kLookLimit, [](const policy::State& state) { return state.pool; });
  if (!pool.ok()) return pool.error();
  for (const ConfiguredModel& model : config.models) {
    const auto& known = pool->models();
    const auto same_name = [&](const policy::Model& one) { return one.name == model.name; };
    if (std::none_of(known.begin(), known.end(), same_name)) {
      const auto added = mutations.AddModel(kFromConfig, model.name, model.price, model.context_tokens);
      if (!added.ok()) return added.error();
      log::Info("model {} joined the pool", log::Escape(model.name));
      continue;
    }
    const policy::Model* live = pool->FindLive(model.name);
    if (live != nullptr && !(live->price == model.price)) {
      log::Warning(
          "the price of {} in the configuration differs from the pool's; the pool's stays. "
          "`pointsman models price` changes it",
          log::Escape(model.name));
    }
  }
  const Status options = mutations.SetOptions(kFromConfig, config.options);
  if (!options.ok()) return options;
  return ApplyRollout(config.rollout, learner, mutations);
}

std::vector<std::string> NeedsRestart(const Config& running, const Config& reloaded) {
  std::vector<std::string> keys;
  const auto note = [&](bool same, const char* key) {
    if (!same) keys.emplace_back(key);
  };
  note(running.store_directory == reloaded.store_directory, "store.directory");
  note(running.route_socket == reloaded.route_socket, "sockets.route");
  note(running.api_socket == reloaded.api_socket, "sockets.api");
  note(running.admin_socket == reloaded.admin_socket, "sockets.admin");
  note(running.group == reloaded.group, "sockets.group");
  note(running.gold_uids == reloaded.gold_uids, "sockets.gold_uids");
  note(running.subject_uids == reloaded.subject_uids, "sockets.subject_uids");
  note(running.loopback_port == reloaded.loopback_port, "http.loopback_port");
  note(running.token_file == reloaded.token_file, "http.token_file");
  note(running.default_weights.quality == reloaded.default_weights.quality &&
           running.default_weights.cost == reloaded.default_weights.cost,
       "routing.preset");
  note(running.decision_ttl_minutes == reloaded.decision_ttl_minutes, "routing.decision_ttl_minutes");
  note(running.planned_gold == reloaded.planned_gold, "learning.gold_choice");
  note(running.limits == reloaded.limits, "limits");
  return keys;
}

}  // namespace pointsman::daemon
