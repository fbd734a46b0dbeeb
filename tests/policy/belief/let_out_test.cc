// Differences that the bootstrap pulled in, let out when the best model's level is known.
#include "policy/belief/let_out.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "policy/choice/decide.h"
#include "tests/policy/belief/harness.h"
#include "tests/policy/choice/small_world.h"

namespace pointsman::policy {
namespace {

constexpr double kWidth = 0.03;
constexpr std::uint8_t kGold = 0;
constexpr std::uint8_t kRatings = 1;

// A world whose best model's level has this variance.
Snapshot World(double differences, double level_variance) {
  Snapshot snapshot = testing::FreshSnapshot(testing::RandomBundle({}, 5));
  auto bundle = std::make_shared<Bundle>(*snapshot.bundle);
  bundle->differences = differences;
  bundle->widths.model = kWidth;
  snapshot.bundle = bundle;
  snapshot.widths.model = kWidth;
  for (ModelView& view : snapshot.models) view.covariance[0] = level_variance;
  return snapshot;
}

TEST(LetOut, IsNothingWhereNothingWasPulledInOrNobodyIsKnown) {
  EXPECT_EQ(LetOutShare(World(1, 0)), 0);
  EXPECT_EQ(LetOutShare(World(0.5, 0.3 * kWidth * kWidth)), 0);
  EXPECT_EQ(LetOutShare(World(0.5, 0.02)), 0);
  Snapshot without_width = World(0.5, 0);
  without_width.widths.model = 0;
  EXPECT_EQ(LetOutShare(without_width), 0);
  Snapshot strangers = World(0.5, 0);
  for (ModelView& view : strangers.models) view.column = -1;
  EXPECT_EQ(LetOutShare(strangers), 0);
}

TEST(LetOut, GrowsAsTheLevelOfTheBestModelBecomesKnownAndWithTheTrustInThePrior) {
  EXPECT_DOUBLE_EQ(LetOutShare(World(0.5, 0)), 1);
  EXPECT_DOUBLE_EQ(LetOutShare(World(0.8, 0)), 0.25);
  EXPECT_DOUBLE_EQ(LetOutShare(World(0.5, 0.15 * kWidth * kWidth)), 0.5);
  Snapshot doubted = World(0.5, 0);
  for (ModelView& view : doubted.models) view.mean[doubted.layout.trust()] = -0.75;
  EXPECT_DOUBLE_EQ(LetOutShare(doubted), 0.25);
  for (ModelView& view : doubted.models) view.mean[doubted.layout.trust()] = -2;
  EXPECT_EQ(LetOutShare(doubted), 0) << "a prior that is upside down is not stretched";
}

TEST(LetOut, IsNotEasierWhereTheLevelsAreWidened) {
  Snapshot snapshot = World(0.5, 0.15 * kWidth * kWidth);
  snapshot.widths.model = 5 * kWidth;
  EXPECT_DOUBLE_EQ(LetOutShare(snapshot), 0.5);
  snapshot.options.widths_overridden = true;
  snapshot.options.widths.model = kWidth / 2;
  EXPECT_EQ(LetOutShare(snapshot), 0);
}

TEST(LetOut, OnlyTheBestModelByMeanPriorAndLevelMustBeKnown) {
  Snapshot snapshot = World(0.5, 0.02);
  ASSERT_GE(snapshot.models.size(), 2U);
  for (ModelView& view : snapshot.models) view.mean[0] = -0.5;
  snapshot.models[1].mean[0] = 0.5;
  snapshot.models[1].covariance[0] = 0;
  EXPECT_DOUBLE_EQ(LetOutShare(snapshot), 1);
  snapshot.models[1].covariance[0] = 0.02;
  snapshot.models[0].covariance[0] = 0;
  EXPECT_EQ(LetOutShare(snapshot), 0);
}

// Gold about the best model, by a real learner.
TEST(LetOut, ComesWithGoldOfTheBestModelAndNotWithRatings) {
  Harness world({"thumbs"});
  Bundle bundle = PlainBundle(40, {{"A", .6}, {"B", .5}});
  bundle.differences = 0.5;
  world.AddBundle(std::move(bundle));
  for (const char* name : {"A", "B"}) world.AddModel(name);
  world.Activate(1, 1);
  SplitMix64 random(3);
  const auto play = [&](std::uint32_t from, std::uint32_t to, std::uint8_t channel) {
    for (std::uint32_t id = from; id < to; ++id) {
      world.Decide(id, 1, {{1 + id % 40, 1}}, .6);
      world.Report(id, channel, random.Unit() < .6 ? 1 : 0);
    }
    return world.Publish()->let_out;
  };
  EXPECT_EQ(play(1, 2'001, kRatings), 0) << "their bias is not known";
  const double some = play(2'001, 4'001, kGold);
  EXPECT_GT(some, 0);
  EXPECT_GT(play(4'001, 12'001, kGold), some);
}

// The formula of the header, from the candidates of the same query without it.
TEST(LetOut, ADecisionsPriorsAreStretchedAboutWhatTheQueryDoesToAll) {
  Snapshot snapshot = World(0.5, 0);
  Query query;
  const std::vector<float> embedding = testing::UnitRows(1, snapshot.bundle->dimension(), 77);
  query.embedding = embedding;
  query.no_explore = true;
  const auto before = Decide(snapshot, query);
  snapshot.let_out = 0.5;
  const auto after = Decide(snapshot, query);
  ASSERT_TRUE(before.ok() && after.ok());
  double common = 0;
  for (const Candidate& one : before->ranked) {
    common += one.prior_centred / static_cast<double>(before->ranked.size());
  }
  double moved = 0;
  for (const Candidate& one : before->ranked) {
    const double prior = std::clamp(one.prior + 0.5 * (one.prior_centred - common), 0.0, 1.0);
    const auto same = std::find_if(after->ranked.begin(), after->ranked.end(),
                                   [&](const Candidate& other) { return other.model == one.model; });
    ASSERT_NE(same, after->ranked.end());
    EXPECT_NEAR(same->prior, prior, 1e-15);
    EXPECT_NEAR(same->predicted_mean, one.predicted_mean + prior - one.prior, 1e-15);
    EXPECT_EQ(same->prior_centred, one.prior_centred);
    moved = std::max(moved, std::abs(prior - one.prior));
  }
  EXPECT_GT(moved, 0.01);
}

}  // namespace
}  // namespace pointsman::policy
