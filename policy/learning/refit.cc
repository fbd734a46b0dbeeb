#include "policy/learning/refit.h"

#include <cmath>

namespace pointsman::policy {

namespace {

constexpr double kFactorPenalty = 0.02;

std::uint64_t FeedbackCount(const State& state) {
  std::uint64_t count = 0;
  for (const std::uint64_t channel : state.counters.feedback) count += channel;
  return count;
}

// A threshold lies in (last, now].
bool WidthDue(const State& state) {
  const std::uint64_t now = FeedbackCount(state);
  for (std::uint64_t threshold = kWidthRefitStart; threshold <= now; threshold *= 2) {
    if (threshold > state.width_refitted_at) return true;
    if (threshold > now / 2) break;  // the next one would be beyond
  }
  return false;
}

double BaseWidth(const State& state, const Bundle& bundle) {
  const double width = state.options.widths_overridden ? state.options.widths.model : bundle.widths.model;
  return width > 0 ? width : 0;
}

}  // namespace

bool RefitDue(const State& state) { return !state.frozen && WidthDue(state); }

double ChooseModelWidth(const Publisher& publisher, double base) {
  double best = base;
  double best_value = 0;
  for (const double factor : {1.0, 2.0, 4.0, 8.0}) {
    const double log_factor = std::log(factor);
    const double value = publisher.WidthEvidence(factor * base) - kFactorPenalty * log_factor * log_factor;
    if (factor > 1 && !(value > best_value)) continue;
    best = factor * base;
    best_value = value;
  }
  return best;
}

std::optional<Refitted> DueRefit(const State& state, const Bundle& bundle, const Publisher& publisher) {
  if (!RefitDue(state)) return std::nullopt;
  Refitted refitted;
  const double base = BaseWidth(state, bundle);
  // A width of 0 means that models are held at the prior: nothing to choose.
  refitted.model_width = base > 0 ? ChooseModelWidth(publisher, base) : 1e-6;
  return refitted;
}

}  // namespace pointsman::policy
