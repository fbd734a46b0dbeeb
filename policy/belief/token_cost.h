// What a call takes: expected cost in US dollars, prices times tokens, and latency.
//
// z = ln(1 + tokens_out) is normal with posterior mean m and predictive variance
// s2; E[out] = exp(m + s2/2) - 1; 95 % quantile exp(m + 1.645 sqrt(s2)) - 1
// (spec online_learner 6). A price change needs no relearning.
#pragma once

#include <cstdint>

#include "policy/belief/snapshot.h"

namespace pointsman::policy {

struct CostEstimate {
  double expected_usd = 0;
  double high_usd = 0;  // at the 95 % quantile of tokens out
};

// `tokens_in` 0 means unknown and counts as 0.
double ExpectedCost(const ModelView& model, std::uint32_t tokens_in);
// The same with the quantile.
CostEstimate PredictCost(const ModelView& model, std::uint32_t tokens_in);

// Of a call that succeeds, ln(1 + ms) normal; both 0 until five calls.
inline constexpr double kLatencyRowsMin = 4.9;           // five calls, faded
inline constexpr double kLatencyMemory = 1 - 1.0 / 256;  // of the tally, per call
struct Latency {
  double median_ms = 0;
  double high_ms = 0;  // 95 % quantile of the next call
};
Latency LearntLatency(const ModelTally& tally);

// Posterior of z from the offline statistics (as `prior_rows` observations, at
// most 20) and the live moments of a tally. Writes mean and predictive variance.
void TokenPosterior(const TokenStatistics& offline, const ModelTally& tally, double* mean, double* variance);

}  // namespace pointsman::policy
