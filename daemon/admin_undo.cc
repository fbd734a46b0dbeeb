// AdminPorts::Undo and gold labels by administrators.
#include <fmt/format.h>

#include <future>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "base/log.h"
#include "daemon/admin_ports.h"

namespace pointsman::daemon {
namespace {

constexpr std::chrono::seconds kGoldLimit{10};
constexpr std::chrono::seconds kLookLimit{10};

// The last change of an operator, and what is known of the model that it was about.
struct Scene {
  policy::LastChange change;
  std::optional<policy::Model> model;  // as it is now
  policy::RolloutRecord rollout;
  bool frozen = false;
};

std::string StateWord(policy::ModelState state) { return std::string(policy::ModelStateName(state)); }

// What the last re-fit by an operator installed: by source what was in force before it.
struct LastRefit {
  std::map<std::uint8_t, std::optional<policy::BiasSurfaceInstalled>> before;
  bool replaced = false;  // by a scheduled one
};

Result<LastRefit> ReadLastRefit(const store::Store& store) {
  std::map<std::uint8_t, policy::BiasSurfaceInstalled> in_force;
  LastRefit refit;
  const auto take = [&](const policy::Event& event) -> Status {
    if (std::holds_alternative<policy::GenerationActivated>(event.payload)) {
      in_force.clear();
      refit = {};
    }
    const auto* surface = std::get_if<policy::BiasSurfaceInstalled>(&event.payload);
    if (surface == nullptr) return {};
    if (event.origin == policy::Origin::kOperator) {
      // A re-fit installs its sources in ascending order.
      if (!refit.before.empty() && surface->channel <= refit.before.rbegin()->first) refit = {};
      const auto earlier = in_force.find(surface->channel);
      refit.before[surface->channel] = earlier == in_force.end() ? std::nullopt : std::optional(earlier->second);
    } else if (refit.before.contains(surface->channel)) {
      refit.replaced = true;
    }
    in_force[surface->channel] = *surface;
    return {};
  };
  const Status read = store.ForEachLasting(LogSeq{store.Statistics().last_seq.value + 1}, take);
  if (!read.ok()) return read.error();
  return refit;
}

Error NotReversible(const policy::LastChange& last, const std::string& name) {
  std::string advice;
  switch (last.type) {
    case 15: advice = "a scheduled re-fit has replaced what was installed; `pointsman refit` fits anew"; break;
    case 26:
      advice = fmt::format(
          "probes of {0} count like gold and cannot be taken out alone; `pointsman models retire {0}` and "
          "`pointsman models add {0}` let it begin anew, without them",
          log::Escape(name));
      break;
    default: advice = "no verb reverses that";
  }
  return MakeError(
      Code::kFailedPrecondition, "not_reversible",
      fmt::format("the last change was event {}, {}: {}", last.seq.value, policy::EventTypeName(last.type), advice));
}

std::string RolloutText(const policy::Rollout& rollout) {
  if (rollout.mode == policy::RolloutMode::kFull) return "every decision is the router's";
  return fmt::format("{}: {:.3g} % of the decisions are the router's", policy::RolloutModeName(rollout.mode),
                     100 * rollout.share);
}

}  // namespace

Result<admin::Acknowledgement> AdminPorts::GiveGold(const admin::Caller& caller, const std::string& decision,
                                                    double value, std::uint32_t revision) {
  const auto id = ParseDecision(decision);
  if (!id.ok()) return id.error();
  if (!(value >= 0 && value <= 1)) {
    return MakeError(Code::kOutOfRange, "value", fmt::format("the value is {}; it must be from 0 to 1", value));
  }
  policy::FeedbackReport report;
  report.decision = id.value();
  report.revision = revision;
  report.value = value;
  using Outcome = std::pair<Result<store::Receipt>, store::Durability>;
  auto promise = std::make_shared<std::promise<Outcome>>();
  auto future = promise->get_future();
  const Status submitted =
      context_.queue.Submit({report, policy::Origin::kOperator, caller.uid}, true,
                            [promise](Result<store::Receipt> outcome, store::Durability durability) {
                              promise->set_value({std::move(outcome), durability});
                            });
  if (!submitted.ok()) return submitted.error();
  if (future.wait_for(kGoldLimit) != std::future_status::ready) {
    return MakeError(Code::kDeadlineExceeded, "no_answer_in_time",
                     "the log did not answer within 10 s; the label may have been stored: repeat it as it was");
  }
  const Outcome outcome = future.get();
  if (!outcome.first.ok()) return outcome.first.error();
  return admin::Acknowledgement{outcome.first->code, outcome.first->seq.value,
                                static_cast<std::uint32_t>(outcome.second)};
}

Status AdminPorts::UndoRefit(const Actor& actor, const policy::LastChange& last, admin::UndoReport* report) {
  const auto refit = ReadLastRefit(context_.store);
  if (!refit.ok()) return refit.error();
  if (refit->replaced || refit->before.empty()) return NotReversible(last, "");
  const auto view = context_.cell.Load();
  for (const auto& [channel, before] : refit->before) {
    policy::BiasSurfaceInstalled surface;  // without clusters: what was fitted is taken away
    surface.channel = channel;
    surface.bundle = view->snapshot->bundle->hash;
    if (before) surface = *before;
    const bool none = surface.clusters.empty();
    const std::string source = log::Escape(view->snapshot->options.sources[channel - 1U]);
    const auto version = mutations_.InstallSurface(actor, std::move(surface));
    if (!version.ok()) return version.error();
    report->undone += fmt::format("{}{}", report->undone.empty() ? "the bias was fitted anew of " : ", ", source);
    report->now += fmt::format("{}{}: {} (version {})", report->now.empty() ? "" : "; ", source,
                               none ? "no fitted bias" : "the fit before it", *version);
  }
  return {};
}

Status AdminPorts::UndoExclusion(const Actor& actor, const policy::LastChange& last, admin::UndoReport* report) {
  SubjectHash subject;
  const LogSeq end{last.seq.value + 1};
  const Status read = context_.store.ForEachLasting(end, [&](const policy::Event& event) -> Status {
    if (event.seq != last.seq) return {};
    if (const auto* excluded = std::get_if<policy::SubjectExcluded>(&event.payload)) subject = excluded->subject;
    if (const auto* included = std::get_if<policy::SubjectIncluded>(&event.payload)) subject = included->subject;
    return {};
  });
  if (!read.ok()) return read;
  const bool excluded = last.type == 16;
  report->undone = fmt::format("subject {:#018x} was {}", subject.value, excluded ? "excluded" : "included again");
  report->now = excluded ? "what it says from here on counts again; what it said since stays out"
                         : "what it says from here on does not count";
  return excluded ? mutations_.Include(actor, subject) : mutations_.Exclude(actor, subject);
}

Result<admin::UndoReport> AdminPorts::Undo(const admin::Caller& caller) {
  const auto scene = learner_.Query<Scene>(kLookLimit, [](const policy::State& state) {
    const policy::Model* model = state.pool.Find(state.last_change.model);
    return Scene{state.last_change, model == nullptr ? std::nullopt : std::optional(*model), state.rollout,
                 state.frozen};
  });
  if (!scene.ok()) return scene.error();
  const policy::LastChange& last = scene->change;
  if (last.seq.value == 0) {
    return MakeError(Code::kFailedPrecondition, "nothing_to_undo", "no operator has changed anything yet");
  }
  const Actor actor{policy::Origin::kOperator, caller.uid};
  const std::string name = scene->model ? scene->model->name : "";
  admin::UndoReport report;
  report.undone_sequence = last.seq.value;
  Status done;
  switch (last.type) {
    case 9:
      report.undone = name + " was added";
      report.now = name + " is retired";
      done = mutations_.SetModelState(actor, name, policy::ModelState::kRetired);
      break;
    case 10:
      if (scene->model->state == policy::ModelState::kRetired) {
        return MakeError(Code::kFailedPrecondition, "not_reversible",
                         log::Escape(name) + " was retired, which is final; add it again with `pointsman models add`");
      }
      report.undone = name + " was made " + StateWord(scene->model->state);
      report.now = name + " is " + StateWord(last.state);
      done = mutations_.SetModelState(actor, name, last.state);
      break;
    case 11:
      report.undone = "the price of " + name + " was changed";
      report.now = fmt::format("{} costs {} and {} dollars per million tokens in and out", name,
                               last.price.input_usd_per_million, last.price.output_usd_per_million);
      done = mutations_.SetPrice(actor, name, last.price);
      break;
    case 14: {
      report.undone = "another generation was made live";
      const auto generation = mutations_.Rollback(actor);
      if (!generation.ok()) return generation.error();
      report.undone = fmt::format("generation {} was made live", generation->value - 1);
      report.now = fmt::format("generation {} is live, with the bundle before it", generation->value);
      break;
    }
    case 17:
      report.undone = last.frozen ? "learning was resumed" : "learning was frozen";
      report.now = last.frozen ? "learning is frozen" : "learning goes on";
      done = mutations_.SetFrozen(actor, last.frozen);
      break;
    case 25:
      report.undone = "the rollout was changed";
      report.now = RolloutText(last.rollout);
      done = mutations_.SetRollout(actor, last.rollout, fmt::format("event {} was undone", last.seq.value));
      break;
    case 15: done = UndoRefit(actor, last, &report); break;
    case 16:
    case 27: done = UndoExclusion(actor, last, &report); break;
    default: return NotReversible(last, name);
  }
  if (!done.ok()) return done.error();
  log::Info("uid {} undid event {}: {}", caller.uid, last.seq.value, log::Escape(report.undone));
  return report;
}

}  // namespace pointsman::daemon
