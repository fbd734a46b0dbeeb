#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "base/unit_draw.h"
#include "eval/arm_factory.h"
#include "eval/baselines.h"
#include "eval/learner_arm.h"
#include "eval/run.h"
#include "eval/socket_arm.h"
#include "eval/table_world.h"
#include "eval/tally.h"
#include "tests/eval/small_table.h"

namespace pointsman::eval {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

// Three models with fixed chances of being right; "flatterer" is bad but rated well.
// Every third query occurs twice.
bootstrap::Table SmallTable(std::size_t rows, std::uint64_t seed) {
  SplitMix64 random(seed);
  bootstrap::Table table;
  table.name = "small";
  table.models = {"flatterer", "master", "novice"};
  table.sources = {"thumbs"};
  const double right[] = {.35, .85, .25};
  const double liked[] = {.95, .45, .2};
  for (std::size_t r = 0; r < rows; ++r) {
    bootstrap::TableRow row;
    row.id = std::to_string(r);
    row.query = "question number " + std::to_string(r % 3 == 2 ? r - 1 : r) + " about arithmetic and ships";
    row.gold = "A";
    row.models.resize(3);
    row.ratings.resize(1);
    for (std::size_t m = 0; m < 3; ++m) {
      bootstrap::TableCell& cell = row.models[m];
      cell.present = true;
      cell.score = random.Unit() < right[m] ? 1 : 0;
      cell.answer = cell.score > 0 ? "A" : std::string(1, static_cast<char>('B' + random.Below(3)));
      cell.cost_usd = 1e-4 * static_cast<double>(m + 1);
      cell.tokens_in = 10;
      cell.tokens_out = 20;
      row.ratings[0].push_back(random.Unit() < liked[m] ? 1 : 0);
    }
    table.rows.push_back(row);
  }
  return table;
}

RunOptions ColdOptions() {
  RunOptions options;
  options.warm = Warm::kNone;
  options.bootstrap_rows = 30;
  options.seeds = 2;
  return options;
}

TEST(TableWorld, AgreementIsDerivedFromLettersAndUndefinedForItsReference) {
  auto table = SmallTable(4, 1);
  for (auto& row : table.rows) {
    row.models[0].answer = "B";
    row.models[1].answer = "A";
    row.models[2].answer = "A";
  }
  table.rows[1].models[1].answer.clear();
  table.rows[2].models[2].answer.clear();
  const auto world = TableWorld::Create(table, "agree:master");
  ASSERT_TRUE(world.ok());
  EXPECT_EQ(world->Rating(0, 0), 0.0);
  EXPECT_EQ(world->Rating(0, 2), 1.0);
  EXPECT_EQ(world->Rating(0, 1), std::nullopt) << "the reference itself";
  EXPECT_EQ(world->Rating(1, 0), std::nullopt) << "the reference has no letter";
  EXPECT_EQ(world->Rating(2, 2), 0.0) << "a chosen model without a letter";
}

TEST(TableWorld, TakesTheFilesFirstSourceAndRefusesUnknownOnesByName) {
  auto table = SmallTable(4, 1);
  table.rows[0].ratings[0][1] = kMissing;
  const auto world = TableWorld::Create(table, "");
  ASSERT_TRUE(world.ok());
  EXPECT_EQ(world->source(), "thumbs");
  EXPECT_EQ(world->Rating(0, 1), std::nullopt);
  EXPECT_TRUE(world->Rating(1, 1).has_value());
  const auto unknown = TableWorld::Create(table, "stars");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code, Code::kNotFound);
  EXPECT_NE(unknown.error().message.find("thumbs"), std::string::npos);
  EXPECT_EQ(TableWorld::Create(table, "ref_agree").error().code, Code::kNotFound);
  table.sources.clear();
  EXPECT_EQ(TableWorld::Create(table, "")->source(), "");
}

TEST(TableWorld, LeavesOutRowsThatLackAModelOrAScore) {
  auto table = SmallTable(5, 1);
  table.rows[1].models[2].present = false;
  table.rows[3].models[0].score = kMissing;
  EXPECT_EQ(TableWorld::Create(table, "")->usable_rows(), (std::vector<std::size_t>{0, 2, 4}));
  for (auto& row : table.rows) row.models[0].present = false;
  EXPECT_EQ(TableWorld::Create(table, "").error().reason, "no_usable_row");
}

