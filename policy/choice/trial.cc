#include "policy/choice/trial.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/contract.h"
#include "policy/choice/pacing.h"

namespace pointsman::policy {

namespace {

const ModelView* FindTrial(const Snapshot& snapshot, ModelId model) {
  for (const std::size_t index : snapshot.trials) {
    if (snapshot.models[index].model.id == model) return &snapshot.models[index];
  }
  return nullptr;
}

std::uint64_t Reports(const ModelView& view) { return view.tally.ratings + view.tally.gold + view.newcomer.probes; }

// Whether drawing it instead of the best may still be paid for.
bool Affordable(const Snapshot& snapshot, const ModelView& view, const Candidate& drawn, const Candidate& best) {
  const double budget = snapshot.options.budget_usd;
  if (budget > 0 && drawn.cost_usd > kAuditBudgets * budget) return false;
  if (!OnTrial(view.model.state)) return true;
  const double allowance = TrialAllowance(view.newcomer, snapshot.counters.decisions);
  if (view.newcomer.spent + (best.utility - drawn.utility) > allowance) return false;
  const double extra = std::max(0.0, drawn.cost_usd - best.cost_usd);
  return budget <= 0 || view.newcomer.spent_usd + extra <= allowance * budget;
}

// P(the difference of their utilities is above 0), its standard deviation as given.
double Better(const Candidate& drawn, const Candidate& best, double deviation) {
  return deviation > 0 ? 0.5 * std::erfc((best.utility - drawn.utility) / deviation / std::numbers::sqrt2) : 0;
}

double ShareOfChanged(const Weights& weights, const Candidate& drawn, const Candidate& best) {
  const double beyond = std::max(drawn.predicted_variance - best.predicted_variance, 0.0);
  return std::min(Better(drawn, best, weights.quality * std::sqrt(beyond)), kChangedMost);
}

double ShareOf(const ModelView& view, const Weights& weights, const Candidate& drawn, const Candidate& best) {
  if (view.model.state == ModelState::kProbation) return kProbationShare;
  if (!OnTrial(view.model.state)) return ShareOfChanged(weights, drawn, best);
  const double variance = std::max(drawn.predicted_variance, 0.0) + std::max(best.predicted_variance, 0.0);
  const double deviation = weights.quality * std::sqrt(variance);
  if (!(deviation > 0)) return 0;
  const double better = Better(drawn, best, deviation);
  return Reports(view) < kTrialReports ? std::max(better, kTrialFloor) : better;
}

}  // namespace

Trials PlanTrials(const Snapshot& snapshot, const Query& query, std::span<const Candidate> ranked) {
  Trials trials;
  const bool greedy = snapshot.options.exploration == Exploration::kGreedyAudits;
  for (std::size_t arm = 1; arm < ranked.size(); ++arm) {
    const ModelView* view = FindTrial(snapshot, ranked[arm].model);
    if (view == nullptr) continue;
    const bool affordable = Affordable(snapshot, *view, ranked[arm], ranked[0]);
    if (!greedy && !affordable && OnTrial(view->model.state)) trials.spent.push_back(arm);
    if (!greedy || !affordable) continue;
    const double share = ShareOf(*view, query.weights, ranked[arm], ranked[0]);
    if (share > 0) trials.arms.push_back({arm, share});
  }
  for (const Trial& trial : trials.arms) trials.total += trial.probability;
  if (trials.total <= kTrialsMost) return trials;
  const double scale = kTrialsMost / trials.total;
  trials.total = 0;
  for (Trial& trial : trials.arms) {
    trial.probability *= scale;
    trials.total += trial.probability;
  }
  return trials;
}

void MixTrials(const Trials& trials, double audit_rate, std::span<Candidate> ranked) {
  for (const Trial& trial : trials.arms) {
    const double moved = (1 - audit_rate) * trial.probability;
    ranked[trial.arm].probability += moved;
    ranked[0].probability -= moved;
  }
  for (const std::size_t arm : trials.spent) {
    ranked[0].probability += ranked[arm].probability;
    ranked[arm].probability = 0;
  }
}

std::size_t DrawTrial(const Trials& trials, double unit) {
  REQUIRE(!trials.arms.empty(), "a trial to draw");
  double reached = 0;
  for (const Trial& trial : trials.arms) {
    reached += trial.probability;
    if (unit < reached) return trial.arm;
  }
  return 0;
}

double WithoutAudit(const Trials& trials, std::size_t arm) {
  if (arm == 0) return 1 - trials.total;
  for (const Trial& trial : trials.arms) {
    if (trial.arm == arm) return trial.probability;
  }
  return 0;
}

double TrialGold(const Snapshot& snapshot, const Trials& trials, std::span<const Candidate> ranked, std::size_t arm) {
  if (snapshot.trials.empty() || snapshot.options.gold_rate <= 0) return 0;
  const auto unlabelled = [&](std::size_t of) {
    const ModelView* view = FindTrial(snapshot, ranked[of].model);
    return view != nullptr && OnTrial(view->model.state) &&
           view->newcomer.gold_asked + view->newcomer.probes < kTrialGold;
  };
  if (unlabelled(arm)) return 1;
  double drawn = 0;
  for (const Trial& trial : trials.arms) drawn += arm == 0 && unlabelled(trial.arm) ? trial.probability : 0;
  return drawn;
}

}  // namespace pointsman::policy
