// The looks of an apprentice's judgement: when, and at which level.
#include "daemon/rollout_watch.h"

#include <gtest/gtest.h>

namespace pointsman::daemon {
namespace {

TEST(RolloutLooks, AGainIsOnTheScaleOfADecisionThatTheRouterTakes) {
  const Gain gain = GainOf(.03, .01, .25, 1'000'000);
  EXPECT_NEAR(gain.value, .04, 1e-12);
  EXPECT_NEAR(gain.error, .01 / .75, 1e-6);
  EXPECT_NEAR(gain.chance, .00135, 1e-5) << "three standard errors, one side";
}

// What a run has shown: two that hardly ever choose otherwise differ by next to nothing,
// with an error of still less.
TEST(RolloutLooks, ATinyGainThatHardlyVariesIsNotCertain) {
  const Gain gain = GainOf(.000089, .0000317, .5, 700);
  EXPECT_GT(gain.chance, .4);
  EXPECT_GT(GainOf(0, 0, .5, 200).chance, .49);
  EXPECT_LT(GainOf(.1, .01, .5, 700).chance, LevelOfLook(4)) << "a real gain is seen";
}

TEST(RolloutLooks, LevelsOfAllLooksSumToFivePercent) {
  double sum = 0;
  for (std::uint64_t number = 1; number <= 100'000; ++number) sum += LevelOfLook(number);
  EXPECT_LT(sum, .05);
  EXPECT_GT(sum, .0499);
}

TEST(RolloutLooks, ComeWithHalfAsManyLabelsAgain) {
  EXPECT_EQ(LabelsForLook(1), 200u);
  EXPECT_EQ(LabelsForLook(2), 300u);
  EXPECT_EQ(LabelsForLook(3), 450u);
  EXPECT_EQ(NextLook(0), 1u);
  EXPECT_EQ(NextLook(199), 1u);
  EXPECT_EQ(NextLook(200), 2u);
  EXPECT_EQ(NextLook(449), 3u);
  for (std::uint64_t labels : {1u, 777u, 123'456u}) {
    EXPECT_GT(LabelsForLook(NextLook(labels)), labels);
  }
}

}  // namespace
}  // namespace pointsman::daemon
