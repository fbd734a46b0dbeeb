// Every field of a scenario does what it says, seen by a router that only takes notes.
#include "eval/simulate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "eval/scenario_world.h"

namespace pointsman::eval {
namespace {

std::string StarterDirectory() {
  const char* source = std::getenv("POINTSMAN_SOURCE");
  return std::string(source != nullptr ? source : ".") + "/bootstrap/starter";
}

struct Noted {
  std::uint64_t decision = 0;  // it is about
  std::uint64_t at = 0;        // number of the latest decision when it came
  bool outcome = false;
  RouterFeedback feedback{};
  double cost_usd = 0;
};

struct Notes {
  std::vector<Noted> all;
  std::vector<std::uint64_t> restarts;  // before these decisions
  std::vector<std::pair<std::uint64_t, double>> prices;
  std::vector<Noted> Of(const std::string& source) const {
    std::vector<Noted> found;
    for (const Noted& one : all) {
      if (one.outcome == (source == "outcome") && (one.outcome || one.feedback.source == source)) found.push_back(one);
    }
    return found;
  }
};

class NotingRouter final : public RouterTarget {
 public:
  using Pick = std::function<std::size_t(std::uint64_t)>;
  NotingRouter(Notes& notes, Pick pick, bool forgets) : notes_(notes), pick_(std::move(pick)), forgets_(forgets) {}

  std::string name() const override { return "notes"; }
  Result<RouterChoice> Route(const RouterQuery& query) override {
    EXPECT_FALSE(query.text.empty());
    const std::uint64_t i = routed_++;
    return RouterChoice{pick_(i), std::to_string(i), std::nullopt};
  }
  Result<Receipt> Outcome(const std::string& token, const RouterOutcome& outcome) override {
    notes_.all.push_back({std::stoull(token), routed_ - 1, true, {}, outcome.cost_usd});
    return Receipt::kStored;
  }
  Result<Receipt> Feedback(const std::string& token, const RouterFeedback& feedback) override {
    const auto key = token + feedback.source + feedback.subject + std::to_string(feedback.revision);
    if (!known_.emplace(key, feedback.value).second) return Receipt::kDuplicate;
    notes_.all.push_back({std::stoull(token), routed_ - 1, false, feedback, 0});
    return Receipt::kStored;
  }
  Result<bool> PriceChanged(std::size_t, double factor) override {
    notes_.prices.emplace_back(routed_, factor);
    return true;
  }
  Result<Restarted> Restart() override {
    notes_.restarts.push_back(routed_);
    if (forgets_) known_.clear();
    return Restarted{true, !forgets_};
  }
  std::optional<double> StateBytes() override { return 1000.0 + static_cast<double>(routed_); }

