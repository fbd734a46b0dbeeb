#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "base/unit_draw.h"
#include "bootstrap/fit/cascal_scaled.h"
#include "bootstrap/fit/kmeans.h"

namespace pointsman::bootstrap {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct World {
  std::vector<float> rows;
  Scores scores;
  std::vector<std::uint32_t> niche;
  static constexpr std::size_t kDimension = 8;
  Rows embeddings() const { return Rows(rows, kDimension); }
};

// Four patches around axes 0..3; models 0 and 1 are good in niche 0 (axes 0 and 1),
// models 2 and 3 in niche 1 (axes 2 and 3).
World TwoNiches(std::size_t items) {
  SplitMix64 random(4);
  World world;
  world.scores = {items, 4, {}};
  for (std::size_t i = 0; i < items; ++i) {
    std::vector<float> row(World::kDimension);
    for (float& value : row) value = static_cast<float>(0.15 * random.Normal());
    row[i % 4] += 1;
    Normalise(row);
    world.rows.insert(world.rows.end(), row.begin(), row.end());
    world.niche.push_back(i % 4 < 2 ? 0 : 1);
    for (std::size_t m = 0; m < 4; ++m) {
      const double right = (m < 2) == (world.niche[i] == 0) ? 0.9 : 0.2;
      world.scores.value.push_back(random.Unit() < right ? 1 : 0);
    }
  }
  return world;
}

ScaledOptions Small() {
  ScaledOptions options;
  options.rows_per_micro = 20;
  options.counts = {2};
  options.refine_iterations = 0;
  return options;
}

TEST(Scaled, PatchesInWhichTheModelsRankAlikeBecomeOneCluster) {
  const World world = TwoNiches(800);
  const auto found = FitScaledCascal(world.embeddings(), world.scores, Small());
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->sizes.size(), 2U);
  std::size_t agree = 0;
  for (std::size_t i = 0; i < 800; ++i) {
    agree += (found->merged[i] == found->merged[0]) == (world.niche[i] == 0) ? 1 : 0;
  }
  EXPECT_GT(agree, 780U);
}

TEST(Scaled, TheNumberOfClustersIsTheOneThatPredictsHeldOutScoresBest) {
  const World world = TwoNiches(2000);
  ScaledOptions options = Small();
  options.counts = {1, 2, 16, 32};
  options.cluster_rows_min = 10;
  const auto found = FitScaledCascal(world.embeddings(), world.scores, options);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->sizes.size(), 2U);
  ASSERT_EQ(found->trials.size(), 4U);
  EXPECT_LT(found->trials[2].error, found->trials[3].error) << "two clusters beat one";
}

TEST(Scaled, TheNumberOfThreadsChangesNoByte) {
  const World world = TwoNiches(3000);
  ScaledOptions options = Small();
  options.counts = {2, 8};
  const auto one = FitScaledCascal(world.embeddings(), world.scores, options);
  options.threads = 3;
  const auto three = FitScaledCascal(world.embeddings(), world.scores, options);
  ASSERT_TRUE(one.ok() && three.ok());
  EXPECT_EQ(one->centroids, three->centroids);
  EXPECT_EQ(one->micro_centroids, three->micro_centroids);
  EXPECT_EQ(one->assignment, three->assignment);
}

TEST(Scaled, BrokenInputIsRefusedByTheRowThatBreaksIt) {
  World world = TwoNiches(100);
  const auto none = FitScaledCascal(Rows(std::span<const float>(), 8), {0, 4, {}}, Small());
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().reason, "no_rows");
  EXPECT_EQ(FitScaledCascal(world.embeddings(), {100, 0, {}}, Small()).error().reason, "no_models");
  world.rows[7 * World::kDimension] = std::numeric_limits<float>::quiet_NaN();
  const auto bad = FitScaledCascal(world.embeddings(), world.scores, Small());
  ASSERT_FALSE(bad.ok());
  EXPECT_THAT(bad.error().message, HasSubstr("row 7"));
  world = TwoNiches(100);
  world.scores.value[5 * 4 + 2] = 1.5;
  const auto score = FitScaledCascal(world.embeddings(), world.scores, Small());
  ASSERT_FALSE(score.ok());
  EXPECT_THAT(score.error().message, HasSubstr("row 5, model column 2"));
}

TEST(Scaled, DegenerateTablesGiveFewerClustersAndNoFault) {
  World world = TwoNiches(400);
  ScaledOptions options = Small();
  options.counts = {16, 2};
  std::vector<float> same;
  for (int i = 0; i < 400; ++i) same.insert(same.end(), world.rows.begin(), world.rows.begin() + 8);
  const auto duplicates = FitScaledCascal(Rows(same, 8), world.scores, options);
  ASSERT_TRUE(duplicates.ok());
  EXPECT_EQ(duplicates->sizes.size(), 1U);
  std::fill(world.scores.value.begin(), world.scores.value.end(), 1.0);
  const auto equal = FitScaledCascal(world.embeddings(), world.scores, options);
  ASSERT_TRUE(equal.ok());
  for (const double residual : equal->profiles.residual) EXPECT_NEAR(residual, 0, 1e-9);
  Scores single{400, 1, std::vector<double>(400, 0.5)};
  EXPECT_TRUE(FitScaledCascal(world.embeddings(), single, options).ok());
  std::fill(world.scores.value.begin(), world.scores.value.end(), kNan);
  EXPECT_TRUE(FitScaledCascal(world.embeddings(), world.scores, options).ok());
  const auto one = FitScaledCascal(Rows(std::span(world.rows).first(8), 8), {1, 4, {1, 0, 1, 0}}, options);
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(one->sizes, std::vector<std::uint32_t>{1});
}

