// Noise of one row around its cell: the covariance of the channels, and what the
// leaf sums need of it for each pattern.
//
// Sources: spec online_learner section 1 (cold start) and 1.4, cascal_meta_router
// C.4. Channel 0 is gold, channel s is source s.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "policy/belief/evidence.h"
#include "policy/belief/small_matrix.h"
#include "policy/belief/state.h"

namespace pointsman::policy {

// Covariance of the 1 + sources channels: the installed one, and the cold start
// for channels that it does not cover (sources appended since).
//
// Cold start: variance .20 for a channel that has only shown 0 and 1, covariance
// of such a rating with such gold .10; graded channels .05 (gold), .08 (ratings),
// .032; mixed pairs half the product of the deviations. Two ratings share the
// noise that both share with gold. Eigenvalues at least 1e-4.
SmallMatrix NoiseCovariance(const NoiseModel& noise, std::size_t sources);

// Variance of one gold label around the expected quality, at least 1e-4. Only
// + - * /: it is used in the fold.
double GoldVariance(const NoiseModel& noise);

// Variance of a graded channel around its prediction: the mean square of what was
// seen, with the start value as kSpreadRows rows. Only + - * /: it is used in the fold.
inline constexpr double kSpreadRows = 20;
double GradedVariance(const Counters& counters, std::size_t channel);

// The covariance of the cold start with the seen variances for graded channels; the
// correlations stay. For a Refitted event: row-major, gold first.
std::vector<double> SeenCovariance(const NoiseModel& noise, const Counters& counters, std::size_t sources);

// Per pattern o: H_o' S_oo^-1 (state x channel) and A = H_o' S_oo^-1 H_o, with
// state t = (D, b_1..b_S), rows of H_o: gold e0, source c1 e0 + e_s.
struct PatternGain {
  bool valid = false;
  bool silent = false;       // no channel of it is read: all its sources are quarantined
  SmallMatrix channel_gain;  // (1 + S) x (1 + S), columns of absent channels 0
  SmallMatrix information;   // A
};

struct NoiseTables {
  std::size_t sources = 0;
  SmallMatrix covariance;
  std::array<double, kSourcesMax> response{1, 1, 1, 1};  // c1
  PatternMask quarantined = 0;                           // channels that count as absent
  std::array<PatternGain, 1U << kChannelsMax> patterns;  // by mask; [0] unused
};

NoiseTables MakeNoiseTables(const NoiseModel& noise, std::size_t sources);

}  // namespace pointsman::policy