TEST(Split, KeepsEqualQueriesTogetherAndIsTheSameForTheSameSeed) {
  const auto table = SmallTable(300, 1);
  const auto world = TableWorld::Create(table, "");
  const auto split = SplitWorld(*world, 7, 100);
  ASSERT_TRUE(split.ok());
  EXPECT_EQ(split->bootstrap.size() + split->stream.size(), 300U);
  EXPECT_GE(split->bootstrap.size(), 100U);
  EXPECT_LE(split->bootstrap.size(), 101U);
  std::set<std::string> bootstrap_queries;
  for (const auto row : split->bootstrap) bootstrap_queries.insert(table.rows[row].query);
  for (const auto row : split->stream) EXPECT_FALSE(bootstrap_queries.contains(table.rows[row].query));
  EXPECT_EQ(SplitWorld(*world, 7, 100)->stream, split->stream);
  EXPECT_NE(SplitWorld(*world, 8, 100)->stream, split->stream);
  const auto as_in_table = SplitWorld(*world, 7, 100, RowOrder::kAsInTable);
  EXPECT_EQ(as_in_table->bootstrap.front(), world->usable_rows().front());
  EXPECT_LT(as_in_table->bootstrap.front(), as_in_table->stream.front());
  EXPECT_EQ(SplitWorld(*world, 7, 0)->bootstrap.size() / 2, 75U) << "half of a small table";
  EXPECT_EQ(SplitWorld(*world, 7, 300).error().code, Code::kOutOfRange);
}

TEST(Tally, SummarisesByHand) {
  std::vector<ArmRun> runs(2);
  const float nan = std::nanf("");
  for (int i = 0; i < 8; ++i) {
    const auto score = static_cast<float>(i >= 4 ? 1 : 0);
    runs[0].steps.push_back({.score = score, .predicted = nan, .cost_usd = 2, .model = 0});
    runs[1].steps.push_back(
        {.score = 0.5F, .predicted = nan, .cost_usd = 4, .model = static_cast<std::uint32_t>(i % 2)});
  }
  const std::vector<std::string> models = {"a", "b", "c"};
  const auto report = Summarise("x", runs, 4, models, 0);
  EXPECT_DOUBLE_EQ(report.total.mean, 0.5);
  EXPECT_DOUBLE_EQ(report.total.se, 0);
  EXPECT_DOUBLE_EQ(report.second_half.mean, 0.75);
  EXPECT_DOUBLE_EQ(report.second_half.se, 0.25);
  EXPECT_DOUBLE_EQ(report.second_half.least, 0.5);
  EXPECT_DOUBLE_EQ(report.last_pass.mean, 0.75);
  EXPECT_DOUBLE_EQ(report.cost_mean_usd, 3);
  ASSERT_EQ(report.models.size(), 2U);
  EXPECT_EQ(report.models[0].model, "a");
  EXPECT_DOUBLE_EQ(report.models[0].share, 0.75);
  EXPECT_TRUE(std::isnan(report.models[0].predicted));
  EXPECT_TRUE(std::isnan(CalibrationError(CalibrationBins(runs))));
}

TEST(Tally, CalibrationIsZeroForTruthAndTheGapForAConstantShift) {
  std::vector<ArmRun> runs(1);
  for (int i = 0; i < 3000; ++i) {
    const float p = static_cast<float>(i % 100) / 100.0F;
    runs[0].steps.push_back({.score = p, .predicted = p + 0.05F, .cost_usd = 0, .model = 0});
  }
  EXPECT_NEAR(CalibrationError(CalibrationBins(runs)), 0.05, 1e-6);
  for (Step& step : runs[0].steps) step.predicted = step.score;
  EXPECT_NEAR(CalibrationError(CalibrationBins(runs)), 0, 1e-6);
}

