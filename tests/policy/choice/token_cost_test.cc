#include "policy/belief/token_cost.h"

#include <gtest/gtest.h>

#include <cmath>

namespace pointsman::policy {
namespace {

TEST(TokenPosterior, WithoutLiveCallsIsTheOfflineOne) {
  double mean = 0;
  double variance = 0;
  TokenPosterior({.mean_log = 4, .variance_log = .3, .rows = 500}, {}, &mean, &variance);
  EXPECT_EQ(mean, 4);
  EXPECT_NEAR(variance, .3 * (1 + 1.0 / 20), 1e-15);
}

TEST(TokenPosterior, MovesToWhatLiveCallsShow) {
  ModelTally tally;
  tally.token_rows = 1e6;
  tally.token_sum = 6e6;
  tally.token_squares = 36e6 + .25e6;
  double mean = 0;
  double variance = 0;
  TokenPosterior({.mean_log = 4, .variance_log = .3, .rows = 500}, tally, &mean, &variance);
  EXPECT_NEAR(mean, 6, 1e-3);
  EXPECT_NEAR(variance, .25, 1e-3);
}

TEST(TokenPosterior, StaysBoundedWithoutOfflineRowsAndWithAbsurdCounts) {
  ModelTally tally;
  tally.token_rows = 2;
  tally.token_sum = 22;
  tally.token_squares = 22 * 22;
  double mean = 0;
  double variance = 0;
  TokenPosterior({.mean_log = 5, .variance_log = .5, .rows = 0}, tally, &mean, &variance);
  EXPECT_TRUE(std::isfinite(mean));
  EXPECT_LE(variance, 4);
  EXPECT_GT(variance, 0);
}

TEST(PredictCost, MultipliesPricesByExpectedTokens) {
  ModelView view;
  view.token_mean_log = 5;
  view.token_variance_log = .5;
  view.model.price = {.input_usd_per_million = 3, .output_usd_per_million = 15};
  const auto cost = PredictCost(view, 1000);
  EXPECT_NEAR(cost.expected_usd, (1000 * 3 + (std::exp(5.25) - 1) * 15) / 1e6, 1e-12);
  EXPECT_NEAR(cost.high_usd, (1000 * 3 + (std::exp(5 + 1.645 * std::sqrt(.5)) - 1) * 15) / 1e6, 1e-12);
  view.model.price = {.input_usd_per_million = 6, .output_usd_per_million = 30};
  EXPECT_NEAR(PredictCost(view, 1000).expected_usd, 2 * cost.expected_usd, 1e-15) << "a price needs no relearning";
}

}  // namespace
}  // namespace pointsman::policy
