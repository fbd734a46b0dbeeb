// Two bundles compared: clusters, priors, and what either prior would have chosen on the
// daemon's own log.
//
//   clusters  of the second: "same" (cosine of the centroids at least .95), "moved" (at
//             least .7), "merged" (two or more of the first are nearest to it), "born";
//             and those of the first that are "gone". Not told across embedders.
//   share     of the latest decisions in which the bundle's prior, in place of what was
//             predicted then, would have put this model first among the logged candidates
//   value     of these choices: mean gold where they agree with what was chosen, weighted
//             by 1 / (propensity x probability that gold was asked), self-normalised
//
// Evidence is left out on purpose: it moves along with either bundle.
// Threads: any. Reads the store only.
#pragma once

#include <cstdint>

#include "admin/ports.h"
#include "base/result.h"
#include "store/store.h"

namespace pointsman::daemon {

inline constexpr std::uint64_t kDiffDecisions = 20'000;  // the latest

// Errors: NOT_FOUND or DATA_LOSS of the bundles; of the log.
Result<admin::GenerationDiff> DiffBundles(const store::Store& store, const policy::Pool& pool, const BundleHash& from,
                                          const BundleHash& to);

}  // namespace pointsman::daemon
