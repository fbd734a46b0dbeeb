// Protocol "trouter": its baselines, its costs, its refusals.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "base/clock.h"
#include "base/unit_draw.h"
#include "eval/trouter_protocol.h"

namespace pointsman::eval {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Two kinds of queries; the small model is good at one of them, the large at both.
bootstrap::Table TwoKinds(bool with_costs) {
  bootstrap::Table table;
  table.name = "two kinds";
  table.models = {"large-70b", "small-7b"};
  SplitMix64 random(5);
  const char* words[2][6] = {{"sum", "root", "integral", "matrix", "prime", "angle"},
                             {"poem", "verse", "rhyme", "sonnet", "stanza", "ballad"}};
  for (int i = 0; i < 300; ++i) {
    const int kind = i % 2;
    bootstrap::TableRow row;
    row.id = std::to_string(i);
    row.query = "please " + std::to_string(i);
    for (int w = 0; w < 6; ++w) row.query += std::string(" ") + words[kind][random.Below(6)];
    row.task = kind == 0 ? "algebra" : "poetry";
    const double cost = with_costs ? 1 : kNan;
    row.models.push_back({true, 1.0, 10 * cost, kNan, kNan, ""});
    row.models.push_back({true, kind == 1 ? 1.0 : 0.0, 1 * cost, kNan, kNan, ""});
    table.rows.push_back(row);
  }
  return table;
}

const TrouterArm& Arm(const TrouterReport& report, const std::string& name) {
  for (const TrouterArm& arm : report.arms) {
    if (arm.name == name) return arm;
  }
  ADD_FAILURE() << "no arm " << name;
  return report.arms[0];
}

TEST(TrouterProtocol, WhereKindsDecideTheRouterReachesTheOracleAndBeatsTheSizeRule) {
  TrouterOptions options;
  options.seeds = 2;
  const SystemClock clock;
  const auto report = RunTrouter(TwoKinds(true), options, clock);
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->costs, "table");
  EXPECT_EQ(report->arms[0].name, "trouter");
  EXPECT_NEAR(report->arms[0].utility_sum.mean, Arm(*report, "oracle").utility_sum.mean, .05);
  EXPECT_GT(Arm(*report, "size_rule").lead.mean, .1);
  EXPECT_NEAR(Arm(*report, "size_rule").top1.mean, 1, 1e-12) << "with weights (1,0) the rule takes the largest";
  EXPECT_LT(Arm(*report, "random").utility_sum.mean, report->arms[0].utility_sum.mean);
}

TEST(TrouterProtocol, WithoutCostsSizesInTheNamesStandForPrices) {
  TrouterOptions options;
  options.seeds = 1;
  options.task_types = false;
  const SystemClock clock;
  const auto report = RunTrouter(TwoKinds(false), options, clock);
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->costs, "size");
  EXPECT_TRUE(std::isnan(report->arms[0].utility_sum.se)) << "one seed has no error";
}

TEST(TrouterProtocol, AMissingPriceIsRefusedByRowAndModel) {
  bootstrap::Table table = TwoKinds(true);
  table.models = {"large", "small"};
  table.rows[7].models[1].cost_usd = kNan;
  const SystemClock clock;
  const auto report = RunTrouter(table, {}, clock);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().reason, "price_missing");
  EXPECT_NE(report.error().message.find("row 7 "), std::string::npos) << report.error().message;
  EXPECT_NE(report.error().message.find("small"), std::string::npos);
}

TEST(TrouterProtocol, OneModelAndNoRowsAndOneTaskAreRefused) {
  const SystemClock clock;
  bootstrap::Table one = TwoKinds(true);
  one.models.resize(1);
  for (auto& row : one.rows) row.models.resize(1);
  EXPECT_EQ(RunTrouter(one, {}, clock).error().reason, "too_few_models");
  bootstrap::Table none = TwoKinds(true);
  none.rows.clear();
  EXPECT_FALSE(RunTrouter(none, {}, clock).ok());
  bootstrap::Table same = TwoKinds(true);
  for (auto& row : same.rows) row.task = "all";
  TrouterOptions cold;
  cold.unseen_tasks = true;
  EXPECT_EQ(RunTrouter(same, cold, clock).error().reason, "too_few_tasks");
}

TEST(TrouterProtocol, EveryRecogniserReachesTheOracleWhereKindsDecide) {
  const SystemClock clock;
  for (const TaskRecognition recogniser : {TaskRecognition::kDual, TaskRecognition::kPublished}) {
    TrouterOptions options;
    options.seeds = 1;
    options.recogniser = recogniser;
    const auto report = RunTrouter(TwoKinds(true), options, clock);
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_NEAR(Arm(*report, "types").utility_sum.mean, Arm(*report, "oracle").utility_sum.mean, .1);
  }
  TrouterOptions nameless;
  nameless.task_types = false;
  nameless.recogniser = TaskRecognition::kPublished;
  EXPECT_EQ(RunTrouter(TwoKinds(true), nameless, clock).error().reason, "published_needs_tasks");
}

TEST(TrouterProtocol, PricesStandForCostsAndAreRefusedByEntryOrModel) {
  const SystemClock clock;
  TrouterOptions options;
  options.seeds = 1;
  options.prices = {"large-70b=0.9", "small-7b=0.2"};
  const auto report = RunTrouter(TwoKinds(false), options, clock);
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->costs, "prices");
  options.prices = {"large-70b=0.9"};
  const auto missing = RunTrouter(TwoKinds(false), options, clock);
  EXPECT_EQ(missing.error().reason, "price_missing");
  EXPECT_NE(missing.error().message.find("small-7b"), std::string::npos) << missing.error().message;
  for (const char* entry : {"large-70b", "nobody=1", "large-70b=-1", "large-70b=1x", "large-70b=nan"}) {
    options.prices = {entry};
    EXPECT_EQ(RunTrouter(TwoKinds(false), options, clock).error().reason, "price_not_valid") << entry;
  }
}

TEST(TrouterProtocol, SizesAreReadFromNames) {
  EXPECT_EQ(SizeInName("llama-3.1-8b-instruct"), 8);
  EXPECT_EQ(SizeInName("Mixtral-8x7B-v0.1"), 56);
  EXPECT_EQ(SizeInName("Meta-Llama-3_1-70B"), 70);
  EXPECT_NEAR(SizeInName("llama3-chatqa-1.5-8b"), 8, 0);
  EXPECT_NEAR(SizeInName("qwen-0.6b"), .6, 1e-12);
  EXPECT_TRUE(std::isnan(SizeInName("gemini-1.5-pro-002")));
  EXPECT_TRUE(std::isnan(SizeInName("")));
}

}  // namespace
}  // namespace pointsman::eval
