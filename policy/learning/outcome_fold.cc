#include "policy/learning/outcome_fold.h"

#include <string>

#include "base/exact_math.h"
#include "policy/belief/state_codec.h"
#include "policy/belief/token_cost.h"
#include "policy/choice/pacing.h"

namespace pointsman::policy {

namespace {

// Of the first report; 0 is a caller that did not measure. Old calls fade, because
// providers change.
void LearnLatency(ModelTally& tally, double latency_ms) {
  if (!(latency_ms > 0)) return;
  const double z = exact::Log(1 + latency_ms);
  tally.latency_rows = kLatencyMemory * tally.latency_rows + 1;
  tally.latency_sum = kLatencyMemory * tally.latency_sum + z;
  tally.latency_squares = kLatencyMemory * tally.latency_squares + z * z;
}

// The first report of an outcome pays for it; what a revision changes is not charged.
void SettleCost(State& state, const OutcomeReported& outcome) {
  const std::string_view name = PacerName(state.options, outcome.tenant);
  const auto at = state.pacers.find(std::string(name));
  if (at == state.pacers.end()) return;
  const Price& price = state.pool.Find(outcome.model)->price;
  const double by_price = (static_cast<double>(outcome.tokens_in) * price.input_usd_per_million +
                           static_cast<double>(outcome.tokens_out) * price.output_usd_per_million) *
                          1e-6;
  Settle(at->second, BudgetOf(state.options, outcome.tenant), outcome.cost_usd.value_or(by_price), state.options);
  state.dirty_rows.insert(PacerRow(name));
}

void WatchHealth(State& state, const OutcomeReported& outcome, std::int64_t at_us) {
  const auto at = state.health.find(outcome.model);
  if (!outcome.failed) {
    if (at == state.health.end()) return;
    state.health.erase(at);
    state.dirty_rows.insert(HealthRow(outcome.model));
    return;
  }
  ModelHealth& health = state.health[outcome.model];
  ++health.failures_in_row;
  // Answers to calls that were under way when the pause began do not lengthen it.
  if (health.failures_in_row >= kFailuresInRow && at_us >= health.retry_at_us) {
    const std::uint32_t doublings = health.pauses < kPauseDoublingsMax ? health.pauses : kPauseDoublingsMax;
    health.retry_at_us = at_us + (kFirstPauseUs << doublings);
    ++health.pauses;
  }
  state.dirty_rows.insert(HealthRow(outcome.model));
}

}  // namespace

ModelTally& MarkedTally(State& state, ModelId model) {
  ModelTally& tally = state.tallies[model];
  state.dirty_rows.insert_once(tally.dirty, [model] { return TallyRow(model); });
  return tally;
}

void FoldOutcome(State& state, const OutcomeReported& outcome, std::int64_t at_us) {
  ModelTally& tally = MarkedTally(state, outcome.model);
  const auto count_tokens = [&](double sign, std::uint32_t tokens) {
    const double z = exact::Log(1 + static_cast<double>(tokens));
    tally.token_rows += sign;
    tally.token_sum += sign * z;
    tally.token_squares += sign * z * z;
  };
  if (outcome.replaced_tokens_out.has_value()) {
    if (outcome.replaced_failed) {
      if (tally.failures > 0) --tally.failures;
    } else {
      count_tokens(-1, *outcome.replaced_tokens_out);
    }
  } else {
    ++tally.outcomes;
    ++state.counters.outcomes;
    SettleCost(state, outcome);
    WatchHealth(state, outcome, at_us);
    if (!outcome.failed) LearnLatency(tally, outcome.latency_ms);
  }
  // A failed call says nothing about the length of an answer.
  if (outcome.failed) {
    ++tally.failures;
  } else {
    count_tokens(+1, outcome.tokens_out);
  }
  state.dirty_rows.insert_once(state.counters.dirty, [] { return std::string(kCountersRow); });
}

}  // namespace pointsman::policy
