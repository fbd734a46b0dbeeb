#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/clock.h"
#include "base/unit_draw.h"
#include "eval/cascal_protocol.h"

namespace pointsman::eval {
namespace {

using ::testing::HasSubstr;

TEST(CellCorrelation, AModelsLevelDoesNotCount) {
  const std::vector<std::uint32_t> cell = {0, 1, 2};
  const std::vector<double> truth = {0.1, 0.5, 0.2, 0.4, 0.6, 0.3};
  std::vector<double> shifted = truth;
  for (std::size_t at = 0; at < shifted.size(); at += 2) shifted[at] += 0.3;
  EXPECT_NEAR(CellCorrelation(shifted, truth, 2, cell, 3), 1, 1e-12);
  std::vector<double> opposite = truth;
  for (double& value : opposite) value = -value;
  EXPECT_NEAR(CellCorrelation(opposite, truth, 2, cell, 3), -1, 1e-12);
  EXPECT_EQ(CellCorrelation(std::vector<double>(6, 0.5), truth, 2, cell, 3), 0);
}

TEST(AdjustedRand, CountsPairsBeyondChance) {
  using Labels = std::vector<std::uint32_t>;
  EXPECT_DOUBLE_EQ(AdjustedRand(Labels{0, 0, 1, 1}, Labels{5, 5, 2, 2}), 1);
  EXPECT_NEAR(AdjustedRand(Labels{0, 0, 1, 1, 2, 2}, Labels{0, 1, 0, 1, 0, 1}), -0.3636363636, 1e-9);
}

TEST(Niches, PlantedNichesAndFamiliesAreFoundWithoutLabels) {
  NicheOptions options;
  options.queries = 8000;
  const auto world = SimulateNiches(options);
  ASSERT_TRUE(world.ok());
  CascalOptions run;
  run.clusters = 64;
  const SystemClock clock;
  const auto report = RunCascalNiches(*world, run, 2, clock);
  ASSERT_TRUE(report.ok());
  EXPECT_GE(report->niche_rand.mean, 0.8);
  EXPECT_GE(report->family_rand.mean, 0.9);
  EXPECT_GT(report->top1.mean, report->best_single.mean);
}

TEST(Niches, AFileGivesBackWhatWasWrittenAndABrokenOneIsRefused) {
  NicheOptions options;
  options.queries = 40;
  options.models = 3;
  options.niches = 4;
  options.families = 2;
  const auto world = SimulateNiches(options);
  ASSERT_TRUE(world.ok());
  const auto path =
      (std::filesystem::temp_directory_path() / ("pm_niches_" + std::to_string(getpid()))).string();
  ASSERT_TRUE(WriteNiches(*world, path).ok());
  EXPECT_TRUE(IsNicheFile(path));
  const auto read = ReadNiches(path);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->embeddings, world->embeddings);
  EXPECT_EQ(read->votes.answer, world->votes.answer);
  EXPECT_EQ(read->family, world->family);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  EXPECT_EQ(ReadNiches(path).error().code, Code::kDataLoss);
  std::filesystem::remove(path);
  EXPECT_EQ(ReadNiches(path).error().code, Code::kNotFound);
  options.niches = 41;
  EXPECT_EQ(SimulateNiches(options).error().reason, "niche_options");
}

// Two subjects with their own words; model "a" is good at the one, "b" at the other.
bootstrap::Table TwoSubjects(bool gold) {
  SplitMix64 random(3);
  const std::vector<std::vector<std::string>> words = {{"matrix", "integral", "vector", "prime", "angle", "graph"},
                                                       {"poem", "novel", "verse", "author", "drama", "rhyme"}};
  bootstrap::Table table;
  table.name = "two_subjects";
  table.models = {"a", "b", "c", "d"};
  for (std::size_t i = 0; i < 400; ++i) {
    bootstrap::TableRow row;
    row.id = "row" + std::to_string(i);
    row.task = i % 2 == 0 ? "maths" : "letters";
    for (int w = 0; w < 8; ++w) row.query += words[i % 2][random.Below(6)] + " ";
    row.query += std::to_string(i);
    const std::string right(1, static_cast<char>('A' + random.Below(4)));
    if (gold) row.gold = right;
    for (std::size_t m = 0; m < 4; ++m) {
      const double skill = m == i % 2 ? 0.95 : (m < 2 ? 0.4 : 0.6);
      bootstrap::TableCell cell{};
      cell.present = true;
      cell.score = random.Unit() < skill ? 1 : 0;
      cell.answer = cell.score > 0 ? right : std::string(1, static_cast<char>('A' + random.Below(4)));
      if (cell.answer == right) cell.score = 1;
      row.models.push_back(cell);
    }
    table.rows.push_back(row);
  }
  return table;
}

TEST(CascalProtocol, EveryModeBeatsTheBestSingleModelWhereSubjectsDiffer) {
  const bootstrap::Table table = TwoSubjects(true);
  const SystemClock clock;
  for (const CascalMode mode : {CascalMode::kPublished, CascalMode::kScaled, CascalMode::kShared}) {
    CascalOptions options;
    options.mode = mode;
    options.seeds = 1;
    options.labels = CascalLabels::kScores;
    const auto report = RunCascal(table, options, clock);
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_GT(report->top1.mean, report->best_single.mean + 0.05) << static_cast<int>(mode);
    EXPECT_GT(report->task_correlation.mean, 0.9) << static_cast<int>(mode);
    EXPECT_GE(report->oracle.mean, report->top1.mean);
    EXPECT_THAT(ToJson(*report, options), HasSubstr("\"cell_correlation\":{\"mean\":"));
  }
}

TEST(CascalProtocol, WrongReferencesHurtWhoLearnsFromThemAndNobodyElse) {
  const bootstrap::Table table = TwoSubjects(true);
  const SystemClock clock;
  CascalOptions options;
  options.seeds = 1;
  options.labels = CascalLabels::kGenerated;
  const auto right = RunCascal(table, options, clock);
  options.generator_error = 1;
  const auto wrong = RunCascal(table, options, clock);
  ASSERT_TRUE(right.ok() && wrong.ok());
  EXPECT_LT(wrong->top1.mean, right->top1.mean - 0.1);
  options.labels = CascalLabels::kAnswers;
  const auto with = RunCascal(table, options, clock);
  options.generator_error = 0;
  const auto without = RunCascal(table, options, clock);
  ASSERT_TRUE(with.ok() && without.ok());
  EXPECT_EQ(with->top1.mean, without->top1.mean);
}

TEST(CascalProtocol, BadOptionsAndMissingReferencesAreNamed) {
  const bootstrap::Table table = TwoSubjects(false);
  const SystemClock clock;
  CascalOptions options;
  options.labels = CascalLabels::kGenerated;
  const auto report = RunCascal(table, options, clock);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code, Code::kFailedPrecondition);
  EXPECT_THAT(report.error().message, HasSubstr("row row"));
  options.train = 1;
  EXPECT_EQ(RunCascal(table, options, clock).error().code, Code::kOutOfRange);
  EXPECT_FALSE(CascalModeFromName("fast").ok());
  EXPECT_FALSE(CascalLabelsFromName("none").ok());
}

}  // namespace
}  // namespace pointsman::eval
