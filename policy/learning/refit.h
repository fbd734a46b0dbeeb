// What the learner re-estimates when a count in the state is due.
//
// The values are computed beside the fold, from the state and what was last
// published, and travel in a Refitted event; replay installs them and never
// computes them again (DESIGN 5). So they may use the library's logarithm.
//
// Source: spec online_learner 1.6 and 4b ("Widening").
#pragma once

#include <optional>

#include "policy/belief/posterior.h"
#include "policy/belief/state.h"
#include "policy/learning/event.h"
#include "policy/world/bundle.h"

namespace pointsman::policy {

// Counts of feedback after which tau_alpha is chosen again: 250, 500, 1000, 2000, ...
inline constexpr std::uint64_t kWidthRefitStart = 250;
// Gold labels between two estimates of the response slopes.
inline constexpr std::uint64_t kResponseRefitGold = 500;

// True when DueRefit has something to compute. Cheap; for asking after each event.
bool RefitDue(const State& state);

// The event to log, or none. `publisher` has published this very state with
// `bundle`. Thread: the learner's.
std::optional<Refitted> DueRefit(const State& state, const Bundle& bundle, const Publisher& publisher);

// The maximiser over {1, 2, 4, 8} times `base` of the evidence for tau_alpha, less
// .02 ln^2 of the factor; the smallest of equals.
double ChooseModelWidth(const Publisher& publisher, double base);

}  // namespace pointsman::policy
