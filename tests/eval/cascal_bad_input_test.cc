// Protocol "cascal" on tables that are too small, degenerate or broken: each is
// refused with its row or name, or gives figures that are numbers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "base/clock.h"
#include "eval/cascal_protocol.h"
#include "eval/generator_sweep.h"
#include "tests/eval/small_table.h"

namespace pointsman::eval {
namespace {

using ::testing::HasSubstr;

constexpr std::array kModes = {CascalMode::kPublished, CascalMode::kScaled, CascalMode::kShared};

bootstrap::Table Good(std::size_t rows = 120) {
  return MadeTable(
      rows, {{"a", {0.9, 0.3, 0.5}}, {"b", {0.3, 0.9, 0.5}}, {"c", {0.5, 0.5, 0.6}}, {"d", {0.4, 0.4, 0.4}}}, 5);
}

class CascalBadInput : public ::testing::TestWithParam<CascalMode> {
 protected:
  Result<CascalReport> Run(const bootstrap::Table& table) const {
    CascalOptions options = options_;
    options.mode = GetParam();
    options.seeds = 1;
    return RunCascal(table, options, clock_);
  }
  // The figures are numbers in their range.
  void ExpectSound(const bootstrap::Table& table) const {
    for (const CascalLabels labels : {CascalLabels::kAnswers, CascalLabels::kScores}) {
      CascalOptions options = options_;
      options.mode = GetParam();
      options.seeds = 1;
      options.labels = labels;
      const auto report = RunCascal(table, options, clock_);
      ASSERT_TRUE(report.ok()) << report.error().message;
      for (const double share : {report->top1.mean, report->best_single.mean, report->random.mean}) {
        EXPECT_GE(share, 0);
        EXPECT_LE(share, 1 + 1e-9);
      }
      EXPECT_LE(std::abs(report->cell_correlation.mean), 1 + 1e-9);
      EXPECT_GE(report->clusters.mean, 1);
    }
  }
  CascalOptions options_;
  SystemClock clock_;
};

TEST_P(CascalBadInput, NoRowsAreRefused) {
  bootstrap::Table table = Good();
  table.rows.clear();
  const auto report = Run(table);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code, Code::kInvalidArgument);
  EXPECT_THAT(report.error().message, HasSubstr("made"));
}

TEST_P(CascalBadInput, TooFewRowsToTestAreRefused) {
  const auto report = Run(Good(2));
  ASSERT_FALSE(report.ok());
  EXPECT_FALSE(report.error().message.empty());
}

TEST_P(CascalBadInput, OneClusterIsTheBestModelOverall) {
  options_.clusters = 1;
  options_.task_types = false;
  ExpectSound(Good());
}

TEST_P(CascalBadInput, OneModelIsAlwaysChosen) {
  const bootstrap::Table table = MadeTable(120, {{"a", {0.9, 0.3, 0.5}}}, 5);
  ExpectSound(table);
  const auto report = Run(table);
  ASSERT_TRUE(report.ok());
  EXPECT_NEAR(report->top1.mean, report->best_single.mean, 1e-9);
  EXPECT_TRUE(std::isnan(report->top3.mean));
}

TEST_P(CascalBadInput, QueriesThatSayTheSameInOtherCaseShareOnePoint) {
  bootstrap::Table table = Good();
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    table.rows[r].query = "the same question" + std::string(r, '!');
  }
  ExpectSound(table);
}

TEST_P(CascalBadInput, OneQueryInAllRowsIsRefusedForItCannotBeSplit) {
  bootstrap::Table table = Good();
  for (auto& row : table.rows) row.query = "the same question";
  const auto report = Run(table);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code, Code::kOutOfRange);
}

TEST_P(CascalBadInput, ColumnsThatAreAllEqualLeaveNothingToRank) {
  bootstrap::Table table = Good();
  for (auto& row : table.rows) {
    for (auto& cell : row.models) {
      cell.score = 1;
      cell.answer = "A";
    }
  }
  ExpectSound(table);
  const auto report = Run(table);
  ASSERT_TRUE(report.ok());
  EXPECT_NEAR(report->top1.mean, 1, 1e-9);
  EXPECT_EQ(report->cell_correlation.mean, 0);
}