TEST(Agglomeration, PartsOfAGraphThatDoNotTouchAreJoinedInTheEnd) {
  const std::vector<float> positions = {1, 0, 1, 0, 0, 1, 0, 1};
  const std::vector<double> sizes = {5, 5, 5, 5};
  Agglomeration merging(Rows(positions, 2), std::vector<double>(4, 0.0), sizes, 1, 1);
  merging.MergeDownTo(2);
  EXPECT_THAT(merging.Labels(0), ElementsAre(0, 0, 1, 1));
  merging.MergeDownTo(1);
  EXPECT_THAT(merging.Labels(0), ElementsAre(0, 0, 0, 0));
}

TEST(Agglomeration, AClusterWithTooFewRowsIsGivenToItsNeighbour) {
  const std::vector<float> positions = {1, 0, 0.6F, 0.8F, 0, 1};
  Agglomeration merging(Rows(positions, 2), std::vector<double>(3, 0.0), std::vector<double>{50, 3, 50}, 2, 1);
  EXPECT_THAT(merging.Labels(10), ElementsAre(0, 1, 1));
}

TEST(SkillProfile, LevelAndDifficultyAreTakenOut) {
  const World world = TwoNiches(800);
  const SkillProfiles profiles = FindSkillProfiles(world.scores, world.niche, 2, {}, {});
  for (std::size_t g = 0; g < 2; ++g) {
    double sum = 0;
    for (std::size_t m = 0; m < 4; ++m) sum += profiles.residual[g * 4 + m];
    EXPECT_NEAR(sum, 0, 1e-9);
  }
  EXPECT_GT(profiles.reliability[0], 0.95);
  EXPECT_LT(profiles.reliability[3], 0.5);
}

TEST(SkillProfile, NoiseAloneHasNoReliability) {
  SplitMix64 random(9);
  Scores scores{2000, 5, {}};
  std::vector<std::uint32_t> group;
  for (std::size_t i = 0; i < 2000; ++i) {
    group.push_back(static_cast<std::uint32_t>(i % 40));
    for (std::size_t m = 0; m < 5; ++m) scores.value.push_back(random.Unit() < 0.5 ? 1 : 0);
  }
  const SkillProfiles profiles = FindSkillProfiles(scores, group, 40, {}, {});
  for (const double reliability : profiles.reliability) EXPECT_LT(reliability, 0.6);
  CellOptions plain;
  CellOptions smooth;
  smooth.skill_rank = kSkillRank;
  double plain_error = 0;
  double smooth_error = 0;
  const CellTable by_model = ShrunkenCells(scores, group, 40, {}, plain);
  const CellTable by_skill = ShrunkenCells(scores, group, 40, {}, smooth);
  for (std::size_t k = 0; k < 40; ++k) {
    for (std::size_t m = 1; m < 5; ++m) {
      plain_error += std::pow(by_model.quality[k * 5 + m] - by_model.quality[k * 5], 2);
      smooth_error += std::pow(by_skill.quality[k * 5 + m] - by_skill.quality[k * 5], 2);
    }
  }
  EXPECT_LT(smooth_error, 0.5 * plain_error) << "differences between equal models are noise";
}

TEST(Cells, ARealRankingIsKeptAndACrowdsOneIsBelievedByHalf) {
  const World world = TwoNiches(4000);
  CellOptions smooth;
  smooth.skill_rank = kSkillRank;
  const auto full = ShrunkenCells(world.scores, world.niche, 2, {}, smooth);
  EXPECT_NEAR(full.quality[0], 0.9, 0.04);
  EXPECT_NEAR(full.quality[2], 0.2, 0.04);
  smooth.trust = kConsensusTrust;
  const auto half = ShrunkenCells(world.scores, world.niche, 2, {}, smooth);
  EXPECT_NEAR(half.quality[0] - half.quality[2], 0.5 * (full.quality[0] - full.quality[2]), 0.03);
}

TEST(ModelTree, RelativesAreJoinedFirstAndModelsWithoutVariationLast) {
  // Models 0 and 2 alike, 1 and 3 alike, 4 the same everywhere.
  const std::vector<double> residual = {1, -1, 0.9, -0.9, 0, -1, 1, -1, 1, 0, 0.5, -0.4, 0.5, -0.6, 0};
  const auto tree = ModelTree(residual, 3, 5, {});
  ASSERT_EQ(tree.size(), 4U);
  for (std::size_t s = 1; s < tree.size(); ++s) EXPECT_GE(tree[s].distance, tree[s - 1].distance);
  EXPECT_THAT(CutTree(tree, 5, 0.5), ElementsAre(0, 1, 0, 1, 2));
  EXPECT_THAT(CutTreeTo(tree, 5, 5), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_EQ(tree.back().size, 5U);
  EXPECT_TRUE(ModelTree(std::vector<double>{0.0}, 1, 1, {}).empty());
}

}  // namespace
}  // namespace pointsman::bootstrap
