// The prior quality of a model for a query.
//
//   f_m(q) = omega * sum_t p(t|q) R[t,m] + (1 - omega) * sum_k w_k skill[k,m]
//
// (spec online_learner 0). Without tasks omega counts as 0. A model that the
// bundle does not know gets the mean over its columns minus .05 (trouter_bandits
// 3.7 c); with no column at all, .5. Always within [0,1].
#pragma once

#include "policy/belief/membership.h"
#include "policy/belief/task_recogniser.h"
#include "policy/world/bundle.h"

namespace pointsman::policy {

double PriorQuality(const Bundle& bundle, int column, const ClusterWeights& clusters, const TaskProbabilities& tasks);
// f-bar of a column, by the same rule for -1.
double MeanPrior(const Bundle& bundle, int column);

}  // namespace pointsman::policy
