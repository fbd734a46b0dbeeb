// Planned gold: where a label is worth most.
//
// Source: spec online_learner 7. The worth of a label on the chosen answer is the
// expected gain of the next like choice (knowledge gradient): with mean and variance
// (m, v) of the chosen model, label variance s2 and the best other mean m*, the label
// moves m by a normal of deviation d = v / sqrt(v + s2), so
//   worth = d (phi(z) - z Phi(-z)),  z = |m - m*| / d.
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

// 0 with one candidate. `label_variance` > 0.
double GoldWorth(const Decision& decision, double label_variance);

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
void PlanGold(GoldPlanner& planner, double gold_rate, double label_variance, double unit, Decision& decision);

}  // namespace pointsman::policy
