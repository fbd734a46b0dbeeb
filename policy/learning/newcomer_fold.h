// The fold of what happens to models on trial (belief/newcomer.h): joining, draws, probes,
// changes of state. Part of the fold: only + - * /. Threads: the learner's.
#pragma once

#include "base/result.h"
#include "policy/belief/state.h"
#include "policy/learning/event.h"
#include "policy/learning/row_translation.h"
#include "policy/world/bundle.h"

namespace pointsman::policy {

// Errors: those of Pool::Add; INVALID_ARGUMENT for a trial's numbers out of range.
Status FoldModelAdded(State& state, const ModelAdded& added);
// A trial ends when its model leaves it, and goes on when an undo brings it back. What the
// learner found is void where an operator has ended the trial in between.
// Errors: those of Pool::SetState; INVALID_ARGUMENT for a trial of a model that never was on one.
Status FoldModelState(State& state, const ModelStateChanged& changed, Origin origin, LogSeq seq);
// Books a decision for a model on trial: what it gave up, and gold that it asks for.
void CountTrial(State& state, const DecisionMade& made);

Status CheckProbes(const State& state, const ModelProbed& probed);
// Puts the rows into the cells, as gold; nothing while learning is frozen. With `counted`
// the model's trial counts them. Errors: those of RowTranslator; nothing is changed then.
Status FoldProbes(State& state, const ModelProbed& probed, RowTranslator& translator, LogSeq seq,
                  Newcomers* counted = nullptr);

// Whether the model was on trial when event `seq` happened. What is then learnt of it is no change.
bool TrialAt(const State& state, ModelId model, LogSeq seq);
// A bundle that knows a model describes it: its trial is over.
void EndTrialsOf(State& state, const Bundle& live, LogSeq seq);

}  // namespace pointsman::policy
