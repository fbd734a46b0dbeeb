#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <set>

#include "eval/baselines.h"
#include "eval/plot.h"
#include "eval/report_plots.h"
#include "eval/run.h"
#include "eval/tally.h"
#include "tests/eval/small_table.h"

namespace pointsman::eval {
namespace {

std::vector<MadeModel> CheapAndDear() {
  return {{"cheap", {.4}, 1e-4}, {"dear", {.9}, 1e-2}, {"mistral-large", {.8}, 1e-3}};
}

TEST(Stream, RevealsEveryScoreAndPlaysEverySingleModel) {
  const auto table = MadeTable(300, CheapAndDear(), 2);
  RunOptions options = DefaultsOf(Protocol::kStream);
  options.bootstrap_rows = 150;
  options.seeds = 2;
  const auto report = RunProtocol(table, options, SystemClock());
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->protocol, "stream");
  EXPECT_EQ(report->source, "") << "ratings only when named";
  const ArmReport& arm = Of(*report, "pointsman");
  EXPECT_EQ(arm.gold, arm.decisions);
  EXPECT_EQ(arm.ratings, 0U);
  EXPECT_EQ(Of(*report, "linucb_warm").gold, arm.decisions);
  EXPECT_GT(Of(*report, "single:dear").total.mean, Of(*report, "single:cheap").total.mean + .3);
  EXPECT_EQ(Of(*report, "best_single").total.mean, Of(*report, "single:dear").total.mean);
  EXPECT_TRUE(std::isnan(arm.spend_ratio)) << "no budget";
}

TEST(E2, MeasuresSpendAgainstTheBudgetAndTheLossAgainstWhatCouldBeHad) {
  const auto table = MadeTable(300, CheapAndDear(), 2);
  RunOptions options = DefaultsOf(Protocol::kE2);
  options.bootstrap_rows = 100;
  options.seeds = 2;
  options.budget_usd = 1e-3;
  options.variant = Variant::kSilentLoss;
  options.arms = {"pointsman", "single:cheap", "single:mistral-large"};
  const auto report = RunProtocol(table, options, SystemClock());
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_NEAR(Of(*report, "single:cheap").spend_ratio, .1, 1e-6);
  EXPECT_NEAR(Of(*report, "single:mistral-large").spend_ratio_first_500, 1, 1e-6);
  const ArmReport& loser = Of(*report, "single:mistral-large");
  EXPECT_LT(loser.second_half.mean, loser.total.mean);
  ASSERT_TRUE(std::isfinite(loser.regret_after_loss.mean));
  EXPECT_NEAR(loser.regret_after_loss.mean, 0, .02) << "it stays the best within the budget: .62 of .44 and .62";
  EXPECT_GT(Of(*report, "single:cheap").regret_after_loss.mean, .1);
  EXPECT_NE(ToJson(*report).find("regret_after_loss"), std::string::npos);
}

// Plays one model and raises alarms where it is told to.
class Alarming final : public Arm {
 public:
  explicit Alarming(std::vector<Alarm> alarms) : alarms_(std::move(alarms)) {}
  Result<ArmChoice> Route(const StreamItem& item) override {
    ArmChoice choice;
    choice.model = 2;
    choice.number = item.number;
    choice.gold_wanted = true;
    return choice;
  }
  Status Report(const ArmChoice&, const ArmFeedback&) override { return {}; }
  Status PriceChanged(std::size_t model, double factor) override {
    told_.emplace_back(model, factor);
    return {};
  }
  std::vector<Alarm> alarms() const override { return alarms_; }
  static std::vector<std::pair<std::size_t, double>> told_;

