// The response slope against the vector of the specification and in simulated worlds.
#include <gtest/gtest.h>

#include "base/unit_draw.h"
#include "policy/learning/refit.h"
#include "policy/learning/response_slope.h"
#include "tests/policy/belief/harness.h"

namespace pointsman::policy {
namespace {

TEST(ResponseSlope, EqualsTheVectorOfTheSpecification) {
  SlopeMoments moments;
  moments[ModelId{1}] = {{{4, .4, .08, .2, .05}, {40, 4, .8, 4, .3}}, {{3, -.3, .06, -.1, .02}, {30, -3, .6, 2, -.4}}};
  moments[ModelId{2}] = {{{5, .5, .09, .3, .06}, {50, 5, .9, 6, .5}}, {{2, -.3, .07, .05, -.01}, {20, -3, .7, 1, -.3}}};
  const ResponseEstimate estimate = EstimateResponse(moments);
  EXPECT_NEAR(estimate.gold_slope, 1.3707317073171, 1e-12);
  EXPECT_NEAR(estimate.rating_slope, .93658536585366, 1e-12);
  EXPECT_NEAR(estimate.gold_slope_deviation, .11122298599889, 1e-12);
  EXPECT_NEAR(estimate.ratio, .68327402135231, 1e-12);
  EXPECT_NEAR(estimate.variance, .0060005384909429, 1e-12);
  EXPECT_NEAR(estimate.response, .71101871457408, 1e-12);
}

TEST(ResponseSlope, StaysAtOneWhereTheFoldHasNothingToSay) {
  EXPECT_EQ(EstimateResponse({}).response, 1);
  SlopeMoments flat;
  flat[ModelId{1}] = {{{10, 0, 0, 1, 0}, {10, 0, 0, 1, 0}}};
  EXPECT_EQ(EstimateResponse(flat).response, 1) << "a prior without spread is no instrument";
}

// A source that halves differences of quality; labels for a fifth of the answers.
TEST(ResponseSlope, IsLearntThroughTheFoldAndInstalledAfterFiveHundredLabels) {
  Harness world;
  for (int m = 1; m <= 4; ++m) world.AddModel("model" + std::to_string(m));
  SplitMix64 random(99);
  std::uint32_t id = 0;
  while (world.learner->state().counters.feedback[0] < kResponseRefitGold) {
    ++id;
    world.now_us += 1'000'000;
    const double quality = .1 + .8 * random.Unit();
    world.Decide(id, 1 + id % 4, {{0, 1}}, quality);
    world.Context(id).prior_centred = quality - .5;
    world.Context(id).gold_probability = .2;
    world.Report(id, 1, random.Unit() < .25 + .5 * quality ? 1 : 0);
    if (random.Unit() < .2) world.Report(id, 0, random.Unit() < quality ? 1 : 0);
  }
  const auto snapshot = world.Publish();
  ASSERT_TRUE(RefitDue(world.learner->state()));
  const auto refitted = DueRefit(world.learner->state(), *snapshot, world.publisher, {1, 0});
  ASSERT_TRUE(refitted.has_value());
  ASSERT_EQ(refitted->response.size(), 1U);
  EXPECT_NEAR(refitted->response[0], .5, .15);
  world.Add(*refitted);
  EXPECT_FALSE(RefitDue(world.learner->state()));
  EXPECT_EQ(world.learner->state().noise.response[0], refitted->response[0]);
}

}  // namespace
}  // namespace pointsman::policy
