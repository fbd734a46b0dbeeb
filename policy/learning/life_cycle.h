// When a trial's evidence is enough: new becomes active or goes on probation.
//
// Source: trouter_bandits 3.7; decisions/0026. Judged after kTrialReports reports, in the
// clusters that hold more than kClusterMass of the bootstrap queries (in the background
// where none does), by the utility of a request with `typical` weights:
//   probation  its upper 95 % bound lies below the best lower bound of an active model in
//              each of them
//   active     it is known as well as the bundle knows its models before any evidence: the
//              mean variance of its quality there is at most tau_alpha^2 + tau_delta^2; or
//              on probation, and its mean is the best somewhere after all
// Values are computed beside the fold, like those of refit.h; the event carries the state.
#pragma once

#include <optional>
#include <vector>

#include "policy/belief/snapshot.h"
#include "policy/learning/event.h"

namespace pointsman::policy {

inline constexpr double kClusterMass = 0.02;

// Those clusters, ascending.
std::vector<ClusterId> MassiveClusters(const Bundle& bundle);

// The first change that is due, or none. Cheap without models on trial; else models *
// clusters reads of the posterior for each. Thread: the learner's.
std::optional<ModelStateChanged> DueStateChange(const Snapshot& snapshot, const Weights& typical);

}  // namespace pointsman::policy
