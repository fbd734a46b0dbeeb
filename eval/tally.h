// What one arm did in one seed, and how many such runs become a report.
// Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eval/coverage.h"
#include "eval/outcomes.h"
#include "eval/report.h"

namespace pointsman::eval {

struct Step {
  float score = 0;
  float predicted = 0;  // NaN: the arm does not predict
  float cost_usd = 0;   // NaN: not known
  std::uint32_t model = 0;
  // Of the model that joins: what the arm's best guess would have scored more, and whether
  // that was another model.
  float lost = 0;
  bool explored = false;
  bool gold = false;  // a label was given
};

struct ArmRun {
  std::vector<Step> steps;  // in order, all passes
  std::uint64_t audits = 0;
  std::uint64_t gold = 0;
  std::uint64_t ratings = 0;
  std::vector<Alarm> alarms;
  // The silent loss of this seed's world, and the score per decision that could be
  // had after it.
  std::optional<WorldChange> loss;
  double reference_after_loss = kUnknown;
  std::optional<WorldChange> joins;  // the model that joins this seed's world
  Coverage coverage;                 // of its intervals at the end; empty: not judged
};

// `runs`: one for each seed, not empty, each with at least two steps; `passes`
// divides their length; `budget_usd` 0 for none.
ArmReport Summarise(const std::string& name, std::span<const ArmRun> runs, std::uint32_t passes,
                    std::span<const std::string> models, double budget_usd);

// Second halves of all runs pooled, 15 bins of equal mass by prediction; empty
// without predictions.
std::vector<CalibrationBin> CalibrationBins(std::span<const ArmRun> runs);
// Mean over the bins of |mean prediction - mean score|; NaN without bins.
double CalibrationError(std::span<const CalibrationBin> bins);

// How the model that joined was taken up; none without one.
std::optional<JoinReport> JudgeJoining(std::span<const ArmRun> runs);

// Alarms against what happened.
Detection JudgeAlarms(std::span<const ArmRun> runs);

}  // namespace pointsman::eval
