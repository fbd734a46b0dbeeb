// Conversations with a cost of switching, latency as a constraint, and observing a
// caller that chooses for itself.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "policy/belief/token_cost.h"
#include "policy/choice/decide.h"
#include "tests/policy/choice/small_world.h"

namespace pointsman::policy {
namespace {

using testing::FreshSnapshot;
using testing::IdOf;
using testing::RandomBundle;

class Conversation : public ::testing::Test {
 protected:
  Conversation() {
    snapshot_.options.gold_rate = .02;
    testing::SetLevels(snapshot_, {.5, .6, .7, .8});
    query_.weights = {.quality = 1, .cost = 0};
    query_.id = IdOf(1);
  }
  Decision Must() const {
    auto decision = Decide(snapshot_, query_);
    EXPECT_TRUE(decision.ok());
    return std::move(decision).value();
  }
  std::string Chosen() const {
    const Decision decision = Must();
    return decision.ranked[decision.chosen].name;
  }

  std::shared_ptr<Bundle> bundle_ = RandomBundle({}, 3);
  Snapshot snapshot_ = FreshSnapshot(bundle_);
  Query query_;
  const std::string best_ = "model-1003";
  const std::string second_ = "model-1002";
};

TEST_F(Conversation, ASwitchMustGainMoreThanItCosts) {
  query_.no_explore = true;
  const Decision free = Must();
  ASSERT_EQ(free.ranked[0].name, best_);
  ASSERT_EQ(free.ranked[1].name, second_);
  const double gain = free.ranked[0].utility - free.ranked[1].utility;
  query_.incumbent = second_;
  query_.switch_cost = gain * .99;
  EXPECT_EQ(Chosen(), best_);
  query_.switch_cost = gain;
  EXPECT_EQ(Chosen(), second_) << "an equal gain is not more";
  query_.switch_cost = gain * 1.5;
  const Decision stays = Must();
  EXPECT_EQ(stays.ranked[stays.chosen].name, second_);
  EXPECT_DOUBLE_EQ(stays.propensity, 1);
  query_.switch_cost = 0;
  EXPECT_EQ(Chosen(), best_) << "without a cost nothing holds";
}

TEST_F(Conversation, IsNotAuditedAndAnIncumbentThatIsGoneHoldsNobody) {
  snapshot_.options.gold_rate = 1;
  snapshot_.options.audit_rate_start = 1;
  EXPECT_TRUE(Must().audit);
  query_.incumbent = second_;
  query_.switch_cost = .9;
  for (std::uint64_t i = 1; i < 50; ++i) {
    query_.id = IdOf(i);
    EXPECT_FALSE(Must().audit);
    EXPECT_EQ(Chosen(), second_);
  }
  snapshot_.models[2].healthy = false;
  EXPECT_EQ(Chosen(), best_) << "a resting incumbent is left";
  query_.incumbent = "nobody";
  EXPECT_EQ(Chosen(), best_);
}

TEST_F(Conversation, ACostThatIsNoNumberIsRefused) {
  query_.incumbent = second_;
  for (const double cost : {-1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    query_.switch_cost = cost;
    const auto decision = Decide(snapshot_, query_);
    ASSERT_FALSE(decision.ok());
    EXPECT_EQ(decision.error().code, Code::kOutOfRange);
  }
}

TEST_F(Conversation, ALatencyCapLeavesSlowModelsOutAndUnknownOnesIn) {
  query_.no_explore = true;
  snapshot_.models[3].latency_high_ms = 900;
  snapshot_.models[2].latency_high_ms = 0;  // not known
  query_.latency_cap_ms = 1000;
  EXPECT_EQ(Chosen(), best_);
  query_.latency_cap_ms = 500;
  EXPECT_EQ(Chosen(), second_);
  for (ModelView& view : snapshot_.models) view.latency_high_ms = 900;
  const Decision forced = Must();
  EXPECT_TRUE(forced.forced) << "there is always an answer";
}

TEST(Latency, IsLearntWithItsQuantileAndFollowsAChange) {
  ModelTally tally;
  const auto call = [&](double ms) {
    const double z = std::log(1 + ms);
    tally.latency_rows = kLatencyMemory * tally.latency_rows + 1;
    tally.latency_sum = kLatencyMemory * tally.latency_sum + z;
    tally.latency_squares = kLatencyMemory * tally.latency_squares + z * z;
  };
  SplitMix64 random(3);
  for (int i = 0; i < 4; ++i) call(200);
  EXPECT_EQ(LearntLatency(tally).high_ms, 0) << "four calls are too few";
  for (int i = 0; i < 400; ++i) call(200 * std::exp(.3 * random.Normal()));
  const Latency before = LearntLatency(tally);
  EXPECT_NEAR(before.median_ms, 200, 10);
  EXPECT_NEAR(before.high_ms, 200 * std::exp(1.645 * .3), 25);
  for (int i = 0; i < 1500; ++i) call(800 * std::exp(.3 * random.Normal()));
  EXPECT_NEAR(LearntLatency(tally).median_ms, 800, 40);
}

TEST_F(Conversation, AnObservedCallerKeepsItsChoiceAndIsToldWhatWouldHaveBeenPlayed) {
  query_.no_explore = true;
  query_.observed = "model-1000";
  const Decision decision = Must();
  EXPECT_TRUE(decision.observed);
  EXPECT_EQ(decision.ranked[decision.chosen].name, "model-1000");
  EXPECT_EQ(decision.ranked[decision.advised].name, best_);
  EXPECT_EQ(decision.propensity, 1) << "the caller's choice was no draw of ours";
  EXPECT_FALSE(decision.audit);
  EXPECT_DOUBLE_EQ(decision.gold_probability, .02);
  const DecisionMade event = ToEvent(snapshot_, query_, decision, 5);
  EXPECT_TRUE(event.observed);
  EXPECT_EQ(event.context.model, ModelId{1});
  EXPECT_EQ(event.advised, ModelId{4});
}

TEST_F(Conversation, AnObservedModelNeedNotBeEligibleButMustBeKnown) {
  snapshot_.models[0].healthy = false;
  query_.observed = "model-1000";
  const Decision resting = Must();
  EXPECT_EQ(resting.ranked[resting.chosen].name, "model-1000");
  EXPECT_EQ(resting.ranked[resting.chosen].probability, 0);
  query_.cost_cap_usd = 1e-12;
  const Decision forced = Must();
  EXPECT_TRUE(forced.forced);
  EXPECT_EQ(forced.ranked[forced.chosen].name, "model-1000");
  query_.observed = "nobody";
  const auto unknown = Decide(snapshot_, query_);
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code, Code::kNotFound);
}

TEST_F(Conversation, AloneInThePoolTheOneModelAnswers) {
  snapshot_.models.resize(1);
  for (const Exploration kind :
       {Exploration::kGreedyAudits, Exploration::kThompson, Exploration::kEpsilon, Exploration::kSquareCb}) {
    snapshot_.options.exploration = kind;
    const Decision decision = Must();
    EXPECT_EQ(decision.ranked.size(), 1U);
    EXPECT_DOUBLE_EQ(decision.propensity, 1);
  }
}

}  // namespace
}  // namespace pointsman::policy
