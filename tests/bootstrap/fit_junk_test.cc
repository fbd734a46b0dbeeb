#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/unit_draw.h"
#include "bootstrap/fit/junk.h"

namespace pointsman::bootstrap {
namespace {

double Mean(const std::vector<double>& values, std::size_t begin, std::size_t end) {
  double sum = 0;
  for (std::size_t i = begin; i < end; ++i) sum += values[i];
  return sum / static_cast<double>(end - begin);
}

// Models of 45 to 75 % on items of different difficulty, with a popular wrong answer; of
// 600 items the first `chaos` are answered at random, the next `idle` alike by all.
Votes Crowd(std::size_t models, std::size_t chaos, std::size_t idle) {
  Votes votes{600, models, 10, {}};
  SplitMix64 random(7);
  for (std::size_t i = 0; i < votes.items; ++i) {
    const auto truth = static_cast<std::int16_t>(random.Below(10));
    const double ease = 0.6 * random.Unit() - 0.3;
    for (std::size_t m = 0; m < models; ++m) {
      const bool right = random.Unit() < 0.45 + 0.3 * static_cast<double>(m) / static_cast<double>(models) + ease;
      const auto letter = static_cast<std::int16_t>(random.Below(10));
      const auto wrong = random.Unit() < .5 ? static_cast<std::int16_t>((truth + 3) % 10) : letter;
      votes.answer.push_back(i < chaos ? letter : i < chaos + idle || right ? truth : wrong);
    }
  }
  return votes;
}

TEST(Junk, ChaosAndIdleUnanimityAreToldFromHonestItems) {
  const JunkFit fit = FindJunk(Crowd(29, 120, 60));
  EXPECT_LT(Mean(fit.honest, 0, 120), .2);
  EXPECT_LT(Mean(fit.honest, 120, 180), .7) << "an item may be so easy";
  EXPECT_GT(Mean(fit.honest, 180, 600), .9);
  EXPECT_NEAR(fit.chaos, .2, .04);
  EXPECT_NEAR(fit.unanimity, .06, .04);
}

TEST(Junk, WhereThereIsNoneHardlyAnyIsSuspected) {
  for (const std::size_t models : {6U, 12U, 29U}) {
    EXPECT_GT(Mean(FindJunk(Crowd(models, 0, 0)).honest, 0, 600), .85) << models;
  }
}

TEST(Junk, ThatFewAgreeIsNoSurprise) {
  const double few = Mean(FindJunk(Crowd(4, 0, 60)).honest, 0, 60);
  const double many = Mean(FindJunk(Crowd(29, 0, 60)).honest, 0, 60);
  EXPECT_GT(few, many + .3);
}

TEST(Junk, OneOptionOneModelAndSilenceAreNoHazard) {
  Votes votes{3, 2, 4, {0, 0, kNoVote, kNoVote, 0, kNoVote}};
  votes.item_options = {1, 4, 2};
  for (const double share : FindJunk(votes).honest) EXPECT_TRUE(share >= 0 && share <= 1) << share;
  EXPECT_TRUE(FindJunk({0, 3, 4, {}}).honest.empty());
}

}  // namespace
}  // namespace pointsman::bootstrap
