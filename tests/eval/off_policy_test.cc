// Off-policy values on logs of our own learner, against the truth of a simulated world;
// and what is made of logs with little in them.
#include "policy/judgement/off_policy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "eval/in_process_learner.h"
#include "eval/scenario_world.h"
#include "policy/choice/decide.h"

namespace pointsman::eval {
namespace {

constexpr std::size_t kQueries = 8000;

Scenario WorldScenario() {
  Scenario scenario;
  scenario.name = "off-policy";
  scenario.decisions = kQueries;
  scenario.bootstrap_rows = 0;
  return scenario;
}

const ScenarioWorld& World() {
  static const Scenario scenario = WorldScenario();
  static const auto world = [] {
    const char* source = std::getenv("POINTSMAN_SOURCE");
    return ScenarioWorld::Create(scenario, 1, std::string(source != nullptr ? source : ".") + "/bootstrap/starter");
  }();
  return *world.value();
}

struct LogOptions {
  std::size_t decisions = 900;
  std::vector<std::string> allowed{"atlas-large", "borealis-chat", "ember-reason"};
  double epsilon = 0.9;
  double gold_rate = 0.8;
  bool gold = true;
  bool ratings = true;
  double constant_rating = -1;  // below 0: what users say
};

// A learner that learns while it logs.
std::vector<policy::Event> LogOf(const LogOptions& options, std::uint64_t seed) {
  const ScenarioWorld& world = World();
  const TargetSetup setup = world.Setup();
  InProcessSetup made{.options = {}, .models = setup.models, .prices = setup.prices, .bundle = nullptr, .seed = seed};
  made.options.sources = {"thumbs"};
  made.options.gold_rate = options.gold_rate;
  made.options.exploration = policy::Exploration::kEpsilon;
  made.options.epsilon = options.epsilon;
  made.keep_log = true;
  auto learner = InProcessLearner::Create(made).value();
  SplitMix64 random(seed * 77 + 5);
  for (std::size_t i = 0; i < options.decisions; ++i) {
    const std::uint64_t at = random.Below(kQueries);  // queries come from the world's 8,000, evenly
    learner->Advance(1'000'000);
    EXPECT_TRUE(learner->Publish().ok());
    policy::Query query;
    query.weights = {1, 0};
    query.allowed = options.allowed;
    query.id = learner->NextId();
    const auto decision = policy::Decide(*learner->snapshot(), query).value();
    auto row = learner->Log(policy::ToEvent(*learner->snapshot(), query, decision, learner->now_us())).value();
    const std::size_t model = decision.ranked[decision.chosen].model.value - 1;
    const bool right = random.Unit() < world.Quality(at, model);
    const bool up = random.Unit() < 0.3 + 0.4 * (right ? 1 : 0);
    policy::FeedbackReport report;
    report.decision = query.id;
    report.channel = 1;
    report.subject = SubjectHash{i + 1};
    report.value = options.constant_rating >= 0 ? options.constant_rating : up ? 1 : 0;
    if (options.ratings) {
      EXPECT_TRUE(learner->Give(report, row).ok());
    }
    report = {};
    report.decision = query.id;
    report.value = right ? 1 : 0;
    if (options.gold && decision.gold_wanted) {
      EXPECT_TRUE(learner->Give(report, row).ok());
    }
  }
  return learner->log();
}

Result<policy::Judgement> JudgeLog(const std::vector<policy::Event>& log, const policy::TargetPolicy& target) {
  policy::OffPolicyJudge judge(target);
  for (const policy::Event& event : log) judge.Learn(event);
  for (const policy::Event& event : log) {
    if (Status added = judge.Add(event); !added.ok()) return added.error();
  }
  return judge.Judge();
}

TEST(OffPolicyOfTheLearner, IntervalsCoverTheSimulatorsTruth) {
  const std::size_t model = World().Column("ember-reason");
  double truth = 0;
  for (std::uint64_t i = 0; i < kQueries; ++i) truth += World().Quality(i, model) / kQueries;
  constexpr int kRuns = 400;
  int ips = 0, snips = 0, dr = 0;
  for (int run = 0; run < kRuns; ++run) {
    const auto judged =
        JudgeLog(LogOf({.decisions = 1800}, 1000 + static_cast<std::uint64_t>(run)), {.model = "ember-reason"});
    ASSERT_TRUE(judged.ok()) << judged.error().message;
    const auto holds = [truth](const policy::ValueEstimate& one) { return one.low <= truth && truth <= one.high; };
    ips += holds(judged->ips) ? 1 : 0;
    snips += holds(judged->snips) ? 1 : 0;
    dr += holds(judged->dr) ? 1 : 0;
  }
  std::printf("truth %.4f; of %d runs: ips %d snips %d dr %d\n", truth, kRuns, ips, snips, dr);
  for (const int covered : {ips, snips, dr}) {
    EXPECT_GE(covered, 93 * kRuns / 100);
    EXPECT_LE(covered, 97 * kRuns / 100);
  }
}

std::string Reason(const Result<policy::Judgement>& result) { return result.ok() ? "judged" : result.error().reason; }

TEST(OffPolicyOfTheLearner, AnEmptyLogAndOneWithoutGoldAreRefused) {
  EXPECT_EQ(Reason(JudgeLog(LogOf({.decisions = 0}, 1), {})), "no_decisions");
  EXPECT_EQ(Reason(JudgeLog(LogOf({.gold = false}, 1), {})), "no_gold");
  EXPECT_EQ(Reason(JudgeLog(LogOf({.gold_rate = 0}, 1), {})), "no_decisions");
}

TEST(OffPolicyOfTheLearner, OneModelIsWorthWhatItWas) {
  const auto judged = JudgeLog(LogOf({.allowed = {"dune-scholar"}}, 2), {.model = "dune-scholar"});
  ASSERT_TRUE(judged.ok()) << judged.error().message;
  EXPECT_NEAR(judged->difference.value, 0, 1e-6);
  EXPECT_EQ(Reason(JudgeLog(LogOf({.allowed = {"dune-scholar"}}, 2), {.model = "cinder-7b"})), "support_missing");
}

TEST(OffPolicyOfTheLearner, ValuesComeFromGoldSoThatRatingsMayBeMissingOrConstant) {
  for (const LogOptions& options : {LogOptions{.ratings = false}, LogOptions{.constant_rating = 1},
                                    LogOptions{.constant_rating = 0}, LogOptions{.constant_rating = .5}}) {
    const auto judged = JudgeLog(LogOf(options, 3), {.model = "ember-reason"});
    ASSERT_TRUE(judged.ok()) << judged.error().message;
    EXPECT_NEAR(judged->dr.value, .65, .15);
    EXPECT_TRUE(std::isfinite(judged->dr.error) && judged->dr.error > 0);
  }
}

TEST(OffPolicyOfTheLearner, WithoutExplorationOnlyWhatWasDoneIsJudged) {
  const auto log = LogOf({.epsilon = 0}, 4);  // propensities of 1 and 0
  EXPECT_EQ(Reason(JudgeLog(log, {})), "judged");
  EXPECT_EQ(Reason(JudgeLog(log, {.epsilon = .5})), "support_missing");
}

}  // namespace
}  // namespace pointsman::eval
