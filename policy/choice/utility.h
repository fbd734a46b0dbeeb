// Utility of a candidate: mu_r * quality - mu_c * kappa(cost).
//
// kappa is linear: cost / c_ref clipped to [0,1], where c_ref is the largest
// expected cost among the live models of the snapshot for this input (so 1 is
// the dearest). The pacer's term lambda * cost / B belongs to budgets, which are
// the caller's to add. Source: trouter_bandits 3.4.
#pragma once

#include "policy/world/query.h"

namespace pointsman::policy {

// `reference_cost` <= 0 makes the cost term 0 (prices unknown or all free).
double Utility(const Weights& weights, double quality, double cost_usd, double reference_cost_usd);

}  // namespace pointsman::policy
