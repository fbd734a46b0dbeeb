// Publication: a snapshot depends on the state alone, and what a learner that
// corrects bias is worth.
#include <gtest/gtest.h>

#include <limits>

#include "tests/policy/belief/harness.h"

namespace pointsman::policy {
namespace {

void ExpectSame(const Snapshot& a, const Snapshot& b) {
  ASSERT_EQ(a.models.size(), b.models.size());
  for (std::size_t m = 0; m < a.models.size(); ++m) {
    for (std::size_t i = 0; i < kModelStateMax; ++i) EXPECT_NEAR(a.models[m].mean[i], b.models[m].mean[i], 1e-12);
    for (std::size_t i = 0; i < a.models[m].covariance.size(); ++i) {
      EXPECT_NEAR(a.models[m].covariance[i], b.models[m].covariance[i], 1e-12);
    }
  }
  ASSERT_EQ(a.clusters.size(), b.clusters.size());
  for (std::size_t k = 0; k < a.clusters.size(); ++k) {
    ASSERT_EQ(a.clusters[k] == nullptr, b.clusters[k] == nullptr);
    if (a.clusters[k] == nullptr) continue;
    ASSERT_EQ(a.clusters[k]->cells.size(), b.clusters[k]->cells.size());
    for (std::size_t i = 0; i < a.clusters[k]->cells.size(); ++i) {
      const CellReadout& x = a.clusters[k]->cells[i];
      const CellReadout& y = b.clusters[k]->cells[i];
      EXPECT_EQ(x.model, y.model);
      EXPECT_EQ(x.conflict, y.conflict);
      EXPECT_NEAR(x.shift, y.shift, 1e-12);
      EXPECT_NEAR(x.variance, y.variance, 1e-12);
      EXPECT_NEAR(x.gold_weight, y.gold_weight, 1e-12);
      for (std::size_t j = 0; j < kModelStateMax; ++j) EXPECT_NEAR(x.gain[j], y.gain[j], 1e-12);
    }
  }
  EXPECT_EQ(a.quarantined_cells, b.quarantined_cells);
}

TEST(Publisher, PublishingEveryEventEqualsPublishingOnceAtTheEnd) {
  Harness world({"s1", "s2"});
  world.AddBundle(PlainBundle(3, {{"A", .6}, {"B", .5}, {"C", .4}}));
  for (const char* name : {"A", "B", "C"}) world.AddModel(name);
  world.Activate(1, 1);
  SplitMix64 random(9);
  int conflicts = 0;
  for (std::uint32_t id = 1; id <= 400; ++id) {
    SCOPED_TRACE(id);
    world.now_us += static_cast<std::int64_t>(random.Below(kDayUs / 40));
    const double w = random.Unit();
    world.Decide(id, 1 + id % 3, {{0, 1 - w}, {1 + id % 3, w}}, random.Unit());
    // Source s1 claims the opposite of gold, so that the conflict rule has work.
    const double truth = id % 3 == 0 ? 1 : 0;
    world.Report(id, 1, 1 - truth);
    if (id % 2 == 0) world.Report(id, 0, truth);
    if (id % 5 == 0) world.Report(1 + static_cast<std::uint32_t>(random.Below(id)), 2, random.Unit(), id);
    if (id == 150) world.Add(CellReset{ClusterId{1}, ModelId{1}});
    if (id == 200) world.Add(EpochDeclared{ModelId{2}});
    if (id == 250) world.Add(Refitted{.response = {.8, 1.1}, .model_width = .08});
    if (id == 300) world.Add(ModelStateChanged{ModelId{3}, ModelState::kRetired});
    const auto snapshot = world.Publish();
    if (id % 40 != 0) continue;
    ExpectSame(*snapshot, *world.PublishOnce());
    for (const auto& block : snapshot->clusters) {
      for (std::size_t i = 0; block != nullptr && i < block->cells.size(); ++i) conflicts += block->cells[i].conflict;
    }
  }
  EXPECT_GT(conflicts, 0) << "the test must exercise the second pass";
}

TEST(Publisher, OnlyBlocksOfTouchedClustersAreRebuilt) {
  Harness world;
  world.AddBundle(PlainBundle(3, {{"A", .6}}));
  world.AddModel("A");
  world.Activate(1, 1);
  for (std::uint32_t k = 1; k <= 3; ++k) {
    world.Decide(k, 1, {{k, 1}}, .5);
    world.Report(k, 1, 1);
  }
  const auto before = world.Publish();
  world.Decide(9, 1, {{2, 1}}, .5);
  world.Report(9, 1, 0);
  const auto after = world.Publish();
  EXPECT_EQ(before->clusters[0], nullptr);
  EXPECT_EQ(before->clusters[1], after->clusters[1]);
  EXPECT_NE(before->clusters[2], after->clusters[2]);
  EXPECT_EQ(before->clusters[3], after->clusters[3]);
  EXPECT_TRUE(world.learner->state().unpublished.empty());
}

TEST(Publisher, ACellWithABadNumberIsReadAsUntouchedCountedAndTheRestGoesOn) {
  Harness world;
  world.AddBundle(PlainBundle(2, {{"A", .6}}));
  world.AddModel("A");
  world.Activate(1, 1);
  for (std::uint32_t k = 1; k <= 2; ++k) {
    world.Decide(k, 1, {{k, 1}}, .5);
    world.Report(k, 1, 1);
  }
  State& state = world.learner->mutable_state();
  PatternMoments& bad = state.cells[{ModelId{1}, ClusterId{1}}].patterns.at(0b010);
  for (const double value : {std::numeric_limits<double>::quiet_NaN(), -5.0, std::numeric_limits<double>::infinity()}) {
    bad.weight = value;
    state.republish_all = true;
    const auto snapshot = world.Publish();
    EXPECT_EQ(snapshot->quarantined_cells, 1u);
    EXPECT_EQ(snapshot->clusters[1], nullptr);
    ASSERT_NE(snapshot->clusters[2], nullptr);
    EXPECT_TRUE(std::isfinite(Read(*snapshot, "A", {{1, .5}, {2, .5}}, .5).mean));
  }
  bad.weight = std::numeric_limits<double>::quiet_NaN();
  world.Decide(3, 1, {{1, 1}}, .5);
  world.Report(3, 1, 1);
  EXPECT_TRUE(world.learner->state().cells.at({ModelId{1}, ClusterId{1}}).quarantined);
  world.Add(CellReset{ClusterId{1}, ModelId{1}});
  world.Decide(4, 1, {{1, 1}}, .5);
  world.Report(4, 1, 1);
  EXPECT_EQ(world.Publish()->quarantined_cells, 0u);
  EXPECT_NE(world.Publish()->clusters[1], nullptr);
}

TEST(Publisher, AColdStartWithoutBundleOrSourcesStillAnswers) {
  Harness world(std::vector<std::string>{});
  world.AddModel("A");
  const auto cold = world.Publish();
  const Estimate before = Read(*cold, "A", {{0, 1}}, .5);
  EXPECT_EQ(before.mean, .5);
  EXPECT_NEAR(before.variance, .05 * .05 + .1 * .1, 1e-12);
  world.Decide(1, 1, {{0, 1}}, .5);
  ASSERT_EQ(world.Report(1, 0, 1), Code::kOk);
  EXPECT_GT(Read(*world.Publish(), "A", {{0, 1}}, .5).mean, .5);
}

TEST(Publisher, EvidenceFadesToThePriorNeverToIgnorance) {
  Harness world;
  world.AddBundle(PlainBundle(1, {{"A", .6}}));
  world.AddModel("A");
  world.Activate(1, 1);
  for (std::uint32_t id = 1; id <= 50; ++id) {
    world.Decide(id, 1, {{1, 1}}, .5);
    world.Report(id, 0, 1);
  }
  const Estimate fresh = Read(*world.Publish(), "A", {{1, 1}}, .5);
  world.now_us = 4000 * kDayUs;
  world.Add(Tick{});
  const Estimate faded = Read(*world.Publish(), "A", {{1, 1}}, .5);
  EXPECT_GT(fresh.mean, .55);
  EXPECT_NEAR(faded.mean, .5, 1e-6);
  EXPECT_NEAR(faded.variance, .0125 + .25 * .01, 1e-6);
}

// Root mean square error of the expected quality over all cells of a world with
// biased ratings of every answer and gold of 5 %.
double ErrorAgainstTruth(const Widths& widths, std::uint64_t seed) {
  constexpr std::uint32_t kModels = 6;
  constexpr std::uint32_t kClusters = 5;
  SplitMix64 random(seed);
  Harness world;
  world.options.widths_overridden = true;
  world.options.widths = widths;
  world.Add(OptionsChanged{world.options});
  std::vector<std::pair<std::string, double>> models;
  for (std::uint32_t m = 0; m < kModels; ++m) models.emplace_back("m" + std::to_string(m), .5);
  world.AddBundle(PlainBundle(kClusters, models));
  for (const auto& [name, mean] : models) world.AddModel(name);
  world.Activate(1, 1);
  double truth[kModels][kClusters];
  double bias[kModels][kClusters];
  for (std::uint32_t m = 0; m < kModels; ++m) {
    const double level = .5 + .05 * random.Normal();
    const double lean = .05 + .12 * random.Normal();
    for (std::uint32_t k = 0; k < kClusters; ++k) {
      truth[m][k] = level + .06 * random.Normal();
      bias[m][k] = lean + .04 * random.Normal();
    }
  }
  for (std::uint32_t id = 1; id <= 6000; ++id) {
    const auto m = static_cast<std::uint32_t>(random.Below(kModels));
    const auto k = static_cast<std::uint32_t>(random.Below(kClusters));
    world.Decide(id, m + 1, {{k + 1, 1}}, .5);
    const double luck = random.Unit();
    world.Report(id, 1, luck < truth[m][k] + bias[m][k] ? 1 : 0);
    if (random.Unit() < .05) world.Report(id, 0, luck < truth[m][k] ? 1 : 0);
    world.rows.erase(id);
  }
  const auto snapshot = world.Publish();
  double squares = 0;
  for (std::uint32_t m = 0; m < kModels; ++m) {
    for (std::uint32_t k = 0; k < kClusters; ++k) {
      const double error = Read(*snapshot, models[m].first, {{k + 1, 1}}, .5).mean - truth[m][k];
      squares += error * error;
    }
  }
  return std::sqrt(squares / (kModels * kClusters));
}

TEST(Publisher, BiasedRatingsWithALittleGoldComeNearerTheTruthThanRatingsTakenAtTheirWord) {
  double corrected = 0;
  double naive = 0;
  for (const std::uint64_t seed : {1, 2, 3}) {
    corrected += ErrorAgainstTruth({.05, .5, .06, .2, .12, .05}, seed) / 3;
    naive += ErrorAgainstTruth({.05, .5, .06, 0, 0, 0}, seed) / 3;
  }
  RecordProperty("corrected", std::to_string(corrected));
  RecordProperty("naive", std::to_string(naive));
  EXPECT_LT(corrected, .6 * naive) << corrected << " against " << naive;
  EXPECT_LT(corrected, .06) << "the prior alone is off by about .08";
}

}  // namespace
}  // namespace pointsman::policy
