// The looks of an apprentice's judgement: when, and at which level.
#include "daemon/rollout_watch.h"

#include <gtest/gtest.h>

namespace pointsman::daemon {
namespace {

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
