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

// Reports after which the widths are chosen for the first time in a generation; after
// that, whenever an eighth more have come (decisions/0030).
inline constexpr std::uint64_t kWidthRefitStart = 60;

// Gold labels between two estimates of the noise of graded channels and of the response
// slopes; the noise is first estimated after kFirstNoiseGold.
inline constexpr std::uint64_t kResponseRefitGold = 500;
inline constexpr std::uint64_t kFirstNoiseGold = 100;

// True when DueRefit has something to compute. Cheap; for asking after each event.
bool RefitDue(const State& state);

// The event to log, or none. `publisher` has just published `state` as `snapshot`;
// `typical` are the weights of a request that names none (for the pacers' start).
// Thread: the learner's.
std::optional<Refitted> DueRefit(const State& state, const Snapshot& snapshot, const Publisher& publisher,
                                 const Weights& typical);

// The maximiser of what gold alone says (decisions/0016) less a penalty, over {1, 2, 4, 8} times
// the bundle's tau_alpha and {1, 2.5, 6, 12} times its tau_rho (at most 2: a prior upside
// down has a slope of -2); the smallest of equals. Levels that are off by more than the bundle says
// mean that its ranking is, too: a factor of the levels comes with at least as large
// a one of the trust, up to 6. The penalty of any but the bundle's widths is .5 + .4 ln^2
// of each factor, at most 3 (decisions/0030).
struct ChosenWidths {
  double model = 0;
  double trust = 0;
};
ChosenWidths ChooseWidths(const Publisher& publisher, const State& state, double model, double trust);

}  // namespace pointsman::policy
