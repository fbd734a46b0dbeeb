// Preferences: raw moments of the comparisons of two models in one cluster, and what
// the tree is told of them when the posterior is read.
//
// Source: spec cascal_meta_router C.5. A preference is a comparison of two answers to
// one query, u = Q_a - Q_b + b_a - b_b, P(a wins) = sigma(kappa u). At the prediction
// u0 that was logged with the two decisions it is worth the working observation
//   information I = kappa^2 p (1 - p),  score kappa (o - p) + I u0,
//   p = sigma(kappa u0 / sqrt(1 + pi kappa^2 (v_a + v_b) / 8)).
// Sums of these are kept per (pair, channel, cluster) and never debiased. When a
// posterior is read, a pair's sums are ONE observation of the difference, and each side
// is told it with the other side's posterior (from ratings and gold) as noise:
// mean-field. The bias of the pair, Var = 2 (tau_1^2 + tau_2^2), is a slot of its own in
// the tree, on each side: what all models share cancels in a difference. So the
// saturation of online_learner 1.8 holds as for a source: however many preferences come,
// in one cell or over all, without gold they tell at most 1 / (2 tau_1^2) about a
// model's level. A preference by gold has no bias.
//
// Where it bends: the trust in the prior (rho) of both models is taken at its mean; the
// other side does not know of preferences; the pair's bias is charged to each side in
// full; a source that sends ratings and preferences counts as two opinions, and the
// preferences of all sources as one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>

#include "base/ids.h"
#include "policy/belief/evidence.h"

namespace pointsman::policy {

inline constexpr double kPreferenceSlope = 6;  // kappa, on the [0,1] scale
// Pairs of models in one cluster that are kept; later ones are not folded.
inline constexpr std::size_t kPreferenceCellsMax = std::size_t{1} << 20;

struct PreferenceKey {  // model < other
  ModelId model;
  ModelId other;
  std::uint8_t channel = 0;  // 0: gold, without bias
  ClusterId cluster;
  auto operator<=>(const PreferenceKey&) const = default;
};

// Sums over the preferences of one pair in one cluster, as seen from `model`. Stored
// like PatternMoments: in units of a half-life, moved by exponents only.
struct PreferenceMoments {
  std::uint32_t rows = 0;
  std::int32_t base = 0;
  double information = 0;  // sum g w I
  double score = 0;        // sum g w (kappa (o - p) + I u0)
  double prior = 0;        // sum g w I (f_model - f_other)
  double trust_model = 0;  // sum g w I x_model
  double trust_other = 0;  // sum g w I x_other
  bool operator==(const PreferenceMoments&) const = default;
};
using PreferenceCells = std::map<PreferenceKey, PreferenceMoments>;

// One preference at the two predictions, as seen from the first.
struct WorkingPreference {
  double information = 0;
  double score = 0;
};
// `difference` is u0, taken within [-1, 1]; `variance` v_a + v_b >= 0; `outcome` in
// [0,1]. For the fold: only + - * / sqrt and base/exact_math.
WorkingPreference Linearise(double difference, double variance, double outcome);

struct PreferenceTerms {
  TimeWeight time;
  double cluster_weight = 1;
  double arrival_weight = 1;
  WorkingPreference working;
  double prior_difference = 0;
  double trust_model = 0;  // x of each side
  double trust_other = 0;
};
// As AddRow: adds or subtracts; false when a number is no longer finite.
[[nodiscard]] bool AddPreference(PreferenceMoments& moments, int sign, const PreferenceTerms& terms);

// Sums as they weigh at `now`. `information` 0: nothing left. False: cannot be read.
[[nodiscard]] bool DecayPreference(const PreferenceMoments& moments, const TimeWeight& now, PreferenceMoments* decayed);

// What one cell is told of preferences: precision and score of D, with the
// preference bias (`biased`) and without (`gold`).
struct PreferenceEvidence {
  double gold = 0;
  double gold_score = 0;
  double biased = 0;
  double biased_score = 0;
};

// D of one side in the cluster as ratings and gold know it.
struct ComparedSide {
  double level = 0;           // mean
  double cell_variance = 0;   // kappa: of this cell alone
  double model_variance = 0;  // of what all cells of the model share
  double trust = 0;           // rho, its mean
};
// Adds a pair's decayed sums in one cluster to the evidence of both sides.
// `pair_information` is the pair's in all clusters: the other model's level is one
// unknown for all of them, so its variance is shared out by information.
void AddPreferenceEvidence(const PreferenceMoments& decayed, double pair_information, bool gold,
                           const ComparedSide& model, const ComparedSide& other, PreferenceEvidence* of_model,
                           PreferenceEvidence* of_other);

}  // namespace pointsman::policy
