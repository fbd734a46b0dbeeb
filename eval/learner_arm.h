// The learner in this process: the daemon's own policy and fold, without sockets
// and disk. A log is kept in memory: route -> DecisionMade; feedback -> attribution
// -> event -> fold; a snapshot is published before each decision.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "bootstrap/fit/bias_refit.h"
#include "eval/arm.h"
#include "policy/belief/snapshot.h"
#include "policy/choice/probe.h"
#include "policy/world/bundle.h"
#include "policy/world/newcomer_prior.h"
#include "policy/world/options.h"

namespace pointsman::eval {

// A model that is not in the pool until it joins.
struct Joiner {
  std::size_t model = 0;  // column of the table
  bool welcome = true;    // false: it never joins
  policy::NewcomerFacts facts;
  std::vector<policy::Probe> probes;  // of it, taken in when it joins
};

struct LearnerArmOptions {
  policy::Options options;  // sources: at most one here, channel 1
  policy::Weights weights{1, 0};
  std::vector<std::string> models;    // columns of the table, in its order
  std::vector<policy::Price> prices;  // of the same; empty: all free
  // Null: cold, without clusters. Its hash may be unset.
  std::shared_ptr<const policy::Bundle> bundle;
  std::uint64_t seed = 0;         // of decision ids, hence of every draw
  bool learn = true;              // false: nothing is reported back (the static warm start)
  bool planned_gold = false;      // gold where a label is worth most (judgement/gold_planner.h)
  bool ratings = true;            // false: ratings are dropped (gold only)
  std::uint64_t refit_every = 0;  // reports between re-fits of the bias; 0: none (bias_refit.h)
  bootstrap::RefitOptions refit;
  std::optional<Joiner> joiner;
  std::int64_t micros_per_decision = 1'000'000;  // event time between decisions
};

class LearnerArm final : public Arm {
 public:
  // Errors: those of ValidateOptions and of the learner.
  static Result<std::unique_ptr<LearnerArm>> Create(const LearnerArmOptions& options);
  ~LearnerArm() override;

  Result<ArmChoice> Route(const StreamItem& item) override;
  Status Report(const ArmChoice& choice, const ArmFeedback& feedback) override;
  std::vector<Alarm> alarms() const override;
  Status PriceChanged(std::size_t model, double factor) override;
  // Errors: those of the learner; our bug for any other than the joiner.
  Status ModelJoins(std::size_t model) override;

  // The snapshot of the last decision; null before the first.
  std::shared_ptr<const policy::Snapshot> snapshot() const override;

 private:
  struct Impl;
  explicit LearnerArm(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pointsman::eval
