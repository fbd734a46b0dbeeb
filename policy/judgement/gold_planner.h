// Planned gold: where a label is worth most.
//
// Source: spec online_learner 7. The worth of a label on the chosen answer is the
// expected gain of the next like choice (knowledge gradient): with the chosen model's
// variance v, label variance s2, weight w of quality and the gap in utility to the best
// other, the label moves the utility by a normal of deviation d = w v / sqrt(v + s2), so
//   worth = d (phi(z) - z Phi(-z)),  z = gap / d.
// Assumes that only the chosen model's mean moves. Traffic enters because decisions come
// as traffic does.
//
// Labels are drawn, not ranked, with a logged probability: rate * worth / (mean worth of
// late), scaled so that the rate is kept, at most 1, and never below the random share, so
// that every correction stays testable. Not for the fold. Threads: one at a time.
#pragma once

#include "policy/choice/decide.h"

namespace pointsman::policy {

// At least this share of decisions is labelled at random, audits counted, or the whole
// rate where that is less.
inline constexpr double kRandomGoldShare = 0.003;

// Variance of a label that is 0 or 1, before anything is known (online_learner 1).
inline constexpr double kLabelVariance = 0.2;

// In units of utility. `gap`: chosen minus best other, either sign. `quality_weight` in
// [0,1], `variance` of the chosen model's expected quality, `label_variance` > 0.
double GoldWorth(double gap, double variance, double quality_weight, double label_variance);
// 0 with one candidate.
double GoldWorth(const Decision& decision, double quality_weight, double label_variance);
// From what the log keeps of the decision.
double GoldWorth(const DecisionMade& made);

// Where a decision that asked for gold stands in the queue of labels, [0,1): a draw of
// its own, so that whatever share of the queue is labelled from its start was labelled
// at random, and gold that is not given is missing by chance (off_policy.h).
double QueuePlace(const DecisionId& decision);

class GoldPlanner {
 public:
  // The probability with which gold is asked for a decision that is no audit. `rate`:
  // the share that keeps the budget; `random`: of it at random, <= rate.
  double Probability(double worth, double rate, double random);

 private:
  double mean_worth_ = 0;
  double weight_ = 0;
  double scale_ = 1;
};

// Replaces the coin of `decision` by the planner's: gold_wanted by `unit` in [0,1), and
// the exact gold_probability. Audits keep theirs; so does a decision that is forced.
void PlanGold(GoldPlanner& planner, double gold_rate, double quality_weight, double label_variance, double unit,
              Decision& decision);

}  // namespace pointsman::policy
