// Task recogniser: p(t|q) over the bundle's task types.
//
// softmax(row_t . q + bias_t), cut to the 8 likeliest and renormalised. Source:
// the role of TRouter's recognition module (trouter_bandits 1.5), here one layer.
#pragma once

#include <span>

#include "base/inline_vector.h"
#include "policy/belief/search_index.h"
#include "policy/learning/event.h"
#include "policy/world/bundle.h"

namespace pointsman::policy {

using TaskProbabilities = InlineVector<TaskProbability, 8>;

// Likeliest first; ties to the smaller number. Empty for an empty embedding or a
// bundle without tasks.
TaskProbabilities RecogniseTasks(const Bundle& bundle, std::span<const float> embedding);
// The same with plain double arithmetic in index order: for the fold.
// The same answer through the index; `query` is not empty.
TaskProbabilities RecogniseTasks(const SearchIndex& index, const kernels::CoarseQuery& query);
TaskProbabilities RecogniseTasksExact(const Bundle& bundle, std::span<const float> embedding);

}  // namespace pointsman::policy
