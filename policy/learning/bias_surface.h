// The bias surface in force: what a source is off by at a row's place, before the tree.
//
//   b0 = clamp(sum_k w_k clusters[k] + models[m], -1, 1)
//
// The fold takes b0 from the source's value: z = v - offset - b0 - f. So the surface is
// the mean of the source's bias in the tree, and gold corrects what is left. All rows
// that the cells hold were folded with the surface in force (an install folds them
// again), so a row is taken out with the very number that it was put in with.
//
// Source: spec online_learner 1.1 and 9. Only + - *; used in the fold. Threads: the
// learner's.
#pragma once

#include <array>

#include "policy/belief/state.h"
#include "policy/learning/event.h"

namespace pointsman::policy {

// b0 by channel; 0 for gold and for channels without a surface.
using SurfaceBiases = std::array<double, kChannelsMax>;

double BiasAt(const BiasSurfaceInstalled& surface, ModelId model, const ClusterWeights& clusters);
SurfaceBiases BiasesAt(const State& state, ModelId model, const ClusterWeights& clusters);

// The channels with the bias added to their offsets.
Channels Shifted(const Channels& channels, const SurfaceBiases& biases);

}  // namespace pointsman::policy