TEST_P(CascalBadInput, ARowWithAScoreThatIsNoNumberIsLeftOut) {
  bootstrap::Table table = Good();
  bootstrap::Table without = table;
  table.rows[7].models[2].score = std::numeric_limits<double>::quiet_NaN();
  without.rows.erase(without.rows.begin() + 7);
  const auto report = Run(table);
  const auto expected = Run(without);
  ASSERT_TRUE(report.ok() && expected.ok());
  EXPECT_EQ(report->train_rows + report->test_rows, 119U);
  EXPECT_EQ(report->top1.mean, expected->top1.mean);
  for (auto& row : table.rows) row.models[2].score = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(Run(table).error().code, Code::kInvalidArgument) << "a model without any score leaves no row";
}

TEST_P(CascalBadInput, ANumberThatIsNoneIsRefusedAsAnOption) {
  options_.train = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(Run(Good()).error().code, Code::kOutOfRange);
  options_.train = 0.6;
  options_.generator_error = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(Run(Good()).error().code, Code::kOutOfRange);
}

TEST_P(CascalBadInput, AnUnknownGeneratorIsNamed) {
  bootstrap::Table table = Good();
  for (std::size_t r = 0; r < table.rows.size(); r += 2) table.rows[r].gold = "B";
  options_.labels = CascalLabels::kGenerated;
  options_.generator_error = 0.1;
  options_.generator_fault = "nobody";
  const auto report = Run(table);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code, Code::kNotFound);
  EXPECT_THAT(report.error().message, HasSubstr("nobody"));
  options_.generator_fault = "a";
  EXPECT_TRUE(Run(table).ok());
  options_.generator_error = 1;
  EXPECT_EQ(Run(table).error().reason, "generator_errs_less");
}

std::string NameOfMode(const ::testing::TestParamInfo<CascalMode>& mode) {
  constexpr std::array kNames = {"published", "scaled", "shared"};
  return kNames[static_cast<std::size_t>(mode.param)];
}
INSTANTIATE_TEST_SUITE_P(Modes, CascalBadInput, ::testing::ValuesIn(kModes), NameOfMode);

TEST(GeneratorSweep, TellsFromWhichErrorOnLabelsAreWorseThanAnswers) {
  bootstrap::Table table = Good(240);
  for (std::size_t r = 0; r < table.rows.size(); r += 2) {
    table.rows[r].gold = "C";
    for (auto& cell : table.rows[r].models) cell.answer = cell.score > 0 ? "C" : "B";
  }
  CascalOptions options;
  options.seeds = 1;
  options.mode = CascalMode::kShared;
  const SystemClock clock;
  const auto sweep = RunGeneratorSweep(table, options, {0, 1}, {"random", "popular"}, clock);
  ASSERT_TRUE(sweep.ok()) << sweep.error().message;
  ASSERT_EQ(sweep->points.size(), 4U);
  EXPECT_EQ(sweep->points[0].labelled.top1.mean, sweep->points[2].labelled.top1.mean) << "without errors all is one";
  EXPECT_EQ(FallsBelowAt(*sweep, "popular"), 1);
  EXPECT_TRUE(std::isnan(FallsBelowAt(*sweep, "a")));
  const Plot plot = SweepPlot(*sweep, options);
  ASSERT_EQ(plot.series.size(), 3U);
  EXPECT_EQ(plot.series[0].points.size(), 2U);
  EXPECT_THAT(ToJson(*sweep, options), HasSubstr("\"falls_below_at\":{"));
  EXPECT_EQ(RunGeneratorSweep(table, options, {}, {"random"}, clock).error().reason, "empty_sweep");
}

}  // namespace
}  // namespace pointsman::eval
