// The blend of a bundle's prior: cluster cells, task tables and a ridge head on the
// embedding, with weights from cross-validation that are frozen in the bundle.
//
// Weights and ridge are those with the least squared error of the predicted scores
// over five folds, after each row's mean over its models is taken out: only the
// differences between models decide a choice. With consensus scores the differences
// are then pulled in, see `consensus_error` below. Formulas and figures:
// docs/decisions/0006-prior-blend.md.
//
// Pure and deterministic; one thread. Errors: none; a wrong shape aborts.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "bootstrap/fit/cells.h"
#include "bootstrap/fit/rows.h"
#include "bootstrap/job/task_tables.h"
#include "policy/world/bundle.h"

namespace pointsman::bootstrap {

struct BlendInputs {
  Rows embeddings;                         // n x d, unit rows
  std::span<const std::string> tasks;      // n, the task of each row, may be empty; or none: no task types
  std::span<const std::uint32_t> cluster;  // n, from 0
  const Scores* scores = nullptr;          // n x M
  CellOptions cells;
  TaskRecogniser recogniser = TaskRecogniser::kLinear;
  bool latent_types = false;  // types found in the embeddings instead of named ones
  std::uint64_t seed = 0;
  // Standard deviation of consensus minus truth in the difference of models (spec
  // online_learner 4b: about .024 a cell); 0 for labels. It is the part of the
  // explained variance V that no fold of the same crowd can expose, so differences
  // are multiplied by (V - e^2) / V, at least kDifferencesLeast.
  double consensus_error = 0;
};

inline constexpr double kConsensusError = 0.024;
inline constexpr double kDifferencesLeast = 0.5;

struct BlendReport {
  double ridge = 0;        // of the head
  double explained = 0;    // V: variance of the differences that the blend explains, out of fold
  double differences = 1;  // what they were multiplied by
};

// Fills the task tables, the head and the shares; needs centroids, membership and
// skills (K + 1 rows) to be there and changes the skills where differences are
// pulled in. A head of an embedding wider than 2,048 is not fitted.
BlendReport FillPriorBlend(const BlendInputs& inputs, policy::Bundle& bundle);

}  // namespace pointsman::bootstrap
