// Whether intervals hold the truth: counted over models and cells, told in both reports.
#include "eval/coverage.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "base/clock.h"
#include "eval/run.h"
#include "tests/eval/small_table.h"

namespace pointsman::eval {
namespace {

using nlohmann::json;

bootstrap::Table ThreeTopics() {
  return MadeTable(3000, {{"alpha", {.9, .3, .5}}, {"beta", {.4, .8, .5}}, {"gamma", {.5, .5, .7}}}, 3);
}

RunReport Judged(bool coverage) {
  RunOptions options = DefaultsOf(Protocol::kStream);
  options.seeds = 2;
  options.arms = {"pointsman", "random"};
  options.coverage = coverage;
  auto report = RunProtocol(ThreeTopics(), options, SystemClock{});
  EXPECT_TRUE(report.ok()) << report.error().message;
  return report.ok() ? *report : RunReport{};
}

TEST(Coverage, IntervalsOfALearnerThatIsToldTheTruthHoldItAndBothReportsSayHowOften) {
  const RunReport report = Judged(true);
  ASSERT_EQ(report.arms.size(), 2U);
  const ArmReport& arm = report.arms[0];
  EXPECT_EQ(arm.coverage.models.intervals, 6U) << "three models, two seeds";
  EXPECT_EQ(arm.coverage.models.held, 6U);
  EXPECT_GE(arm.coverage.cells.intervals, 18U);
  EXPECT_GE(arm.coverage.cells.Share(), .85);
  EXPECT_LE(arm.coverage.heard.intervals, arm.coverage.cells.intervals);
  EXPECT_GT(arm.coverage.heard.intervals, 0U);
  EXPECT_GT(arm.coverage.models.MeanHalfWidth(), 0);
  EXPECT_LT(arm.coverage.models.MeanHalfWidth(), .3);
  EXPECT_TRUE(std::isfinite(arm.coverage_error));
  EXPECT_EQ(report.arms[1].coverage.models.intervals, 0U) << "an arm without a belief";
  const json told = json::parse(ToJson(report));
  EXPECT_EQ(told["arms"]["pointsman"]["coverage"]["models"]["share"], 1.0);
  EXPECT_FALSE(told["arms"]["random"].contains("coverage"));
  EXPECT_NE(ToTable(report).find("95 % intervals of pointsman hold 1.000 of the models"), std::string::npos)
      << ToTable(report);
}

TEST(Coverage, IsNotJudgedWhereNobodyAskedAndAnEmptyCountHasNoShare) {
  const RunReport report = Judged(false);
  ASSERT_EQ(report.arms.size(), 2U);
  EXPECT_EQ(report.arms[0].coverage.models.intervals, 0U);
  EXPECT_TRUE(std::isnan(report.arms[0].coverage.models.Share()));
  EXPECT_EQ(ToTable(report).find("intervals"), std::string::npos);
}

}  // namespace
}  // namespace pointsman::eval
