#include "policy/belief/membership.h"

#include <gtest/gtest.h>

#include <cmath>

#include "policy/belief/prior.h"
#include "policy/belief/task_recogniser.h"
#include "policy/kernels/coarse.h"
#include "policy/kernels/nearest.h"
#include "policy/kernels/scan.h"
#include "tests/policy/choice/small_world.h"

namespace pointsman::policy {
namespace {

using testing::RandomBundle;
using testing::UnitRows;

TEST(Kernels, BaselineAndV3AgreeWithinFloatRounding) {
  if (!kernels::SupportsV3()) GTEST_SKIP() << "this processor has no AVX2";
  for (const std::size_t dimension : {0, 1, 7, 8, 9, 256, 384, 385}) {
    for (const std::size_t rows : {0, 1, 3, 4, 5, 64}) {
      const auto matrix = UnitRows(rows, dimension, 5);
      const auto query = UnitRows(1, dimension, 6);
      std::vector<float> a(rows);
      std::vector<float> b(rows);
      kernels::ScanBaseline(matrix.data(), rows, dimension, query.data(), a.data());
      kernels::ScanV3(matrix.data(), rows, dimension, query.data(), b.data());
      for (std::size_t r = 0; r < rows; ++r) {
        double exact = 0;
        for (std::size_t i = 0; i < dimension; ++i) {
          exact += static_cast<double>(matrix[r * dimension + i]) * static_cast<double>(query[i]);
        }
        EXPECT_NEAR(a[r], exact, 1e-5) << dimension << " x " << rows;
        EXPECT_NEAR(b[r], exact, 1e-5) << dimension << " x " << rows;
      }
    }
  }
}

TEST(Membership, WeightsSumToOneInAscendingClusterWithTheBackground) {
  const auto bundle = RandomBundle({}, 3);
  const auto queries = UnitRows(200, bundle->dimension(), 4);
  for (std::size_t q = 0; q < 200; ++q) {
    const auto found =
        FindMembership(*bundle, std::span(queries).subspan(q * bundle->dimension(), bundle->dimension()));
    ASSERT_EQ(found.clusters.size(), 4U);
    EXPECT_EQ(found.clusters[0].cluster, kBackground);
    double sum = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      EXPECT_GT(found.clusters[i].weight, 0);
      if (i > 0) {
        EXPECT_LT(found.clusters[i - 1].cluster, found.clusters[i].cluster);
      }
      sum += found.clusters[i].weight;
    }
    EXPECT_NEAR(sum, 1, 1e-12);
  }
}

TEST(Membership, AnchorsComeNearestFirstWithWeightsThatSumToOne) {
  const auto bundle = RandomBundle({}, 3);
  const auto queries = UnitRows(200, bundle->dimension(), 4);
  for (std::size_t q = 0; q < 200; ++q) {
    const auto found = FindAnchors(*bundle, std::span(queries).subspan(q * bundle->dimension(), bundle->dimension()));
    ASSERT_EQ(found.size(), 3U);
    EXPECT_GE(found[0].weight, found[1].weight);
    EXPECT_GE(found[1].weight, found[2].weight);
    EXPECT_NEAR(found[0].weight + found[1].weight + found[2].weight, 1, 1e-12);
  }
}

TEST(Membership, FollowsTheFormula) {
  Bundle bundle;
  bundle.embedder = {.kind = "caller", .dimension = 2, .digest = {}};
  bundle.centroids = {1, 0, 0, 1};
  bundle.cluster_names = {"right", "up"};
  bundle.membership_temperature = 0.5;
  bundle.background_similarity = 0.25;
  const std::vector<float> query = {0.6F, 0.8F};
  const auto found = FindMembershipExact(bundle, query);
  const double background = std::exp(0.5);
  const double right = std::exp(static_cast<double>(0.6F) / 0.5);
  const double up = std::exp(static_cast<double>(0.8F) / 0.5);
  const double total = background + right + up;
  ASSERT_EQ(found.clusters.size(), 3U);
  EXPECT_NEAR(found.clusters[0].weight, background / total, 1e-12);
  EXPECT_NEAR(found.clusters[1].weight, right / total, 1e-12);
  EXPECT_NEAR(found.clusters[2].weight, up / total, 1e-12);
  EXPECT_NEAR(found.nearest_similarity, 0.8, 1e-7);
  EXPECT_TRUE(FindAnchors(bundle, query).empty()) << "it has none";
}

TEST(Membership, RoutingAndFoldAgreeToTheLastBit) {
  const auto bundle = RandomBundle({.dimension = 96, .clusters = 300, .models = 2, .anchors = 500, .tasks = 100}, 8);
  const auto queries = UnitRows(100, bundle->dimension(), 9);
  for (std::size_t q = 0; q < 100; ++q) {
    const auto query = std::span(queries).subspan(q * bundle->dimension(), bundle->dimension());
    const auto fast = FindMembership(*bundle, query);
    const auto exact = FindMembershipExact(*bundle, query);
    EXPECT_EQ(fast.clusters, exact.clusters);
    EXPECT_EQ(RecogniseTasks(*bundle, query), RecogniseTasksExact(*bundle, query));
  }
}

// `count` rows near `centre`, at distance about `spread`.
std::vector<float> RowsNear(std::span<const float> centre, std::size_t count, double spread, std::uint64_t seed) {
  SplitMix64 random(seed);
  std::vector<float> rows;
  for (std::size_t r = 0; r < count; ++r) {
    for (const float value : centre) {
      rows.push_back(
          static_cast<float>(value + spread * random.Normal() / std::sqrt(static_cast<double>(centre.size()))));
    }
  }
  return rows;
}

void ExpectSameNearest(std::span<const float> rows, std::span<const float> bias, std::span<const float> query) {
  const kernels::CoarseRows coarse(rows, bias, query.size());
  const kernels::CoarseQuery rounded(query);
  for (const std::size_t count : {1, 3, 8}) {
    const auto found = coarse.Find(rounded, count);
    const auto exact = kernels::NearestExact(rows, bias, query, count);
    ASSERT_EQ(found.size(), exact.size());
    for (std::size_t i = 0; i < exact.size(); ++i) {
      EXPECT_EQ(found[i].row, exact[i].row) << "place " << i << " of " << count;
      EXPECT_EQ(found[i].score, exact[i].score);
    }
  }
}

TEST(CoarseRows, AgreeWithTheExactScanToTheLastBit) {
  for (const std::size_t dimension : {1, 2, 31, 32, 33, 256, 511, 1100}) {
    for (const std::size_t count : {0, 1, 2, 5, 64, 341, 2049}) {
      const auto query = UnitRows(1, dimension, 11);
      SCOPED_TRACE(::testing::Message() << dimension << " x " << count);
      ExpectSameNearest(UnitRows(count, dimension, 12), {}, query);
    }
  }
}

TEST(CoarseRows, AgreeWhereRowsAreTooCloseForEightBits) {
  if (kernels::Coarse().scan == nullptr)
    GTEST_SKIP() << "the baseline scans in floats, which these rows are too close for";
  const auto query = UnitRows(1, 256, 13);
  for (const double spread : {1.0, 0.1, 1e-2, 1e-4, 1e-7, 0.0}) {
    for (const std::size_t count : {20, 300}) {
      SCOPED_TRACE(::testing::Message() << count << " rows at " << spread << " from the query");
      ExpectSameNearest(RowsNear(query, count, spread, 14), {}, query);
    }
  }
}

TEST(CoarseRows, AgreeWithBiasesAndRowsOfEverySize) {
  SplitMix64 random(15);
  for (const double scale : {1e-6, 1.0, 1e3}) {
    for (const double offset : {0.0, 1.0, 1e4}) {
      auto rows = UnitRows(200, 64, 16);
      std::vector<float> bias;
      for (std::size_t r = 0; r < 200; ++r) {
        const double size = scale * random.Unit() * (r % 7 == 0 ? 0 : 1);
        for (std::size_t i = 0; i < 64; ++i) rows[r * 64 + i] = static_cast<float>(rows[r * 64 + i] * size);
        bias.push_back(static_cast<float>(offset * (r % 5 == 0 ? -1 : 1) + random.Unit() * scale));
      }
      rows[3] = static_cast<float>(50 * scale);  // one number that takes all the steps of its row
      SCOPED_TRACE(::testing::Message() << "scale " << scale << ", offset " << offset);
      for (std::uint64_t q = 0; q < 20; ++q) ExpectSameNearest(rows, bias, UnitRows(1, 64, 20 + q));
    }
  }
}

TEST(Membership, TheIndexFindsWhatTheFloatsFind) {
  const auto bundle = RandomBundle({.dimension = 96, .clusters = 300, .models = 2, .anchors = 500, .tasks = 100}, 8);
  const auto index = MakeSearchIndex(bundle);
  const auto queries = UnitRows(100, bundle->dimension(), 9);
  for (std::size_t q = 0; q < 100; ++q) {
    const auto query = std::span(queries).subspan(q * bundle->dimension(), bundle->dimension());
    const kernels::CoarseQuery coarse(query);
    const auto found = FindMembership(*index, coarse);
    const auto exact = FindMembershipExact(*bundle, query);
    EXPECT_EQ(found.clusters, exact.clusters);
    EXPECT_EQ(FindAnchors(*index, coarse), FindAnchors(*bundle, query));
    EXPECT_EQ(found.nearest_similarity, exact.nearest_similarity);
    EXPECT_EQ(RecogniseTasks(*index, coarse), RecogniseTasksExact(*bundle, query));
  }
}

TEST(Membership, TiesGoToTheSmallerNumber) {
  Bundle bundle;
  bundle.embedder = {.kind = "caller", .dimension = 2, .digest = {}};
  for (int k = 0; k < 9; ++k) {
    bundle.centroids.insert(bundle.centroids.end(), {1, 0});
    bundle.cluster_names.push_back(std::to_string(k));
  }
  const std::vector<float> query = {1, 0};
  for (const auto& found : {FindMembership(bundle, query), FindMembershipExact(bundle, query)}) {
    ASSERT_EQ(found.clusters.size(), 4U);
    for (std::uint32_t i = 0; i < 4; ++i) EXPECT_EQ(found.clusters[i].cluster.value, i);
  }
}

TEST(Membership, AnEmptyEmbeddingLiesInTheBackground) {
  const auto bundle = RandomBundle({}, 3);
  for (const auto& found :
       {FindMembership(*bundle, {}), FindMembershipExact(*bundle, {}), FindMembership(*ColdBundle(), {})}) {
    ASSERT_EQ(found.clusters.size(), 1U);
    EXPECT_EQ(found.clusters[0].cluster, kBackground);
    EXPECT_EQ(found.clusters[0].weight, 1);
  }
  EXPECT_TRUE(FindAnchors(*bundle, {}).empty());
  EXPECT_TRUE(RecogniseTasks(*bundle, {}).empty());
}

TEST(Membership, ATinyTemperaturePicksTheNearestWithoutOverflow) {
  auto bundle = RandomBundle({}, 3);
  bundle->membership_temperature = 1e-6;
  const auto query = std::span(bundle->centroids).first(bundle->dimension());
  const auto found = FindMembership(*bundle, query);
  EXPECT_EQ(found.clusters[1].cluster.value, 1U);
  EXPECT_EQ(found.clusters[1].weight, 1);
}

TEST(Recogniser, KeepsTheEightLikeliestRenormalised) {
  const auto bundle = RandomBundle({}, 3);
  const auto query = UnitRows(1, bundle->dimension(), 77);
  const auto tasks = RecogniseTasks(*bundle, query);
  ASSERT_EQ(tasks.size(), 8U);
  double sum = 0;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    sum += tasks[i].probability;
    if (i > 0) {
      EXPECT_GE(tasks[i - 1].probability, tasks[i].probability);
    }
  }
  EXPECT_NEAR(sum, 1, 1e-12);
}

