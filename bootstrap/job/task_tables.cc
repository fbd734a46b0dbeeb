#include "bootstrap/job/task_tables.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/contract.h"
#include "base/unit_draw.h"
#include "bootstrap/fit/kmeans.h"
#include "bootstrap/fit/trouter_dual.h"

namespace pointsman::bootstrap {
namespace {

constexpr std::size_t kRowsPerLatentType = 40;
constexpr double kLatentRecognition = 0.1;
constexpr std::size_t kRecogniserRowsMax = 4000;  // per fit: bounds the time, loses nothing measurable

// The middle of each type's rows: where the learned vectors start.
std::vector<float> Middles(const Rows& embeddings, const TaskTypes& types, std::span<const std::size_t> use) {
  std::vector<float> middles(types.names.size() * embeddings.dimension, 0);
  for (const std::size_t i : use) {
    if (types.of_row[i] == kNoGroup) continue;
    const auto row = embeddings.row(i);
    float* middle = middles.data() + types.of_row[i] * embeddings.dimension;
    for (std::size_t j = 0; j < row.size(); ++j) middle[j] += row[j];
  }
  for (std::size_t t = 0; t < types.names.size(); ++t) {
    Normalise(std::span(middles).subspan(t * embeddings.dimension, embeddings.dimension));
  }
  return middles;
}

TaskModel Fit(const Rows& embeddings, const TaskTypes& types, const Scores& scores, const CellOptions& cells,
              std::span<const std::size_t> use, std::size_t rows_max, TaskRecogniser method, std::uint64_t seed) {
  const std::size_t count = types.names.size();
  TaskModel model;
  model.quality = ShrunkenCells(scores, types.of_row, count, use, cells).quality;
  use = use.first(std::min(use.size(), rows_max));
  const bool any = std::any_of(use.begin(), use.end(), [&](std::size_t i) { return types.of_row[i] != kNoGroup; });
  if (!any) {
    model.recogniser = {count, embeddings.dimension, std::vector<float>(count * embeddings.dimension, 0),
                        std::vector<float>(count, 0)};
    return model;
  }
  if (method == TaskRecogniser::kDual) {
    DualOptions options;
    options.seed = seed;
    if (types.latent) options.recognition = kLatentRecognition;
    const TrouterRows rows{embeddings, types.of_row, {&scores}};
    const std::vector<float> middles = Middles(embeddings, types, use);
    auto fit = FitDualEncoder(rows, count, Rows(middles, embeddings.dimension), cells, use, options);
    if (fit.ok()) return {std::move(fit->recogniser), std::move(fit->tables[0])};
  }
  RecogniserOptions options;
  options.seed = seed;
  model.recogniser = FitRecogniser(embeddings, types.of_row, count, use, options);
  return model;
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

TaskTypes FindLatentTypes(const Rows& embeddings, std::uint64_t seed) {
  TaskTypes types;
  KMeansOptions options;
  options.clusters = std::min(embeddings.count() / kRowsPerLatentType, kTaskTypesMax);
  options.seed = seed + 2;
  options.iterations_max = 30;
  types.latent = true;
  types.of_row.assign(embeddings.count(), kNoGroup);
  if (options.clusters < 2) return types;
  KMeansFit fit = FitSphericalKMeans(embeddings, options);
  for (std::size_t t = 0; t < fit.sizes.size(); ++t) {
    types.names.push_back((t < 9 ? "latent-0" : "latent-") + std::to_string(t + 1));
  }
  types.of_row = std::move(fit.assignment);
  return types;
}

TaskModel FitTaskModel(const Rows& embeddings, const TaskTypes& types, const Scores& scores, const CellOptions& cells,
                       std::span<const std::size_t> use, TaskRecogniser method, std::uint64_t seed) {
  return Fit(embeddings, types, scores, cells, use, kRecogniserRowsMax, method, seed);
}

void FillTaskTables(const Rows& embeddings, const TaskTypes& types, const Scores& scores, const CellOptions& cells,
                    TaskRecogniser method, std::uint64_t seed, policy::Bundle& bundle) {
  REQUIRE(types.names.size() >= 2, "at least two task types");
  std::vector<std::size_t> order(embeddings.count());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  SplitMix64 random(seed);
  Shuffle(order, random);
  TaskModel model = Fit(embeddings, types, scores, cells, order, 2 * kRecogniserRowsMax, method, seed);
  bundle.task_names = types.names;
  bundle.task_weights = std::move(model.recogniser.weights);
  bundle.task_bias = std::move(model.recogniser.bias);
  bundle.task_quality = std::move(model.quality);
}

}  // namespace pointsman::bootstrap
