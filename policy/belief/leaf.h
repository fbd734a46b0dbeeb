// The leaf of the Gaussian tree: one cell solved, and its message to its model.
//
// Source: spec online_learner 1.4. State of the cell t = (D, b_1..b_S); state of
// the model n = (alpha, B_1..B_S, rho), and in both the bias of preferences where there
// are any (TreeLayout). Pure; any thread.
#pragma once

#include <array>
#include <cstdint>

#include "policy/belief/noise.h"
#include "policy/belief/preference.h"
#include "policy/belief/snapshot.h"

namespace pointsman::policy {

// The two half-lives at one reading time.
struct ReadTime {
  TimeWeight rating;
  TimeWeight gold;
};

// Widths no smaller than 1e-6: a width of 0 means "fixed at 0".
Widths UsableWidths(const Widths& widths);

// Whether the evidence has chosen a width (learning/refit.h) above what the bundle or the
// operator gives: the prior is not what it claims to be. Both usable.
bool PriorDoubted(const Widths& in_force, const Widths& base);

// The width of the common shift while the prior is doubted, and while it is judged whether
// it is: a third (decisions/0030). With all of it, a shift that lowers everybody explains
// why the best guess fails, and nobody else is tried.
inline constexpr double kShiftInDoubt = 1.0 / 3;
// What all models share in one cluster, beyond what they share everywhere: its width over
// that of the common shift (.06 and .15 in online_learner 4b; decisions/0032). The tree
// leaves it out, for it is crossed with the models and changes no choice.
inline constexpr double kSharedCell = 0.4;

// Leaf sums (1.4) before the cell's prior enters; f-bar is the model's.
struct LeafSums {
  bool valid = true;
  double weight = 0;         // sum W
  double overlap = 0;        // sum O
  double gold_weight = 0;    // W of patterns with gold
  double rating_weight = 0;  // W of patterns with a rating
  double preference_information = 0;
  SmallMatrix information;   // J
  SmallVector trust{};       // j
  double trust_squared = 0;  // jj
  SmallVector score{};       // h
  double trust_score = 0;    // hh
  // Gold against source s: d, Var(d) of the conflict rule; variance < 0: not comparable.
  std::array<double, kSourcesMax> difference{};
  std::array<double, kSourcesMax> difference_variance{-1, -1, -1, -1};
};

LeafSums SumLeaf(const Cell& cell, const NoiseTables& noise, const ReadTime& now, double mean_prior);

// What the model is told: precision and score over n (2 + S entries).
struct LeafMessage {
  SmallMatrix precision;  // Lambda
  SmallVector score{};    // eta
};

struct Leaf {
  bool usable = false;  // false: read as untouched
  CellReadout readout;
  LeafMessage message;
};

// Puts what preferences tell into the sums.
void AddPreferences(LeafSums& sums, const TreeLayout& layout, const PreferenceEvidence& evidence);

// tau_2^2 per bias: of a source (raised by the conflict rule), twice that of a pair.
using BiasVariances = std::array<double, kSourcesMax + 1>;
BiasVariances CellBiasVariances(const TreeLayout& layout, double source_cell_width);
Leaf SolveLeaf(const LeafSums& sums, const TreeLayout& layout, double cell_width, const BiasVariances& bias_variances);

}  // namespace pointsman::policy
