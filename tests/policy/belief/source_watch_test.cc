// Sources that cannot be believed, the guard on the learner's own confidence, and bad
// evidence: each has a defined end.
#include "policy/learning/source_watch.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/unit_draw.h"
#include "tests/policy/belief/harness.h"

namespace pointsman::policy {
namespace {

class Rated : public Harness {
 public:
  explicit Rated(std::size_t models = 2, std::size_t clusters = 2) : Harness({"thumbs", "judge"}) {
    std::vector<std::pair<std::string, double>> named;
    for (std::size_t m = 0; m < models; ++m) named.emplace_back("m" + std::to_string(m), .6);
    AddBundle(PlainBundle(clusters, named));
    for (const auto& [name, prior] : named) AddModel(name);
    Activate(1, 1);
  }
  // A decision of `model` with what its channels say.
  std::uint32_t Answer(std::uint32_t model, const std::vector<std::pair<std::uint8_t, double>>& said,
                       bool audit = false, double predicted = .6) {
    const std::uint32_t id = ++next_;
    now_us += 1'000'000;
    Decide(id, model, {{1, 1}}, .6);
    Context(id).predicted_quality = predicted;
    Context(id).predicted_variance = .001;
    Context(id).audit = audit;
    for (const auto& [channel, value] : said) EXPECT_EQ(Report(id, channel, value), Code::kOk);
    return id;
  }
  const SourceWatch& Watch(std::size_t source) const { return learner->state().source_watches[source]; }
  SplitMix64 random{7};

