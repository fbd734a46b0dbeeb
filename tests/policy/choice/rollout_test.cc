// Rollouts: whom a decision follows, and that every logged probability is that of the
// mixture.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "base/unit_draw.h"
#include "policy/choice/decide.h"
#include "policy/judgement/gold_planner.h"
#include "tests/policy/choice/small_world.h"

namespace pointsman::policy {
namespace {

using testing::FreshSnapshot;
using testing::IdOf;
using testing::RandomBundle;

class RolloutTest : public ::testing::Test {
 protected:
  RolloutTest() {
    snapshot_.options.gold_rate = .2;
    snapshot_.options.audit_rate_start = .1;
    testing::SetLevels(snapshot_, {.5, .6, .7, .71});
    snapshot_.rollout.rollout = {RolloutMode::kCanary, .3, "model-1001"};
    query_.weights = {.quality = 1, .cost = 0};
    query_.id = IdOf(1);
  }
  Decision Must() const {
    auto decision = Decide(snapshot_, query_);
    EXPECT_TRUE(decision.ok());
    return std::move(decision).value();
  }
  std::string IncumbentOf(const Decision& decision) const {
    return decision.incumbent ? decision.ranked[*decision.incumbent].name : "";
  }

  // Draws often and compares what came with what was said: model by model, and gold.
  void ExpectTrueProbabilities() {
    constexpr int kDraws = 40'000;
    std::map<std::string, double> chosen, asked, said, said_asked;
    double followed = 0;
    for (int i = 0; i < kDraws; ++i) {
      query_.id = IdOf(static_cast<std::uint64_t>(i) + 1);
      const Decision decision = Must();
      const Candidate& one = decision.ranked[decision.chosen];
      ASSERT_EQ(decision.propensity, one.probability);
      ASSERT_LE(decision.gold_probability, 1);
      chosen[one.name] += 1;
      asked[one.name] += decision.gold_wanted ? 1 : 0;
      said_asked[one.name] += decision.gold_probability;
      followed += decision.followed ? 1 : 0;
      double sum = 0;
      for (const Candidate& candidate : decision.ranked) {
        said[candidate.name] += candidate.probability;
        sum += candidate.probability;
      }
      ASSERT_NEAR(sum, 1, 1e-12);
    }
    const double expected = (1 - snapshot_.rollout.rollout.share) * kDraws;
    EXPECT_NEAR(followed, expected, 5 * std::sqrt(expected));
    for (const auto& [name, mass] : said) {
      EXPECT_NEAR(chosen[name], mass, 5 * std::sqrt(mass) + 1e-9) << name;
      EXPECT_NEAR(asked[name], said_asked[name], 5 * std::sqrt(said_asked[name]) + 1e-9) << "gold of " << name;
    }
  }

