// Reference values: spec online_learner section 3 (independent trapezoid on the
// densities) and trouter_bandits 3.12.
#include "policy/choice/exploration.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <memory>
#include <numeric>

#include "base/unit_draw.h"

namespace pointsman::policy {
namespace {

double Sum(const std::vector<double>& p) { return std::accumulate(p.begin(), p.end(), 0.0); }

std::vector<Score> Generated(int arms) {
  std::vector<Score> scores;
  for (int i = 0; i < arms; ++i) {
    const double fraction = 0.6180339887498949 * i - std::floor(0.6180339887498949 * i);
    scores.push_back({.mean = 0.5 + 0.3 * std::sin(1.7 * i), .standard_deviation = 0.02 + 0.18 * fraction});
  }
  return scores;
}

void ExpectNear(const std::vector<double>& got, const std::vector<double>& want, double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], tolerance) << "arm " << i;
  EXPECT_NEAR(Sum(got), 1, 1e-12);
}

TEST(Thompson, AgreesWithTheReferenceIntegralsAtBothPrecisions) {
  struct Case {
    std::vector<Score> scores;
    std::vector<double> reference;
    std::vector<double> at_1e5;
  };
  const std::vector<Case> cases = {
      {{{.6, .1}, {.5, .1}, {.4, .2}},
       {.6482595004746, .1950855744172, .1566549251082},
       {.648251948662407, .195088634886228, .156659416451365}},
      {{{.70, .01}, {.69, .02}, {.20, .3}, {.65, .001}},
       {.6409707107893, .3126945085568, .04633477325729, 7.396629339e-9},
       {.640970315974932, .312695830023102, .046333808698885, 4.53030814302544e-8}},
      {{{.5, 1e-3}, {.5, .2}, {.4999, 1e-4}},
       {.2706033247642, .4992960426322, .2301006326036},
       {.270591570273998, .499300646307741, .230107783418262}},
      {Generated(3),
       {.01128085577596, .9861740350707, .002545109153367},
       {.0112857812707468, .986164061558021, .00255015717123261}},
      {Generated(8),
       {2.440980079674e-11, .6290877693797, 6.536753286532e-7, .0006450054398249, .09526789897394, .2744987754123,
        .0004998387936084, 5.830081804016e-8},
       {9.24185637735512e-9, .629078998065027, 1.05603515644762e-6, .0006451744906232, .0952681291890221,
        .27450640357508, .000500146606261587, 8.27969737485013e-8}},
  };
  for (const Case& one : cases) {
    ExpectNear(ThompsonDistribution(one.scores, 1e-4, 0), one.reference, 2e-4);
    ExpectNear(ThompsonDistribution(one.scores, 1e-5, 0), one.reference, 2e-5);
    ExpectNear(ThompsonDistribution(one.scores, 1e-5, 0), one.at_1e5, 1e-9);
  }
}

TEST(Thompson, ReproducesTheCoarseOutputsOfTheSpecification) {
  ExpectNear(ThompsonDistribution(std::vector<Score>{{.6, .1}, {.5, .1}, {.4, .2}}, 1e-4, 0),
             {.6481582435128, .195139403141208, .156702353345992}, 1e-9);
}

TEST(Thompson, AgreesWithTheReferenceForManyArms) {
  const auto p = ThompsonDistribution(Generated(64), 1e-5, 0);
  const std::vector<std::pair<std::size_t, double>> wanted = {
      {8, .1220191369324},  {16, .1166505767083},  {45, .1038909183407},  {42, .09420207271141},
      {1, .09290672139824}, {27, .09152705928672}, {53, .07782728629678}, {19, .05789110297395}};
  for (const auto& [arm, probability] : wanted) EXPECT_NEAR(p[arm], probability, 2e-5) << arm;
  EXPECT_NEAR(p[1], .0929022786966461, 1e-9);
  double squares = 0;
  for (const double value : p) squares += value * value;
  EXPECT_NEAR(squares, .0833762923878758, 1e-9);

  const auto q = ThompsonDistribution(Generated(512), 1e-5, 0);
  EXPECT_NEAR(q[97], .0413258446556, 2e-5);
  EXPECT_NEAR(q[474], .0412216160817, 2e-5);
  EXPECT_NEAR(q[304], .03283387751955, 2e-5);
  EXPECT_NEAR(q[1], .00771738246446954, 1e-9);
  squares = 0;
  for (const double value : q) squares += value * value;
  EXPECT_NEAR(squares, .0203196321240173, 1e-9);
  EXPECT_NEAR(Sum(q), 1, 1e-12);
}

