// The upper levels of the Gaussian tree: models and the root of the sources.
//
// Source: spec online_learner 1.4. n as TreeLayout says; the root holds c0_1..c0_S (the
// bias of preferences has no root: what all models share cancels) and, where Widths::common is above 0, the common
// shift g ~ N(0, common^2) of all models' levels (4b there) and a common trust rho_0. Sums over models
// are the caller's to order, by (name, epoch). Pure; any thread.
//
// The common trust says how far the prior as a whole is to be stretched about its mean:
// quality = f + rho_0 (f - f-bar), f-bar over all models of the bundle; a prior upside down has -2
// (decisions/0027). With f - f-bar = (f - f-bar_m) + (f-bar_m - f-bar) it adds rho_0 to
// the model's trust and rho_0 times its *standing*, f-bar_m - f-bar, to its level. Its
// width is half of the trust's to begin with, and what gold adds to the trust adds to it:
// ratings alone can hardly stretch the prior.
#pragma once

#include "policy/belief/leaf.h"
#include "policy/belief/small_matrix.h"
#include "policy/world/options.h"

namespace pointsman::policy {

// One model solved given the root: Q, Q eta, Q P E and what it tells the root.
struct ModelSystem {
  bool usable = true;          // false: solved as if it had no evidence
  SmallMatrix covariance;      // Q = (P + Lambda)^-1
  SmallVector mean{};          // Q eta
  SmallMatrix lift;            // Q P E, n x root
  SmallMatrix root_precision;  // E' P Q Lambda E, root x root
  SmallVector root_score{};    // E' P Q eta
};

struct Standing {
  double above = 0;         // how far the model's mean prior lies above that of all
  double shared_trust = 0;  // width of the common trust; 0: there is none
};

ModelSystem SolveModel(const LeafMessage& sum, const TreeLayout& layout, const Widths& widths,
                       const Standing& standing);

// Width of the common trust: half of the width that the trust begins with, `base`, and all
// that the evidence has added to it.
double SharedTrust(double trust_width, double base);

struct RootSums {
  SmallMatrix precision;
  SmallVector score{};
};

// The root with its prior taken in: mean c and covariance C.
struct Root {
  SmallVector mean{};
  SmallMatrix covariance;
};

void AddToRoot(RootSums& sums, const ModelSystem& model, const TreeLayout& layout);
Root SolveRoot(const RootSums& sums, const TreeLayout& layout, const Widths& widths, double shared_trust);

// n-hat and N of a model.
struct ModelPosterior {
  bool usable = true;  // false: outside the bounds of 1.7, replaced by the prior given the root
  SmallVector mean{};
  SmallMatrix covariance;
};

// What the data say about widths.model, as a sum that is maximised over it
// (online_learner 4b, "Widening"): per model
//   1/2 eta' Q eta - 1/2 ln det(I + P^-1 Lambda),
// and for the root 1/2 c' R c - 1/2 ln det(T R), T the root's prior variances. Terms
// that do not depend on the width are left out; a penalty is the caller's to add.
// Not for the fold: uses the library's logarithm.
double ModelEvidence(const LeafMessage& sum, const TreeLayout& layout, const Widths& widths);
double RootEvidence(const RootSums& sums, const TreeLayout& layout, const Widths& widths, double shared_trust);

ModelPosterior FinishModel(const ModelSystem& model, const Root& root, const TreeLayout& layout, const Widths& widths,
                           const Standing& standing);

}  // namespace pointsman::policy