 private:
  std::vector<Alarm> alarms_;
};
std::vector<std::pair<std::size_t, double>> Alarming::told_;

TEST(E2, JudgesAlarmsByTheLossAndTellsPrices) {
  const auto table = MadeTable(300, CheapAndDear(), 2);
  RunOptions options = DefaultsOf(Protocol::kE2);
  options.bootstrap_rows = 100;  // 600 decisions: price at 200, loss at 400
  options.seeds = 1;
  options.variant = Variant::kDrift;
  options.arms = {"pointsman"};
  Alarming::told_.clear();
  options.pointsman_factory = [](const ArmSetup&) -> Result<std::unique_ptr<Arm>> {
    return std::unique_ptr<Arm>(
        std::make_unique<Alarming>(std::vector<Alarm>{{.model = 2, .uses = 100, .number = 100},
                                                      {.model = 0, .uses = 1, .number = 410},
                                                      {.model = 2, .uses = 450, .number = 449}}));
  };
  const auto report = RunProtocol(table, options, SystemClock());
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->detection.median_uses, 50);
  EXPECT_EQ(report->detection.share_within_200, 1);
  EXPECT_NEAR(report->detection.false_alarms_per_1000, 2 * 1000.0 / 600, 1e-9);
  ASSERT_EQ(Alarming::told_.size(), 1U);
  EXPECT_EQ(Alarming::told_[0], (std::pair<std::size_t, double>(1, kPriceFall)));
}

TEST(Detection, CountsSeedsThatNeverFindTheLossAsInfinite) {
  std::vector<ArmRun> runs(3);
  for (ArmRun& run : runs) {
    run.steps.assign(600, {.score = 1, .predicted = 1, .cost_usd = 0, .model = 0});
    run.gold = 600;
    run.loss = WorldChange{.model = 0, .from = 300};
  }
  EXPECT_TRUE(std::isinf(JudgeAlarms(runs).median_uses));
  runs[0].alarms = {{.model = 0, .uses = 310, .number = 309}};
  runs[1].alarms = {{.model = 0, .uses = 550, .number = 549}};
  const Detection detection = JudgeAlarms(runs);
  EXPECT_EQ(detection.median_uses, 250);
  EXPECT_NEAR(detection.share_within_200, 1.0 / 3, 1e-12);
  EXPECT_EQ(detection.false_alarms_per_1000, 0);
}

TEST(InvertedPrior, StartsBadlyForTheStaticArm) {
  const auto table = MadeTable(400, CheapAndDear(), 2);
  RunOptions options = DefaultsOf(Protocol::kStream);
  options.bootstrap_rows = 200;
  options.seeds = 1;
  options.variant = Variant::kInvertedPrior;
  options.arms = {"pointsman", "static", "cold", "single:dear", "single:cheap"};
  const auto report = RunProtocol(table, options, SystemClock());
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(Of(*report, "static").total.mean, Of(*report, "single:cheap").total.mean);
  options.warm = Warm::kNone;
  EXPECT_EQ(RunProtocol(table, options, SystemClock()).error().code, Code::kOutOfRange);
}

TEST(Pools, PlayOnlyTheirModels) {
  const auto table = MadeTable(200, CheapAndDear(), 2);
  RunOptions options;
  options.warm = Warm::kNone;
  options.bootstrap_rows = 50;
  options.seeds = 1;
  options.models = "best:2";
  const auto report = RunProtocol(table, options, SystemClock());
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_EQ(report->models, 2U);
  std::set<std::string> singles;
  for (const ArmReport& arm : report->arms) {
    if (arm.name.starts_with("single:")) singles.insert(arm.name);
    EXPECT_NE(arm.name, "linucb_warm") << "nothing to be warm from";
  }
  EXPECT_EQ(singles, (std::set<std::string>{"single:dear", "single:mistral-large"}));
}

