#include "bootstrap/job/task_tables.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/contract.h"
#include "base/unit_draw.h"

namespace pointsman::bootstrap {
namespace {

constexpr std::size_t kRecogniserRowsMax = 4000;  // per fit: bounds the time, loses nothing measurable

Recogniser Fit(const Rows& embeddings, const TaskTypes& types, std::span<const std::size_t> use, std::size_t rows_max,
               std::uint64_t seed) {
  use = use.first(std::min(use.size(), rows_max));
  const bool any = std::any_of(use.begin(), use.end(), [&](std::size_t i) { return types.of_row[i] != kNoGroup; });
  const std::size_t count = types.names.size();
  if (!any) {
    return {count, embeddings.dimension, std::vector<float>(count * embeddings.dimension, 0),
            std::vector<float>(count, 0)};
  }
  RecogniserOptions options;
  options.seed = seed;
  return FitRecogniser(embeddings, types.of_row, count, use, options);
}

}  // namespace

TaskTypes FindTaskTypes(std::span<const std::string> tasks) {
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

Recogniser FitTaskRecogniser(const Rows& embeddings, const TaskTypes& types, std::span<const std::size_t> use,
                             std::uint64_t seed) {
  return Fit(embeddings, types, use, kRecogniserRowsMax, seed);
}

void FillTaskTables(const Rows& embeddings, const TaskTypes& types, const Scores& scores, const CellOptions& cells,
                    std::uint64_t seed, policy::Bundle& bundle) {
  REQUIRE(types.names.size() >= 2, "at least two task types");
  std::vector<std::size_t> order(embeddings.count());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  SplitMix64 random(seed);
  Shuffle(order, random);
  Recogniser recogniser = Fit(embeddings, types, order, 2 * kRecogniserRowsMax, seed);
  bundle.task_names = types.names;
  bundle.task_weights = std::move(recogniser.weights);
  bundle.task_bias = std::move(recogniser.bias);
  bundle.task_quality = ShrunkenCells(scores, types.of_row, types.names.size(), {}, cells).quality;
}

}  // namespace pointsman::bootstrap
