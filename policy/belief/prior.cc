#include "policy/belief/prior.h"

#include <algorithm>
#include <array>

#include "base/contract.h"

namespace pointsman::policy {

namespace {

constexpr double kUnknownModelPenalty = 0.05;
constexpr double kNothingKnown = 0.5;

double KnownPrior(const Bundle& bundle, std::size_t column, const ClusterWeights& clusters,
                  const TaskProbabilities& tasks, const HeadFeatures& head) {
  double rest = 1;
  double prior = 0;
  if (!tasks.empty() && bundle.task_share > 0) {
    double by_task = 0;
    for (const auto& entry : tasks) {
      by_task += entry.probability * bundle.task_quality[entry.task * bundle.models.size() + column];
    }
    prior += bundle.task_share * by_task;
    rest -= bundle.task_share;
  }
  if (!head.empty() && bundle.head_share > 0) {
    double by_head = bundle.head_bias[column];
    const float* loadings = bundle.head_loadings.data() + column * head.size();
    for (std::size_t r = 0; r < head.size(); ++r) by_head += static_cast<double>(loadings[r]) * head[r];
    prior += bundle.head_share * by_head;
    rest -= bundle.head_share;
  }
  double by_cluster = 0;
  for (const auto& entry : clusters) by_cluster += entry.weight * bundle.skill(entry.cluster.value, column);
  return prior + rest * by_cluster;
}

}  // namespace

HeadFeatures ProjectHead(const Bundle& bundle, std::span<const float> embedding) {
  HeadFeatures features;
  const std::size_t rank = bundle.head_rank();
  if (embedding.empty() || rank == 0 || bundle.head_share == 0) return features;
  REQUIRE(embedding.size() == bundle.dimension() && rank <= kHeadRankMax, "the embedding has the bundle's dimension");
  // Sums over the dimensions side by side: each has its own order whatever the
  // compiler vectorises.
  std::array<double, kHeadRankMax> sum{};
  const float* basis = bundle.head_basis.data();
  if (rank == kHeadRankMax) {
    for (const float value : embedding) {
      const auto x = static_cast<double>(value);
      for (std::size_t r = 0; r < kHeadRankMax; ++r) sum[r] += x * static_cast<double>(basis[r]);
      basis += kHeadRankMax;
    }
  } else {
    for (const float value : embedding) {
      const auto x = static_cast<double>(value);
      for (std::size_t r = 0; r < rank; ++r) sum[r] += x * static_cast<double>(basis[r]);
      basis += rank;
    }
  }
  for (std::size_t r = 0; r < rank; ++r) features.push_back(sum[r]);
  return features;
}

double PriorQuality(const Bundle& bundle, int column, const ClusterWeights& clusters, const TaskProbabilities& tasks,
                    const HeadFeatures& head) {
  const std::size_t columns = bundle.models.size();
  if (column >= 0) {
    const auto known = static_cast<std::size_t>(column);
    REQUIRE(known < columns, "column of the bundle");
    return std::clamp(KnownPrior(bundle, known, clusters, tasks, head), 0.0, 1.0);
  }
  if (columns == 0) return kNothingKnown;
  double sum = 0;
  for (std::size_t m = 0; m < columns; ++m) sum += KnownPrior(bundle, m, clusters, tasks, head);
  return std::clamp(sum / static_cast<double>(columns) - kUnknownModelPenalty, 0.0, 1.0);
}

double MeanPrior(const Bundle& bundle, int column) {
  const std::size_t columns = bundle.models.size();
  if (column >= 0) {
    const auto known = static_cast<std::size_t>(column);
    REQUIRE(known < columns, "column of the bundle");
    return bundle.mean_prior[known];
  }
  if (columns == 0) return kNothingKnown;
  double sum = 0;
  for (const double mean : bundle.mean_prior) sum += mean;
  return std::clamp(sum / static_cast<double>(columns) - kUnknownModelPenalty, 0.0, 1.0);
}

}  // namespace pointsman::policy
