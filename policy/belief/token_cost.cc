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
constexpr double kPerMillion = 1e-6;

}  // namespace

CostEstimate PredictCost(const ModelView& model, std::uint32_t tokens_in) {
  const double mean = model.token_mean_log;
  const double variance = model.token_variance_log;
  const double expected_out = std::max(0.0, std::exp(mean + variance / 2) - 1);
  const double high_out = std::max(0.0, std::exp(mean + kNormal95 * std::sqrt(variance)) - 1);
  const Price& price = model.model.price;
  const double input = static_cast<double>(tokens_in) * price.input_usd_per_million;
  return {.expected_usd = (input + expected_out * price.output_usd_per_million) * kPerMillion,
          .high_usd = (input + high_out * price.output_usd_per_million) * kPerMillion};
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
