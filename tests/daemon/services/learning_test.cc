// What feedback does to the next answers: preferences, conversations, observing.
#include <gtest/gtest.h>

#include "tests/daemon/services/services_support.h"

namespace pointsman::daemon::testing {
namespace {

constexpr uid_t kStranger = 54'321;

wire::Route Question() {
  wire::Route route;
  route.add_embedding(1);
  route.add_embedding(0);
  route.set_no_explore(true);
  route.mutable_weights()->set_quality(1);
  return route;
}

// Answers of both models to one query: tokens of (large, small).
std::pair<std::string, std::string> Both(Services& services) {
  wire::Route route = Question();
  route.add_allowed("large");
  const auto large = services.Ask(FrameKind::kRoute, route)->As<wire::RouteReply>().token();
  route.set_allowed(0, "small");
  return {large, services.Ask(FrameKind::kRoute, route)->As<wire::RouteReply>().token()};
}

double QualityOf(Services& services, const std::string& model) {
  const auto reply = services.Ask(FrameKind::kRoute, Question())->As<wire::RouteReply>();
  for (const auto& one : reply.ranked()) {
    if (one.name() == model) return one.quality();
  }
  ADD_FAILURE() << model << " is not ranked";
  return 0;
}

wire::Prefer PreferSmall(const std::pair<std::string, std::string>& tokens, const std::string& source) {
  wire::Prefer prefer;
  prefer.set_winner(tokens.second);
  prefer.set_loser(tokens.first);
  prefer.set_source(source);
  return prefer;
}

TEST(Learning, PreferencesMoveTheBeliefWithinTheirBound) {
  Services services;
  services.ActivateTwoClusters();
  const double small = QualityOf(services, "small");
  const double large = QualityOf(services, "large");
  std::uint64_t last = 0;
  for (int i = 0; i < 300; ++i) {
    const auto ack = services.Ask(FrameKind::kPrefer, PreferSmall(Both(services), "thumbs"))->As<wire::Ack>();
    ASSERT_EQ(ack.code(), 0U);
    last = ack.sequence();
  }
  ASSERT_TRUE(services.learner().WaitUntilLearned(LogSeq{last}, kPatience).ok());
  EXPECT_GT(QualityOf(services, "small"), small + .01);
  EXPECT_LT(QualityOf(services, "large"), large - .01);
  const auto& view = *services.cell().Load()->snapshot->FindLive("small");
  const double prior = services.cell().Load()->snapshot->widths.model;
  const double bias = services.cell().Load()->snapshot->widths.source_model;
  EXPECT_GE(view.covariance[0], 1 / (1 / (prior * prior) + 1 / (2 * bias * bias)) * (1 - 1e-9))
      << "three hundred biased preferences";
}

TEST(Learning, APreferenceByGoldNeedsAuthorityAndAnUnknownSourceIsNamed) {
  Services services;
  const auto mine = Both(services);
  EXPECT_EQ(services.Ask(FrameKind::kPrefer, PreferSmall(mine, "gold"))->code(), Code::kOk);
  EXPECT_EQ(services.Ask(FrameKind::kPrefer, PreferSmall(mine, "stars"))->code(), Code::kNotFound);
  const std::pair<std::string, std::string> foreign{services.RouteToken(kStranger), services.RouteToken(kStranger)};
  EXPECT_EQ(services.Ask(FrameKind::kPrefer, PreferSmall(foreign, "gold"), kStranger)->code(), Code::kPermissionDenied);
}

TEST(Learning, AConversationStaysUnlessTheGainPays) {
  Services services;
  services.ActivateTwoClusters();
  wire::Route route = Question();
  ASSERT_EQ(services.Ask(FrameKind::kRoute, route)->As<wire::RouteReply>().model(), "large");
  route.set_incumbent("small");
  route.set_switch_cost(.99);
  EXPECT_EQ(services.Ask(FrameKind::kRoute, route)->As<wire::RouteReply>().model(), "small");
  route.set_switch_cost(.01);
  EXPECT_EQ(services.Ask(FrameKind::kRoute, route)->As<wire::RouteReply>().model(), "large");
  route.set_switch_cost(-1);
  EXPECT_EQ(services.Ask(FrameKind::kRoute, route)->code(), Code::kOutOfRange);
  route.set_switch_cost(.1);
  route.clear_incumbent();
  EXPECT_EQ(services.Ask(FrameKind::kRoute, route)->code(), Code::kInvalidArgument);
  route = Question();
  route.set_latency_cap_ms(-5);
  EXPECT_EQ(services.Ask(FrameKind::kRoute, route)->code(), Code::kOutOfRange);
}

TEST(Learning, AnObservedChoiceIsRecordedAndItsFeedbackLearnt) {
  Services services;
  services.ActivateTwoClusters();
  const double before = QualityOf(services, "small");
  wire::Route route = Question();
  route.set_observed("small");
  std::uint64_t last = 0;
  for (int i = 0; i < 6; ++i) {  // a few more would look like a change of the model
    const auto reply = services.Ask(FrameKind::kRoute, route)->As<wire::RouteReply>();
    ASSERT_EQ(reply.model(), "small");
    EXPECT_TRUE(reply.observed());
    EXPECT_EQ(reply.advised(), "large");
    EXPECT_EQ(reply.propensity(), 1);
    wire::Gold gold;
    gold.set_token(reply.token());
    gold.set_value(1);
    last = services.Ask(FrameKind::kGold, gold)->As<wire::Ack>().sequence();
  }
  ASSERT_TRUE(services.learner().WaitUntilLearned(LogSeq{last}, kPatience).ok());
  EXPECT_GT(QualityOf(services, "small"), before + .05);
  route.set_observed("nobody");
  EXPECT_EQ(services.Ask(FrameKind::kRoute, route)->code(), Code::kNotFound);
}

TEST(Learning, ASlowModelIsLeftOutWhereLatencyIsCapped) {
  Services services;
  services.ActivateTwoClusters();
  std::uint64_t last = 0;
  for (int i = 0; i < 10; ++i) {
    const auto reply = services.Ask(FrameKind::kRoute, Question())->As<wire::RouteReply>();
    ASSERT_EQ(reply.model(), "large");
    wire::Outcome outcome;
    outcome.set_token(reply.token());
    outcome.set_tokens_out(100);
    outcome.set_latency_ms(3000);
    last = services.Ask(FrameKind::kOutcome, outcome)->As<wire::Ack>().sequence();
  }
  ASSERT_TRUE(services.learner().WaitUntilLearned(LogSeq{last}, kPatience).ok());
  wire::Route route = Question();
  route.set_latency_cap_ms(1000);
  EXPECT_EQ(services.Ask(FrameKind::kRoute, route)->As<wire::RouteReply>().model(), "small");
}

}  // namespace
}  // namespace pointsman::daemon::testing
