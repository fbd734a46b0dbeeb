// A model joins in the middle of a run: the best one is taken up, the worst one is left.
#include <gtest/gtest.h>

#include <cmath>

#include "eval/in_process_learner.h"
#include "eval/run.h"
#include "eval/tally.h"
#include "policy/choice/decide.h"
#include "tests/eval/small_table.h"

namespace pointsman::eval {
namespace {

RunReport Play(Variant variant, NewcomerStart start = NewcomerStart::kNothing) {
  const auto table = MadeTable(2000, {{"bad", {.1}}, {"fair", {.5}}, {"good", {.9}}, {"plain", {.55}}}, 3);
  RunOptions options = DefaultsOf(Protocol::kStream);
  options.bootstrap_rows = 400;
  options.seeds = 2;
  options.variant = variant;
  options.newcomer = start;
  const auto report = RunProtocol(table, options, SystemClock());
  EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().message);
  return report.ok() ? *report : RunReport{};
}

TEST(Newcomer, TheBestModelIsTakenUpSoon) {
  for (const auto start : {NewcomerStart::kNothing, NewcomerStart::kFacts, NewcomerStart::kProbe}) {
    const RunReport report = Play(Variant::kNewcomer, start);
    const ArmReport& arm = Of(report, "pointsman");
    ASSERT_TRUE(arm.joined.has_value());
    EXPECT_GT(arm.joined->final_share, .8) << NewcomerStartName(start);
    EXPECT_LE(arm.joined->half_worst, 300) << NewcomerStartName(start);
    EXPECT_GT(arm.joined->after, Of(report, "without").joined->after + .2) << NewcomerStartName(start);
    EXPECT_EQ(Of(report, "without").joined->final_share, 0) << "it never joined there";
  }
}

TEST(Newcomer, TheWorstModelIsLeft) {
  const RunReport report = Play(Variant::kNewcomerWorst);
  const ArmReport& arm = Of(report, "pointsman");
  ASSERT_TRUE(arm.joined.has_value());
  EXPECT_LT(arm.joined->final_share, .02);
  EXPECT_GT(arm.joined->explored, 0);
  EXPECT_LT(arm.joined->lost, 30);
  EXPECT_NE(ToTable(report).find("newcomer, pointsman"), std::string::npos);
  EXPECT_NE(ToJson(report).find("\"final_share\""), std::string::npos);
}

TEST(Newcomer, OnlyArmsWithAPoolPlay) {
  const auto table = MadeTable(300, {{"bad", {.1}}, {"good", {.9}}}, 3);
  RunOptions options = DefaultsOf(Protocol::kStream);
  options.bootstrap_rows = 100;
  options.variant = Variant::kNewcomer;
  options.arms = {"random"};
  EXPECT_EQ(RunProtocol(table, options, SystemClock()).error().reason, "unknown_arm");
  options.arms = {};
  options.warm = Warm::kNone;
  EXPECT_EQ(RunProtocol(table, options, SystemClock()).error().code, Code::kOutOfRange);
}

// A stranger without merit and nobody who says so: what it may cost bounds its draws.
TEST(Newcomer, WithoutFeedbackItsAllowanceBoundsIt) {
  auto bundle = std::make_shared<policy::Bundle>(*policy::ColdBundle());
  bundle->models = {"known", "other"};
  bundle->mean_prior = {.9, .5};
  bundle->skills = {.9, .5};
  bundle->tokens.resize(2);
  InProcessSetup setup;
  setup.models = {"known", "other"};
  setup.bundle = bundle;
  setup.seed = 7;
  setup.keep_log = true;
  setup.options.gold_rate = 0;
  auto learner = InProcessLearner::Create(setup);
  ASSERT_TRUE(learner.ok()) << learner.error().message;
  ASSERT_TRUE((*learner)->Publish().ok());
  ASSERT_TRUE((*learner)->Join("stranger", {}, {}).ok());
  constexpr int kDecisions = 4000;
  for (int i = 0; i < kDecisions; ++i) {
    ASSERT_TRUE((*learner)->Publish().ok());
    policy::Query query;
    query.weights = {1, 0};
    query.id = (*learner)->NextId();
    const auto decision = policy::Decide(*(*learner)->snapshot(), query);
    ASSERT_TRUE(decision.ok());
    ASSERT_TRUE((*learner)->Log(policy::ToEvent(*(*learner)->snapshot(), query, *decision, 0)).ok());
    const policy::Newcomer& newcomer = (*learner)->state().newcomers.at(ModelId{3});
    ASSERT_LE(newcomer.spent, policy::TrialAllowance(newcomer, (*learner)->state().counters.decisions) + 1e-5);
  }
  const policy::Newcomer& newcomer = (*learner)->state().newcomers.at(ModelId{3});
  EXPECT_GT(newcomer.spent, .9 * policy::TrialAllowance(newcomer, kDecisions)) << "the bound was what held";
  EXPECT_EQ(newcomer.gold_asked, 0U);
  EXPECT_EQ((*learner)->Restart().value(), true) << "folding the log again gives the same bytes";
}

}  // namespace
}  // namespace pointsman::eval
