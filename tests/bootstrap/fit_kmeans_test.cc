#include <gtest/gtest.h>

#include <cmath>

#include "base/unit_draw.h"
#include "bootstrap/fit/cells.h"
#include "bootstrap/fit/kmeans.h"
#include "bootstrap/fit/recogniser.h"

namespace pointsman::bootstrap {
namespace {

// `per` unit rows around each of `centres` axes of 8 dimensions.
std::vector<float> Planted(std::size_t centres, std::size_t per, double spread, std::uint64_t seed) {
  SplitMix64 random(seed);
  std::vector<float> values;
  for (std::size_t i = 0; i < centres * per; ++i) {
    std::vector<float> row(8);
    for (float& value : row) value = static_cast<float>(spread * random.Normal());
    row[i % centres] += 1;
    Normalise(row);
    values.insert(values.end(), row.begin(), row.end());
  }
  return values;
}

TEST(SphericalKMeans, PlantedClustersAreRecovered) {
  const auto values = Planted(4, 50, 0.1, 3);
  const KMeansFit fit = FitSphericalKMeans(Rows(values, 8), {.clusters = 4, .seed = 1});
  ASSERT_EQ(fit.count(), 4U);
  for (std::size_t i = 0; i < 200; ++i) EXPECT_EQ(fit.assignment[i], fit.assignment[i % 4]);
  for (const auto size : fit.sizes) EXPECT_EQ(size, 50U);
}

TEST(KMeans, PlantedClustersAreRecoveredAndTheSeedDecidesTheBytes) {
  const auto values = Planted(3, 40, 0.1, 5);
  const KMeansFit fit = FitKMeans(Rows(values, 8), {}, {.clusters = 3, .seed = 2});
  const KMeansFit again = FitKMeans(Rows(values, 8), {}, {.clusters = 3, .seed = 2});
  EXPECT_EQ(fit.centroids, again.centroids);
  for (std::size_t i = 0; i < 120; ++i) EXPECT_EQ(fit.assignment[i], fit.assignment[i % 3]);
}

TEST(KMeans, CentroidsAreWeightedMeans) {
  const std::vector<float> values = {0, 0, 1, 0, 10, 0, 11, 0};
  const std::vector<double> weights = {3, 1, 1, 1};
  const KMeansFit fit = FitKMeans(Rows(values, 2), weights, {.clusters = 2});
  const std::size_t left = fit.assignment[0];
  EXPECT_FLOAT_EQ(fit.centroids[2 * left], 0.25F);
  EXPECT_FLOAT_EQ(fit.centroids[2 * (1 - left)], 10.5F);
}

TEST(KMeans, EqualRowsGiveOneCentroidHoweverManyAreAskedFor) {
  std::vector<float> values;
  for (int i = 0; i < 10; ++i) values.insert(values.end(), {0.6F, 0.8F});
  EXPECT_EQ(FitKMeans(Rows(values, 2), {}, {.clusters = 4}).count(), 1U);
  EXPECT_EQ(FitSphericalKMeans(Rows(values, 2), {.clusters = 4}).count(), 1U);
}

TEST(Silhouette, AgreesWithTheDefinition) {
  const auto values = Planted(2, 6, 0.3, 9);
  const Rows rows(values, 8);
  std::vector<std::uint32_t> assignment;
  for (std::uint32_t i = 0; i < 12; ++i) assignment.push_back(i % 2);
  double expected = 0;
  for (std::size_t i = 0; i < 12; ++i) {
    double sums[2] = {0, 0};
    for (std::size_t j = 0; j < 12; ++j) {
      double dot = 0;
      for (std::size_t k = 0; k < 8; ++k)
        dot += static_cast<double>(rows.row(i)[k]) * static_cast<double>(rows.row(j)[k]);
      if (i != j) sums[j % 2] += 1 - dot;
    }
    const double inner = sums[i % 2] / 5;
    const double outer = sums[1 - i % 2] / 6;
    expected += (outer - inner) / std::max(inner, outer) / 12;
  }
  EXPECT_NEAR(MeanSilhouette(rows, assignment, 2), expected, 1e-5);
}

TEST(Cells, AgreeWithTheFormulaByHand) {
  // Two items in group 0, one in group 1; two models, n0 = 20.
  const Scores scores{3, 2, {1, 0, 1, 1, 0, 1}};
  const std::vector<std::uint32_t> group = {0, 0, 1};
  const CellTable cells = ShrunkenCells(scores, group, 2, {}, {.pseudo_count = 20});
  const double g = 2.0 / 3;  // both models
  EXPECT_NEAR(cells.overall[0], g, 1e-12);
  EXPECT_NEAR(cells.overall[1], g, 1e-12);
  const double eta = ((1 + 0 - 2 * g) + (1 + 1 - 2 * g)) / 2 / (2 + 5);
  EXPECT_NEAR(cells.quality[0], (2 + 20 * (g + eta)) / 22, 1e-12);
  EXPECT_NEAR(cells.quality[1], (1 + 20 * (g + eta)) / 22, 1e-12);
}

TEST(Cells, AnItemThatCountsTwiceIsLikeTwoAndLevelsStayThoseOfAllItemsAlike) {
  const std::vector<std::uint32_t> group = {0, 0, 1, 1};
  Scores twice{4, 2, {1, 0, 0, 1, 1, 1, 0, 0}};
  twice.weight = {1, .5, .5, .5};
  // The same with the first item doubled, all weights halved.
  const Scores copied{5, 2, {1, 0, 1, 0, 0, 1, 1, 1, 0, 0}};
  CellOptions options;
  options.pseudo_count = 4;
  const CellTable copy = ShrunkenCells(copied, std::vector<std::uint32_t>{0, 0, 0, 1, 1}, 2, {}, options);
  options.pseudo_count = 2;
  const CellTable cells = ShrunkenCells(twice, group, 2, {}, options);
  EXPECT_EQ(cells.overall[0], .5);
  for (std::size_t k = 0; k < 2; ++k) {
    for (std::size_t m = 0; m < 2; ++m) {
      EXPECT_NEAR(cells.quality[k * 2 + m] - cells.overall[m], copy.quality[k * 2 + m] - copy.overall[m], 1e-12);
    }
  }
}

TEST(Cells, AModelWithoutScoresGetsTheMeanOfTheOthers) {
  const double nan = std::nan("");
  const Scores scores{2, 2, {1, nan, 0.5, nan}};
  const CellTable cells = ShrunkenCells(scores, std::vector<std::uint32_t>{0, 0}, 1, {}, {});
  EXPECT_NEAR(cells.overall[1], 0.75, 1e-12);
  EXPECT_NEAR(cells.quality[1], 0.75, 1e-12);
}

TEST(Recogniser, LearnsPlantedTasksAndIsDeterministic) {
  const auto values = Planted(4, 60, 0.25, 4);
  std::vector<std::uint32_t> task;
  for (std::uint32_t i = 0; i < 240; ++i) task.push_back(i % 9 == 0 ? kNoGroup : i % 4);
  const Recogniser fit = FitRecogniser(Rows(values, 8), task, 4, {}, {.seed = 3});
  const Recogniser again = FitRecogniser(Rows(values, 8), task, 4, {}, {.seed = 3});
  EXPECT_EQ(fit.weights, again.weights);
  const auto fresh = Planted(4, 25, 0.25, 8);
  int right = 0;
  for (std::size_t i = 0; i < 100; ++i) {
    const auto p = fit.Probabilities(std::span(fresh).subspan(i * 8, 8));
    double total = 0;
    for (const double value : p) total += value;
    EXPECT_NEAR(total, 1, 1e-9);
    right += std::max_element(p.begin(), p.end()) - p.begin() == static_cast<std::ptrdiff_t>(i % 4) ? 1 : 0;
  }
  EXPECT_GT(right, 90);
}

}  // namespace
}  // namespace pointsman::bootstrap