  std::shared_ptr<Bundle> bundle_ = RandomBundle({}, 3);
  Snapshot snapshot_ = FreshSnapshot(bundle_);
  Query query_;
};

TEST_F(RolloutTest, PropensitiesAndGoldProbabilitiesAreThoseOfTheMixtureWithAudits) { ExpectTrueProbabilities(); }

TEST_F(RolloutTest, GoldProbabilitiesStayTrueWhenGoldIsPlanned) {
  GoldPlanner planner;
  constexpr int kDraws = 40'000;
  std::map<std::string, double> asked, said;
  for (int i = 0; i < kDraws; ++i) {
    query_.id = IdOf(static_cast<std::uint64_t>(i) + 1);
    Decision decision = Must();
    PlanGold(planner, snapshot_.options.gold_rate, 1, kLabelVariance, UnitDraw(query_.id, kDrawGold), decision);
    const std::string& name = decision.ranked[decision.chosen].name;
    asked[name] += decision.gold_wanted ? 1 : 0;
    said[name] += decision.gold_probability;
  }
  for (const auto& [name, mass] : said) EXPECT_NEAR(asked[name], mass, 5 * std::sqrt(mass) + 1e-9) << name;
}

TEST_F(RolloutTest, PropensitiesAreThoseOfTheMixtureWhenTheRouterExplores) {
  snapshot_.options.exploration = Exploration::kEpsilon;
  snapshot_.options.epsilon = .4;
  ExpectTrueProbabilities();
}

TEST_F(RolloutTest, PropensitiesStayTrueWhereTheIncumbentIsTheRoutersOwnChoice) {
  snapshot_.rollout.rollout.incumbent = "model-1003";
  ExpectTrueProbabilities();
}

TEST_F(RolloutTest, TheRequestsIncumbentIsFollowedBeforeTheConfiguredOne) {
  snapshot_.rollout.rollout.share = 0;
  const Decision configured = Must();
  EXPECT_TRUE(configured.followed);
  EXPECT_EQ(configured.ranked[configured.chosen].name, "model-1001");
  EXPECT_FALSE(configured.audit);
  query_.incumbent = "model-1000";
  const Decision named = Must();
  EXPECT_EQ(named.ranked[named.chosen].name, "model-1000");
  EXPECT_EQ(named.propensity, 1);
  EXPECT_DOUBLE_EQ(named.gold_probability, .2);
}

TEST_F(RolloutTest, TheRouterAnswersWhereNoIncumbentCan) {
  snapshot_.rollout.rollout.share = 0;
  snapshot_.models[1].healthy = false;
  const Decision resting = Must();
  EXPECT_FALSE(resting.incumbent);
  EXPECT_EQ(resting.ranked[resting.chosen].name, "model-1003");
  EXPECT_EQ(resting.router_share, 1);
  snapshot_.rollout.rollout.incumbent.clear();
  EXPECT_FALSE(Must().incumbent) << "nobody is named";
  query_.incumbent = "gone";
  EXPECT_FALSE(Must().incumbent);
}

TEST_F(RolloutTest, AFullRolloutAndAnObservedCallerAreLeftAlone) {
  snapshot_.rollout.rollout = {RolloutMode::kFull, 1, "model-1001"};
  EXPECT_FALSE(Must().incumbent);
  snapshot_.rollout.rollout = {RolloutMode::kCanary, 0, "model-1001"};
  query_.observed = "model-1000";
  const Decision observed = Must();
  EXPECT_FALSE(observed.incumbent);
  EXPECT_EQ(observed.ranked[observed.advised].name, "model-1003") << "the advice is the router's";
}

TEST_F(RolloutTest, TheEventSaysWhoWasFollowedWithWhichShare) {
  snapshot_.rollout.rollout = {RolloutMode::kApprentice, .25, "model-1001"};
  int followed = 0;
  for (std::uint64_t i = 1; i <= 40; ++i) {
    query_.id = IdOf(i);
    const Decision decision = Must();
    const DecisionMade event = ToEvent(snapshot_, query_, decision, 5);
    EXPECT_EQ(event.incumbent, ModelId{2});
    EXPECT_EQ(event.router_share, .25);
    EXPECT_EQ(event.followed, decision.followed);
    EXPECT_EQ(event.context.propensity, decision.propensity);
    followed += event.followed ? 1 : 0;
  }
  EXPECT_GT(followed, 20);
  EXPECT_LT(followed, 40);
}

TEST(RolloutValues, AreCheckedBeforeTheyAreTaken) {
  const auto reason = [](const Rollout& rollout) {
    const Status status = ValidateRollout(rollout);
    return status.ok() ? "" : status.error().reason;
  };
  EXPECT_EQ(reason({RolloutMode::kFull, 1, ""}), "");
  EXPECT_EQ(reason({RolloutMode::kFull, .5, ""}), "rollout_share");
  EXPECT_EQ(reason({RolloutMode::kCanary, 0, "m"}), "");
  EXPECT_EQ(reason({RolloutMode::kCanary, 1.1, "m"}), "rollout_share");
  EXPECT_EQ(reason({RolloutMode::kCanary, std::nan(""), "m"}), "rollout_share");
  EXPECT_EQ(reason({RolloutMode::kApprentice, 0, "m"}), "rollout_share");
  EXPECT_EQ(reason({RolloutMode::kApprentice, 1, "m"}), "rollout_share");
  EXPECT_EQ(reason({RolloutMode::kApprentice, .1, std::string(129, 'm')}), "rollout_incumbent");
  EXPECT_EQ(reason({static_cast<RolloutMode>(9), 1, ""}), "rollout_mode");
  EXPECT_EQ(ParseRolloutMode("apprentice").value(), RolloutMode::kApprentice);
  EXPECT_EQ(ParseRolloutMode("shadow").error().reason, "rollout_mode");
}

}  // namespace
}  // namespace pointsman::policy
