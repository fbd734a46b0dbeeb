#include "eval/scenario.h"

#include <algorithm>
#include <cstdio>

#include "eval/simulated_world.h"

namespace pointsman::eval {
namespace {

class Check {
 public:
  void That(bool good, const std::string& fault) {
    if (!good) faults_ += (faults_.empty() ? "" : "\n") + fault;
  }
  void In(double value, double min, double max, const std::string& what) {
    That(value >= min && value <= max, what + " must be from " + std::to_string(min) + " to " + std::to_string(max) +
                                           ", is " + std::to_string(value));
  }
  Status Done() const {
    if (faults_.empty()) return {};
    return MakeError(Code::kInvalidArgument, "bad_scenario", faults_);
  }

 private:
  std::string faults_;
};

bool IsModel(const std::string& name) {
  const auto& pool = SimulatedPool();
  return std::any_of(pool.begin(), pool.end(), [&](const SimulatedModel& model) { return model.name == name; });
}

void CheckWindow(Check& check, const std::string& what, std::uint64_t from, std::uint64_t until, std::uint64_t end) {
  check.That(from < end, what + ": from lies beyond the last decision");
  check.That(until == 0 || (until > from && until <= end), what + ": until must lie after from and within the run");
}

void CheckFault(Check& check, const Scenario& scenario, const Fault& fault) {
  const std::string what = "fault " + std::string(kFaultNames[static_cast<std::size_t>(fault.kind)]);
  CheckWindow(check, what, fault.from, fault.until, scenario.decisions);
  check.In(fault.share, 0, 1, what + ": share");
  check.In(fault.by, -20, 20, what + ": by");
  check.In(fault.factor, 0, 1000, what + ": factor");
  check.That(fault.subjects >= 1 && fault.subjects <= 1'000'000, what + ": subjects must be from 1 to 1,000,000");
  const bool of_model = fault.kind == FaultKind::kDrift || fault.kind == FaultKind::kSilentLoss ||
                        fault.kind == FaultKind::kPrice || fault.kind == FaultKind::kHostile;
  check.That(!of_model || !fault.model.empty(), what + ": needs a model");
  check.That(fault.model.empty() || IsModel(fault.model), what + ": no model " + fault.model);
  const bool of_delay = fault.kind == FaultKind::kLate || fault.kind == FaultKind::kRevised;
  check.That(!of_delay || fault.delay > 0, what + ": needs a delay, in decisions");
}

void CheckAcceptance(Check& check, const Scenario& scenario, const Acceptance& accept) {
  const std::string what = "accept " + accept.line;
  CheckWindow(check, what, accept.from, accept.until, scenario.decisions);
  check.That(!accept.line.empty(), "accept: line must say which line of the list it is");
  check.That(accept.at_least.has_value() != accept.at_most.has_value(), what + ": give either at_least or at_most");
  const bool of_model = accept.measure == Measure::kShare || accept.measure == Measure::kShareExcess;
  check.That(!of_model || IsModel(accept.model), what + ": needs a model of the pool");
  check.That(accept.measure != Measure::kShareExcess || accept.from > 0, what + ": needs a stretch before from");
}

}  // namespace

std::vector<Scenario> Expand(const Scenario& scenario) {
  if (scenario.hostile_shares.empty()) return {scenario};
  std::vector<Scenario> all;
  for (const double share : scenario.hostile_shares) {
    Scenario& one = all.emplace_back(scenario);
    one.hostile_shares.clear();
    char text[32];
    std::snprintf(text, sizeof text, " %g", share);
    one.name += text;
    for (Fault& fault : one.faults) {
      if (fault.kind == FaultKind::kHostile) fault.share = share;
    }
  }
  return all;
}

Status ValidateScenario(const Scenario& scenario) {
  Check check;
  check.That(!scenario.name.empty(), "name must not be empty");
  check.That(scenario.seeds >= 1 && scenario.seeds <= 100, "seeds must be from 1 to 100");
  check.That(scenario.decisions >= 100 && scenario.decisions <= 100'000, "decisions must be from 100 to 100,000");
  check.That(scenario.bootstrap_rows == 0 || (scenario.bootstrap_rows >= 200 && scenario.bootstrap_rows <= 20'000),
             "bootstrap_rows must be 0, or from 200 to 20,000");
  for (const auto& [value, name] :
       {std::pair{scenario.mixed_share, "truth.mixed_share"}, std::pair{scenario.plain_share, "truth.plain_share"},
        std::pair{scenario.rating_rate, "feedback.rating_rate"}, std::pair{scenario.gold_rate, "feedback.gold_rate"},
        std::pair{scenario.gold_answered, "feedback.gold_answered"}}) {
    check.In(value, 0, 1, name);
  }
  check.In(scenario.cell_deviation, 0, 3, "truth.cell_deviation");
  check.In(scenario.bias_by_model, 0, 0.5, "truth.bias_by_model");
  check.In(scenario.bias_by_cell, 0, 0.5, "truth.bias_by_cell");
  check.That(scenario.subjects >= 1 && scenario.subjects <= 1'000'000, "feedback.subjects must be from 1 to 1,000,000");
  if (Status weights = policy::ValidateWeights(scenario.weights); !weights.ok()) {
    check.That(false, "weights: " + weights.error().message);
  }
  check.That(scenario.faults.size() <= 64 && scenario.accept.size() <= 64, "at most 64 faults and 64 bars");
  check.That(scenario.hostile_shares.size() <= 16, "at most 16 hostile_shares");
  for (const double share : scenario.hostile_shares) check.In(share, 0, 1, "hostile_shares");
  for (const Fault& fault : scenario.faults) CheckFault(check, scenario, fault);
  for (const Acceptance& accept : scenario.accept) CheckAcceptance(check, scenario, accept);
  return check.Done();
}

}  // namespace pointsman::eval
