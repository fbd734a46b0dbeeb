// Guards over sources and over the belief's own confidence.
//
// A source is quarantined, that is read as absent while its moments are kept, when
//   stuck     it said one value kStuckRun times in a row although quality predicts that
//             they differ (chance below exp(-kStuckSurprise)); a graded source after
//             kGradedRun. It is believed again after kFreed other values.
//   contrary  where gold was given on the same answers its values go against it:
//             t of the correlation below -kContrary, about 500 answers remembered and at
//             least kContraryPairs. It is believed again above -1.
// The calibration guard (cascal_meta_router C.6) compares random-audit gold with what
// was predicted: z^2 = (r - mu)^2 / (v + s_rr), weighted over 200 labels. Above 1.5 the
// variances of biases in force grow by 1.3, at most 16 times; below .7 they shrink by
// .95, never below the bundle's. At least kGuardLabels labels lie between two steps.
//
// All here is part of the fold: only + - * / sqrt and base/exact_math. Threads: the
// learner's.
#pragma once

#include "policy/belief/state.h"
#include "policy/learning/event.h"

namespace pointsman::policy {

inline constexpr std::uint64_t kStuckRun = 200;
inline constexpr std::uint64_t kGradedRun = 50;
inline constexpr double kStuckSurprise = 30;
inline constexpr std::uint64_t kFreed = 20;
inline constexpr double kContraryPairs = 50;
inline constexpr double kContrary = 4;
inline constexpr std::uint64_t kGuardLabels = 50;

// Looks at a report that is about to be folded.
void WatchSources(State& state, const RowChanged& change, LogSeq seq);

// One random-audit label, scored before it is learnt.
void GuardCalibration(State& state, double z_squared);

}  // namespace pointsman::policy
