// The gate without gold: do ratings contradict a bundle?
//
// Ratings are biased, so their level and their differences between models say nothing
// here. Within one source and model the bias is taken out with the mean, and what is left
// should rise where the prior expects more. A bundle is contradicted by ratings when
// they fall with its prior by more than four standard errors, and rise with the live
// bundle's by more than two: that a source follows the live prior shows that it is no
// source which rates upside down. Under a prior that does not vary (generation 0)
// nothing can be said. The latest 20,000 ratings count, at least 400.
//
// Threads: any. Reads the store only.
#pragma once

#include <cstdint>

#include "base/ids.h"
#include "base/result.h"
#include "policy/belief/state.h"
#include "store/store.h"

namespace pointsman::daemon {

struct Slope {
  double slope = 0;
  double error = 0;  // 0: the prior does not vary
};

struct RatingVerdict {
  std::uint64_t ratings = 0;
  Slope live, candidate;  // of ratings on either prior, within source and model
  bool contradicted = false;
};

// `state` names the live bundle and the pool. Errors: of the log and the bundles.
Result<RatingVerdict> JudgeByRatings(const store::Store& store, const policy::State& state,
                                     const BundleHash& candidate);

}  // namespace pointsman::daemon
