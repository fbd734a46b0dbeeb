// Change detection, pacing and health, through the fold.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/unit_draw.h"
#include "policy/choice/pacing.h"
#include "policy/learning/change_detector.h"
#include "policy/learning/life_cycle.h"
#include "policy/learning/refit.h"
#include "policy/learning/row_fold.h"
#include "tests/policy/belief/harness.h"

namespace pointsman::policy {
namespace {

// Worlds in which values are drawn around predictions, with the detector on.
class Watched : public Harness {
 public:
  explicit Watched(std::size_t models, std::uint64_t seed = 20'26) : random_(seed) {
    options.change_detection = true;
    Add(OptionsChanged{options});
    for (std::size_t m = 0; m < models; ++m) AddModel("model" + std::to_string(m + 1));
  }
  // One gold label of 0 or 1, drawn with probability `truth`, predicted as `predicted`.
  void Label(std::uint32_t model, double predicted, double truth) { Draw(0, model, predicted, truth); }
  // The same of the first rating source.
  void Rate(std::uint32_t model, double predicted, double mean, std::uint32_t cluster = 0) {
    Draw(1, model, predicted, mean, cluster);
  }

 private:
  void Draw(std::uint8_t channel, std::uint32_t model, double predicted, double truth, std::uint32_t cluster = 0) {
    const std::uint32_t id = ++next_;
    now_us += 1'000'000;
    Decide(id, model, {{cluster, 1}}, 0.5);
    Context(id).predicted_quality = predicted;
    Report(id, channel, random_.Unit() < truth ? 1 : 0);
  }