 private:
  Notes& notes_;
  const Pick pick_;
  const bool forgets_;
  std::uint64_t routed_ = 0;
  std::map<std::string, double> known_;
};

Scenario Calm(std::uint64_t decisions = 400) {
  Scenario scenario;
  scenario.name = "test";
  scenario.seed = 7;
  scenario.decisions = decisions;
  scenario.bootstrap_rows = 0;
  scenario.rating_rate = 1;
  scenario.gold_rate = 0.2;
  return scenario;
}

ScenarioResult Play(const Scenario& scenario, Notes& notes, std::size_t model = 0, bool forgets = false) {
  const auto make = [&](const TargetSetup&) -> Result<std::unique_ptr<RouterTarget>> {
    return std::unique_ptr<RouterTarget>(std::make_unique<NotingRouter>(
        notes, [model](std::uint64_t) { return model; }, forgets));
  };
  auto result = Simulate(scenario, StarterDirectory(), make);
  if (!result.ok()) ADD_FAILURE() << result.error().message;
  return result.ok() ? std::move(result).value() : ScenarioResult{};
}

Notes NotesOf(const Scenario& scenario, std::size_t model = 0) {
  Notes notes;
  Play(scenario, notes, model);
  return notes;
}

Result<std::unique_ptr<RouterTarget>> Shipped(const TargetSetup& setup) { return MakeLearnerTarget(setup); }

std::unique_ptr<ScenarioWorld> WorldOf(const Scenario& scenario) {
  auto world = ScenarioWorld::Create(scenario, scenario.seed, StarterDirectory());
  EXPECT_TRUE(world.ok());
  return std::move(world).value();
}

TEST(Simulate, ACalmWorldRatesAndLabelsAtItsRatesAndAtOnce) {
  Scenario scenario = Calm(2000);
  scenario.rating_rate = 0.5;
  scenario.subjects = 3;
  const Notes notes = NotesOf(scenario);
  EXPECT_EQ(notes.Of("outcome").size(), 2000U);
  EXPECT_NEAR(static_cast<double>(notes.Of("thumbs").size()), 1000, 100);
  EXPECT_NEAR(static_cast<double>(notes.Of("gold").size()), 400, 80);
  std::set<std::string> subjects;
  for (const Noted& one : notes.all) {
    EXPECT_EQ(one.at, one.decision);
    if (!one.feedback.subject.empty()) subjects.insert(one.feedback.subject);
  }
  EXPECT_EQ(subjects, (std::set<std::string>{"user-0", "user-1", "user-2"}));
}

TEST(Simulate, LateReportsComeAfterTheirDelay) {
  Scenario scenario = Calm();
  scenario.faults.push_back({.kind = FaultKind::kLate, .from = 100, .until = 200, .share = 1, .delay = 50});
  for (const Noted& one : NotesOf(scenario).all) {
    const bool late = one.decision >= 100 && one.decision < 200;
    EXPECT_EQ(one.at, one.decision + (late ? 49 : 0)) << "before the decision at which it is due";
  }
}

TEST(Simulate, MissingReportsNeverComeAndSparseOnesComeAsOftenAsItSays) {
  Scenario scenario = Calm();
  scenario.faults.push_back({.kind = FaultKind::kMissing, .from = 100, .until = 300, .share = 1});
  const Notes gone = NotesOf(scenario);
  EXPECT_EQ(gone.Of("outcome").size(), 200U);
  for (const Noted& one : gone.all) EXPECT_TRUE(one.decision < 100 || one.decision >= 300);
  scenario = Calm(2000);
  scenario.faults.push_back({.kind = FaultKind::kSparse, .factor = 0.25});
  const Notes sparse = NotesOf(scenario);
  EXPECT_EQ(sparse.Of("outcome").size(), 2000U) << "what calls cost is still reported";
  EXPECT_NEAR(static_cast<double>(sparse.Of("thumbs").size()), 500, 80);
  EXPECT_NEAR(static_cast<double>(sparse.Of("gold").size()), 100, 40);
}

TEST(Simulate, DuplicatedReportsAreSaidTwiceInTheSameWords) {
  Scenario scenario = Calm();
  Notes notes;
  scenario.faults.push_back({.kind = FaultKind::kDuplicated, .share = 1, .delay = 5});
  const ScenarioResult result = Play(scenario, notes);
  EXPECT_EQ(notes.Of("outcome").size(), 800U);
  EXPECT_EQ(notes.Of("thumbs").size(), 400U);
  EXPECT_EQ(result.duplicates, 400 + notes.Of("gold").size());
}

TEST(Simulate, RevisedRatingsFirstSayTheOpposite) {
  Scenario scenario = Calm();
  const Notes honest = NotesOf(scenario);
  scenario.faults.push_back({.kind = FaultKind::kRevised, .share = 1, .delay = 20});
  std::map<std::uint64_t, double> final_value;
  for (const Noted& one : NotesOf(scenario).Of("thumbs")) {
    if (one.feedback.revision == 0) {
      final_value[one.decision] = 1 - one.feedback.value;
    } else {
      EXPECT_EQ(one.feedback.value, final_value.at(one.decision));
    }
  }
  ASSERT_EQ(final_value.size(), 400U);
  for (const Noted& one : honest.Of("thumbs")) EXPECT_EQ(final_value.at(one.decision), one.feedback.value);
}

double MeanThumb(const Notes& notes) {
  double sum = 0;
  for (const Noted& one : notes.Of("thumbs")) sum += one.feedback.value;
  return sum / static_cast<double>(notes.Of("thumbs").size());
}

TEST(Simulate, ABiasLiftsTheThumbsOfItsModelOnly) {
  Scenario scenario = Calm(1500);
  const double before = MeanThumb(NotesOf(scenario, 0));
  const double other = MeanThumb(NotesOf(scenario, 4));
  scenario.faults.push_back({.kind = FaultKind::kBiased, .model = "atlas-large", .by = -0.2});
  EXPECT_NEAR(MeanThumb(NotesOf(scenario, 0)), before - 0.2, 0.06);
  EXPECT_EQ(MeanThumb(NotesOf(scenario, 4)), other);
}

TEST(Simulate, CensoredRatingsKeepOneSide) {
  Scenario scenario = Calm();
  scenario.faults.push_back({.kind = FaultKind::kCensored, .from = 100, .share = 1});
  for (const Noted& one : NotesOf(scenario).Of("thumbs")) {
    EXPECT_TRUE(one.decision < 100 || one.feedback.value == 0);
  }
  scenario.faults[0].keep_high = true;
  for (const Noted& one : NotesOf(scenario).Of("thumbs")) {
    EXPECT_TRUE(one.decision < 100 || one.feedback.value == 1);
  }
}

TEST(Simulate, HostileRatingsPraiseTheirModelAndDamnOthersFromFewSubjects) {
  Scenario scenario = Calm(1000);
  scenario.faults.push_back({.kind = FaultKind::kHostile, .model = "atlas-small", .share = 0.3, .subjects = 4});
  for (const auto& [model, value] : {std::pair{std::size_t{0}, 0.0}, std::pair{std::size_t{1}, 1.0}}) {
    std::set<std::string> attackers;
    double ratings = 0;
    for (const Noted& one : NotesOf(scenario, model).Of("thumbs")) {
      if (!one.feedback.subject.starts_with("attacker-")) continue;
      attackers.insert(one.feedback.subject);
      EXPECT_EQ(one.feedback.value, value);
      ratings += 1;
    }
    EXPECT_EQ(attackers.size(), 4U);
    EXPECT_NEAR(ratings, 300, 60);
  }
}

TEST(Simulate, DriftAndLossTakeQualityFromTheirModelInTheirWindow) {
  const Scenario before = Calm();
  const auto calm = WorldOf(before);
  Scenario scenario = Calm();
  scenario.faults.push_back({.kind = FaultKind::kDrift, .from = 100, .until = 200, .model = "atlas-large", .by = 2});
  scenario.faults.push_back(
      {.kind = FaultKind::kSilentLoss, .from = 50, .until = 80, .model = "dune-scholar", .by = 1});
  const auto world = WorldOf(scenario);
  const std::size_t atlas = world->Column("atlas-large");
  const std::size_t dune = world->Column("dune-scholar");
  const auto logit = [](double p) { return std::log(p / (1 - p)); };
  const auto lost = [&](std::uint64_t i, std::size_t m) {
    return logit(calm->Quality(i, m)) - logit(world->Quality(i, m));
  };
  for (std::uint64_t i = 0; i < 400; ++i) {
    EXPECT_NEAR(lost(i, atlas), i < 100 ? 0 : i >= 200 ? 2 : 0.02 * static_cast<double>(i - 99), 1e-9) << i;
    EXPECT_NEAR(lost(i, dune), i >= 50 && i < 80 ? 1 : 0, 1e-9);
    EXPECT_EQ(calm->Quality(i, 2), world->Quality(i, 2));
  }
}

TEST(Simulate, TheTruthDeviatesFromWhatTheBootstrapRowsCanTell) {
  Scenario scenario = Calm(300);
  Scenario without = scenario;
  without.cell_deviation = 0;
  const auto plain = WorldOf(without);
  scenario.cell_deviation = 0.5;
  const auto deviating = WorldOf(scenario);
  double squares = 0;
  for (std::uint64_t i = 0; i < 300; ++i) {
    EXPECT_EQ(plain->Query(i).text, deviating->Query(i).text);
    const double gap = plain->Quality(i, 0) - deviating->Quality(i, 0);
    squares += gap * gap / 300;
  }
  EXPECT_GT(squares, 0.03 * 0.03);
}

TEST(Simulate, APriceIsToldAndPaidFromItsDecisionOn) {
  Scenario scenario = Calm();
  const Notes calm = NotesOf(scenario);
  scenario.faults.push_back({.kind = FaultKind::kPrice, .from = 150, .model = "atlas-large", .factor = 4});
  const Notes notes = NotesOf(scenario);
  EXPECT_THAT(notes.prices, ::testing::ElementsAre(std::pair<std::uint64_t, double>{150, 4}));
  for (std::size_t i = 0; i < 400; ++i) {
    EXPECT_DOUBLE_EQ(notes.Of("outcome")[i].cost_usd, calm.Of("outcome")[i].cost_usd * (i < 150 ? 1 : 4));
  }
}

TEST(Simulate, ARestartFindsOutWhatARouterForgot) {
  Scenario scenario = Calm();
  scenario.faults.push_back({.kind = FaultKind::kRestart, .from = 120});
  scenario.faults.push_back({.kind = FaultKind::kRevised, .share = 0.5, .delay = 3});
  for (const Measure measure : {Measure::kLost, Measure::kStateEqual}) {
    scenario.accept.push_back({.line = "restart", .measure = measure});
  }
  scenario.accept[0].at_most = 0;
  scenario.accept[1].at_least = 1;
  Notes notes;
  const ScenarioResult good = Play(scenario, notes);
  EXPECT_THAT(notes.restarts, ::testing::ElementsAre(120));
  EXPECT_EQ(good.acceptance[0].verdict, Verdict::kMet);
  EXPECT_EQ(good.acceptance[1].verdict, Verdict::kMet);
  const ScenarioResult bad = Play(scenario, notes, 0, true);
  EXPECT_EQ(bad.acceptance[0].verdict, Verdict::kNotMet);
  EXPECT_GT(bad.acceptance[0].figure.value(), 100);
  EXPECT_EQ(bad.acceptance[1].verdict, Verdict::kNotMet);
  scenario.faults.erase(scenario.faults.begin());
  EXPECT_EQ(Play(scenario, notes).acceptance[0].verdict, Verdict::kNotMeasured);
}

TEST(Simulate, MeasuresAreWhatTheirNamesSay) {
  Scenario scenario = Calm();
  scenario.accept = {{.line = "a", .measure = Measure::kGapShare, .from = 100, .until = 300, .at_least = 1},
                     {.line = "b", .measure = Measure::kQuality, .from = 100, .until = 300, .at_least = 1},
                     {.line = "c", .measure = Measure::kShare, .model = "atlas-large", .at_least = 1},
                     {.line = "d", .measure = Measure::kShareExcess, .from = 100, .model = "atlas-large", .at_most = 0},
                     {.line = "e", .measure = Measure::kStateGrowth, .from = 200, .at_most = 0.2},
                     {.line = "f", .measure = Measure::kRefused, .at_most = 0},
                     {.line = "g", .measure = Measure::kCost, .at_most = 1e-9},
                     {.line = "h", .measure = Measure::kStateBytes, .at_most = 1400}};
  const auto world = WorldOf(scenario);
  std::vector<double> means(world->models());
  double random = 0;
  for (std::size_t m = 0; m < means.size(); ++m) {
    for (std::uint64_t i = 100; i < 300; ++i) means[m] += world->Quality(i, m) / 200;
    random += means[m] / static_cast<double>(means.size());
  }
  const double best = *std::max_element(means.begin(), means.end());
  Notes notes;
  const ScenarioResult result = Play(scenario, notes, 0);
  EXPECT_NEAR(result.acceptance[0].figure.value(), (means[0] - random) / (best - random), 1e-9);
  EXPECT_NEAR(result.acceptance[1].figure.value(), means[0], 1e-9);
  EXPECT_EQ(result.acceptance[2].figure, 1.0);
  EXPECT_EQ(result.acceptance[3].figure, 0.0);
  EXPECT_NEAR(result.acceptance[4].figure.value(), 200.0 / 1200.0, 1e-9);
  EXPECT_EQ(result.acceptance[5].figure, 0.0);
  EXPECT_EQ(result.acceptance[6].verdict, Verdict::kNotMet);
  EXPECT_EQ(result.acceptance[7].figure, 1400.0);
}

TEST(Simulate, TheSameSeedGivesTheSameBytesAndAnotherDoesNot) {
  Scenario scenario = Calm(300);
  scenario.bootstrap_rows = 300;
  scenario.faults = {{.kind = FaultKind::kLate, .share = 0.5, .delay = 30},
                     {.kind = FaultKind::kRestart, .from = 150},
                     {.kind = FaultKind::kHostile, .model = "cinder-7b", .share = 0.2, .subjects = 2}};
  scenario.accept = {{.line = "restart", .measure = Measure::kStateEqual, .at_least = 1},
                     {.line = "restart", .measure = Measure::kLost, .at_most = 0}};
  const auto json = [&] {
    auto result = Simulate(scenario, StarterDirectory(), Shipped);
    EXPECT_TRUE(result.ok());
    for (const auto& one : result->acceptance) EXPECT_EQ(one.verdict, Verdict::kMet) << one.bar.line;
    return ToJson({std::move(result).value()});
  };
  const std::string first = json();
  EXPECT_EQ(json(), first);
  scenario.seed = 8;
  EXPECT_NE(json(), first);
}

TEST(Simulate, TheComparisonsLearnNothingOrTakeRatingsAtFaceValue) {
  Scenario scenario = Calm(600);
  scenario.gold_rate = 0;
  scenario.faults = {{.kind = FaultKind::kHostile, .model = "cinder-7b", .share = 1, .subjects = 2}};
  scenario.accept = {{.line = "x", .measure = Measure::kShare, .from = 400, .model = "cinder-7b", .at_most = 1}};
  const auto share = [&](LearnerKind kind) {
    const auto make = [kind](const TargetSetup& setup) { return MakeLearnerTarget(setup, kind); };
    return Simulate(scenario, StarterDirectory(), make)->acceptance[0].figure.value();
  };
  EXPECT_EQ(share(LearnerKind::kStatic), 0);
  EXPECT_GT(share(LearnerKind::kNaive), .8) << "nothing but praise for one, and blame for all others";
  EXPECT_EQ(share(LearnerKind::kShipped), share(LearnerKind::kShipped));
}

TEST(Simulate, AScenarioIsPlayedOnceForEachShareOfHostileRatings) {
  Scenario scenario = Calm();
  scenario.faults = {{.kind = FaultKind::kHostile, .model = "cinder-7b", .share = .5},
                     {.kind = FaultKind::kMissing, .share = .5}};
  EXPECT_EQ(Expand(scenario).size(), 1U);
  scenario.hostile_shares = {.01, .3};
  const std::vector<Scenario> all = Expand(scenario);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].name, "test 0.01");
  EXPECT_EQ(all[1].name, "test 0.3");
  EXPECT_EQ(all[1].faults[0].share, .3);
  EXPECT_EQ(all[1].faults[1].share, .5) << "only hostile ones";
  EXPECT_TRUE(all[1].hostile_shares.empty());
  scenario.hostile_shares = {1.5};
  EXPECT_FALSE(ValidateScenario(scenario).ok());
}

