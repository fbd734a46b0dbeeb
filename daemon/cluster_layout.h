// Where clusters stand on a two-dimensional map: the first two principal axes of
// their centroids, by power iteration from a fixed start. For people only.
//
// Pure; deterministic. Cost: about 60 K d multiply-adds.
#pragma once

#include <utility>
#include <vector>

#include "policy/world/bundle.h"

namespace pointsman::daemon {

// K + 1 places (x, y) in [-1, 1]; [0], the background, is in the middle.
std::vector<std::pair<double, double>> LayOutClusters(const policy::Bundle& bundle);

}  // namespace pointsman::daemon
