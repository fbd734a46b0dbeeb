#include "policy/belief/token_cost.h"

#include <algorithm>
#include <cmath>

#include "base/contract.h"

namespace pointsman::policy {

namespace {

constexpr double kPriorRowsMax = 20;
// A model without offline rows still has the default mean, worth one observation.
constexpr double kPriorRowsMin = 1;
// Bounds of the variance of ln(1 + tokens): below, rounding; above, exp(v/2) would
// turn a few odd counts into an absurd expectation.
constexpr double kVarianceMin = 1e-6;
constexpr double kVarianceMax = 4;
constexpr double kNormal95 = 1.645;

double Cost(const Price& price, std::uint32_t tokens_in, double tokens_out) {
  return (static_cast<double>(tokens_in) * price.input_usd_per_million +
          std::max(0.0, tokens_out) * price.output_usd_per_million) *
         1e-6;
}

}  // namespace

double ExpectedCost(const ModelView& model, std::uint32_t tokens_in) {
  return Cost(model.model.price, tokens_in, std::exp(model.token_mean_log + model.token_variance_log / 2) - 1);
}

CostEstimate PredictCost(const ModelView& model, std::uint32_t tokens_in) {
  const double high_out = std::exp(model.token_mean_log + kNormal95 * std::sqrt(model.token_variance_log)) - 1;
  return {.expected_usd = ExpectedCost(model, tokens_in), .high_usd = Cost(model.model.price, tokens_in, high_out)};
}

Latency LearntLatency(const ModelTally& tally) {
  // Spread that a handful of calls is taken to have until they show their own.
  constexpr double kSpreadRows = 5;
  constexpr double kSpread = 0.25;
  const double rows = tally.latency_rows;
  if (rows < kLatencyRowsMin) return {};
  const double mean = tally.latency_sum / rows;
  const double squares = std::max(0.0, tally.latency_squares - rows * mean * mean);
  const double variance = (kSpreadRows * kSpread + squares) / (kSpreadRows + rows) * (1 + 1 / rows);
  return {.median_ms = std::exp(mean) - 1, .high_ms = std::exp(mean + kNormal95 * std::sqrt(variance)) - 1};
}

void TokenPosterior(const TokenStatistics& offline, const ModelTally& tally, double* mean, double* variance) {
  REQUIRE(mean != nullptr && variance != nullptr, "outputs");
  // Normal with unknown mean and variance, conjugate prior of n0 observations.
  const double n0 = std::clamp(offline.rows, kPriorRowsMin, kPriorRowsMax);
  const double n = std::max(tally.token_rows, 0.0);
  const double total = n0 + n;
  double squares = n0 * offline.variance_log;
  *mean = offline.mean_log;
  if (n > 0) {
    const double live_mean = tally.token_sum / n;
    const double shift = live_mean - offline.mean_log;
    squares += std::max(0.0, tally.token_squares - n * live_mean * live_mean) + n0 * n / total * shift * shift;
    *mean = (n0 * offline.mean_log + tally.token_sum) / total;
  }
  *variance = std::clamp(squares / total * (1 + 1 / total), kVarianceMin, kVarianceMax);
}

}  // namespace pointsman::policy
