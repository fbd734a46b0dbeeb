// The blend of a bundle's prior: cluster cells, task tables and a ridge head on the
// embedding, with weights from cross-validation that are frozen in the bundle.
//
// Weights and ridge are those with the least squared error of the predicted scores
// over five folds, after each row's mean over its models is taken out: only the
// differences between models decide a choice. Formulas and figures:
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
};

// Fills the task tables, the head and the shares; needs centroids, membership and
// skills (K + 1 rows) to be there. A head of an embedding wider than 2,048 is not fitted.
void FillPriorBlend(const BlendInputs& inputs, policy::Bundle& bundle);

}  // namespace pointsman::bootstrap