TEST(LearnerArm, FindsTheBetterModelFromGoldAndTheStaticArmDoesNot) {
  const auto table = SmallTable(600, 5);
  RunOptions options = ColdOptions();
  options.gold_rate = 1;
  options.arms = {"pointsman", "static", "best_single", "random", "oracle"};
  const auto report = RunProtocol(table, options, SystemClock());
  ASSERT_TRUE(report.ok()) << report.error().message;
  const double best = Of(*report, "best_single").second_half.mean;
  EXPECT_GT(Of(*report, "pointsman").second_half.mean, best - .06);
  EXPECT_LT(Of(*report, "static").second_half.mean, best - .3) << "all priors equal: the first model by name";
  EXPECT_GT(Of(*report, "oracle").total.mean, best);
  EXPECT_NEAR(Of(*report, "random").total.mean, (.35 + .85 + .25) / 3, .06);
  EXPECT_EQ(Of(*report, "pointsman").gold, Of(*report, "pointsman").decisions) << "full gold";
  EXPECT_EQ(Of(*report, "static").gold, 0U);
}

TEST(LearnerArm, IsNotFooledByFlatteryAndKeepsToTheRatesOfGoldRatingsAndAudits) {
  const auto table = SmallTable(3000, 6);
  RunOptions options = ColdOptions();
  options.gold_rate = .05;
  options.arms = {"pointsman", "naive", "gold_only", "best_single"};
  const auto report = RunProtocol(table, options, SystemClock());
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_GT(Of(*report, "pointsman").second_half.mean, Of(*report, "best_single").second_half.mean - .03);
  const auto& arm = Of(*report, "pointsman");
  const auto decisions = static_cast<double>(arm.decisions);
  EXPECT_NEAR(static_cast<double>(arm.gold), .05 * decisions, 5 * std::sqrt(.05 * decisions));
  EXPECT_NEAR(static_cast<double>(arm.ratings), .5 * decisions, 5 * std::sqrt(.25 * decisions));
  EXPECT_NEAR(static_cast<double>(arm.audits), .01 * decisions, 5 * std::sqrt(.01 * decisions));
}

TEST(LearnerArm, PlannedGoldKeepsToTheRateToo) {
  const auto table = SmallTable(3000, 6);
  RunOptions options = ColdOptions();
  options.gold_rate = .05;
  options.planned_gold = true;
  options.arms = {"pointsman", "best_single"};
  const auto report = RunProtocol(table, options, SystemClock());
  ASSERT_TRUE(report.ok()) << report.error().message;
  const auto& arm = Of(*report, "pointsman");
  EXPECT_NEAR(static_cast<double>(arm.gold), .05 * static_cast<double>(arm.decisions),
              .01 * static_cast<double>(arm.decisions));
  EXPECT_GT(arm.second_half.mean, Of(*report, "best_single").second_half.mean - .05);
}

TEST(E1, GivesTheSameReportForAnyNumberOfThreads) {
  const auto table = SmallTable(200, 5);
  RunOptions options = ColdOptions();
  options.seeds = 3;
  options.passes = 2;
  auto one = RunProtocol(table, options, SystemClock());
  options.threads = 3;
  int calls = 0;
  auto three =
      RunProtocol(table, options, SystemClock(), [&](std::string_view, std::uint64_t done, std::uint64_t total) {
        ++calls;
        EXPECT_LE(done, total);
      });
  ASSERT_TRUE(one.ok() && three.ok());
  EXPECT_EQ(calls, 3 * 16) << "a bundle and fifteen arms a seed: without the re-fits";
  one->seconds = three->seconds = 0;
  EXPECT_EQ(ToJson(*one), ToJson(*three));
  EXPECT_EQ(three->protocol, "e1l");
}

TEST(E1, PrintsOneLineOfJsonWithEveryArm) {
  const auto table = SmallTable(200, 5);
  const auto report = RunProtocol(table, ColdOptions(), SystemClock());
  ASSERT_TRUE(report.ok());
  const std::string text = ToJson(*report);
  EXPECT_EQ(text.find('\n'), std::string::npos);
  const auto json = nlohmann::json::parse(text);
  EXPECT_EQ(json["protocol"], "e1");
  EXPECT_EQ(json["configuration_hash"].get<std::string>().size(), 16U);
  for (const std::string& arm : CoreArms()) {
    for (const char* figure : {"total", "second_half", "last_pass"}) {
      for (const char* part : {"mean", "se", "min"}) EXPECT_TRUE(json["arms"][arm][figure][part].is_number()) << arm;
    }
    EXPECT_TRUE(json["arms"][arm]["cost"]["mean"].is_number());
  }
  EXPECT_TRUE(json["calibration_error"].is_number());
  EXPECT_TRUE(json["seconds"].is_number());
  EXPECT_NE(ToTable(*report).find("gold_only"), std::string::npos);
}

