#include "base/exact_math.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/unit_draw.h"

namespace pointsman {
namespace {

TEST(ExactMath, Exp2OfAnIntegerIsExact) {
  for (int n = -1000; n <= 1000; n += 7) EXPECT_EQ(exact::Exp2(n), std::ldexp(1.0, n)) << n;
}

TEST(ExactMath, Exp2AgreesWithLibmToTheStatedPrecision) {
  SplitMix64 random(1);
  for (int i = 0; i < 100'000; ++i) {
    const double x = 2000 * random.Unit() - 1000;
    EXPECT_NEAR(exact::Exp2(x) / std::exp2(x), 1, 0x1p-50) << x;
  }
}

TEST(ExactMath, ExpAgreesWithLibmToTheStatedPrecision) {
  SplitMix64 random(2);
  for (int i = 0; i < 100'000; ++i) {
    const double x = 1400 * random.Unit() - 700;
    EXPECT_NEAR(exact::Exp(x) / std::exp(x), 1, 1e-13) << x;
  }
}

TEST(ExactMath, LogAgreesWithLibmToTheStatedPrecision) {
  SplitMix64 random(3);
  for (int i = 0; i < 100'000; ++i) {
    const double x = std::exp2(2000 * random.Unit() - 1000);
    EXPECT_NEAR(exact::Log(x), std::log(x), 1e-15 * std::max(1.0, std::abs(std::log(x)))) << x;
  }
  EXPECT_EQ(exact::Log(1), 0);
}

TEST(ExactMath, TheEndsOfTheRangeAreZeroAndInfinity) {
  EXPECT_EQ(exact::Exp2(-2000), 0);
  EXPECT_EQ(exact::Exp2(2000), std::numeric_limits<double>::infinity());
  EXPECT_EQ(exact::Exp(-2000), 0);
  EXPECT_TRUE(std::isnan(exact::Exp2(std::nan(""))));
}

TEST(ExactMath, TheBitsAreTheSameOnEveryMachine) {
  // Frozen when written: a change here changes every state hash.
  EXPECT_EQ(exact::Exp2(0.3), 0x1.3b2c47bff8329p+0);
  EXPECT_EQ(exact::Exp(-1.7), 0x1.7622c78a98a07p-3);
  EXPECT_EQ(exact::Log(7.5), 0x1.01e85798eb9a3p+1);
}

TEST(ExactMath, ManyAtOnceHaveTheBitsOfTheSeriesTakenOneByOne) {
  const auto alone = [](double x) {  // the definition, as it was frozen
    if (x > 710) return std::numeric_limits<double>::infinity();
    if (x < -750) return 0.0;
    const double scaled = x * 1.4426950408889634074;
    const int n = static_cast<int>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    const double r = (x - n * 0x1.62e42fefa38p-1) - n * 0x1.ef35793c7673p-45;
    double sum = 1;
    for (int k = 16; k >= 1; --k) sum = 1 + sum * (r / k);
    return std::ldexp(sum, n);
  };
  SplitMix64 random(4);
  for (std::size_t count = 0; count <= 13; ++count) {
    for (int round = 0; round < 2'000; ++round) {
      std::vector<double> numbers(count);
      for (double& x : numbers) x = (round % 2 == 0 ? 20 : 1600) * (random.Unit() - 0.5);
      std::vector<double> expected(count);
      std::transform(numbers.begin(), numbers.end(), expected.begin(), alone);
      exact::ExpEach(numbers);
      ASSERT_EQ(numbers, expected) << "seed 4, round " << round;
    }
  }
}

TEST(ExactMathDeathTest, LogOfZeroIsOurBug) { EXPECT_DEATH((void)exact::Log(0), "REQUIRE"); }

}  // namespace
}  // namespace pointsman
