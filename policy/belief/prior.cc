#include "policy/belief/prior.h"

#include <algorithm>

#include "base/contract.h"

namespace pointsman::policy {

namespace {

constexpr double kUnknownModelPenalty = 0.05;
constexpr double kNothingKnown = 0.5;

double KnownPrior(const Bundle& bundle, std::size_t column, const ClusterWeights& clusters,
                  const TaskProbabilities& tasks) {
  double by_cluster = 0;
  for (const auto& entry : clusters) by_cluster += entry.weight * bundle.skill(entry.cluster.value, column);
  if (tasks.empty()) return by_cluster;
  double by_task = 0;
  for (const auto& entry : tasks) {
    by_task += entry.probability * bundle.task_quality[entry.task * bundle.models.size() + column];
  }
  return bundle.task_share * by_task + (1 - bundle.task_share) * by_cluster;
}

}  // namespace

double PriorQuality(const Bundle& bundle, int column, const ClusterWeights& clusters, const TaskProbabilities& tasks) {
  const std::size_t columns = bundle.models.size();
  if (column >= 0) {
    const auto known = static_cast<std::size_t>(column);
    REQUIRE(known < columns, "column of the bundle");
    return std::clamp(KnownPrior(bundle, known, clusters, tasks), 0.0, 1.0);
  }
  if (columns == 0) return kNothingKnown;
  double sum = 0;
  for (std::size_t m = 0; m < columns; ++m) sum += KnownPrior(bundle, m, clusters, tasks);
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
