#include "policy/learning/refit.h"

#include <algorithm>
#include <cmath>

#include "policy/belief/noise.h"
#include "policy/choice/pacing.h"
#include "policy/learning/response_slope.h"

namespace pointsman::policy {

namespace {

// A log-normal prior: the bundle's widths are known to about a factor of three. Some weight lies on
// exactly the bundle's, for they are looked at often, and one prior in twenty is worth
// nothing, however far it is off.
constexpr double kDoubtPenalty = 0.5;
constexpr double kFactorPenalty = 0.4;
constexpr double kUselessPenalty = 3;
constexpr double kTrustMax = 2;
// A width of 0 holds the level at the prior: there is nothing to choose.
constexpr double kFixed = 1e-6;

std::uint64_t FeedbackCount(const State& state) {
  std::uint64_t count = 0;
  for (const std::uint64_t channel : state.counters.feedback) count += channel;
  return count;
}

bool WidthsDue(const State& state) {
  const std::uint64_t last = state.width_refitted_at;
  return FeedbackCount(state) >= std::max(kWidthRefitStart, last + std::max<std::uint64_t>(1, last / 8));
}

bool NoiseDue(const State& state) {
  const std::uint64_t wait = state.response_refitted_at == 0 ? kFirstNoiseGold : kResponseRefitGold;
  return state.counters.feedback[0] >= state.response_refitted_at + wait;
}

// Names of the budgets that have no pacer yet.
std::vector<std::string> MissingPacers(const State& state) {
  std::vector<std::string> missing;
  if (state.options.budget_usd > 0 && !state.pacers.contains("")) missing.emplace_back();
  for (const TenantBudget& budget : state.options.tenant_budgets) {
    if (!state.pacers.contains(budget.tenant)) missing.push_back(budget.tenant);
  }
  return missing;
}

double Penalty(double model_factor, double trust_factor) {
  if (model_factor == 1 && trust_factor == 1) return 0;
  const auto squared_log = [](double factor) { return std::log(factor) * std::log(factor); };
  const double spread = squared_log(model_factor) + squared_log(trust_factor);
  return std::min(kUselessPenalty, kDoubtPenalty + kFactorPenalty * spread);
}

}  // namespace

bool RefitDue(const State& state) {
  if (!state.pool.models().empty() && !MissingPacers(state).empty()) return true;
  return !state.frozen && (WidthsDue(state) || NoiseDue(state));
}

ChosenWidths ChooseWidths(const Publisher& publisher, const State& state, double model, double trust) {
  const std::vector<Publisher::GoldMessage> gold = publisher.GoldMessages(state);
  ChosenWidths best{model, trust};
  double best_value = publisher.WidthEvidence(gold, model, trust);
  for (const double trust_factor : {1.0, 2.5, 6.0, 12.0}) {
    for (const double model_factor : {1.0, 2.0, 4.0, 8.0}) {
      if (std::min(model_factor, 6.0) > trust_factor) continue;
      const ChosenWidths widths{model_factor * model, std::max(trust, std::min(trust_factor * trust, kTrustMax))};
      const double value =
          publisher.WidthEvidence(gold, widths.model, widths.trust) - Penalty(model_factor, trust_factor);
      if (!(value > best_value)) continue;
      best = widths;
      best_value = value;
    }
  }
  return best;
}

std::optional<Refitted> DueRefit(const State& state, const Snapshot& snapshot, const Publisher& publisher,
                                 const Weights& typical) {
  if (!RefitDue(state)) return std::nullopt;
  Refitted refitted;
  if (!state.frozen && WidthsDue(state)) {
    const Widths& base = state.options.widths_overridden ? state.options.widths : snapshot.bundle->widths;
    const ChosenWidths chosen =
        ChooseWidths(publisher, state, base.model > 0 ? base.model : kFixed, base.trust > 0 ? base.trust : kFixed);
    refitted.model_width = chosen.model;
    refitted.trust_width = chosen.trust;
  }
  if (!state.frozen && NoiseDue(state)) {
    refitted.noise = SeenCovariance(state.noise, state.counters, state.options.sources.size());
    if (state.counters.feedback[0] >= kResponseRefitGold) {
      for (std::uint8_t s = 1; s <= state.options.sources.size(); ++s) {
        refitted.response.push_back(EstimateResponse(GatherResponseMoments(state, s)).response);
      }
    }
  }
  if (!snapshot.models.empty()) {
    for (const std::string& tenant : MissingPacers(state)) {
      refitted.pacers.push_back({tenant, StartingLambda(snapshot, typical, BudgetOf(state.options, tenant))});
    }
  }
  if (refitted == Refitted{}) return std::nullopt;
  return refitted;
}

}  // namespace pointsman::policy