TEST(Prior, BlendsTasksAndClusters) {
  const auto bundle = RandomBundle({}, 3);
  const ClusterWeights clusters = {{kBackground, .25}, {ClusterId{2}, .75}};
  const TaskProbabilities tasks = {{3, .6}, {1, .4}};
  const double by_cluster = .25 * bundle->skill(0, 1) + .75 * bundle->skill(2, 1);
  const double by_task = .6 * bundle->task_quality[3 * 4 + 1] + .4 * bundle->task_quality[1 * 4 + 1];
  EXPECT_NEAR(PriorQuality(*bundle, 1, clusters, tasks), .5 * by_task + .5 * by_cluster, 1e-15);
  EXPECT_NEAR(PriorQuality(*bundle, 1, clusters, {}), by_cluster, 1e-15) << "without tasks omega counts as 0";
}

TEST(Prior, OfAnUnknownModelIsTheMeanOfTheKnownMinusAPenalty) {
  const auto bundle = RandomBundle({}, 3);
  const ClusterWeights clusters = {{ClusterId{2}, 1.0}};
  double sum = 0;
  for (int m = 0; m < 4; ++m) sum += PriorQuality(*bundle, m, clusters, {});
  EXPECT_NEAR(PriorQuality(*bundle, -1, clusters, {}), sum / 4 - .05, 1e-15);
  EXPECT_NEAR(MeanPrior(*bundle, -1), .45, 1e-15);
  EXPECT_EQ(PriorQuality(*ColdBundle(), -1, {{kBackground, 1.0}}, {}), .5);
  EXPECT_EQ(MeanPrior(*ColdBundle(), -1), .5);
}

}  // namespace
}  // namespace pointsman::policy
