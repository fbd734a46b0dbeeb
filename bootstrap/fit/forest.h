// A random forest for regression.
//
// Each tree is grown on a bootstrap sample of the rows that have a weight; a node tries
// sqrt(d) features, drawn without replacement, and takes the split of the least weighted
// squared error; a leaf holds the weighted mean. The prediction is the mean of trees.
// The same rows, options and seed give the same forest on every machine: all draws are
// SplitMix64's, equal splits go to the smaller feature and threshold.
//
// Source: Breiman 2001; sizes as Meta-Router's released program (spec cascal_meta_router
// B.8), with leaves of five rows: outcomes of 0 and 1 are noise beyond that.
// Cost: trees * rows * sqrt(d) * depth * log(rows). A value; threads: reads, any.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "bootstrap/fit/rows.h"

namespace pointsman::bootstrap {

struct ForestOptions {
  std::uint32_t trees = 100;
  std::uint32_t depth = 20;
  std::uint32_t leaf = 5;  // rows, at least
  std::uint64_t seed = 42;
};

class Forest {
 public:
  // `weight[i]` >= 0; a forest without any weight predicts 0.
  Forest(const Rows& rows, std::span<const double> target, std::span<const double> weight,
         const ForestOptions& options);
  double At(std::span<const float> features) const;

 private:
  struct Node {
    std::int32_t feature = -1;  // < 0: a leaf
    float threshold = 0;        // left: at most this
    std::uint32_t right = 0;    // the left child is the next node
    double value = 0;
  };
  std::vector<std::vector<Node>> trees_;
  struct Grower;
};

}  // namespace pointsman::bootstrap
