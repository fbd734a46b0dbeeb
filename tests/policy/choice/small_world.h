// A small hand-made bundle and snapshot for the tests of choice.
#pragma once

#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/unit_draw.h"
#include "policy/belief/prior.h"
#include "policy/belief/snapshot.h"
#include "policy/choice/decide.h"
#include "policy/world/bundle.h"

namespace pointsman::policy::testing {

inline std::vector<float> UnitRows(std::size_t rows, std::size_t dimension, std::uint64_t seed) {
  SplitMix64 random(seed);
  std::vector<float> values(rows * dimension);
  for (std::size_t r = 0; r < rows; ++r) {
    double squares = 0;
    for (std::size_t i = 0; i < dimension; ++i) {
      const double value = random.Normal();
      values[r * dimension + i] = static_cast<float>(value);
      squares += value * value;
    }
    for (std::size_t i = 0; i < dimension; ++i) {
      values[r * dimension + i] = static_cast<float>(values[r * dimension + i] / std::sqrt(squares));
    }
  }
  return values;
}

struct Shape {
  std::size_t dimension = 24;
  std::size_t clusters = 12;
  std::size_t models = 4;
  std::size_t anchors = 20;
  std::size_t tasks = 10;
};

inline std::shared_ptr<Bundle> RandomBundle(const Shape& shape, std::uint64_t seed) {
  auto bundle = std::make_shared<Bundle>();
  SplitMix64 random(seed);
  bundle->hash.bytes[0] = 7;
  bundle->embedder = {.kind = "caller", .dimension = static_cast<std::uint32_t>(shape.dimension), .digest = {}};
  for (std::size_t m = 0; m < shape.models; ++m) bundle->models.push_back("model-" + std::to_string(1000 + m));
  bundle->centroids = UnitRows(shape.clusters, shape.dimension, seed + 1);
  bundle->cluster_sizes.assign(shape.clusters + 1, 10);
  for (std::size_t k = 0; k < shape.clusters; ++k) bundle->cluster_names.push_back("cluster " + std::to_string(k + 1));
  for (std::size_t i = 0; i < (shape.clusters + 1) * shape.models; ++i) {
    bundle->skills.push_back(.2 + .6 * random.Unit());
  }
  bundle->background_similarity = 0.05;
  bundle->anchors = UnitRows(shape.anchors, shape.dimension, seed + 2);
  bundle->task_weights = UnitRows(shape.tasks, shape.dimension, seed + 3);
  for (std::size_t t = 0; t < shape.tasks; ++t) {
    bundle->task_names.push_back("task " + std::to_string(t));
    bundle->task_bias.push_back(static_cast<float>(random.Unit()));
  }
  for (std::size_t i = 0; i < shape.tasks * shape.models; ++i) bundle->task_quality.push_back(.2 + .6 * random.Unit());
  for (std::size_t m = 0; m < shape.models; ++m) {
    bundle->mean_prior.push_back(.5);
    bundle->tokens.push_back({.mean_log = 5, .variance_log = .5, .rows = 50});
  }
  return bundle;
}

// A snapshot before any feedback: every model at its prior, prices rising.
inline Snapshot FreshSnapshot(const std::shared_ptr<const Bundle>& bundle) {
  Snapshot snapshot;
  snapshot.bundle = bundle;
  snapshot.generation = Generation{1};
  snapshot.widths = bundle->widths;
  snapshot.clusters.resize(bundle->cluster_count() + 1);
  for (std::size_t m = 0; m < bundle->models.size(); ++m) {
    ModelView view;
    view.model.id = ModelId{static_cast<std::uint32_t>(m + 1)};
    view.model.name = bundle->models[m];
    view.model.price = {.input_usd_per_million = 1.0 + static_cast<double>(m),
                        .output_usd_per_million = 2.0 * (1.0 + static_cast<double>(m))};
    view.column = static_cast<int>(m);
    view.mean_prior = MeanPrior(*bundle, view.column);
    view.covariance[0] = bundle->widths.model * bundle->widths.model;
    snapshot.models.push_back(view);
  }
  return snapshot;
}

// Moves each model so that a query about which nothing is known is predicted `levels`.
inline void SetLevels(Snapshot& snapshot, const std::vector<double>& levels) {
  Query query;
  query.weights = {.quality = 1, .cost = 0};
  const Decision decision = Decide(snapshot, query).value();
  for (const Candidate& candidate : decision.ranked) {
    const std::size_t m = candidate.model.value - 1;
    snapshot.models[m].mean[0] += levels[m] - candidate.predicted_mean;
  }
}

inline DecisionId IdOf(std::uint64_t number) {
  DecisionId id;
  std::memcpy(id.bytes.data(), &number, sizeof number);
  return id;
}

}  // namespace pointsman::policy::testing