  std::uint32_t next_ = 0;
  SplitMix64 random_;
};

TEST(Cusum, StaysAtZeroWithoutAShiftAndAlarmsOnceASumPassesTwelve) {
  Cusum cusum;
  EXPECT_EQ(AddToCusum(cusum, 0.2, kCusumAllowance, 12), 0);
  EXPECT_EQ(cusum.up, 0);
  for (int i = 0; i < 15; ++i) EXPECT_EQ(AddToCusum(cusum, -1, kCusumAllowance, 12), 0) << i;
  EXPECT_DOUBLE_EQ(cusum.down, 11.25);
  EXPECT_EQ(AddToCusum(cusum, -1.1, kCusumAllowance, 12), -1);
  EXPECT_EQ(cusum.down, 0) << "it starts anew";
}

TEST(Cusum, RaisesAboutOneFalseAlarmIn160000Reports) {
  SplitMix64 random(7);
  Cusum cusum;
  int alarms = 0;
  constexpr int kReports = 1'000'000;
  for (int i = 0; i < kReports; ++i) {
    // A standard normal by twelve uniforms.
    double sum = -6;
    for (int k = 0; k < 12; ++k) sum += random.Unit();
    alarms += AddToCusum(cusum, sum) != 0 ? 1 : 0;
  }
  EXPECT_GE(alarms, 1);
  EXPECT_LE(alarms, 15) << "about one in 160,000";
}

TEST(Cusum, TheSlowOneFindsAQuarterOfAStandardDeviationAndHardlyEverErrs) {
  SplitMix64 random(8);
  const auto normal = [&random] {
    double sum = -6;
    for (int k = 0; k < 12; ++k) sum += random.Unit();
    return sum;
  };
  Cusum cusum;
  int alarms = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    alarms += AddToCusum(cusum, normal(), kSlowCusumAllowance, kSlowCusumThreshold) != 0 ? 1 : 0;
  }
  EXPECT_LE(alarms, 2) << "hardly one in a million";
  double needed = 0;
  for (int run = 0; run < 100; ++run) {
    Cusum fresh;
    int direction = 0;
    while (direction == 0) {
      ++needed;
      direction = AddToCusum(fresh, normal() - 0.25, kSlowCusumAllowance, kSlowCusumThreshold);
    }
    EXPECT_EQ(direction, -1);
  }
  EXPECT_NEAR(needed / 100, 400, 40);
}

// decisions/0013: one model is played, a source sees two fifths of its loss, and gold is
// one report in thirty. A shift that all share must not explain it away.
TEST(Change, ALossThatRatingsShowFaintlyIsFoundAndBlamedOnTheModel) {
  Watched world(2);
  world.options.widths_overridden = true;
  world.options.widths.model = .03;
  world.options.widths.source_model = .15;
  world.options.widths.common = .15;
  world.Add(OptionsChanged{world.options});
  double predicted = .6;
  const auto play = [&](double quality, double rating) {
    for (int i = 0; i < 30; ++i) i == 0 ? world.Label(1, predicted, quality) : world.Rate(1, predicted, rating);
  };
  for (int round = 0; round < 20; ++round) play(.6, .65);
  ASSERT_EQ(world.learner->state().counters.alarms, 0U);
  int rounds = 0;
  for (; world.learner->state().counters.alarms == 0 && rounds < 60; ++rounds) play(.3, .53);
  EXPECT_LT(rounds, 25) << "750 reports";
  EXPECT_TRUE(world.learner->state().watches.at(ModelId{1}).changed);
  EXPECT_FALSE(DueStateChange(*world.Publish(), {1, 0}).has_value()) << "it is no newcomer, little as is known of it";
  predicted = .4;  // as a daemon would by then
  for (int round = 0; round < 60; ++round) play(.3, .53);
  const auto snapshot = world.Publish();
  const double fall = snapshot->models.at(0).mean[0] - snapshot->models.at(1).mean[0];
  EXPECT_LT(fall, -.05) << "against what nobody plays";
  ASSERT_EQ(snapshot->trials, std::vector<std::size_t>{0})
      << "it is played from time to time, in case the alarm was false";
  EXPECT_EQ(snapshot->models[0].model.state, ModelState::kActive);
}

// decisions/0029: what is predicted follows the ratings down, and a comparison with it would
// leave them next to nothing to tell.
TEST(Change, ALossThatThePredictionFollowsIsFoundAllTheSame) {
  Watched world(1);
  double predicted = .6;
  const auto play = [&](double quality, double rating) {
    for (int i = 0; i < 30; ++i) i == 0 ? world.Label(1, predicted, quality) : world.Rate(1, predicted, rating);
  };
  for (int round = 0; round < 20; ++round) play(.6, .65);
  ASSERT_EQ(world.learner->state().counters.alarms, 0U);
  int rounds = 0;
  for (; world.learner->state().counters.alarms == 0 && rounds < 60; ++rounds) {
    predicted = std::max(.5, predicted - .02);  // ratings fall by .15, of which .1 is soon expected
    play(.25, .5);
  }
  EXPECT_LT(rounds, 40);
}

// decisions/0031: gold too is compared with what was predicted before the source began to
// move. Here the prediction has followed the whole loss, which gold's own sum never sees.
TEST(Change, GoldIsHeldAgainstThePredictionFromBeforeTheSourceMoved) {
  for (const bool lost : {false, true}) {
    Watched world(1);
    for (int round = 0; round < 20; ++round) {
      world.Label(1, .6, .6);
      for (int i = 0; i < 20; ++i) world.Rate(1, .6, .65);
    }
    ASSERT_EQ(world.learner->state().counters.alarms, 0U);
    int labels = 0;
    for (; world.learner->state().counters.alarms == 0 && labels < 25; ++labels) {
      for (int i = 0; i < 20; ++i) world.Rate(1, .3, .42);
      const bool right = lost ? labels % 4 == 2 : labels % 5 != 1 && labels % 5 != 3;  // a quarter, three fifths
      world.Label(1, .3, right ? 1 : 0);
    }
    EXPECT_EQ(world.learner->state().counters.alarms, lost ? 1U : 0U);
    if (!lost) continue;
    EXPECT_LT(labels, 15);
    const ModelWatch& watch = world.learner->state().watches.at(ModelId{1});
    EXPECT_EQ(watch.channels[1].rows, 0U) << "what was usual is of the model as it was";
    EXPECT_EQ(watch.channels[1].standing, BothWays{});
  }
}

// decisions/0031: the further a source has moved, the fewer labels must follow it.
TEST(Change, ASourceThatFallsFarNeedsFewerLabelsBesideIt) {
  const auto labels_after = [](int ratings) {
    Watched world(1);
    world.Label(1, .6, 1);
    for (int i = 0; i < 300; ++i) world.Rate(1, .6, .6);
    for (int i = 0; i < ratings; ++i) world.Rate(1, .6, 0);
    int labels = 0;
    for (; world.learner->state().counters.alarms == 0 && labels < 30; ++labels) world.Label(1, .6, 0);
    return labels;
  };
  const int little = labels_after(10);
  const int far = labels_after(40);
  EXPECT_LE(far, 3);
  EXPECT_GE(far, 2) << "but never none: gold is the witness";
  EXPECT_GE(little, far + 2);
  EXPECT_LT(little, 10);
}

// What a source usually differs by is a difference from the prior of one bundle.
TEST(Change, AGenerationBeginsWithoutWhatWasUsualUnderTheLast) {
  Watched world(1);
  world.AddBundle(PlainBundle(2, {{"model1", .6}}));
  world.Label(1, .6, .6);
  for (int i = 0; i < 150; ++i) world.Rate(1, .6, .6);
  const auto watch = [&]() -> const ModelWatch& { return world.learner->state().watches.at(ModelId{1}); };
  ASSERT_EQ(watch().channels[1].rows, 150U);
  world.Activate(1, 1);
  EXPECT_EQ(watch().channels[1].rows, 0U);
  EXPECT_EQ(watch().channels[1].sum, 0);
  EXPECT_EQ(watch().channels[1].slow.up + watch().channels[1].slow.down, 0);
}

// decisions/0016: who drifted, model or rater, only gold can tell.
TEST(Change, ASourceAloneIsBelievedOnlyWhereNobodyGivesGold) {
  for (const bool gold : {false, true}) {
    Watched world(2);
    if (gold) world.Label(1, .6, .6);
    for (int i = 0; i < 150; ++i) world.Rate(1, .6, .65);
    for (int i = 0; i < 100; ++i) world.Rate(1, .6, .1);
    EXPECT_EQ(world.learner->state().counters.alarms > 0, !gold);
    if (!gold) continue;
    for (int i = 0; i < 20; ++i) world.Label(1, .6, .1);
    EXPECT_GT(world.learner->state().counters.alarms, 0U) << "gold agrees";
  }
}

// A source whose residuals wander with the mix of questions stands at its bound for good. A
// few labels that happen to point the same way are no witness.
TEST(Change, ASourceThatWandersIsNoChangeWhileGoldStays) {
  int alarmed = 0;
  constexpr int kWorlds = 12;
  for (std::uint64_t seed = 1; seed <= kWorlds; ++seed) {
    Watched world(1, seed);
    const auto play = [&](int rounds, double mean) {
      for (int round = 0; round < rounds; ++round) {
        world.Label(1, .6, .6);
        for (int i = 0; i < 25; ++i) world.Rate(1, .6, mean);
      }
    };
    play(16, .6);
    play(150, .5);
    alarmed += world.learner->state().counters.alarms > 0 ? 1 : 0;
  }
  EXPECT_LE(alarmed, 4) << "of " << kWorlds << " worlds, seeds 1 to 12; by calculation one in twelve";
}

TEST(Change, ASourceThatIsBiasedInOneCellRaisesNoAlarmThere) {
  Watched world(1);
  world.AddBundle(PlainBundle(2, {{"model1", .6}}));
  world.Activate(1, 1);
  world.Label(1, .6, .6);
  for (int i = 0; i < 150; ++i) world.Rate(1, .6, .6, 1);
  for (int i = 0; i < 300; ++i) world.Rate(1, .6, i % 2 == 0 ? .9 : .3, i % 2 == 0 ? 1 : 2);
  EXPECT_EQ(world.learner->state().counters.cell_alarms, 0U);
}

TEST(Change, AModelThatGetsWorseIsFoundAndItsEvidenceCountsASixtyFourth) {
  Watched world(2);
  for (int i = 0; i < 300; ++i) world.Label(1, .8, .8);
  const CellKey key{ModelId{1}, kBackground};
  ASSERT_EQ(world.learner->state().counters.alarms, 0U);
  const PatternMoments before = world.learner->state().cells.at(key).patterns.at(1);
  int needed = 0;
  while (world.learner->state().counters.alarms == 0 && needed < 300) {
    world.Label(1, .8, .4);
    ++needed;
  }
  EXPECT_LT(needed, 60) << "a shift of one standard deviation";
  const State& state = world.learner->state();
  ASSERT_EQ(state.alarms.size(), 1U);
  EXPECT_EQ(state.alarms[0].direction, -1);
  EXPECT_EQ(state.alarms[0].model, ModelId{1});
  const PatternMoments after = state.cells.at(key).patterns.at(1);
  EXPECT_LE(after.base, before.base - kModelAlarmHalvings + 1);
  EXPECT_TRUE(state.watches.at(ModelId{1}).changed);
  EXPECT_FALSE(state.watches.contains(ModelId{2}));
}

TEST(Change, ARowDecidedBeforeAnAlarmIsTakenBackWithTheWeightThatItHas) {
  Watched world(1);
  for (int i = 0; i < 100; ++i) world.Label(1, .8, .8);
  world.now_us += 1'000'000;
  world.Decide(5000, 1, {{0, 1}}, 0.5);
  world.Context(5000).predicted_quality = .8;
  world.Report(5000, 0, 1);
  while (world.learner->state().counters.alarms == 0) world.Label(1, .8, .1);
  // Both routes to one state: with the old row taken back, and never having had it.
  const double with = world.learner->state().cells.at({ModelId{1}, kBackground}).patterns.at(1).weight;
  ASSERT_EQ(world.Report(5000, 0, std::nullopt, 1), Code::kOk);
  const double without = world.learner->state().cells.at({ModelId{1}, kBackground}).patterns.at(1).weight;
  const auto& moments = world.learner->state().cells.at({ModelId{1}, kBackground}).patterns.at(1);
  const double one_row = MakeTimeWeight(world.Context(5000).decided_at_us, 60).fraction;
  const int exponent = MakeTimeWeight(world.Context(5000).decided_at_us, 60).epoch - kModelAlarmHalvings - moments.base;
  EXPECT_NEAR(with - without, std::ldexp(one_row, exponent), 1e-9);
}

// The route's clock runs ahead of the stamps of the log, as when it was set back in
// between: rows lie in the cells before the alarm although they were "decided" after it.
TEST(Change, AClockSetBackBetweenDecisionAndReportLeavesExactlyTheOtherRows) {
  for (const bool of_cell : {false, true}) {
    Watched world(1);
    const CellKey key{ModelId{1}, kBackground};
    world.now_us = 1'000'000;
    for (std::uint32_t id = 9001; id <= 9003; ++id) {
      world.Decide(id, 1, {{0, 1}}, 0.5, world.now_us + 3600'000'000);
      world.Context(id).predicted_quality = .5;
      world.Report(id, 0, 1);
    }
    State& state = world.learner->mutable_state();
    const Discount discount{LogSeq{state.last_seq.value + 1}, world.now_us, 3};
    world.Add(Tick{});
    of_cell ? DiscountCell(state, key, discount) : DiscountModel(state, ModelId{1}, discount);
    // One that came after the alarm, but from a decision before it, counts an eighth too.
    world.Decide(9004, 1, {{0, 1}}, 0.5, world.now_us - 1);
    world.Report(9004, 0, 1);
    for (const std::uint32_t id : {9002U, 9001U, 9004U}) ASSERT_EQ(world.Report(id, 0, std::nullopt, 1), Code::kOk);
    const PatternMoments& left = state.cells.at(key).patterns.at(1);
    EXPECT_EQ(left.rows, 1U);
    TimeWeight time = MakeTimeWeight(world.Context(9003).decided_at_us, 60);
    EXPECT_DOUBLE_EQ(left.weight, std::ldexp(time.fraction, time.epoch - 3 - left.base)) << "of cell " << of_cell;
    EXPECT_DOUBLE_EQ(left.residual[0], .5 * left.weight);
    // Said anew it counts in full, and leaves nothing when it goes.
    ASSERT_EQ(world.Report(9003, 0, 0, 2), Code::kOk);
    ASSERT_EQ(world.Report(9003, 0, std::nullopt, 3), Code::kOk);
    EXPECT_FALSE(state.cells.contains(key) && state.cells.at(key).patterns.contains(1));
    EXPECT_FALSE(world.PublishOnce()->quarantined_cells > 0);
  }
}

TEST(Change, DiscountsBeyondTheMostAreJoinedSoThatNothingIsTakenOutTwice) {
  std::vector<Discount> discounts;
  for (std::uint64_t i = 1; i <= 11; ++i) AddDiscount(discounts, {LogSeq{10 * i}, static_cast<std::int64_t>(i), 3}, 8);
  EXPECT_EQ(discounts.size(), 8U);
  EXPECT_EQ(HalvingsOf(discounts, 1'000'000, LogSeq{5}), 33) << "a row from before all of them";
  EXPECT_EQ(HalvingsOf(discounts, 1'000'000, LogSeq{15}), 33) << "never less than it went through";
  EXPECT_EQ(HalvingsOf(discounts, 1'000'000, LogSeq{105}), 3);
  EXPECT_EQ(HalvingsOf(discounts, 1'000'000, LogSeq{}), 0);
  EXPECT_EQ(HalvingsOf(discounts, 11, LogSeq{}), 3);
}

TEST(Change, FoldingAgainGivesDiscountsWhereTheyWereInTheLog) {
  Watched world(1);
  world.now_us = 1'000'000;
  world.Decide(9001, 1, {{0, 1}}, 0.5, world.now_us + 3600'000'000);
  world.Report(9001, 0, 1);
  world.Add(EpochDeclared{ModelId{1}});
  const auto before = world.learner->state().cells;
  world.options.rating_half_life_days = 7;  // folds the log again
  world.Add(OptionsChanged{world.options});
  EXPECT_EQ(world.learner->state().cells.at({ModelId{1}, kBackground}).patterns,
            before.at({ModelId{1}, kBackground}).patterns);
}

TEST(Change, ManyModelsAtOnceAreAChangeOfTheJudgeAndDiscountNothingMore) {
  Watched world(4);
  for (int i = 0; i < 60; ++i) {
    for (std::uint32_t m = 1; m <= 4; ++m) world.Label(m, .7, .7);
  }
  for (int i = 0; i < 60 && world.learner->state().counters.judge_alarms == 0; ++i) {
    for (std::uint32_t m = 1; m <= 4; ++m) world.Label(m, .7, .2);
  }
  const State& state = world.learner->state();
  EXPECT_EQ(state.counters.judge_alarms, 1U);
  EXPECT_LE(state.counters.alarms, 1U) << "the first one alarms alone, the second makes two of four";
  for (const auto& [model, watch] : state.watches) EXPECT_TRUE(watch.channels[0].centred);
}

TEST(Change, ABiasedSourceIsComparedWithItsUsualDifference) {
  Watched world(1);
  SplitMix64 random(3);
  for (std::uint32_t i = 1; i <= 400; ++i) {
    world.now_us += 1'000'000;
    world.Decide(i, 1, {{0, 1}}, 0.5);
    world.Context(i).predicted_quality = .8;
    world.Report(i, 1, random.Unit() < .5 ? 1 : 0);
  }
  EXPECT_EQ(world.learner->state().counters.alarms, 0U) << "a bias of -.3 from the start is no change";
}

TEST(Pacer, MovesThePriceTowardsTheBudgetAndTheBucketHoldsFiftyRequests) {
  Options options;
  options.budget_usd = .01;
  Pacer pacer = NewPacer(.01, 0);
  EXPECT_DOUBLE_EQ(pacer.bucket_usd, .5);
  Refill(pacer, .01);
  EXPECT_DOUBLE_EQ(pacer.bucket_usd, .5) << "full is full";
  Settle(pacer, .01, .02, options);
  EXPECT_DOUBLE_EQ(pacer.mean_cost_usd, .0105);
  EXPECT_DOUBLE_EQ(pacer.lambda, .005 * .05);
  EXPECT_DOUBLE_EQ(pacer.bucket_usd, .48);
  for (int i = 0; i < 1000; ++i) Settle(pacer, .01, 0, options);
  EXPECT_EQ(pacer.lambda, 0);
}

TEST(Pacer, BeginsWithTheLearnersPriceAndIsDroppedWhenItsBudgetChanges) {
  Harness world;
  world.AddModel("dear");
  world.options.budget_usd = 1e-3;
  world.options.tenant_budgets = {{"acme", 2e-3}};
  world.Add(OptionsChanged{world.options});
  EXPECT_TRUE(RefitDue(world.learner->state()));
  world.Add(Refitted{.pacers = {{"", .5}, {"acme", .25}}});
  EXPECT_FALSE(RefitDue(world.learner->state()));
  EXPECT_DOUBLE_EQ(world.learner->state().pacers.at("acme").lambda, .25);
  world.options.budget_usd = 5e-4;
  world.Add(OptionsChanged{world.options});
  EXPECT_FALSE(world.learner->state().pacers.contains(""));
  EXPECT_TRUE(world.learner->state().pacers.contains("acme"));
}

TEST(Health, FiveFailuresInARowPauseAModelLongerEachTimeAndASuccessEndsIt) {
  Harness world;
  world.AddModel("shaky");
  OutcomeReported outcome;
  outcome.model = ModelId{1};
  outcome.failed = true;
  for (int i = 0; i < 4; ++i) world.Add(outcome);
  EXPECT_EQ(world.learner->state().health.at(ModelId{1}).retry_at_us, 0);
  world.Add(outcome);
  EXPECT_EQ(world.learner->state().health.at(ModelId{1}).retry_at_us, world.now_us + kFirstPauseUs);
  world.Add(outcome);
  EXPECT_EQ(world.learner->state().health.at(ModelId{1}).pauses, 1U) << "late failures do not lengthen the pause";
  world.now_us += kFirstPauseUs;
  world.Add(outcome);
  EXPECT_EQ(world.learner->state().health.at(ModelId{1}).retry_at_us, world.now_us + 2 * kFirstPauseUs);
  outcome.failed = false;
  world.Add(outcome);
  EXPECT_FALSE(world.learner->state().health.contains(ModelId{1}));
}

TEST(StateRows, WatchesAlarmsPacersAndHealthSurviveTheirBytes) {
  Watched world(2);
  for (int i = 0; i < 150; ++i) world.Rate(1, .9, .7);
  for (int i = 0; i < 60; ++i) world.Label(1, .9, .3);
  for (int i = 0; i < 150; ++i) world.Rate(2, .9, .7);
  for (int i = 0; i < 5; ++i) world.Rate(2, .9, 0);
  world.Label(2, .9, 0);
  OutcomeReported failed;
  failed.model = ModelId{1};
  failed.failed = true;
  world.Add(failed);
  world.options.budget_usd = 1;
  world.Add(OptionsChanged{world.options});
  world.Add(Refitted{.trust_width = .3, .pacers = {{"", .5}}});
  const State& state = world.learner->state();
  ASSERT_FALSE(state.alarms.empty());
  ASSERT_NE(state.watches.at(ModelId{2}).channels[1].witness, Cusum{});
  ASSERT_NE(state.watches.at(ModelId{2}).channels[1].standing, BothWays{});
  State loaded;
  ForEachStateRow(state, [&](std::string_view key, std::string_view value) {
    ASSERT_TRUE(LoadStateRow(loaded, key, value).ok()) << key;
    EXPECT_EQ(StateRow(state, key), value) << key;
  });
  EXPECT_EQ(loaded.alarms, state.alarms);
  EXPECT_EQ(loaded.watches, state.watches);
  EXPECT_EQ(loaded.discounts, state.discounts);
  EXPECT_EQ(loaded.pacers, state.pacers);
  EXPECT_EQ(loaded.health, state.health);
  EXPECT_EQ(loaded.cells, state.cells);
  EXPECT_EQ(loaded.trust_width, state.trust_width);
  EXPECT_EQ(loaded.options, state.options);
}

}  // namespace
}  // namespace pointsman::policy
