#include "bootstrap/fit/forest.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/contract.h"
#include "base/unit_draw.h"

namespace pointsman::bootstrap {

// Grows one tree over `sample`, which it reorders.
struct Forest::Grower {
  const Rows& rows;
  std::span<const double> target;
  std::span<const double> weight;
  const ForestOptions& options;
  SplitMix64& random;
  std::vector<std::uint32_t> sample;
  std::vector<std::uint32_t> features;
  std::vector<std::pair<float, std::uint32_t>> sorted;
  std::vector<Node> nodes;

  struct Split {
    double gain = 0;
    std::int32_t feature = -1;
    float threshold = 0;
  };

  // The best split of [begin, end) by one feature.
  void Try(std::uint32_t feature, std::size_t begin, std::size_t end, double total, double sum, Split& best) {
    sorted.clear();
    for (std::size_t i = begin; i < end; ++i) sorted.emplace_back(rows.row(sample[i])[feature], sample[i]);
    std::sort(sorted.begin(), sorted.end());
    double left_weight = 0;
    double left_sum = 0;
    for (std::size_t i = 0; i + 1 < sorted.size(); ++i) {
      const std::uint32_t row = sorted[i].second;
      left_weight += weight[row];
      left_sum += weight[row] * target[row];
      if (i + 1 < options.leaf || sorted.size() - i - 1 < options.leaf) continue;
      if (sorted[i].first == sorted[i + 1].first) continue;
      const double right_weight = total - left_weight;
      if (!(left_weight > 0 && right_weight > 0)) continue;
      const double right_sum = sum - left_sum;
      const double gain = left_sum * left_sum / left_weight + right_sum * right_sum / right_weight - sum * sum / total;
      if (gain > best.gain * (1 + 1e-12) + 1e-12) {
        best = {gain, static_cast<std::int32_t>(feature), sorted[i].first};
      }
    }
  }

  void Grow(std::size_t begin, std::size_t end, std::uint32_t depth) {
    double total = 0;
    double sum = 0;
    for (std::size_t i = begin; i < end; ++i) {
      total += weight[sample[i]];
      sum += weight[sample[i]] * target[sample[i]];
    }
    const std::size_t here = nodes.size();
    nodes.push_back({.value = sum / total});
    if (depth == 0 || end - begin < 2 * options.leaf) return;
    const auto tried = static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(features.size()))));
    for (std::size_t i = 0; i < tried; ++i) {
      std::swap(features[i], features[i + random() % (features.size() - i)]);
    }
    std::vector<std::uint32_t> chosen(features.begin(), features.begin() + static_cast<std::ptrdiff_t>(tried));
    std::sort(chosen.begin(), chosen.end());
    Split best;
    for (const std::uint32_t feature : chosen) Try(feature, begin, end, total, sum, best);
    if (best.feature < 0) return;
    const auto first = sample.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto last = sample.begin() + static_cast<std::ptrdiff_t>(end);
    const auto middle = std::stable_partition(first, last, [&](std::uint32_t row) {
      return rows.row(row)[static_cast<std::size_t>(best.feature)] <= best.threshold;
    });
    const auto cut = static_cast<std::size_t>(middle - sample.begin());
    nodes[here].feature = best.feature;
    nodes[here].threshold = best.threshold;
    Grow(begin, cut, depth - 1);
    nodes[here].right = static_cast<std::uint32_t>(nodes.size());
    Grow(cut, end, depth - 1);
  }
};

Forest::Forest(const Rows& rows, std::span<const double> target, std::span<const double> weight,
               const ForestOptions& options) {
  REQUIRE(target.size() == rows.count() && weight.size() == rows.count(), "one target and weight per row");
  REQUIRE(options.trees > 0 && options.leaf > 0, "some trees, and leaves of some rows");
  std::vector<std::uint32_t> usable;
  for (std::size_t i = 0; i < weight.size(); ++i) {
    if (weight[i] > 0) usable.push_back(static_cast<std::uint32_t>(i));
  }
  if (usable.empty()) return;
  SplitMix64 random(options.seed);
  for (std::uint32_t t = 0; t < options.trees; ++t) {
    Grower grower{rows, target, weight, options, random, {}, {}, {}, {}};
    for (std::size_t i = 0; i < usable.size(); ++i) grower.sample.push_back(usable[random() % usable.size()]);
    grower.features.resize(rows.dimension);
    std::iota(grower.features.begin(), grower.features.end(), 0U);
    grower.Grow(0, grower.sample.size(), options.depth);
    trees_.push_back(std::move(grower.nodes));
  }
}

double Forest::At(std::span<const float> features) const {
  if (trees_.empty()) return 0;
  double sum = 0;
  for (const std::vector<Node>& nodes : trees_) {
    std::size_t at = 0;
    while (nodes[at].feature >= 0) {
      const bool left = features[static_cast<std::size_t>(nodes[at].feature)] <= nodes[at].threshold;
      at = left ? at + 1 : nodes[at].right;
    }
    sum += nodes[at].value;
  }
  return sum / static_cast<double>(trees_.size());
}

}  // namespace pointsman::bootstrap
