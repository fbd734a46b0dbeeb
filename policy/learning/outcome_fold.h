// What an outcome changes: counts, token lengths, latency, the budget that pays for it,
// and whether the model is called again. Part of the fold: only + - * / sqrt and exact::Log.
#pragma once

#include <cstdint>

#include "policy/belief/state.h"
#include "policy/learning/event.h"

namespace pointsman::policy {

// The tally of a model, marked to be written.
ModelTally& MarkedTally(State& state, ModelId model);

// `outcome` names a model of the pool.
void FoldOutcome(State& state, const OutcomeReported& outcome, std::int64_t at_us);

}  // namespace pointsman::policy