TEST(Thompson, EqualArmsShareEqually) {
  const std::vector<Score> scores(512, Score{.5, .1});
  for (const double p : ThompsonDistribution(scores, 1e-4, 0)) EXPECT_NEAR(p, 1.0 / 512, 1e-15);
}

TEST(Thompson, WithoutUncertaintyTheBestTakesAllAndEqualsShare) {
  EXPECT_EQ(ThompsonDistribution(std::vector<Score>{{.3, 0}, {.6, 0}, {.5, 0}}, 1e-4, 0),
            (std::vector<double>{0, 1, 0}));
  ExpectNear(ThompsonDistribution(std::vector<Score>{{.6, 0}, {.6, 0}}, 1e-4, 0), {.5, .5}, 1e-12);
  EXPECT_EQ(ThompsonDistribution(std::vector<Score>{{.3, .2}}, 1e-4, 16), (std::vector<double>{1}));
}

TEST(Thompson, KeepsAtMostTheWishedNumberOfPlausibleArms) {
  const auto scores = Generated(64);
  const auto p = ThompsonDistribution(scores, 1e-4, 16);
  const auto plausible = PlausibleArms(scores, 16);
  EXPECT_EQ(plausible.size(), 16U);
  std::size_t positive = 0;
  for (const double value : p) positive += value > 0 ? 1 : 0;
  EXPECT_LE(positive, 16U);
  EXPECT_NEAR(Sum(p), 1, 1e-12);
}

// From a direct evaluation of the formula.
TEST(Audits, GoToTheModelsThatMayBeTheBest) {
  const std::vector<Score> scores = {{.2, .1}, {.6, .2}, {.5, .1}, {.59, .05}};
  const std::array<bool, 4> all = {true, true, true, true};
  ExpectNear(AuditShares(scores, all),
             {0.051202002387188805, 0.3577126111203323, 0.23945836527526038, 0.3516270212172185}, 1e-14);
  const std::array<bool, 4> two = {true, false, true, false};
  ExpectNear(AuditShares(scores, two), {0.10504353328140796, 0, 0.8949564667185921, 0}, 1e-14);
}

TEST(Audits, ReachAsFarAsWhatMayTurnARanking) {
  EXPECT_DOUBLE_EQ(AuditReach(.16, .036), .048) << "most of it is common to all models";
  EXPECT_DOUBLE_EQ(AuditReach(.11, .112), .11) << "nothing is";
  EXPECT_DOUBLE_EQ(AuditReach(.06, .036), .036);
  EXPECT_DOUBLE_EQ(AuditReach(.02, .036), .02) << "known better than the prior says";
}

TEST(Audits, KeepEveryModelTestable) {
  const std::array<bool, 4> all = {true, true, true, true};
  for (const double deviation : {0.0, 1e-12, .1, 1e9}) {
    for (const double gap : {0.0, 1.0, 1e300}) {
      const std::vector<Score> scores = {{1 - gap, deviation}, {1, deviation}, {1 - gap, 0}, {1 - gap, 1}};
      const std::vector<double> shares = AuditShares(scores, all);
      EXPECT_NEAR(Sum(shares), 1, 1e-12) << gap << " " << deviation;
      for (const double share : shares) EXPECT_GE(share, kAuditEven / 4) << gap << " " << deviation;
    }
  }
}

TEST(Audits, AreSharedOutEvenlyWhereNothingIsKnown) {
  const std::vector<Score> scores = {{.2, 1e9}, {.6, 1e9}, {.4, 1e9}};
  const std::array<bool, 3> all = {true, true, true};
  ExpectNear(AuditShares(scores, all), {1.0 / 3, 1.0 / 3, 1.0 / 3}, 1e-12);
}

