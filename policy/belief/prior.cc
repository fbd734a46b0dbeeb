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

// The value of the columns that make the prior.
template <typename Value>
double OverColumns(const Bundle& bundle, const PriorColumns& columns, Value value) {
  const std::size_t count = bundle.models.size();
  if (columns.own >= 0) {
    const auto known = static_cast<std::size_t>(columns.own);
    REQUIRE(known < count, "column of the bundle");
    return std::clamp(value(known), 0.0, 1.0);
  }
  double sum = 0;
  for (const int column : columns.like) sum += value(static_cast<std::size_t>(column));
  if (!columns.like.empty()) return std::clamp(sum / static_cast<double>(columns.like.size()), 0.0, 1.0);
  if (count == 0) return kNothingKnown;
  for (std::size_t m = 0; m < count; ++m) sum += value(m);
  return std::clamp(sum / static_cast<double>(count) - kUnknownModelPenalty, 0.0, 1.0);
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

PriorColumns::PriorColumns(const Bundle& bundle, const Model& model) : own(bundle.Column(model.name)) {
  if (own >= 0) return;
  for (const std::string& name : model.like) {
    const int column = bundle.Column(name);
    if (column >= 0 && !like.full()) like.push_back(column);
  }
}

double PriorQuality(const Bundle& bundle, const PriorColumns& columns, const ClusterWeights& clusters,
                    const TaskProbabilities& tasks, const HeadFeatures& head) {
  return OverColumns(bundle, columns,
                     [&](std::size_t column) { return KnownPrior(bundle, column, clusters, tasks, head); });
}

double MeanPrior(const Bundle& bundle, const PriorColumns& columns) {
  return OverColumns(bundle, columns, [&](std::size_t column) { return bundle.mean_prior[column]; });
}

double AboveAll(const Bundle& bundle, double mean_prior) {
  if (bundle.mean_prior.empty()) return 0;
  double sum = 0;
  for (const double mean : bundle.mean_prior) sum += mean;
  return mean_prior - sum / static_cast<double>(bundle.mean_prior.size());
}

}  // namespace pointsman::policy
