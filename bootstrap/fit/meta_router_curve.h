// The efficiency gain of a router between two models, as Meta-Router is judged.
//
// Test queries are sorted by predicted gain, the largest first (ties in order). T(k) is
// the gold gain of the first k; only predictions above 0 are followed. At usage ratio x
// the efficiency gain is (T(xn) - x T(n)) / unit: 0 for routing at random, 1 for as
// much as the unit, by custom what always using the primary model brings on average. Pure.
// Source: spec cascal_meta_router B.9.
#pragma once

#include <span>
#include <vector>

namespace pointsman::bootstrap {

// One value per ratio, each in [0,1]; NaN where the curve does not reach. REQUIREs one
// prediction per gain, at least one, and a unit above 0.
std::vector<double> EfficiencyGain(std::span<const double> predicted, std::span<const double> gold_gain,
                                   std::span<const double> ratios, double unit);

// The published 61 ratios in [.2, .8].
std::vector<double> PublishedRatios();

}  // namespace pointsman::bootstrap
