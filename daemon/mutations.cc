#include "daemon/mutations.h"

#include <fmt/format.h>

#include <future>
#include <memory>
#include <utility>
#include <vector>

#include "base/fault_point.h"
#include "base/log.h"
#include "embed/embedder.h"

namespace pointsman::daemon {

Result<Mutations::Known> Mutations::Look() {
  const Status learnt = learner_.WaitUntilLearned(last_, wait_);
  if (!learnt.ok()) return learnt.error();
  return learner_.Query<Known>(wait_, [](const policy::State& state) {
    std::map<std::uint8_t, std::uint32_t> surfaces;
    for (const auto& [channel, surface] : state.surfaces) surfaces[channel] = surface.version;
    return Known{.pool = state.pool,
                 .options = state.options,
                 .generation = state.generation,
                 .bundle = state.bundle,
                 .generations = state.generations,
                 .surfaces = std::move(surfaces),
                 .frozen = state.frozen,
                 .rollout = state.rollout.rollout,
                 .excluded = state.excluded};
  });
}

Status Mutations::Append(const Actor& actor, policy::Payload payload) {
  auto promise = std::make_shared<std::promise<Result<store::Receipt>>>();
  auto future = promise->get_future();
  const Status submitted = queue_.Submit(
      {std::move(payload), actor.origin, actor.uid}, true,
      [promise](Result<store::Receipt> outcome, store::Durability) { promise->set_value(std::move(outcome)); });
  if (!submitted.ok()) return submitted;
  const Result<store::Receipt> receipt = future.get();
  if (!receipt.ok()) return receipt.error();
  last_ = receipt->seq;
  return learner_.WaitUntilLearned(last_, wait_);
}

Result<ModelId> Mutations::LiveModel(const Known& known, const std::string& name) const {
  const policy::Model* model = known.pool.FindLive(name);
  if (model != nullptr) return model->id;
  return MakeError(
      Code::kNotFound, "unknown_model",
      fmt::format("no live model is called \"{}\"; `pointsman models list` shows them", log::Escape(name)));
}

Result<ModelId> Mutations::AddModel(const Actor& actor, const std::string& name, const policy::Price& price,
                                    std::uint32_t context_tokens, const policy::NewcomerFacts& facts) {
  const std::lock_guard lock(mutex_);
  auto known = Look();
  if (!known.ok()) return known.error();
  std::shared_ptr<const policy::Bundle> live;
  if (known->generation.value > 0) {
    auto found = store_.Find(known->bundle);
    if (!found.ok()) return found.error();
    live = *found;
  }
  const double width =
      known->options.widths_overridden || live == nullptr ? known->options.widths.model : live->widths.model;
  const auto prior = policy::PriorOfNewcomer(live.get(), width, known->pool, name, price, facts);
  if (!prior.ok()) return prior.error();
  const auto id = known->pool.Add(name, price, context_tokens);
  if (!id.ok()) return id.error();
  const Status done = Append(actor, policy::ModelAdded{.id = id.value(),
                                                       .name = name,
                                                       .price = price,
                                                       .context_tokens = context_tokens,
                                                       .on_trial = prior->on_trial,
                                                       .like = prior->like,
                                                       .level_width = prior->level_width});
  if (!done.ok()) return done.error();
  return id.value();
}

Status Mutations::Probe(const Actor& actor, policy::ModelProbed probed) {
  const std::lock_guard lock(mutex_);
  const auto known = Look();
  if (!known.ok()) return known.error();
  const policy::Model* model = known->pool.Find(probed.id);
  if (model == nullptr || model->state == policy::ModelState::kRetired) {
    return MakeError(Code::kNotFound, "unknown_model", "the model was retired meanwhile; add it again and probe it");
  }
  for (const policy::ProbeRow& row : probed.rows) {
    if (row.context.generation == known->generation) continue;
    return MakeError(Code::kFailedPrecondition, "generation_changed",
                     "another bundle went live while the probes were read; send them again");
  }
  return Append(actor, std::move(probed));
}

Status Mutations::SetPrice(const Actor& actor, const std::string& name, const policy::Price& price) {
  const std::lock_guard lock(mutex_);
  auto known = Look();
  if (!known.ok()) return known.error();
  const auto id = LiveModel(known.value(), name);
  if (!id.ok()) return id.error();
  const Status valid = known->pool.SetPrice(id.value(), price);
  if (!valid.ok()) return valid;
  return Append(actor, policy::PriceChanged{id.value(), price});
}

Status Mutations::SetModelState(const Actor& actor, const std::string& name, policy::ModelState state) {
  const std::lock_guard lock(mutex_);
  auto known = Look();
  if (!known.ok()) return known.error();
  const auto id = LiveModel(known.value(), name);
  if (!id.ok()) return id.error();
  const Status valid = known->pool.SetState(id.value(), state);
  if (!valid.ok()) return valid;
  return Append(actor, policy::ModelStateChanged{id.value(), state});
}

Status Mutations::SetOptions(const Actor& actor, const policy::Options& options) {
  const std::lock_guard lock(mutex_);
  const auto known = Look();
  if (!known.ok()) return known.error();
  if (known->options == options) return {};
  const Status valid = policy::ValidateOptionsChange(known->options, options);
  if (!valid.ok()) return valid;
  return Append(actor, policy::OptionsChanged{options});
}

Status Mutations::SetFrozen(const Actor& actor, bool frozen) {
  const std::lock_guard lock(mutex_);
  const auto known = Look();
  if (!known.ok()) return known.error();
  if (known->frozen == frozen) return {};
  return Append(actor, policy::LearningSwitched{frozen});
}

Status Mutations::Exclude(const Actor& actor, SubjectHash subject) {
  const std::lock_guard lock(mutex_);
  if (subject.value == 0) return MakeError(Code::kInvalidArgument, "no_subject", "name the subject");
  const auto known = Look();
  if (!known.ok()) return known.error();
  return Append(actor, policy::SubjectExcluded{subject});
}

Status Mutations::Include(const Actor& actor, SubjectHash subject) {
  const std::lock_guard lock(mutex_);
  const auto known = Look();
  if (!known.ok()) return known.error();
  if (!known->excluded.contains(subject)) {
    return MakeError(Code::kFailedPrecondition, "not_excluded",
                     fmt::format("subject {:#018x} is not excluded: what it says counts", subject.value));
  }
  return Append(actor, policy::SubjectIncluded{subject});
}

Status Mutations::SetRollout(const Actor& actor, const policy::Rollout& rollout, const std::string& reason) {
  const std::lock_guard lock(mutex_);
  const auto known = Look();
  if (!known.ok()) return known.error();
  const Status valid = policy::ValidateRollout(rollout);
  if (!valid.ok()) return valid;
  if (known->rollout == rollout) return {};
  if (actor.origin == policy::Origin::kOperator && !rollout.incumbent.empty()) {
    const auto incumbent = LiveModel(known.value(), rollout.incumbent);
    if (!incumbent.ok()) return incumbent.error();
  }
  return Append(actor, policy::RolloutChanged{rollout, reason.substr(0, policy::kNoteBytesMax)});
}

Result<Generation> Mutations::ActivateLocked(const Actor& actor, const Known& known, const BundleHash& hash,
                                             const std::string& reason, bool other_embedder) {
  const auto bundle = store_.Find(hash);
  if (!bundle.ok()) return bundle.error();
  const policy::Bundle& next = *bundle.value();
  const Status valid = policy::ValidateBundle(next);
  if (!valid.ok()) return MakeError(Code::kDataLoss, "bad_bundle", valid.error().message);
  const auto embedder = embed::EmbedderFor(next);
  if (!embedder.ok()) {
    return MakeError(Code::kFailedPrecondition, "unusable_embedder",
                     fmt::format("the bundle's embedder ({}) cannot be used by this daemon: {}; make the bundle again "
                                 "with this version",
                                 log::Escape(next.embedder.kind), embedder.error().message));
  }
  if (known.generation.value > 0 && !other_embedder && next.bridge_from != known.bundle) {
    const auto live = store_.Find(known.bundle);
    if (!live.ok()) return live.error();
    if (live.value()->embedder != next.embedder) {
      return MakeError(Code::kFailedPrecondition, "embedder_changed",
                       fmt::format("the bundle embeds with {} ({} dimensions), generation {} with other parameters of "
                                   "{} ({} dimensions), and there is no bridge: evidence could not follow. Bootstrap "
                                   "with the live embedder, or say refit_embedder to start the evidence anew",
                                   log::Escape(next.embedder.kind), next.embedder.dimension, known.generation.value,
                                   log::Escape(live.value()->embedder.kind), live.value()->embedder.dimension));
    }
  }
  const Generation generation{known.generation.value + 1};
  FAULT_POINT("daemon.activate.before_event");
  const Status done = Append(actor, policy::GenerationActivated{generation, hash, reason});
  FAULT_POINT("daemon.activate.after_event");
  if (!done.ok()) return done.error();
  log::Info("generation {} is live: {}", generation.value, reason);
  return generation;
}

Result<Generation> Mutations::Activate(const Actor& actor, const BundleHash& hash, const std::string& reason,
                                       bool other_embedder) {
  const std::lock_guard lock(mutex_);
  const auto known = Look();
  if (!known.ok()) return known.error();
  return ActivateLocked(actor, known.value(), hash, reason, other_embedder);
}

Result<Generation> Mutations::Rollback(const Actor& actor) {
  const std::lock_guard lock(mutex_);
  const auto known = Look();
  if (!known.ok()) return known.error();
  // The latest generation whose bundle is not the live one.
  for (auto it = known->generations.rbegin(); it != known->generations.rend(); ++it) {
    if (it->bundle == known->bundle) continue;
    return ActivateLocked(actor, known.value(), it->bundle, fmt::format("rollback to {}", it->generation.value), true);
  }
  return MakeError(Code::kFailedPrecondition, "no_earlier_generation",
                   "no other bundle was live before this one; there is nothing to roll back to");
}

Result<std::uint32_t> Mutations::InstallSurface(const Actor& actor, policy::BiasSurfaceInstalled surface) {
  const std::lock_guard lock(mutex_);
  auto known = Look();
  if (!known.ok()) return known.error();
  if (known->bundle != surface.bundle) {
    return MakeError(Code::kFailedPrecondition, "generation_changed",
                     "another bundle went live while the bias was fitted; fit it again");
  }
  const std::uint32_t version = known->surfaces[surface.channel] + 1;
  surface.version = version;
  const Status done = Append(actor, std::move(surface));
  if (!done.ok()) return done.error();
  return version;
}

Status Mutations::Note(const Actor& actor, const std::string& text) {
  const std::lock_guard lock(mutex_);
  return Append(actor, policy::AdminNote{text.substr(0, policy::kNoteBytesMax)});
}

Status Mutations::PutBundle(const policy::Bundle& bundle) {
  const std::lock_guard lock(mutex_);
  const auto known = Look();
  if (!known.ok()) return known.error();
  std::vector<BundleHash> needed{bundle.hash};
  for (const policy::GenerationRecord& live : known->generations) needed.push_back(live.bundle);
  return queue_.RunExclusive([&](store::Store& store) -> Status {
    if (const Status put = store.PutBundle(bundle); !put.ok()) return put;
    const auto dropped = store.DropSpareBundles(needed, spare_bundles_);
    if (!dropped.ok()) return dropped.error();
    if (*dropped > 0) log::Info("{} bundles that were never live left the store", *dropped);
    return {};
  });
}

}  // namespace pointsman::daemon
