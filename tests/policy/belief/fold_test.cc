// The fold: what each event does to the evidence, and that nothing else matters.
#include <gtest/gtest.h>

#include <bit>

#include "base/exact_math.h"
#include "policy/belief/state_codec.h"
#include "tests/policy/belief/harness.h"

namespace pointsman::policy {
namespace {

void Open(Harness& world) {
  world.AddBundle(PlainBundle(3, {{"A", .6}, {"B", .5}}));
  world.AddModel("A");
  world.AddModel("B");
  world.Activate(1, 1);
}

const Cell& CellAt(const Harness& world, std::uint32_t model, std::uint32_t cluster) {
  return world.learner->state().cells.at({ModelId{model}, ClusterId{cluster}});
}

// State rows but for the log position and the counters, which count reports.
std::map<std::string, std::string> Evidence(const Harness& world) {
  std::map<std::string, std::string> evidence;
  for (const auto& [key, value] : world.Rows()) {
    if (key[0] == 'c' || key[0] == 'i') evidence[key] = value;
  }
  return evidence;
}

TEST(Learner, LateGoldMovesTheRowFromOnePatternToAnother) {
  Harness world;
  Open(world);
  world.Decide(1, 1, {{1, 1}}, .7);
  ASSERT_EQ(world.Report(1, 1, 1), Code::kOk);
  EXPECT_EQ(CellAt(world, 1, 1).patterns.size(), 1u);
  world.now_us = 40 * kDayUs;
  ASSERT_EQ(world.Report(1, 0, 0), Code::kOk);
  const Cell& cell = CellAt(world, 1, 1);
  ASSERT_EQ(cell.patterns.size(), 1u);
  EXPECT_EQ(cell.patterns.begin()->first, 0b011);
  EXPECT_EQ(cell.patterns.begin()->second.rows, 1u);
  EXPECT_DOUBLE_EQ(cell.patterns.begin()->second.residual[0], -.7);
  EXPECT_EQ(cell.audits.rows, 1u);
  EXPECT_DOUBLE_EQ(cell.audits.weight, 1 / .02);
}

TEST(Learner, RetractingEverythingLeavesNoTrace) {
  Harness world;
  Open(world);
  world.now_us = 12345678901;
  world.Decide(1, 1, {{1, .7}, {2, .3}}, .7);
  world.Decide(2, 1, {{1, .1}, {2, .9}}, .3);
  ASSERT_EQ(world.Report(1, 1, .3), Code::kOk);
  ASSERT_EQ(world.Report(2, 1, .9), Code::kOk);
  ASSERT_EQ(world.Report(1, 0, .1), Code::kOk);
  ASSERT_EQ(world.Report(1, 1, std::nullopt), Code::kOk);
  ASSERT_EQ(world.Report(2, 1, std::nullopt), Code::kOk);
  ASSERT_EQ(world.Report(1, 0, std::nullopt), Code::kOk);
  EXPECT_TRUE(world.learner->state().cells.empty());
  EXPECT_EQ(world.learner->state().counters.retractions, 3u);
}

TEST(Learner, ARevisionGivesTheStateOfHavingSaidItAtOnce) {
  Harness revised;
  Open(revised);
  revised.Decide(1, 1, {{1, .7}, {2, .3}}, .7);
  ASSERT_EQ(revised.Report(1, 1, .25), Code::kOk);
  ASSERT_EQ(revised.Report(1, 1, .75, 1), Code::kOk);
  Harness direct;
  Open(direct);
  direct.Decide(1, 1, {{1, .7}, {2, .3}}, .7);
  ASSERT_EQ(direct.Report(1, 1, .75), Code::kOk);
  EXPECT_EQ(Evidence(revised), Evidence(direct));
}

TEST(Learner, ArrivalWeightMultipliesTheRow) {
  Harness world;
  Open(world);
  world.Decide(1, 1, {{1, 1}}, .7);
  ASSERT_EQ(world.Report(1, 1, 1, 0, 5, .25), Code::kOk);
  EXPECT_DOUBLE_EQ(CellAt(world, 1, 1).patterns.at(0b010).weight, .25);
  ASSERT_EQ(world.Report(1, 1, 0, 0, 6, .75), Code::kOk);
  const PatternMoments& m = CellAt(world, 1, 1).patterns.at(0b010);
  EXPECT_EQ(m.rows, 1u);
  EXPECT_DOUBLE_EQ(m.weight, .5);
  EXPECT_NEAR(m.residual[1], .5 * (.25 - .7), 1e-15);
}

TEST(Evidence, ReadsAreBitEqualWhateverTheRebaseSchedule) {
  std::vector<std::uint64_t> bits[4];
  for (int schedule = 0; schedule < 4; ++schedule) {
    SplitMix64 random(3);
    SplitMix64 bases(100 + static_cast<std::uint64_t>(schedule));
    PatternMoments m;
    for (int i = 0; i < 400; ++i) {
      const std::int64_t at = (i / 4) * kDayUs + static_cast<std::int64_t>(random.Below(kDayUs));
      RowTerms row{MakeTimeWeight(at, 14), 1, random.Unit(), random.Unit(), random.Unit() - .5};
      ASSERT_TRUE(AddRow(m, +1, row, Channels{{1, random.Unit(), 0}}));
      if (schedule == 1) Rebase(m, row.time.epoch);
      if (schedule == 2 && i % 17 == 0) Rebase(m, m.base + 30 - static_cast<std::int32_t>(bases.Below(60)));
      if (schedule == 3 && i % 50 == 0) Rebase(m, -40);
      const DecayedMoments read = Decay(m, MakeTimeWeight(101 * kDayUs, 14));
      for (const double sum :
           {read.weight, read.overlap, read.prior, read.prior_squared, read.residual[1], read.prior_residual[1]}) {
        bits[schedule].push_back(std::bit_cast<std::uint64_t>(sum));
      }
    }
  }
  EXPECT_EQ(bits[0], bits[1]);
  EXPECT_EQ(bits[0], bits[2]);
  EXPECT_EQ(bits[0], bits[3]);
}

TEST(Evidence, SumsAreRebasedAfterSixtyFourHalfLives) {
  PatternMoments m;
  ASSERT_TRUE(AddRow(m, +1, {MakeTimeWeight(0, 1)}, Channels{{1, 1, 0}}));
  ASSERT_TRUE(AddRow(m, +1, {MakeTimeWeight(65 * kDayUs, 1)}, Channels{{1, 1, 0}}));
  EXPECT_EQ(m.base, 65);
  EXPECT_DOUBLE_EQ(Decay(m, MakeTimeWeight(66 * kDayUs, 1)).weight, .5);
}

TEST(Learner, EqualEventsGiveEqualBytes) {
  std::map<std::string, std::string> rows[2];
  for (auto& out : rows) {
    Harness world({"s1", "s2"});
    Open(world);
    SplitMix64 random(5);
    for (std::uint32_t id = 1; id <= 300; ++id) {
      world.now_us += static_cast<std::int64_t>(random.Below(kDayUs));
      const double w = random.Unit();
      world.Decide(id, 1 + id % 2, {{0, 1 - w}, {1 + id % 3, w}}, random.Unit());
      const std::uint32_t about = 1 + static_cast<std::uint32_t>(random.Below(id));
      world.Report(about, static_cast<std::uint8_t>(random.Below(3)), random.Unit(), id);
      // Publishing in between must not show.
      if (&out == rows && id % 7 == 0) world.Publish();
    }
    out = world.Rows();
  }
  EXPECT_EQ(rows[0], rows[1]);
}

TEST(Learner, StateRowsRoundTripBitForBitAndTheLoadedStateGoesOnAlike) {
  Harness world({"s1", "s2"});
  Open(world);
  world.Add(LearningSwitched{true});
  world.Decide(900, 1, {{1, 1}}, .5);
  ASSERT_EQ(world.Report(900, 1, 1), Code::kOk);
  world.Add(LearningSwitched{false});
  world.Add(SubjectExcluded{SubjectHash{77}});
  world.Add(CellReset{ClusterId{2}, ModelId{1}});
  world.Add(EpochDeclared{ModelId{2}});
  world.Add(
      Refitted{.noise = {.05, .01, .02, .01, .06, .01, .02, .01, .07}, .response = {.9, 1.1}, .model_width = .07});
  SplitMix64 random(6);
  for (std::uint32_t id = 1; id <= 50; ++id) {
    world.now_us += kDayUs / 3;
    world.Decide(id, 1 + id % 2, {{1, .25}, {2, .75}}, random.Unit());
    DecisionMade made;
    made.context = world.Context(id);
    made.context.audit = true;
    world.Add(made);
    world.Report(id, static_cast<std::uint8_t>(id % 3), random.Unit());
    OutcomeReported outcome;
    outcome.model = ModelId{1 + id % 2};
    outcome.tokens_out = id;
    world.Add(outcome);
    PreferenceGiven preference{world.Context(id), world.Context(id > 1 ? id - 1 : id), 1, 1, {}, 0, {}};
    world.Add(preference);
  }
  State loaded;
  for (const auto& [key, value] : world.Rows()) {
    EXPECT_EQ(StateRow(world.learner->state(), key), value);
    ASSERT_TRUE(LoadStateRow(loaded, key, value).ok()) << key;
  }
  EXPECT_EQ(Harness::RowsOf(loaded), world.Rows());
  EXPECT_EQ(loaded.cells, world.learner->state().cells);
  EXPECT_EQ(loaded.irregular, world.learner->state().irregular);

  auto other = Learner::Create(world.bundles, world.history, loaded).value();
  world.now_us += kDayUs;
  auto attributed = world.Attribute(900, 0, .5);
  ASSERT_TRUE(attributed.ok());
  Event event;
  event.seq = LogSeq{world.learner->state().last_seq.value + 1};
  event.at_us = world.now_us;
  event.payload = *attributed->payload;
  ASSERT_TRUE(other->Learn(event).ok());
  world.Add(event.payload);
  EXPECT_EQ(Harness::RowsOf(other->state()), world.Rows());
}

TEST(StateCodec, DamagedRowsAreRefused) {
  Harness world;
  Open(world);
  world.Decide(1, 1, {{1, 1}}, .5);
  world.Report(1, 1, 1);
  for (const auto& [key, value] : world.Rows()) {
    State state;
    EXPECT_EQ(LoadStateRow(state, key, value.substr(0, value.size() - 1)).error().code, Code::kDataLoss) << key;
    EXPECT_EQ(LoadStateRow(state, key, value + "x").error().code, Code::kDataLoss) << key;
  }
  State state;
  EXPECT_EQ(LoadStateRow(state, "z", "").error().code, Code::kDataLoss);
  EXPECT_EQ(LoadStateRow(state, "c12", "").error().code, Code::kDataLoss);
}

TEST(Learner, DirtyRowsAreExactlyWhatACheckpointNeeds) {
  Harness world({"s1", "s2"});
  Open(world);
  std::map<std::string, std::string> checkpoint;
  SplitMix64 random(8);
  for (std::uint32_t id = 1; id <= 120; ++id) {
    world.Decide(id, 1 + id % 2, {{1, .25}, {2, .75}}, random.Unit());
    world.Report(1 + static_cast<std::uint32_t>(random.Below(id)), static_cast<std::uint8_t>(random.Below(3)),
                 random.Below(4) == 0 ? std::nullopt : std::optional(random.Unit()), id);
    if (id == 40) world.Add(LearningSwitched{true});
    if (id == 60) world.Add(LearningSwitched{false});
    if (id == 70) world.Add(CellReset{ClusterId{1}, ModelId{1}});
    if (id == 80) world.Add(EpochDeclared{ModelId{1}});
    if (id == 90) world.Activate(2, 1);
    State& state = world.learner->mutable_state();
    for (const std::string& key : state.dirty_rows) {
      const std::string value = StateRow(state, key);
      if (value.empty()) {
        checkpoint.erase(key);
      } else {
        checkpoint[key] = value;
      }
    }
    state.dirty_rows.clear();
    ASSERT_EQ(checkpoint, world.Rows()) << "after decision " << id;
  }
}

TEST(Learner, ABadEventLeavesTheStateUnchanged) {
  Harness world;
  Open(world);
  world.Decide(1, 1, {{1, 1}}, .5);
  const auto before = world.Rows();
  RatingGiven rating;
  static_cast<RowChanged&>(rating) = std::get<RatingGiven>(*world.Attribute(1, 1, 1)->payload);
  const auto refused = [&](auto change) {
    RatingGiven bad = rating;
    change(bad);
    return world.Try(bad);
  };
  EXPECT_FALSE(refused([](RatingGiven& r) { r.context.model = ModelId{9}; }).ok());
  EXPECT_FALSE(refused([](RatingGiven& r) { r.context.clusters[0].weight = NAN; }).ok());
  EXPECT_FALSE(refused([](RatingGiven& r) { r.context.clusters[0].cluster = ClusterId{99}; }).ok());
  EXPECT_FALSE(refused([](RatingGiven& r) { r.context.prior = 2; }).ok());
  EXPECT_FALSE(refused([](RatingGiven& r) { r.after[0].value = -1; }).ok());
  EXPECT_FALSE(refused([](RatingGiven& r) { r.after[0].channel = 3; }).ok());
  EXPECT_FALSE(refused([](RatingGiven& r) { r.weight_after = 0; }).ok());
  EXPECT_FALSE(refused([](RatingGiven& r) { r.last_folded = LogSeq{99}; }).ok());
  EXPECT_FALSE(world.Try(ModelAdded{ModelId{9}, "C", {}, 0}).ok());
  EXPECT_FALSE(world.Try(ModelAdded{ModelId{3}, "A", {}, 0}).ok());
  EXPECT_FALSE(world.Try(OptionsChanged{}).ok()) << "sources may only be appended";
  EXPECT_FALSE(world.Try(Refitted{.noise = {1, 2}}).ok());
  EXPECT_FALSE(world.Try(CellReset{ClusterId{4}, ModelId{1}}).ok());
  EXPECT_FALSE(world.Try(GenerationActivated{Generation{1}, HashOf(1), ""}).ok());
  EXPECT_EQ(world.Try(GenerationActivated{Generation{2}, HashOf(9), ""}).error().code, Code::kNotFound);
  world.now_us -= 1;
  EXPECT_FALSE(world.Try(Tick{}).ok());
  EXPECT_EQ(world.Rows(), before);
}

TEST(Learner, WhileFrozenFeedbackIsCountedAndCaughtUpWithByTheNextChange) {
  Harness world;
  Open(world);
  world.Decide(1, 1, {{1, .5}, {2, .5}}, .7);
  ASSERT_EQ(world.Report(1, 1, 1), Code::kOk);
  const auto evidence = world.learner->state().cells;
  world.Add(LearningSwitched{true});
  ASSERT_EQ(world.Report(1, 0, 0), Code::kOk);
  EXPECT_EQ(world.learner->state().cells, evidence);
  EXPECT_EQ(world.learner->state().counters.not_folded, 1u);
  EXPECT_TRUE(world.PublishOnce()->frozen);
  world.Add(LearningSwitched{false});
  ASSERT_EQ(world.Report(1, 1, .5, 1), Code::kOk);
  Harness direct;
  Open(direct);
  direct.Decide(1, 1, {{1, .5}, {2, .5}}, .7);
  ASSERT_EQ(direct.Report(1, 0, 0), Code::kOk);
  ASSERT_EQ(direct.Report(1, 1, .5), Code::kOk);
  EXPECT_EQ(Evidence(world), Evidence(direct));
}

TEST(Learner, AnExcludedSubjectCountsNoMoreButOthersOnTheSameAnswerDo) {
  Harness world;
  Open(world);
  world.Decide(1, 1, {{1, 1}}, .7);
  world.Decide(2, 1, {{1, 1}}, .7);
  ASSERT_EQ(world.Report(1, 1, 1, 0, 66), Code::kOk);
  world.Add(SubjectExcluded{SubjectHash{66}});
  const auto evidence = world.learner->state().cells;
  ASSERT_EQ(world.Report(1, 1, 0, 1, 66), Code::kOk);
  ASSERT_EQ(world.Report(2, 1, 0, 0, 66), Code::kOk);
  EXPECT_EQ(world.learner->state().cells, evidence);
  EXPECT_EQ(world.learner->state().counters.not_folded, 2u);
  ASSERT_EQ(world.Report(2, 0, .5), Code::kOk);
  const Cell& cell = CellAt(world, 1, 1);
  EXPECT_EQ(cell.patterns.at(0b001).rows, 1u);
  EXPECT_EQ(cell.patterns.at(0b010).rows, 1u);
  EXPECT_FALSE(cell.patterns.contains(0b011)) << "the excluded subject's rating is not in it";
}

TEST(Learner, AnIncludedSubjectCountsAgainFromHereOnAndWhatItSaidMeanwhileStaysOut) {
  Harness world;
  Open(world);
  for (std::uint32_t id = 1; id <= 4; ++id) world.Decide(id, 1, {{1, 1}}, .7);
  world.Add(SubjectExcluded{SubjectHash{66}});
  ASSERT_EQ(world.Report(1, 1, 0, 0, 66), Code::kOk);
  ASSERT_EQ(world.Report(2, 1, 0, 0, 66), Code::kOk);
  world.Add(SubjectIncluded{SubjectHash{66}});
  world.Add(SubjectIncluded{SubjectHash{77}});  // nobody had excluded it: nothing happens
  EXPECT_TRUE(world.learner->state().excluded.empty());
  EXPECT_TRUE(world.learner->state().subjects.excluded.empty());
  EXPECT_FALSE(world.Rows().contains(ExcludedRow(SubjectHash{66})));
  ASSERT_EQ(world.Report(3, 1, 1, 0, 66), Code::kOk);
  const Cell& cell = CellAt(world, 1, 1);
  EXPECT_EQ(cell.patterns.at(0b010).rows, 1u);
  ASSERT_EQ(world.Report(1, 0, 1), Code::kOk);
  ASSERT_EQ(world.Report(2, 1, 1, 1, 66), Code::kOk);
  EXPECT_EQ(cell.patterns.at(0b001).rows, 1u) << "gold on such an answer counts, the rating beside it does not";
  EXPECT_EQ(cell.patterns.at(0b010).rows, 1u) << "nor does its revision";
  EXPECT_EQ(world.learner->state().counters.not_folded, 2u);

  auto again = Learner::Create(world.bundles, world.history, State{}).value();
  for (const Event& event : world.history.events) ASSERT_TRUE(again->Learn(event).ok());
  EXPECT_EQ(Harness::RowsOf(again->state()), world.Rows());
}

TEST(Learner, AfterACellResetOnlyNewChannelsOfOldRowsEnterTheCell) {
  Harness world({"s1", "s2"});
  Open(world);
  world.Decide(1, 1, {{1, .5}, {2, .5}}, .7);
  ASSERT_EQ(world.Report(1, 1, 1), Code::kOk);
  world.Add(CellReset{ClusterId{1}, ModelId{1}});
  EXPECT_TRUE(CellAt(world, 1, 1).patterns.empty());
  ASSERT_EQ(world.Report(1, 0, 0), Code::kOk);
  EXPECT_EQ(CellAt(world, 1, 1).patterns.at(0b001).rows, 1u);
  EXPECT_EQ(CellAt(world, 1, 1).patterns.size(), 1u);
  EXPECT_EQ(CellAt(world, 1, 2).patterns.at(0b011).rows, 1u);
  ASSERT_EQ(world.Report(1, 2, .5), Code::kOk);
  EXPECT_EQ(CellAt(world, 1, 1).patterns.at(0b101).rows, 1u);
  EXPECT_EQ(CellAt(world, 1, 1).patterns.size(), 1u);
  EXPECT_EQ(CellAt(world, 1, 2).patterns.at(0b111).rows, 1u);
  ASSERT_EQ(world.Report(1, 0, std::nullopt), Code::kOk);
  ASSERT_EQ(world.Report(1, 2, std::nullopt), Code::kOk);
  EXPECT_TRUE(CellAt(world, 1, 1).patterns.empty());
  EXPECT_EQ(CellAt(world, 1, 2).patterns.at(0b010).rows, 1u);
}

TEST(Learner, ADeclaredEpochQuartersEvidenceAndLateGoldStillFindsItsRow) {
  Harness world;
  Open(world);
  world.now_us = 3 * kDayUs;
  world.Decide(1, 1, {{1, 1}}, .7);
  world.Decide(2, 1, {{1, 1}}, .7);
  ASSERT_EQ(world.Report(1, 1, 1), Code::kOk);
  ASSERT_EQ(world.Report(2, 1, 1), Code::kOk);
  const TimeWeight now = MakeTimeWeight(world.now_us, 14);
  const double weight = Decay(CellAt(world, 1, 1).patterns.at(0b010), now).weight;
  world.Add(EpochDeclared{ModelId{1}});
  EXPECT_DOUBLE_EQ(Decay(CellAt(world, 1, 1).patterns.at(0b010), now).weight, weight / 4);
  ASSERT_EQ(world.Report(1, 1, std::nullopt), Code::kOk);
  EXPECT_DOUBLE_EQ(Decay(CellAt(world, 1, 1).patterns.at(0b010), now).weight, weight / 8);
  world.now_us += kDayUs;
  world.Decide(3, 1, {{2, 1}}, .7);
  ASSERT_EQ(world.Report(3, 1, 1), Code::kOk);
  EXPECT_NEAR(Decay(CellAt(world, 1, 2).patterns.at(0b010), MakeTimeWeight(world.now_us, 14)).weight, 1, 1e-12);
}

TEST(Learner, OtherHalfLivesAreAsIfTheyHadAlwaysBeenInForce) {
  Harness changed;
  Harness always;
  always.options.rating_half_life_days = 3;
  always.Add(OptionsChanged{always.options});
  for (Harness* world : {&changed, &always}) {
    Open(*world);
    for (std::uint32_t id = 1; id <= 30; ++id) {
      world->now_us += kDayUs;
      world->Decide(id, 1, {{1, .5}, {2, .5}}, .4);
      ASSERT_EQ(world->Report(id, id % 5 == 0 ? 0 : 1, id % 2), Code::kOk);
    }
  }
  EXPECT_NE(Evidence(changed), Evidence(always));
  changed.options.rating_half_life_days = 3;
  changed.Add(OptionsChanged{changed.options});
  EXPECT_EQ(Evidence(changed), Evidence(always));
}

TEST(Learner, AuditGoldIsScoredBeforeItIsLearnt) {
  Harness world;
  Open(world);
  world.Decide(1, 1, {{1, 1}}, .7);
  world.Context(1).audit = true;
  world.Context(1).predicted_quality = .8;
  world.Context(1).predicted_variance = .01;
  ASSERT_EQ(world.Report(1, 0, 1), Code::kOk);
  ASSERT_EQ(world.Report(1, 0, 0, 1), Code::kOk);
  const Counters& counters = world.learner->state().counters;
  EXPECT_EQ(counters.audited_gold, 1u);
  EXPECT_NEAR(counters.audited_squared_error, .04, 1e-15);
  EXPECT_NEAR(counters.audited_z_squared, .04 / .21, 1e-15);
  EXPECT_EQ(counters.feedback[0], 2u);
}

TEST(Learner, OutcomesAndPreferencesAreTalliedAndRevisionsReplace) {
  Harness world;
  Open(world);
  OutcomeReported outcome;
  outcome.model = ModelId{1};
  outcome.tokens_out = 99;
  world.Add(outcome);
  outcome.revision = 1;
  outcome.replaced_tokens_out = 99;
  outcome.tokens_out = 9;
  world.Add(outcome);
  const ModelTally& tally = world.learner->state().tallies.at(ModelId{1});
  EXPECT_EQ(tally.outcomes, 1u);
  EXPECT_EQ(tally.token_rows, 1);
  EXPECT_NEAR(tally.token_sum, exact::Log(10), 1e-12);
  outcome = OutcomeReported{};
  outcome.model = ModelId{1};
  outcome.failed = true;
  world.Add(outcome);
  EXPECT_EQ(tally.failures, 1u);
  EXPECT_EQ(tally.token_rows, 1);

  world.Decide(1, 2, {{0, 1}}, .5);
  world.Decide(2, 1, {{0, 1}}, .5);
  world.Add(PreferenceGiven{world.Context(1), world.Context(2), 1, 1, {}, 0, {}});
  const PairKey key{ModelId{1}, ModelId{2}, 1};
  EXPECT_EQ(world.learner->state().pairs.at(key), (PairTally{0, 1}));
  world.Add(PreferenceGiven{world.Context(1), world.Context(2), .5, 1, {}, 1, 1.0});
  EXPECT_EQ(world.learner->state().pairs.at(key), (PairTally{.5, 1}));
}

TEST(Learner, AnUngradedSourceBecomesGradedWithItsFirstOtherValue) {
  Harness world;
  Open(world);
  world.Decide(1, 1, {{1, 1}}, .7);
  world.Decide(2, 1, {{1, 1}}, .7);
  ASSERT_EQ(world.Report(1, 1, 1), Code::kOk);
  EXPECT_FALSE(world.learner->state().noise.graded[1]);
  ASSERT_EQ(world.Report(2, 1, .5), Code::kOk);
  EXPECT_TRUE(world.learner->state().noise.graded[1]);
  EXPECT_FALSE(world.learner->state().noise.graded[0]);
}

}  // namespace
}  // namespace pointsman::policy
