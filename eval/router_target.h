// A router under test: what a simulation asks of it. Ours in this process, and any other
// over HTTP (admin/cli/app_http_target.h), look alike to the simulation.
//
// Threads: one. Errors end the run; a report that the router refuses is no error.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/world/bundle.h"
#include "policy/world/options.h"
#include "policy/world/pool.h"
#include "policy/world/query.h"

namespace pointsman::eval {

struct RouterQuery {
  std::string_view text;
  std::span<const float> embedding;  // of the scenario's bundle; empty: none
  policy::Weights weights;
};

struct RouterChoice {
  std::size_t model = 0;            // column of the pool
  std::string token;                // names the decision in reports
  std::optional<bool> gold_wanted;  // none: the router has no rule of its own
};

struct RouterOutcome {
  std::uint32_t tokens_in = 0;
  std::uint32_t tokens_out = 0;
  double latency_ms = 0;
  double cost_usd = 0;
};

struct RouterFeedback {
  std::string source;   // "thumbs", or "gold"
  std::string subject;  // empty with gold
  double value = 0;     // [0,1]
  std::uint32_t revision = 0;
};

enum class Receipt : std::uint8_t { kStored, kDuplicate, kRefused };

class RouterTarget {
 public:
  virtual ~RouterTarget() = default;
  virtual std::string name() const = 0;
  virtual Result<RouterChoice> Route(const RouterQuery& query) = 0;
  virtual Result<Receipt> Outcome(const std::string& token, const RouterOutcome& outcome) = 0;
  virtual Result<Receipt> Feedback(const std::string& token, const RouterFeedback& feedback) = 0;
  // False: it cannot be told.
  virtual Result<bool> PriceChanged(std::size_t model, double factor) = 0;
  // Kills and starts it. `can`: false where nobody may; `equal`: whether its state is
  // the one before, where it can be asked.
  struct Restarted {
    bool can = false;
    std::optional<bool> equal;
  };
  virtual Result<Restarted> Restart() = 0;
  // None: it does not tell.
  virtual std::optional<double> StateBytes() = 0;
  // Whether it has raised an alarm about raters who say the same whatever the answer. None: it does not tell.
  virtual std::optional<bool> GroupAlarm() { return std::nullopt; }
};

// What a target is made for: one seed of a scenario.
struct TargetSetup {
  std::vector<std::string> models;
  std::vector<policy::Price> prices;
  std::shared_ptr<const policy::Bundle> bundle;  // null: cold
  policy::Weights weights;
  double gold_rate = 0;
  std::uint64_t seed = 0;
};

// Our learner, in this process; or, to compare with, its warm start that is told nothing,
// the learner without any term for bias, or without a bound on what one subject says, or without both.
enum class LearnerKind : std::uint8_t { kShipped, kStatic, kNaive, kUncapped, kNaiveUncapped };
Result<std::unique_ptr<RouterTarget>> MakeLearnerTarget(const TargetSetup& setup,
                                                        LearnerKind kind = LearnerKind::kShipped);

}  // namespace pointsman::eval
