#include "bootstrap/job/task_tables.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>

#include "base/unit_draw.h"
#include "bootstrap/fit/recogniser.h"
#include "policy/belief/membership.h"

namespace pointsman::bootstrap {
namespace {

constexpr std::size_t kFolds = 5;
constexpr std::size_t kRecogniserRowsMax = 4000;  // per fit: bounds the time, loses nothing measurable
constexpr std::array<double, 5> kShares = {0, 0.25, 0.5, 0.75, 1};

struct TaskTypes {
  std::vector<std::string> names;
  std::vector<std::uint32_t> of_row;
};

TaskTypes FindTypes(std::span<const std::string> tasks) {
  std::map<std::string, std::size_t> count;
  for (const std::string& task : tasks) {
    if (!task.empty() && task.size() <= 256) ++count[task];
  }
  std::vector<std::pair<std::size_t, std::string>> common;
  for (const auto& [task, rows] : count) {
    if (rows >= kTaskRowsMin) common.emplace_back(rows, task);
  }
  std::sort(common.begin(), common.end(),
            [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
  if (common.size() > kTaskTypesMax) common.resize(kTaskTypesMax);
  TaskTypes types;
  for (const auto& entry : common) types.names.push_back(entry.second);
  std::sort(types.names.begin(), types.names.end());
  for (const std::string& task : tasks) {
    const auto at = std::lower_bound(types.names.begin(), types.names.end(), task);
    const bool known = at != types.names.end() && *at == task;
    types.of_row.push_back(known ? static_cast<std::uint32_t>(at - types.names.begin()) : kNoGroup);
  }
  return types;
}

// Squared errors of predictions that mix the cluster and the task prior.
class ShareErrors {
 public:
  void Add(double cluster_prior, double task_prior, double score) {
    for (std::size_t s = 0; s < kShares.size(); ++s) {
      const double gap = kShares[s] * task_prior + (1 - kShares[s]) * cluster_prior - score;
      error_[s] += gap * gap;
    }
  }
  double Best() const {
    return kShares[static_cast<std::size_t>(std::min_element(error_.begin(), error_.end()) - error_.begin())];
  }

 private:
  std::array<double, kShares.size()> error_{};
};

std::vector<std::size_t> AtMost(std::vector<std::size_t> rows, std::size_t count) {
  if (rows.size() > count) rows.resize(count);
  return rows;
}

}  // namespace

void FillTaskTables(const Rows& embeddings, std::span<const std::string> tasks, std::span<const std::uint32_t> cluster,
                    const Scores& scores, const CellOptions& cells, std::uint64_t seed, policy::Bundle& bundle) {
  const TaskTypes types = FindTypes(tasks);
  bundle.task_share = 0;
  if (types.names.size() < 2) return;
  const std::size_t type_count = types.names.size();
  std::vector<std::size_t> order(embeddings.count());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  SplitMix64 random(seed);
  Shuffle(order, random);
  RecogniserOptions fit;
  fit.seed = seed;
  ShareErrors errors;
  for (std::size_t fold = 0; fold < kFolds; ++fold) {
    std::vector<std::size_t> train;
    std::vector<std::size_t> test;
    bool any_task = false;
    for (std::size_t rank = 0; rank < order.size(); ++rank) {
      (rank % kFolds == fold ? test : train).push_back(order[rank]);
    }
    const std::vector<std::size_t> fitted_on = AtMost(train, kRecogniserRowsMax);
    for (const std::size_t i : fitted_on) any_task = any_task || types.of_row[i] != kNoGroup;
    if (!any_task || test.empty()) continue;
    const Recogniser recogniser = FitRecogniser(embeddings, types.of_row, type_count, fitted_on, fit);
    const CellTable by_task = ShrunkenCells(scores, types.of_row, type_count, train, cells);
    const CellTable by_cluster = ShrunkenCells(scores, cluster, bundle.cluster_count(), train, cells);
    for (const std::size_t i : test) {
      const auto weights = policy::FindMembership(bundle, embeddings.row(i)).clusters;
      const std::vector<double> p = recogniser.Probabilities(embeddings.row(i));
      for (std::size_t m = 0; m < scores.models; ++m) {
        if (std::isnan(scores.at(i, m))) continue;
        double cluster_prior = 0;
        for (const auto& entry : weights) {
          const bool background = entry.cluster == kBackground;
          const std::size_t row = background ? 0 : entry.cluster.value - 1;
          cluster_prior +=
              entry.weight * (background ? by_cluster.overall[m] : by_cluster.quality[row * scores.models + m]);
        }
        double task_prior = 0;
        for (std::size_t t = 0; t < type_count; ++t) task_prior += p[t] * by_task.quality[t * scores.models + m];
        errors.Add(cluster_prior, task_prior, scores.at(i, m));
      }
    }
  }
  const Recogniser recogniser =
      FitRecogniser(embeddings, types.of_row, type_count, AtMost(order, 2 * kRecogniserRowsMax), fit);
  bundle.task_names = types.names;
  bundle.task_weights = recogniser.weights;
  bundle.task_bias = recogniser.bias;
  bundle.task_quality = ShrunkenCells(scores, types.of_row, type_count, {}, cells).quality;
  bundle.task_share = errors.Best();
}

}  // namespace pointsman::bootstrap
