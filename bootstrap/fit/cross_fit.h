// Cross-fitting: no row is predicted by a fit that saw its fold.
//
// Ridge: lambda is the one of a grid with the least weighted squared error left out; by
// default a fixed grid in units of (sum of weights) * (mean variance of a feature).
// Forest: as it is.
// Pure, deterministic; one thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "bootstrap/fit/meta_router_surface.h"
#include "bootstrap/fit/ridge.h"
#include "bootstrap/fit/rows.h"

namespace pointsman::bootstrap {

// What the nuisances of a learner are fitted by.
enum class BaseLearner : std::uint8_t { kRidge, kForest };

struct CrossFitted {
  std::vector<double> prediction;  // by the fit that left the row's fold out; in-sample on demand
  std::vector<double> residual;    // left out, always
  WeightedFit all;                 // on all rows
};

// The fold of each row: by its unit, or, without units, by its place.
std::vector<std::uint32_t> FoldsByUnit(std::size_t rows, std::span<const std::uint64_t> unit, std::uint32_t folds);

// `fold[i]` in [0, folds); `weight[i]` >= 0, of which some are above 0. `lambdas`: the
// grid, each above 0; empty: the default. Cost: a solve of d x d per lambda and fold, and n d^2.
CrossFitted CrossFit(const Rows& rows, std::span<const double> target, std::span<const double> weight,
                     std::span<const std::uint32_t> fold, std::uint32_t folds, bool in_sample,
                     std::span<const double> lambdas = {});

// The predictions alone; folds 0: in-sample.
std::vector<double> CrossFitForest(const Rows& rows, std::span<const double> target, std::span<const double> weight,
                                   std::span<const std::uint32_t> fold, std::uint32_t folds);

}  // namespace pointsman::bootstrap
