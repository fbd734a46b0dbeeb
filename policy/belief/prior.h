// The prior quality of a model for a query.
//
//   f_m(q) = omega * sum_t p(t|q) R[t,m] + h * head_m(q) + (1 - omega - h) * sum_k w_k skill[k,m]
//
// (spec online_learner 0, with a linear head beside the two tables). A part that is
// missing - no tasks, no head, no embedding - counts 0 and the clusters get its
// share. A model that the bundle does not know gets the mean over the columns of the
// models that it is like, else over all columns minus .05 (trouter_bandits 3.7 b and c);
// with no column at all, .5. Always within [0,1].
// Plain double arithmetic in a fixed order: the same bits in the fold and on the
// hot path.
#pragma once

#include <span>
#include <string>

#include "base/inline_vector.h"
#include "policy/belief/membership.h"
#include "policy/belief/task_recogniser.h"
#include "policy/world/bundle.h"
#include "policy/world/pool.h"

namespace pointsman::policy {

// The embedding in the head's basis: what all models' heads share.
using HeadFeatures = InlineVector<double, kHeadRankMax>;

// Whose columns make a model's prior.
struct PriorColumns {
  int own = -1;                                                              // -1: the bundle does not know it; then
  InlineVector<int, kLikeMax> like;                                          // these, or all where there are none
  PriorColumns(int own_in, const InlineVector<int, kLikeMax>& like_in = {})  // NOLINT: a column is its own prior
      : own(own_in), like(like_in) {}
  PriorColumns(const Bundle& bundle, const Model& model);
};

// Empty for an empty embedding or a bundle without a head. d * r multiply-adds.
HeadFeatures ProjectHead(const Bundle& bundle, std::span<const float> embedding);

double PriorQuality(const Bundle& bundle, const PriorColumns& columns, const ClusterWeights& clusters,
                    const TaskProbabilities& tasks, const HeadFeatures& head = {});
// f-bar, by the same rule.
double MeanPrior(const Bundle& bundle, const PriorColumns& columns);
// How far a mean prior lies above that of all models of the bundle; 0 in a cold one, where
// nobody is known.
double AboveAll(const Bundle& bundle, double mean_prior);

}  // namespace pointsman::policy
