#include "policy/judgement/gold_planner.h"

#include <algorithm>
#include <cmath>

#include "base/contract.h"
#include "base/unit_draw.h"

namespace pointsman::policy {

namespace {

constexpr double kMemory = 1 - 1.0 / 200;
// Part of the rate that no worth decides, and the step that holds the rate where a few
// decisions are worth nearly all and cannot take more than one label.
constexpr double kEven = 0.1;
constexpr double kStep = 0.2;

double Density(double z) { return 0.3989422804014327 * std::exp(-0.5 * z * z); }
double Above(double z) { return 0.5 * std::erfc(z * 0.7071067811865476); }

}  // namespace

double GoldWorth(double gap, double variance, double quality_weight, double label_variance) {
  REQUIRE(label_variance > 0, "a label has noise");
  const double known = std::max(variance, 0.0);
  const double deviation = quality_weight * known / std::sqrt(known + label_variance);
  if (!(deviation > 0)) return 0;
  const double z = std::abs(gap) / deviation;
  return deviation * std::max(0.0, Density(z) - z * Above(z));
}

double GoldWorth(const Decision& decision, double quality_weight, double label_variance) {
  if (decision.ranked.size() < 2) return 0;
  const Candidate& chosen = decision.ranked[decision.chosen];
  double best_other = -1e300;
  for (std::size_t i = 0; i < decision.ranked.size(); ++i) {
    if (i != decision.chosen) best_other = std::max(best_other, decision.ranked[i].utility);
  }
  return GoldWorth(chosen.utility - best_other, chosen.predicted_variance, quality_weight, label_variance);
}

double GoldWorth(const DecisionMade& made) {
  double chosen = 0;
  double best_other = -1e300;
  bool found = false;
  for (const LoggedCandidate& one : made.candidates) {
    if (one.model == made.context.model) {
      chosen = one.utility;
      found = true;
    } else {
      best_other = std::max(best_other, static_cast<double>(one.utility));
    }
  }
  if (!found || made.candidates.size() < 2) return 0;
  return GoldWorth(chosen - best_other, made.context.predicted_variance, made.weights.quality, kLabelVariance);
}

double QueuePlace(const DecisionId& decision) { return UnitDraw(decision, kDrawQueue); }

double GoldPlanner::Probability(double worth, double rate, double random) {
  REQUIRE(rate >= 0 && rate <= 1 && random >= 0 && random <= rate, "shares");
  mean_worth_ = kMemory * mean_worth_ + (1 - kMemory) * worth;
  weight_ = kMemory * weight_ + (1 - kMemory);
  const double mean = mean_worth_ / weight_;
  if (!(mean > 0) || !(rate > 0) || rate >= 1) return rate;
  const double relative = (worth / mean + kEven) / (1 + kEven);
  const double planned = std::min(1.0, (rate - random) / (1 - random) * relative * scale_);
  const double probability = random + (1 - random) * planned;
  // Linear in the probability, so that it stands still where the mean is the rate.
  scale_ = std::clamp(scale_ * (1 + kStep * (rate - probability)), 0.01, 100.0);
  return probability;
}

void PlanGold(GoldPlanner& planner, double gold_rate, double quality_weight, double label_variance, double unit,
              Decision& decision) {
  const double audit_rate = decision.audit_rate;
  // A trial asks for its first labels whatever they are worth.
  if (decision.forced || audit_rate >= 1 || decision.gold_probability >= 1) return;
  const double rate = std::clamp((gold_rate - audit_rate) / (1 - audit_rate), 0.0, 1.0);
  const double random = std::clamp(std::min(kRandomGoldShare, gold_rate) - audit_rate, 0.0, rate);
  const double probability = planner.Probability(GoldWorth(decision, quality_weight, label_variance), rate, random);
  if (!decision.audit) decision.gold_wanted = unit < probability;
  decision.gold_probability = (1 - decision.not_audit) + decision.not_audit * probability;
}

}  // namespace pointsman::policy
