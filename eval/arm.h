// An arm: one way of choosing models, played against the same stream as others.
//
// The in-process learner, the daemon behind its socket, and the baselines all
// implement it, so a runner cannot tell them apart.
//
// Threads: one at a time for each arm.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "eval/table_world.h"

namespace pointsman::eval {

inline constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

// One arriving query.
struct StreamItem {
  std::uint64_t number = 0;  // from 0 over all passes: unique in a run
  std::size_t row = 0;       // of the table
  std::string_view text;
  std::span<const float> embedding;  // of the bundle's embedder; empty: none
};

struct ArmChoice {
  std::size_t model = 0;        // column of the table
  double predicted = kUnknown;  // quality, [0,1]
  double propensity = 1;
  bool audit = false;
  bool gold_wanted = false;  // by the arm's own gold rule
  std::uint64_t number = 0;  // of the item
  std::string token;         // of a daemon's decision
};

// What came back for one decision.
struct ArmFeedback {
  std::optional<double> rating;
  std::optional<double> gold;
  double cost_usd = kUnknown;
  double tokens_in = kUnknown;
  double tokens_out = kUnknown;
};

class Arm {
 public:
  virtual ~Arm() = default;
  // Errors: whatever the arm meets; they end the run.
  virtual Result<ArmChoice> Route(const StreamItem& item) = 0;
  // At most once for each choice, before the next Route.
  virtual Status Report(const ArmChoice& choice, const ArmFeedback& feedback) = 0;
};

// Plays one model always (the best one in hindsight), any at random, or the best
// for each row. They learn nothing.
std::unique_ptr<Arm> MakeFixedArm(std::size_t model);
std::unique_ptr<Arm> MakeRandomArm(std::size_t models, std::uint64_t seed);
std::unique_ptr<Arm> MakeOracleArm(const TableWorld& world);

// The column with the best mean score over `rows`; ties to the smaller one.
std::size_t BestSingle(const TableWorld& world, std::span<const std::size_t> rows);

}  // namespace pointsman::eval
