// Task types of a bundle: names, recogniser, quality per task and model, share.
//
// Pure and deterministic; one thread. Errors: none; a wrong shape aborts.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "bootstrap/fit/cells.h"
#include "bootstrap/fit/rows.h"
#include "policy/world/bundle.h"

namespace pointsman::bootstrap {

inline constexpr std::size_t kTaskTypesMax = 64;
inline constexpr std::size_t kTaskRowsMin = 10;

// Fills task_names, task_weights, task_bias, task_quality and task_share.
// `tasks[i]` is the task of row i (may be empty); `cluster[i]` its cluster. Types
// are the at most kTaskTypesMax commonest tasks with at least kTaskRowsMin rows;
// with fewer than two of them the bundle stays without tasks. The share is the
// one of {0, .25, .5, .75, 1} with the least cross-validated squared error
// (5 folds) of the predicted score. Needs centroids, membership parameters and
// skills to be there. Deterministic for the same seed.
void FillTaskTables(const Rows& embeddings, std::span<const std::string> tasks, std::span<const std::uint32_t> cluster,
                    const Scores& scores, const CellOptions& cells, std::uint64_t seed, policy::Bundle& bundle);

}  // namespace pointsman::bootstrap
