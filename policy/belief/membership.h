// Soft membership: which clusters a query lies in, and which anchors are near.
//
// w_k = exp(sim_k / T) / Z over the three nearest clusters and the background
// exp(s_0 / T); renormalised to sum 1 (spec online_learner 0, trouter_bandits 3.2).
// Anchor weights: the same T over the three nearest anchors, without background.
// Ties go to the smaller number. Exponentials by base/exact_math, so that a
// membership computed in the fold (anchors after a re-bootstrap) has the same
// bits everywhere; the scan that finds the nearest may dispatch on the CPU only
// outside the fold.
#pragma once

#include <span>

#include "policy/belief/search_index.h"
#include "policy/learning/event.h"
#include "policy/world/bundle.h"

namespace pointsman::policy {

struct Membership {
  ClusterWeights clusters;         // ascending cluster, background included
  double nearest_similarity = -1;  // cosine with the nearest centroid
};

// For routing: `embedding` is a unit vector of the bundle's dimension, or empty
// (all weight on the background).
Membership FindMembership(const Bundle& bundle, std::span<const float> embedding);
// The same answer through the index; `query` is not empty.
Membership FindMembership(const SearchIndex& index, const kernels::CoarseQuery& query);
// The same with plain double arithmetic in index order: for the fold.
Membership FindMembershipExact(const Bundle& bundle, std::span<const float> embedding);

// The three nearest anchors, nearest first; none for an empty embedding. A decision is
// made without them: only the log needs them, for the bundles that come after.
AnchorWeights FindAnchors(const Bundle& bundle, std::span<const float> embedding);
// The same answer through the index; `query` is not empty.
AnchorWeights FindAnchors(const SearchIndex& index, const kernels::CoarseQuery& query);

}  // namespace pointsman::policy
