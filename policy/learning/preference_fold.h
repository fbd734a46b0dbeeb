// Folding preferences: the moments of a pair of models in the clusters of the query.
//
// Source: spec cascal_meta_router C.5; belief/preference.h has the moments. Exact like
// rows: a revision takes out what was put in, at its weight, and puts the new word in.
// Preferences that came while learning was frozen are remembered, so that a later
// revision takes out only what is there. Threads: the learner thread.
#pragma once

#include "policy/belief/state.h"
#include "policy/learning/event.h"
#include "policy/learning/row_translation.h"

namespace pointsman::policy {

// Folds a checked preference between two models; `winner` and `loser` place the two
// decisions in the live bundle. The query lies half where each of them lies: they are
// answers to one query. False when it did not reach the moments (frozen, excluded, or
// too many pairs).
bool FoldPreference(State& state, const PreferenceGiven& preference, const LiveRow& winner, const LiveRow& loser);

// All pairs of the model in the cluster are forgotten: 18 CellReset.
void ResetPreferences(State& state, const CellKey& key);

// Halves what pairs of the model hold, in all clusters or in one.
void DiscountPreferences(State& state, ModelId model, std::uint8_t halvings);
void DiscountPreferences(State& state, const CellKey& key, std::uint8_t halvings);

}  // namespace pointsman::policy
