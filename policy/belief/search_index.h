// A bundle's matrices in eight bits beside their floats, so that a routing request
// reads a quarter of the memory. Answers are those of the floats, to the last bit
// (policy/kernels/coarse.h), so nothing that is logged depends on it.
//
// Threads: read by any. Lifetime: holds its bundle.
#pragma once

#include <memory>

#include "policy/kernels/coarse.h"
#include "policy/world/bundle.h"

namespace pointsman::policy {

struct SearchIndex {
  std::shared_ptr<const Bundle> bundle;
  kernels::CoarseRows centroids;
  kernels::CoarseRows anchors;
  kernels::CoarseRows tasks;
};

// Null for a bundle without vectors. About 1 ms for 500 rows of 256 numbers.
std::shared_ptr<const SearchIndex> MakeSearchIndex(const std::shared_ptr<const Bundle>& bundle);

}  // namespace pointsman::policy