TEST(ConfigurationHash, CoversEveryOptionButThreads) {
  const auto table = MadeTable(20, CheapAndDear(), 2);
  const auto world = TableWorld::Create(table, "agree:dear");
  const auto hash = [&](const std::function<void(RunOptions&)>& change) {
    RunOptions options;
    change(options);
    return ConfigurationHash(*world, options, {"pointsman"});
  };
  std::set<std::string> hashes;
  const std::vector<std::function<void(RunOptions&)>> changes = {
      [](RunOptions&) {},
      [](RunOptions& o) { o.protocol = Protocol::kStream; },
      [](RunOptions& o) { o.gold_rate = .0200000001; },
      [](RunOptions& o) { o.first_seed = 2; },
      [](RunOptions& o) { o.seeds = 11; },
      [](RunOptions& o) { o.passes = 2; },
      [](RunOptions& o) { o.bootstrap_rows = 1; },
      [](RunOptions& o) { o.warm = Warm::kScores; },
      [](RunOptions& o) { o.task_types = false; },
      [](RunOptions& o) { o.exploration = policy::Exploration::kThompson; },
      [](RunOptions& o) { o.models = "best:2"; },
      [](RunOptions& o) { o.budget_usd = 1e-9; },
      [](RunOptions& o) { o.variant = Variant::kDrift; },
      [](RunOptions& o) { o.rating_probability = .4; },
      [](RunOptions& o) { o.planned_gold = true; },
      [](RunOptions& o) {
        o.pointsman_factory = [](const ArmSetup&) -> Result<std::unique_ptr<Arm>> { return MakeFixedArm(0); };
      },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) EXPECT_TRUE(hashes.insert(hash(changes[i])).second) << i;
  EXPECT_EQ(hash([](RunOptions& o) { o.threads = 7; }), hash([](RunOptions&) {}));
  EXPECT_NE(ConfigurationHash(*world, {}, {"static"}), hash([](RunOptions&) {}));
  EXPECT_NE(ConfigurationHash(*TableWorld::Create(table, "none"), {}, {"pointsman"}), hash([](RunOptions&) {}));
}

TEST(Ticks, AreRoundAndWithinTheRange) {
  EXPECT_EQ(Ticks(0, 1, 5), (std::vector<double>{0, .2, .4, .6000000000000001, .8, 1}));
  EXPECT_EQ(Ticks(-3, 7, 2), (std::vector<double>{0, 5}));
  EXPECT_EQ(Ticks(1e-5, 9e-5, 4).size(), 4U);
}

TEST(Svg, EscapesNamesLeavesOutWhatIsNotFiniteAndSaysWhenThereIsNothing) {
  Plot plot{.title = "a < b & \"c\"", .x_label = "x", .y_label = "y", .series = {}};
  EXPECT_NE(ToSvg(plot).find("no data"), std::string::npos);
  plot.series.push_back({.name = "<evil>", .points = {{0, 1}, {1, std::nan("")}, {2, 3}}});
  const std::string svg = ToSvg(plot);
  EXPECT_NE(svg.find("a &lt; b &amp; &quot;c&quot;"), std::string::npos);
  EXPECT_NE(svg.find("&lt;evil&gt;"), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
  EXPECT_EQ(svg.compare(svg.size() - 7, 7, "</svg>\n"), 0);
  plot.x_logarithmic = true;
  plot.series[0].points = {{0, 1}, {-1, 2}};
  EXPECT_NE(ToSvg(plot).find("no data"), std::string::npos) << "nothing above 0";
  plot.series[0].points = {{1e-4, 1}};
  EXPECT_NE(ToSvg(plot).find("<circle"), std::string::npos) << "one point is a point, also of a line";
}

TEST(Plots, AreWrittenIntoAFolderThatIsMade) {
  const auto table = MadeTable(120, CheapAndDear(), 2);
  RunOptions options = DefaultsOf(Protocol::kStream);
  options.bootstrap_rows = 60;
  options.seeds = 1;
  const auto report = RunProtocol(table, options, SystemClock());
  ASSERT_TRUE(report.ok());
  std::string name = (std::filesystem::temp_directory_path() / "plots-XXXXXX").string();
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  const std::filesystem::path folder = std::filesystem::path(name) / "deep/er";
  ASSERT_TRUE(WritePlots(*report, folder.string()).ok());
  for (const char* file : {"score.svg", "cost.svg", "calibration.svg", "regret.svg"}) {
    std::ifstream in(folder / file);
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    EXPECT_NE(text.find("pointsman"), std::string::npos) << file;
  }
  EXPECT_EQ(WritePlots(*report, "/proc/nowhere").error().reason, "plot_not_written");
  std::filesystem::remove_all(name);
}

}  // namespace
}  // namespace pointsman::eval
