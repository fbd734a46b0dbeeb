#include "policy/judgement/gold_planner.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/unit_draw.h"
#include "tests/policy/choice/small_world.h"

namespace pointsman::policy {
namespace {

Decision Between(double chosen, double other, double variance) {
  Decision decision;
  decision.ranked.resize(2);
  decision.ranked[0].utility = chosen;
  decision.ranked[0].predicted_variance = variance;
  decision.ranked[1].utility = other;
  return decision;
}

// d = .01 / sqrt(.21) = .0218217890235992; at a gap of .02, z = .916515138991168.
TEST(GoldPlanner, TheWorthOfALabelEqualsTheKnowledgeGradient) {
  EXPECT_NEAR(GoldWorth(Between(.5, .5, .01), 1, .2), .0218217890235992 * .398942280401433, 1e-12);
  const double z = .916515138991168;
  const double worth =
      .0218217890235992 * (std::exp(-.5 * z * z) * .398942280401433 - z * .5 * std::erfc(z / std::sqrt(2.0)));
  EXPECT_NEAR(GoldWorth(Between(.52, .5, .01), 1, .2), worth, 1e-12);
  EXPECT_EQ(GoldWorth(Between(.5, .5, 0), 1, .2), 0) << "what is known needs no label";
  Decision alone;
  alone.ranked.resize(1);
  EXPECT_EQ(GoldWorth(alone, 1, .2), 0);
}

TEST(GoldPlanner, TheWorthIsInUnitsOfUtility) {
  // Half the weight on quality: the same evidence moves half as much, over half the gap.
  EXPECT_NEAR(GoldWorth(.01, .01, .5, .2), .5 * GoldWorth(.02, .01, 1, .2), 1e-12);
  EXPECT_EQ(GoldWorth(.01, .01, 0, .2), 0) << "who cares for cost alone gains nothing by a label";
  EXPECT_EQ(GoldWorth(-.02, .01, 1, .2), GoldWorth(.02, .01, 1, .2)) << "an audit may have played the worse one";
}

TEST(GoldPlanner, TheWorthOfALoggedDecisionIsTheDecisionsOwn) {
  Snapshot snapshot = testing::FreshSnapshot(testing::RandomBundle({.models = 5}, 3));
  Query query;
  query.weights = {.quality = .5, .cost = .5};
  for (std::uint64_t i = 1; i <= 200; ++i) {
    query.id = testing::IdOf(i * 0x9e3779b97f4a7c15ULL);
    const Decision decision = Decide(snapshot, query).value();
    const double worth = GoldWorth(decision, query.weights.quality, kLabelVariance);
    EXPECT_NEAR(GoldWorth(ToEvent(snapshot, query, decision, 1)), worth, 1e-6 + 1e-4 * worth);
  }
}

// A queue that is labelled from its start up to any point: what was labelled has the
// values of what was asked, although worth and value go together.
TEST(GoldPlanner, AnyBeginningOfTheQueueIsARandomPartOfWhatWasAsked) {
  double all = 0;
  double first = 0;
  int labelled = 0;
  constexpr int kAsked = 40'000;
  for (std::uint64_t i = 1; i <= kAsked; ++i) {
    const double value = i % 2 == 0 ? 1 : 0;  // worth more, asked more often, and better
    all += value;
    if (QueuePlace(testing::IdOf(i * 0x9e3779b97f4a7c15ULL)) > .2) continue;
    first += value;
    ++labelled;
  }
  EXPECT_NEAR(labelled, .2 * kAsked, 4 * std::sqrt(.16 * kAsked));
  EXPECT_NEAR(first / labelled, all / kAsked, 4 * .5 / std::sqrt(labelled));
}

TEST(GoldPlanner, KeepsTheRateAndTheRandomShareAndPrefersWhatIsWorthMore) {
  GoldPlanner planner;
  SplitMix64 random(5);
  double asked = 0;
  double close_calls = 0;
  for (int i = 0; i < 20'000; ++i) {
    const bool close = i % 4 == 0;
    const double p = planner.Probability(close ? .01 : .0001, .02, .003);
    EXPECT_GE(p, .003);
    asked += p;
    if (close) close_calls += p;
  }
  EXPECT_NEAR(asked / 20'000, .02, .001);
  EXPECT_GT(close_calls / asked, .8);
}

TEST(GoldPlanner, WithOneModelOrRatesOfNothingAndAllItAsksAtTheRate) {
  for (const double rate : {0.0, .02, 1.0}) {
    Snapshot snapshot = testing::FreshSnapshot(testing::RandomBundle({.models = 1}, 3));
    snapshot.options.gold_rate = rate;
    snapshot.options.audit_rate_start = 0;
    GoldPlanner planner;
    Query query;
    query.weights = {.quality = 1, .cost = 0};
    for (std::uint64_t i = 1; i <= 50; ++i) {
      query.id = testing::IdOf(i * 0x9e3779b97f4a7c15ULL);
      Decision decision = Decide(snapshot, query).value();
      PlanGold(planner, rate, 1, kLabelVariance, .5, decision);
      EXPECT_EQ(decision.gold_probability, rate) << "no label is worth more than another";
      EXPECT_EQ(decision.gold_wanted, rate == 1);
    }
  }
}

TEST(GoldPlanner, TheLoggedProbabilityIsTheOneItDrawsWith) {
  Snapshot snapshot = testing::FreshSnapshot(testing::RandomBundle({.models = 3}, 3));
  snapshot.options.gold_rate = .2;
  snapshot.options.audit_rate_start = .05;
  GoldPlanner planner;
  SplitMix64 random(9);
  Query query;
  query.weights = {.quality = 1, .cost = 0};
  double expected = 0;
  double asked = 0;
  for (std::uint64_t i = 1; i <= 40'000; ++i) {
    query.id = testing::IdOf(i * 0x9e3779b97f4a7c15ULL);
    Decision decision = Decide(snapshot, query).value();
    PlanGold(planner, .2, query.weights.quality, .2, random.Unit(), decision);
    expected += decision.gold_probability;
    asked += decision.gold_wanted ? 1 : 0;
  }
  EXPECT_NEAR(asked, expected, 4 * std::sqrt(expected));
  EXPECT_NEAR(expected / 40'000, .2, .01);
}

}  // namespace
}  // namespace pointsman::policy