TEST(E1, WarmStartsFromTheScoresOfTheBootstrapRows) {
  const auto table = SmallTable(400, 5);
  RunOptions options;
  options.warm = Warm::kScores;
  options.seeds = 1;
  options.bootstrap_rows = 200;
  options.arms = {"pointsman", "static"};
  const auto report = RunProtocol(table, options, SystemClock());
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_GT(Of(*report, "static").total.mean, .7);
}

TEST(E1, RefusesOptionsOutOfRangeAndUnknownArms) {
  const auto table = SmallTable(20, 5);
  RunOptions options = ColdOptions();
  options.gold_rate = 1.5;
  options.seeds = 0;
  const auto refused = RunProtocol(table, options, SystemClock());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kOutOfRange);
  EXPECT_NE(refused.error().message.find("gold"), std::string::npos);
  EXPECT_NE(refused.error().message.find("seeds"), std::string::npos);
  options = ColdOptions();
  options.arms = {"pointsman", "clever"};
  EXPECT_EQ(RunProtocol(table, options, SystemClock()).error().reason, "unknown_arm");
}

TEST(E1, PlaysAForeignArmInThePlaceOfPointsman) {
  const auto table = SmallTable(200, 5);
  RunOptions options = ColdOptions();
  options.arms = {"pointsman", "best_single"};
  options.pointsman_factory = [](const ArmSetup& setup) -> Result<std::unique_ptr<Arm>> {
    return MakeFixedArm(BestSingle(*setup.world, setup.split->stream));
  };
  const auto report = RunProtocol(table, options, SystemClock());
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(Of(*report, "pointsman").total.mean, Of(*report, "best_single").total.mean);
  options.pointsman_factory = [](const ArmSetup&) -> Result<std::unique_ptr<Arm>> {
    return MakeError(Code::kUnavailable, "no_daemon", "nobody listens");
  };
  EXPECT_EQ(RunProtocol(table, options, SystemClock()).error().reason, "no_daemon");
}

TEST(SocketArm, SaysUnavailableWhereNobodyListens) {
  const auto arm = SocketArm::Connect({.socket_path = "/nonexistent/route.sock", .models = {}, .source = ""});
  ASSERT_FALSE(arm.ok());
  EXPECT_EQ(arm.error().code, Code::kUnavailable);
}

TEST(RealTable, DerivedAgreementEqualsTheOneInTheFile) {
  const char* given = std::getenv("POINTSMAN_DATA");
  const char* source = std::getenv("POINTSMAN_SOURCE");
  const std::filesystem::path folder =
      given != nullptr ? given : std::filesystem::path(source != nullptr ? source : ".") / "../shared/data";
  const auto path = folder / "mmlupro_dev.jsonl.gz";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no mmlupro_dev.jsonl.gz in POINTSMAN_DATA";
  auto table = bootstrap::ReadTable(path.string());
  ASSERT_TRUE(table.ok()) << table.error().message;
  const auto derived = TableWorld::Create(*table, "ref_agree");
  ASSERT_TRUE(derived.ok()) << derived.error().message;
  EXPECT_EQ(derived->usable_rows().size(), 7238U);
  const auto column = static_cast<std::size_t>(std::find(table->sources.begin(), table->sources.end(), "ref_agree") -
                                               table->sources.begin());
  ASSERT_LT(column, table->sources.size());
  for (const std::size_t row : derived->usable_rows()) {
    for (std::size_t m = 0; m < table->models.size(); ++m) {
      const double in_file = table->rows[row].ratings[column][m];
      const auto ours = derived->Rating(row, m);
      ASSERT_EQ(std::isfinite(in_file), ours.has_value()) << table->rows[row].id << " " << table->models[m];
      if (ours.has_value()) {
        ASSERT_EQ(in_file, *ours) << table->rows[row].id << " " << table->models[m];
      }
    }
  }
}

}  // namespace
}  // namespace pointsman::eval
