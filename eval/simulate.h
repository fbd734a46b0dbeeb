// Running a scenario against a router, and judging it by the scenario's bars.
//
// Each decision: what is due is delivered, the router is asked, the truth answers, the
// users say what the faults let them say. At most one rating and one gold label a
// decision. Figures are means over the seeds.
// Threads: one. Deterministic for a target that is: equal files, equal bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "eval/router_target.h"
#include "eval/scenario.h"

namespace pointsman::eval {

enum class Verdict : std::uint8_t { kMet, kNotMet, kNotMeasured };
inline constexpr std::string_view kVerdictNames[] = {"met", "not met", "not measured"};

struct AcceptanceResult {
  Acceptance bar{};
  std::optional<double> figure{};  // none: the target cannot tell
  std::optional<double> error{};   // standard error over seeds; none with one seed
  Verdict verdict = Verdict::kNotMeasured;
};

struct ScenarioResult {
  std::string name{};
  std::string about{};
  std::string target{};
  std::uint64_t seed = 0;
  std::uint32_t seeds = 0;
  std::uint64_t decisions = 0;  // a seed
  // Means over all decisions of all seeds, true quality.
  double quality = 0, random = 0, best_single = 0, oracle = 0;
  double cost_usd = 0;
  std::vector<std::pair<std::string, double>> shares{};  // of the choices, by model of the pool
  // Reports of all seeds.
  std::uint64_t sent = 0, duplicates = 0, refused = 0, restarts = 0;
  bool price_untold = false;  // a price changed and the target could not be told
  std::vector<AcceptanceResult> acceptance{};
};

using TargetFactory = std::function<Result<std::unique_ptr<RouterTarget>>(const TargetSetup&)>;
// (what, done, total)
using SimulationProgress = std::function<void(std::string_view, std::uint64_t, std::uint64_t)>;

// Errors: ValidateScenario's, the world's, the target's.
Result<ScenarioResult> Simulate(const Scenario& scenario, const std::string& starter_directory,
                                const TargetFactory& make_target, const SimulationProgress& progress = {});

// One JSON object, the same bytes for the same results.
std::string ToJson(const std::vector<ScenarioResult>& results);

}  // namespace pointsman::eval
