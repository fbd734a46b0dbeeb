// What one arm did in one seed, and how many such runs become a report.
// Pure; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "eval/e1.h"

namespace pointsman::eval {

struct Step {
  float score = 0;
  float predicted = 0;  // NaN: the arm does not predict
  float cost_usd = 0;   // NaN: not known
  std::uint32_t model = 0;
};

struct ArmRun {
  std::vector<Step> steps;  // in order, all passes
  std::uint64_t audits = 0;
  std::uint64_t gold = 0;
  std::uint64_t ratings = 0;
};

// `runs`: one for each seed, not empty, each with at least two steps; `passes`
// divides their length.
ArmReport Summarise(const std::string& name, std::span<const ArmRun> runs, std::uint32_t passes,
                    std::span<const std::string> models);

// Mean over 15 equal-mass bins of |mean prediction - mean score|, second halves of
// all runs pooled; NaN without predictions.
double CalibrationError(std::span<const ArmRun> runs);

}  // namespace pointsman::eval
