// The arms that Pointsman is compared with. All are run, none is quoted.
//
//   fixed      one model always
//   random     any model, uniformly
//   oracle     the best model for each query
//   clusters   mean reward by cluster and model, cold: shrunk to the model's mean
//              with 10 rows, 5 % of decisions uniform over the models
//   neighbours the 64 most similar rows seen so far, with the scores of ALL models
//              revealed: what these features can give with full information
//   LinUCB     eval/linucb.h
//
// Those that learn take gold as reward where it came, else the rating as it is, and
// nothing where nothing came.
//
// Lifetime: what they are given must outlive them. Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "eval/arm.h"
#include "eval/features.h"
#include "eval/outcomes.h"
#include "eval/table_world.h"

namespace pointsman::eval {

std::unique_ptr<Arm> MakeFixedArm(std::size_t model);
std::unique_ptr<Arm> MakeRandomArm(std::size_t models, std::uint64_t seed);
std::unique_ptr<Arm> MakeOracleArm(const Outcomes& outcomes);
std::unique_ptr<Arm> MakeClusterMeansArm(Features& features, std::size_t models, std::uint64_t seed);
std::unique_ptr<Arm> MakeNeighboursArm(Features& features, const Outcomes& outcomes, const Split& split);

// Gold, else the rating, else nothing.
std::optional<double> RewardOf(const ArmFeedback& feedback);

}  // namespace pointsman::eval
