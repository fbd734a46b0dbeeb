// AdminPorts: the rollout in force, and what another policy would have earned.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "daemon/admin_ports.h"
#include "store/judge_log.h"

namespace pointsman::daemon {
namespace {

constexpr std::chrono::seconds kLookLimit{10};

std::string OriginName(policy::Origin origin) {
  switch (origin) {
    case policy::Origin::kOperator: return "operator";
    case policy::Origin::kLearner: return "learner";
    default: return "config";
  }
}

}  // namespace

admin::RolloutReport AdminPorts::GetRollout() const {
  struct Scene {
    policy::RolloutRecord record;
    std::uint64_t gold = 0;
  };
  const auto view = context_.cell.Load();
  Scene scene{view->snapshot->rollout, view->snapshot->counters.feedback[0]};
  const auto fresh = learner_.Query<Scene>(kLookLimit, [](const policy::State& state) {
    return Scene{state.rollout, state.counters.feedback[0]};
  });
  if (fresh.ok()) scene = fresh.value();
  const policy::RolloutRecord& record = scene.record;
  admin::RolloutReport report;
  report.mode = policy::RolloutModeName(record.rollout.mode);
  report.share = record.rollout.share;
  report.incumbent = record.rollout.incumbent;
  report.since_sequence = record.since.value;
  report.since_us = record.since_us;
  if (record.since.value != 0) report.set_by = OriginName(record.set_by);
  report.reason = record.reason;
  report.routed = record.routed;
  report.followed = record.followed;
  if (record.since.value != 0) report.labels = scene.gold - std::min(scene.gold, record.gold_before);
  report.look = rollout_.LastLook();
  if (record.rollout.mode == policy::RolloutMode::kApprentice) {
    report.next_look_labels = LabelsForLook(NextLook(report.labels));
  }
  return report;
}

Result<admin::RolloutReport> AdminPorts::SetRollout(const admin::Caller& caller, const policy::Rollout& rollout) {
  const Status done = mutations_.SetRollout({policy::Origin::kOperator, caller.uid}, rollout,
                                            fmt::format("by a verb of uid {}", caller.uid));
  if (!done.ok()) return done.error();
  return GetRollout();
}

Result<policy::Judgement> AdminPorts::WhatIf(const policy::TargetPolicy& target, std::uint64_t events_max) const {
  if (events_max == 0 || events_max > admin::kWhatIfEventsMax) {
    return MakeError(Code::kOutOfRange, "events",
                     fmt::format("events must be from 1 to {}; `pointsman whatif --store` on a copy reads any number",
                                 admin::kWhatIfEventsMax));
  }
  const std::unique_lock one(whatif_mutex_, std::try_to_lock);
  if (!one.owns_lock()) {
    return MakeError(Code::kBusy, "whatif_running", "another judgement is reading the log; ask again when it is done");
  }
  auto facts = learner_.Query<std::vector<policy::Payload>>(
      kLookLimit, [](const policy::State& state) { return store::FactsOf(state); });
  if (!facts.ok()) return facts.error();
  return store::JudgeLog(
      context_.store, target,
      {.after = {}, .events_max = events_max, .known = std::move(facts).value(), .cancelled = [this] {
         return context_.stopping.load();
       }});
}

}  // namespace pointsman::daemon
