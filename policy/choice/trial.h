// Trials: which part of the decisions plays models that are on trial (world/pool.h).
//
// With greedy choice a decision that is no audit plays a model on trial with the
// probability that it is the better one of itself and the greedy model,
//   p = Phi((u - u_best) / (mu_r sqrt(v + v_best))),
// the Thompson draw between the two, as both are believed to be for this query
// (trouter_bandits 3.5). A new model has at least kTrialFloor until it has kTrialReports
// reports, so that the first look at it is soon over; one on probation has kProbationShare
// instead. Where its mean is the best, it is the greedy model and no trial is needed. p is
// 0 for requests in which quality does not count, for a model dearer than audits may be,
// and where the draw could exceed what the trial may cost (belief/newcomer.h). Several on
// trial have at most kTrialsMost together. Other policies explore newcomers themselves;
// where the allowance of one is used up, its part goes to the best.
//
// A model that an alarm has freed in this generation (ModelView::changed) is played
// likewise, with p = Phi((u - u_best) / (mu_r sqrt(v - v_best))), at most kChangedMost: what
// is shared by all turns no ranking, and so its trial ends by itself once it is known as
// well as the best. It has no allowance and asks for no gold beyond the rate
// (decisions/0035).
//
// Pure; any thread.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "policy/belief/snapshot.h"
#include "policy/choice/decide.h"
#include "policy/world/query.h"

namespace pointsman::policy {

inline constexpr double kTrialFloor = 0.2;
inline constexpr double kProbationShare = 0.002;
inline constexpr double kChangedMost = 0.25;
inline constexpr double kTrialsMost = 0.5;

struct Trial {
  std::size_t arm = 0;  // index into Decision::ranked, never 0
  double probability = 0;
};
struct Trials {
  std::vector<Trial> arms;         // of greedy choice, where it is no audit; ascending
  double total = 0;                // of their probabilities
  std::vector<std::size_t> spent;  // of other policies: arms that may cost nothing more
};

// `ranked`: best utility first.
Trials PlanTrials(const Snapshot& snapshot, const Query& query, std::span<const Candidate> ranked);
// Puts the trials into the distribution of `ranked`, in which a decision that is no audit
// (probability 1 - audit_rate) is the first.
void MixTrials(const Trials& trials, double audit_rate, std::span<Candidate> ranked);
// The arm of a decision that is no audit; `unit` in [0,1). REQUIREs trials.
std::size_t DrawTrial(const Trials& trials, double unit);
// P(`arm` | no audit).
double WithoutAudit(const Trials& trials, std::size_t arm);

// The least probability with which a decision for ranked[arm] asks for gold, whatever the
// rate. A comparison needs labels of both sides: 1 for a model on trial that asked for
// fewer than kTrialGold labels; for the best guess the probability of its draw, so that
// both get about as many. 0 where no gold is given at all.
double TrialGold(const Snapshot& snapshot, const Trials& trials, std::span<const Candidate> ranked, std::size_t arm);

}  // namespace pointsman::policy
