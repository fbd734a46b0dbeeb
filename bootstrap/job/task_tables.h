// Task types of a bundle: names, recogniser, quality per task and model.
//
// Pure and deterministic; one thread. Errors: none; a wrong shape aborts.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bootstrap/fit/cells.h"
#include "bootstrap/fit/recogniser.h"
#include "bootstrap/fit/rows.h"
#include "policy/world/bundle.h"

namespace pointsman::bootstrap {

inline constexpr std::size_t kTaskTypesMax = 64;
inline constexpr std::size_t kTaskRowsMin = 10;

struct TaskTypes {
  std::vector<std::string> names;     // ascending
  std::vector<std::uint32_t> of_row;  // of every row; kNoGroup: none of these
  bool latent = false;                // found in the embeddings: where the fit starts, not what it must keep to
};

// The at most kTaskTypesMax commonest tasks with at least kTaskRowsMin rows.
TaskTypes FindTaskTypes(std::span<const std::string> tasks);

// At most kTaskTypesMax small clusters of the embeddings in place of names, one for 40
// rows; "latent-01" and so on. None for fewer than 80 rows.
TaskTypes FindLatentTypes(const Rows& embeddings, std::uint64_t seed);

// How task types are recognised and their tables filled.
enum class TaskRecogniser {
  kLinear,  // softmax regression (fit/recogniser.h), shrunken cells
  kDual,    // dual encoder and tables trained together (fit/trouter_dual.h); serves the same way
};

struct TaskModel {
  Recogniser recogniser;
  std::vector<double> quality;  // T x M in [0,1]
};

// The recogniser is fitted on at most 4,000 of `use`, the tables on all of it; with no
// task among them every type is as likely. kDual falls back to kLinear where a model
// has no score at all.
TaskModel FitTaskModel(const Rows& embeddings, const TaskTypes& types, const Scores& scores, const CellOptions& cells,
                       std::span<const std::size_t> use, TaskRecogniser method, std::uint64_t seed);

// Fills task_names, task_weights, task_bias and task_quality from all rows (the
// recogniser from at most 8,000). Needs at least two types. Deterministic for the
// same seed.
void FillTaskTables(const Rows& embeddings, const TaskTypes& types, const Scores& scores, const CellOptions& cells,
                    TaskRecogniser method, std::uint64_t seed, policy::Bundle& bundle);

}  // namespace pointsman::bootstrap