TEST(Audits, AreMixedIntoGreedyChoice) {
  const std::vector<Score> scores = {{.2, 1e9}, {.6, 1e9}, {.4, 1e9}, {.6, 1e9}};
  const std::array<bool, 4> audited = {true, true, false, true};
  ExpectNear(AuditDistribution(scores, audited, .03), {.01, .98, 0, .01}, 1e-12);
  const std::array<bool, 4> best_outside = {true, false, true, false};
  ExpectNear(AuditDistribution(scores, best_outside, .03), {.015, .97, .015, 0}, 1e-12);
  const std::array<bool, 4> none = {};
  EXPECT_EQ(AuditDistribution(scores, none, .03), GreedyDistribution(scores));
  EXPECT_EQ(AuditDistribution(scores, audited, 0), GreedyDistribution(scores));
}

TEST(Floor, RaisesPlausibleArmsOnlyAndStaysADistribution) {
  const std::vector<double> p = {.9, .1, 0, 0};
  const std::array<bool, 4> plausible = {true, true, true, false};
  ExpectNear(WithFloor(p, plausible, .005), {.9 / 1.005, .1 / 1.005, .005 / 1.005, 0}, 1e-15);
  // Never more than a tenth of the mass in floors.
  ExpectNear(WithFloor(std::vector<double>{1, 0, 0, 0}, plausible, .1),
             {1 / (1 + .2 / 3), .1 / 3 / (1 + .2 / 3), .1 / 3 / (1 + .2 / 3), 0}, 1e-12);
  EXPECT_EQ(WithFloor(p, plausible, 0), p);
}

TEST(DrawArm, NeverReturnsAZeroProbabilityArmEvenAtTheLastRepresentableDraw) {
  const std::array pmf{0.5, 0.5, 0.0};
  const auto draw = DrawArm(pmf, std::nextafter(1.0, 0.0));
  ASSERT_TRUE(draw.ok());
  EXPECT_EQ(draw->arm, 1U);
  EXPECT_EQ(draw->propensity, 0.5);
  const std::array leading{0.0, 1.0};
  EXPECT_EQ(DrawArm(leading, 0.0)->arm, 1U);
  // Rounding leaves this sum slightly below one.
  const std::array thirds{1.0 / 3, 1.0 / 3, 1.0 / 3 - 4e-10, 0.0};
  EXPECT_EQ(DrawArm(thirds, std::nextafter(1.0, 0.0))->arm, 2U);
}

TEST(DrawArm, RefusesWhatIsNotADistributionOrNotADraw) {
  EXPECT_FALSE(DrawArm({}, 0.5).ok());
  EXPECT_FALSE(DrawArm(std::array{0.5, 0.4}, 0.5).ok());
  EXPECT_FALSE(DrawArm(std::array{1.5, -0.5}, 0.5).ok());
  EXPECT_FALSE(DrawArm(std::array{0.5, std::nan("")}, 0.5).ok());
  EXPECT_FALSE(DrawArm(std::array{1.0}, 1.0).ok());
  EXPECT_FALSE(DrawArm(std::array{1.0}, -0.1).ok());
  EXPECT_FALSE(DrawArm(std::array{1.0}, std::nan("")).ok());
}

TEST(DrawArm, FrequenciesOverAMillionDrawsFollowTheDistribution) {
  const auto p = ThompsonDistribution(std::vector<Score>{{.6, .1}, {.5, .1}, {.4, .2}, {.55, .05}}, 1e-4, 16);
  constexpr int kDraws = 1'000'000;
  constexpr std::uint64_t kSeed = 20;
  SplitMix64 random(kSeed);
  std::vector<int> seen(p.size());
  for (int i = 0; i < kDraws; ++i) ++seen[DrawArm(p, random.Unit())->arm];
  double chi_square = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    chi_square += (seen[i] - kDraws * p[i]) * (seen[i] - kDraws * p[i]) / (kDraws * p[i]);
  }
  EXPECT_LT(chi_square, 16.27) << "99.9 % quantile at 3 degrees of freedom; seed " << kSeed;
}

}  // namespace
}  // namespace pointsman::policy