TEST(Simulate, AGroupRaisesTheAlarmPeopleDoNotAndWhoCannotTellIsNotMeasured) {
  Scenario scenario = Calm(1500);
  scenario.bootstrap_rows = 300;
  scenario.gold_rate = .02;
  scenario.accept = {{.line = "poisoned", .measure = Measure::kGroupAlarm, .at_least = 1}};
  const auto alarm = [&] { return Simulate(scenario, StarterDirectory(), Shipped)->acceptance[0].figure.value(); };
  EXPECT_EQ(alarm(), 0);
  scenario.faults = {{.kind = FaultKind::kHostile, .model = "cinder-7b", .share = .3, .subjects = 200}};
  // Ten of the first twelve seeds have it after so few decisions.
  double alarms = 0;
  for (scenario.seed = 1; scenario.seed <= 4; ++scenario.seed) alarms += alarm();
  EXPECT_GE(alarms, 3);
  Notes notes;
  EXPECT_EQ(Play(scenario, notes).acceptance[0].verdict, Verdict::kNotMeasured);
}

TEST(Simulate, RefusesAScenarioThatCannotBePlayed) {
  Scenario scenario = Calm();
  scenario.faults = {{.kind = FaultKind::kDrift, .from = 900},
                     {.kind = FaultKind::kLate, .share = 2},
                     {.kind = FaultKind::kHostile, .model = "gpt"}};
  scenario.accept = {{.line = "x", .measure = Measure::kShare}};
  const auto refused = Simulate(scenario, StarterDirectory(), Shipped);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, "bad_scenario");
  for (const char* part : {"fault drift: from lies beyond", "fault drift: needs a model", "fault late: share must be",
                           "fault late: needs a delay", "no model gpt", "either at_least or at_most"}) {
    EXPECT_THAT(refused.error().message, ::testing::HasSubstr(part));
  }
}

}  // namespace
}  // namespace pointsman::eval