 private:
  std::uint32_t next_ = 0;
};

TEST(SourceWatch, ASourceThatSaysTheSameOfEveryAnswerIsNotReadUntilItSaysOtherThings) {
  Rated world;
  for (int i = 0; i < 100; ++i) world.Answer(1, {{0, world.random.Unit() < .6 ? 1.0 : 0.0}});
  const Estimate before = Read(*world.PublishOnce(), "m0", {{1, 1}}, .6);
  for (std::uint64_t i = 1; i < kStuckRun; ++i) world.Answer(1 + i % 2, {{1, 1}});
  EXPECT_EQ(world.Watch(0).quarantine, Quarantine::kNone);
  EXPECT_GT(Read(*world.PublishOnce(), "m0", {{1, 1}}, .6).mean, before.mean);
  world.Answer(1, {{1, 1}});
  EXPECT_EQ(world.Watch(0).quarantine, Quarantine::kStuck);
  const auto snapshot = world.PublishOnce();
  EXPECT_EQ(snapshot->source_watches[0].quarantine, Quarantine::kStuck);
  EXPECT_NEAR(Read(*snapshot, "m0", {{1, 1}}, .6).mean, before.mean, 1e-3) << "as if it had never spoken";
  for (std::uint64_t i = 0; i < kFreed; ++i) world.Answer(1, {{1, 0}});
  EXPECT_EQ(world.Watch(0).quarantine, Quarantine::kNone);
  EXPECT_NE(Read(*world.PublishOnce(), "m0", {{1, 1}}, .6).mean, before.mean) << "its moments were kept";
}

TEST(SourceWatch, ARunThatQualityExplainsIsBelieved) {
  Rated world;
  for (int i = 0; i < 600; ++i) world.Answer(1, {{1, 1}}, false, .97);
  EXPECT_EQ(world.Watch(0).quarantine, Quarantine::kNone) << "all good answers of a good model";
}

TEST(SourceWatch, AGradedSourceIsStuckSooner) {
  Rated world;
  world.Answer(1, {{2, .3}});
  for (std::uint64_t i = 0; i < kGradedRun; ++i) world.Answer(1, {{2, .7}});
  EXPECT_EQ(world.Watch(1).quarantine, Quarantine::kStuck);
  EXPECT_EQ(world.Watch(0).quarantine, Quarantine::kNone) << "the other source is not touched";
}

TEST(SourceWatch, AnInvertedScaleIsFoundWhereGoldIsGivenOnTheSameAnswers) {
  Rated world;
  int needed = 0;
  for (; needed < 300 && world.Watch(0).quarantine == Quarantine::kNone; ++needed) {
    const double gold = world.random.Unit() < .6 ? 1 : 0;
    world.Answer(1, {{1, world.random.Unit() < .85 ? 1 - gold : gold}, {0, gold}});
  }
  EXPECT_EQ(world.Watch(0).quarantine, Quarantine::kContrary);
  EXPECT_LE(needed, 80);
  for (int i = 0; i < 1500 && world.Watch(0).quarantine != Quarantine::kNone; ++i) {
    const double gold = world.random.Unit() < .6 ? 1 : 0;
    world.Answer(1, {{0, gold}, {1, world.random.Unit() < .85 ? gold : 1 - gold}});
  }
  EXPECT_EQ(world.Watch(0).quarantine, Quarantine::kNone) << "mended";
}

TEST(SourceWatch, AnHonestAndAUselessSourceAreNeverQuarantined) {
  Rated world;
  for (int i = 0; i < 3000; ++i) {
    const double gold = world.random.Unit() < .6 ? 1 : 0;
    world.Answer(
        1, {{0, gold}, {1, world.random.Unit() < .7 ? gold : 1 - gold}, {2, world.random.Unit() < .5 ? 1.0 : 0.0}});
    ASSERT_EQ(world.Watch(0).quarantine, Quarantine::kNone) << i;
    ASSERT_EQ(world.Watch(1).quarantine, Quarantine::kNone) << i;
  }
}

TEST(CalibrationGuard, WidensTheBiasesWhereAuditsSurpriseAndComesBack) {
  Rated world;
  for (int i = 0; i < 300; ++i) world.Answer(1, {{0, 1}}, true, .1);  // far from what was claimed
  const double widened = world.learner->state().guard.bias_factor;
  EXPECT_GT(widened, 1.3);
  EXPECT_LE(widened, 16);
  const auto snapshot = world.PublishOnce();
  const double base = world.learner->bundle()->widths.source_model;
  EXPECT_DOUBLE_EQ(snapshot->widths.source_model, base * std::sqrt(widened));
  for (int i = 0; i < 4000; ++i) world.Answer(1, {{0, 1}}, true, .95);
  EXPECT_DOUBLE_EQ(world.learner->state().guard.bias_factor, 1) << "never narrower than the bundle";
}

TEST(CalibrationGuard, IsSilentWhereTheClaimsAreHonestAndHeedsAuditsOnly) {
  Rated world;
  for (int i = 0; i < 500; ++i) world.Answer(1, {{0, world.random.Unit() < .6 ? 1.0 : 0.0}}, true);
  EXPECT_EQ(world.learner->state().guard.steps, 0U);
  for (int i = 0; i < 500; ++i) world.Answer(1, {{0, 1}}, false, .1);
  EXPECT_EQ(world.learner->state().guard.steps, 0U);
}

TEST(SourceWatch, ItsRowSurvivesItsBytes) {
  Rated world;
  for (int i = 0; i < 60; ++i) world.Answer(1, {{1, 1}, {2, .5}, {0, 0}}, true, .9);
  State loaded;
  ForEachStateRow(world.learner->state(), [&](std::string_view key, std::string_view value) {
    ASSERT_TRUE(LoadStateRow(loaded, key, value).ok()) << key;
  });
  EXPECT_EQ(loaded.source_watches, world.learner->state().source_watches);
  EXPECT_EQ(loaded.guard, world.learner->state().guard);
  EXPECT_EQ(loaded.noise, world.learner->state().noise);
}

// ---- bad evidence ------------------------------------------------------------

TEST(BadEvidence, EventsWithImpossibleNumbersAreRefusedAndChangeNothing) {
  Rated world;
  world.Answer(1, {{1, 1}});
  world.Decide(900, 1, {{1, 1}}, .6);
  const auto rows = world.Rows();
  const auto refused = [&](const char* what, auto spoil) {
    GoldGiven gold;
    gold.context = world.Context(900);
    gold.after = {{0, 1, 0}};
    gold.value = 1;
    spoil(gold);
    const Status status = world.Try(gold);
    ASSERT_FALSE(status.ok()) << what;
    EXPECT_EQ(status.error().code, Code::kInvalidArgument) << what;
    EXPECT_EQ(world.Rows(), rows) << what;
  };
  const double nan = std::nan("");
  refused("propensity above 1", [](GoldGiven& gold) { gold.context.propensity = 1.5; });
  refused("propensity below 0", [](GoldGiven& gold) { gold.context.propensity = -.1; });
  refused("propensity NaN", [&](GoldGiven& gold) { gold.context.propensity = nan; });
  refused("gold probability NaN", [&](GoldGiven& gold) { gold.context.gold_probability = nan; });
  refused("value NaN", [&](GoldGiven& gold) { gold.value = nan; });
  refused("channel NaN", [&](GoldGiven& gold) { gold.after = {{0, nan, 0}}; });
  refused("prior NaN", [&](GoldGiven& gold) { gold.context.prior = nan; });
  refused("prediction NaN", [&](GoldGiven& gold) { gold.context.predicted_quality = nan; });
  refused("variance infinite",
          [](GoldGiven& gold) { gold.context.predicted_variance = std::numeric_limits<double>::infinity(); });
  refused("arrival weight 0", [](GoldGiven& gold) { gold.weight_after = 0; });
  refused("a channel nobody configured", [](GoldGiven& gold) { gold.after = {{3, 1, 0}}; });
}

TEST(BadEvidence, ContradictoryGoldIsAConflictAndTheFirstStays) {
  Rated world;
  const std::uint32_t id = world.Answer(1, {{0, 1}});
  const auto rows = world.Rows();
  EXPECT_EQ(world.Report(id, 0, 0.0), Code::kConflict);
  EXPECT_EQ(world.Report(id, 0, 1.0), Code::kDuplicateOk);
  EXPECT_EQ(world.Rows(), rows);
  EXPECT_EQ(world.Report(id, 0, 0.0, 1), Code::kOk) << "a revision replaces";
  // Gold that goes both ways on like answers is noise, not a fault.
  for (int i = 0; i < 500; ++i) world.Answer(2, {{0, i % 2 == 0 ? 1.0 : 0.0}});
  const Estimate both = Read(*world.PublishOnce(), "m1", {{1, 1}}, .6);
  EXPECT_NEAR(both.mean, .5, .02);
}

TEST(BadEvidence, AllIdenticalValuesOneModelAndOneClusterGiveFiniteBeliefs) {
  for (const double value : {0.0, .5, 1.0}) {
    Rated world(1, 1);
    for (int i = 0; i < 1000; ++i) world.Answer(1, {{1, value}, {2, value}, {0, value}});
    const Estimate estimate = Read(*world.PublishOnce(), "m0", {{1, 1}}, .6);
    EXPECT_TRUE(std::isfinite(estimate.mean) && estimate.variance > 0) << value;
    EXPECT_NEAR(estimate.mean, value, .05) << "gold alone would say so";
    EXPECT_EQ(world.PublishOnce()->quarantined_cells, 0U);
  }
}

TEST(BadEvidence, WidthsAndNoiseOfZeroAreFixedLevelsNotDivisions) {
  Rated world;
  world.options.widths_overridden = true;
  world.options.widths = Widths{0, 0, 0, 0, 0, 0, 0};
  world.Add(OptionsChanged{world.options});
  world.Add(Refitted{.noise = {1e-12, 0, 0, 0, 1e-12, 0, 0, 0, 1e-12}});
  for (int i = 0; i < 50; ++i) world.Answer(1, {{1, 1}, {0, 0}});
  const Estimate estimate = Read(*world.PublishOnce(), "m0", {{1, 1}}, .6);
  EXPECT_TRUE(std::isfinite(estimate.mean));
  EXPECT_NEAR(estimate.mean, .6, .05) << "a level of width 0 stays at its prior";
  EXPECT_GE(estimate.variance, 0);
}

}  // namespace
}  // namespace pointsman::policy
