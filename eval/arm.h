// An arm: one way of choosing models, played against the same stream as others.
//
// The in-process learner, the daemon behind its socket, and the baselines
// (eval/baselines.h) all implement it, so a runner cannot tell them apart.
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
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pointsman::policy {
struct Snapshot;
}

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
  std::size_t best = 0;         // the arm's best guess, where it explores; else `model`
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

// A change that an arm detected in one model.
struct Alarm {
  std::size_t model = 0;     // column of the table
  std::uint64_t uses = 0;    // of the model by this arm, when the alarm was raised
  std::uint64_t number = 0;  // of the item after which it was raised
};

class Arm {
 public:
  virtual ~Arm() = default;
  // Errors: whatever the arm meets; they end the run.
  virtual Result<ArmChoice> Route(const StreamItem& item) = 0;
  // At most once for each choice, before the next Route.
  virtual Status Report(const ArmChoice& choice, const ArmFeedback& feedback) = 0;
  // From the next item on the model costs `factor` times its first price: an
  // operator would know, so every arm is told. By default it is not heeded.
  virtual Status PriceChanged(std::size_t /*model*/, double /*factor*/) { return {}; }
  // From the next item on the model may be chosen, too: it joined the pool. By default it
  // cannot: FAILED_PRECONDITION.
  virtual Status ModelJoins(std::size_t /*model*/) {
    return MakeError(Code::kFailedPrecondition, "arm_without_pool", "this arm cannot add a model to its pool");
  }
  // What the arm believes of models now; null for an arm without a belief that can be read.
  virtual std::shared_ptr<const policy::Snapshot> snapshot() const { return nullptr; }
  // All alarms so far, in order; empty for an arm that watches for no change.
  virtual std::vector<Alarm> alarms() const { return {}; }
};

}  // namespace pointsman::eval
