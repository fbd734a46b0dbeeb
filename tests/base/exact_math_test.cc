#include "base/exact_math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

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

TEST(ExactMathDeathTest, LogOfZeroIsOurBug) { EXPECT_DEATH((void)exact::Log(0), "REQUIRE"); }

}  // namespace
}  // namespace pointsman
