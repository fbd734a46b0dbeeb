// Arms by name, made for one seed of a run.
//
// Threads: one for each factory. Lifetime: arms must not outlive their factory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "eval/arm.h"
#include "eval/features.h"
#include "eval/learner_arm.h"
#include "eval/outcomes.h"
#include "eval/run_options.h"
#include "eval/table_world.h"

namespace pointsman::eval {

// Independent streams of random numbers from one seed, by purpose.
enum class Purpose : std::uint64_t { kDecisions = 1, kOrder = 2, kRatings = 3, kArm = 4, kGold = 5, kSaid = 6 };
std::uint64_t SeedFor(std::uint64_t seed, Purpose purpose);

// What the arms of one seed share.
struct SeedWorld {
  std::uint64_t seed = 0;
  Split split;
  std::shared_ptr<const policy::Bundle> bundle;  // null with Warm::kNone
  std::optional<Features> features;
  std::optional<Outcomes> outcomes;
  std::optional<Joiner> joiner;  // the bundle does not know it
};

// Splits, builds the bundle, embeds. `world` and `options` must outlive the result.
// Errors: those of SplitWorld, BuildBundle and the embedder.
Result<SeedWorld> PrepareSeed(const TableWorld& world, const RunOptions& options, std::uint64_t seed);

// True where the arm decides itself when to ask for gold.
bool HasGoldRule(const std::string& name);

// The arm `name` of ArmNames(). Errors: those of the learner and of the factory of
// the options; INVALID_ARGUMENT (unknown_arm).
Result<std::unique_ptr<Arm>> MakeArm(const std::string& name, const TableWorld& world, const RunOptions& options,
                                     SeedWorld& seed);

// `bundle` with the order of its models reversed for every query: in each row of a
// table x becomes (largest + smallest of the row) - x. Mean priors are computed
// again over the bootstrap rows.
policy::Bundle InvertPrior(const policy::Bundle& bundle, const Features& features,
                           const std::vector<std::size_t>& bootstrap_rows);

// `bundle` with one and the same prior for all models, and the widths of a prior
// that is not to be trusted.
policy::Bundle FlattenPrior(const policy::Bundle& bundle);

}  // namespace pointsman::eval
