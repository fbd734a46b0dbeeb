// The ridge head and the blend of the prior's parts.
#include "bootstrap/job/prior_blend.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/unit_draw.h"
#include "bootstrap/fit/kmeans.h"
#include "bootstrap/fit/ridge.h"
#include "policy/belief/prior.h"

namespace pointsman::bootstrap {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct World {
  std::size_t dimension = 6;
  std::vector<float> vectors;
  Scores scores;
  std::vector<std::uint32_t> fold;
  Rows rows() const { return Rows(vectors, dimension); }
};

// Unit vectors; model m's score is .5 + .3 q_m plus noise.
World LinearWorld(std::size_t items, std::size_t models, double noise) {
  World world;
  world.scores = {items, models, {}};
  SplitMix64 random(3);
  for (std::size_t i = 0; i < items; ++i) {
    std::vector<float> q;
    for (std::size_t j = 0; j < world.dimension; ++j) q.push_back(static_cast<float>(random.Unit() - .5));
    Normalise(q);
    for (std::size_t m = 0; m < models; ++m) {
      const double truth = .5 + .3 * static_cast<double>(q[m % world.dimension]);
      world.scores.value.push_back(std::clamp(truth + noise * (random.Unit() - .5), 0.0, 1.0));
    }
    world.vectors.insert(world.vectors.end(), q.begin(), q.end());
    world.fold.push_back(static_cast<std::uint32_t>(i % 5));
  }
  return world;
}

TEST(Ridge, WithoutNoiseFindsWeightsAndIntercept) {
  const World world = LinearWorld(400, 3, 0);
  const RidgeHead head = RidgeMoments(world.rows(), world.scores, world.fold, 5).Fit(1e-6, 5);
  for (std::size_t m = 0; m < 3; ++m) {
    EXPECT_NEAR(head.bias[m], .5, 1e-6);
    for (std::size_t j = 0; j < 6; ++j) EXPECT_NEAR(head.weights[m * 6 + j], j == m ? .3 : 0, 1e-6);
  }
}

TEST(Ridge, AFoldLeftOutIsAFitOfTheOtherRows) {
  const World world = LinearWorld(50, 2, .3);
  const RidgeHead without = RidgeMoments(world.rows(), world.scores, world.fold, 5).Fit(2, 1);
  World rest;
  rest.scores = {0, 2, {}};
  for (std::size_t i = 0; i < 50; ++i) {
    if (world.fold[i] == 1) continue;
    const auto row = world.rows().row(i);
    rest.vectors.insert(rest.vectors.end(), row.begin(), row.end());
    for (std::size_t m = 0; m < 2; ++m) rest.scores.value.push_back(world.scores.at(i, m));
    ++rest.scores.items;
    rest.fold.push_back(0);
  }
  const RidgeHead direct = RidgeMoments(rest.rows(), rest.scores, rest.fold, 1).Fit(2, 1);
  for (std::size_t k = 0; k < direct.weights.size(); ++k) EXPECT_NEAR(without.weights[k], direct.weights[k], 1e-9);
}

TEST(Ridge, AModelWithGapsIsFittedOnItsOwnRowsAndOneWithoutRowsGetsTheMeanLevel) {
  World world = LinearWorld(400, 3, 0);
  for (std::size_t i = 0; i < 400; ++i) {
    if (i % 3 == 0) world.scores.value[i * 3 + 1] = kNan;
    world.scores.value[i * 3 + 2] = kNan;
  }
  const RidgeHead head = RidgeMoments(world.rows(), world.scores, world.fold, 5).Fit(1e-6, 5);
  EXPECT_NEAR(head.weights[6 + 1], .3, 1e-6);
  EXPECT_NEAR(head.bias[2], .5, 1e-6);
  for (std::size_t j = 0; j < 6; ++j) EXPECT_EQ(head.weights[12 + j], 0);
}

TEST(Ridge, AllRowsEqualGiveTheMeansAndNoWeights) {
  World world = LinearWorld(30, 2, .3);
  for (std::size_t i = 0; i < 30; ++i)
    std::copy_n(world.vectors.begin(), 6, world.vectors.begin() + 6 * static_cast<long>(i));
  const RidgeHead head = RidgeMoments(world.rows(), world.scores, world.fold, 5).Fit(3, 5);
  double mean = 0;
  for (std::size_t i = 0; i < 30; ++i) mean += world.scores.at(i, 0) / 30;
  EXPECT_NEAR(head.At(world.rows().row(0), 0), mean, 1e-6);
  for (const double weight : head.weights) EXPECT_NEAR(weight, 0, 1e-6);
}

TEST(Ridge, AFactorisationOfFullRankIsExactAndOfLowerRankHasFewerNumbers) {
  const World world = LinearWorld(200, 8, .4);  // more models than dimensions
  const RidgeHead head = RidgeMoments(world.rows(), world.scores, world.fold, 5).Fit(2, 5);
  const FactorisedHead full = Factorise(head, 16);
  ASSERT_EQ(full.rank, 6U);
  for (std::size_t m = 0; m < 8; ++m) {
    for (std::size_t j = 0; j < 6; ++j) {
      double product = 0;
      for (std::size_t r = 0; r < 6; ++r) {
        product += static_cast<double>(full.loadings[m * 6 + r]) * static_cast<double>(full.basis[j * 6 + r]);
      }
      EXPECT_NEAR(product, head.weights[m * 6 + j], 1e-6);
    }
  }
  EXPECT_EQ(Factorise(head, 2).basis.size(), 12U);
}

policy::Bundle OneCluster(const World& world) {
  policy::Bundle bundle;
  bundle.embedder.kind = "caller";
  bundle.embedder.dimension = static_cast<std::uint32_t>(world.dimension);
  bundle.centroids.assign(world.dimension, 0);
  bundle.centroids[0] = 1;
  bundle.cluster_names = {"all"};
  const auto items = static_cast<std::uint32_t>(world.scores.items);
  bundle.cluster_sizes = {items, items};
  for (std::size_t m = 0; m < world.scores.models; ++m) bundle.models.push_back("m" + std::to_string(m));
  const std::vector<std::uint32_t> group(world.scores.items, 0);
  const CellTable cells = ShrunkenCells(world.scores, group, 1, {}, {});
  bundle.skills = cells.overall;
  bundle.skills.insert(bundle.skills.end(), cells.quality.begin(), cells.quality.end());
  bundle.tokens.resize(world.scores.models);
  bundle.mean_prior.assign(world.scores.models, .5);
  return bundle;
}

void Fill(const World& world, policy::Bundle& bundle) {
  const std::vector<std::uint32_t> group(world.scores.items, 0);
  BlendInputs inputs;
  inputs.embeddings = world.rows();
  inputs.cluster = group;
  inputs.scores = &world.scores;
  FillPriorBlend(inputs, bundle);
}

TEST(PriorBlend, WhereQualityIsLinearInTheEmbeddingTheHeadHasNearlyAllOfIt) {
  const World world = LinearWorld(800, 3, .2);
  policy::Bundle bundle = OneCluster(world);
  Fill(world, bundle);
  EXPECT_GT(bundle.head_share, .9);
  EXPECT_EQ(bundle.task_share, 0);
  ASSERT_TRUE(policy::ValidateBundle(bundle).ok()) << policy::ValidateBundle(bundle).error().message;
  const auto row = world.rows().row(7);
  const auto clusters = policy::FindMembership(bundle, row).clusters;
  const auto head = policy::ProjectHead(bundle, row);
  for (int m = 0; m < 3; ++m) {
    EXPECT_NEAR(policy::PriorQuality(bundle, m, clusters, {}, head),
                .5 + .3 * static_cast<double>(row[static_cast<std::size_t>(m)]), .04);
  }
}

TEST(PriorBlend, WithoutAnEmbeddingTheClustersHaveTheWholeShare) {
  const World world = LinearWorld(800, 3, .2);
  policy::Bundle bundle = OneCluster(world);
  Fill(world, bundle);
  EXPECT_TRUE(policy::ProjectHead(bundle, {}).empty());
  const policy::ClusterWeight background{kBackground, 1};
  EXPECT_EQ(policy::PriorQuality(bundle, 1, {background}, {}, policy::ProjectHead(bundle, {})), bundle.skills[1]);
}

TEST(PriorBlend, AllScoresEqualOrASingleModelAreNoHazard) {
  World world = LinearWorld(60, 1, .2);
  for (double& score : world.scores.value) score = .25;
  policy::Bundle bundle = OneCluster(world);
  Fill(world, bundle);
  EXPECT_TRUE(policy::ValidateBundle(bundle).ok());
}

}  // namespace
}  // namespace pointsman::bootstrap
