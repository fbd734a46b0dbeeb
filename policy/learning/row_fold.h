// Folding one decision's row into its cells: subtract what they hold of it, add
// what it has become.
//
// Source: spec online_learner 1.2 and 1.3. Late gold, revisions, retractions and
// second sources are this one operation. Rows that came while learning was frozen,
// or partly from an excluded subject, or that lost channels to a CellReset, are
// remembered in state.irregular, so that exactly what a cell holds is subtracted
// from it and nothing else. A frozen row is caught up with by its next change
// after learning resumed.
//
// Only + - * / and base/exact_math; cells ascending. Threads: the learner thread.
#pragma once

#include "policy/belief/state.h"
#include "policy/learning/event.h"
#include "policy/learning/row_translation.h"

namespace pointsman::policy {

// Folds a checked change; marks rows dirty and cells unpublished. False when the
// change did not reach the cells (frozen, or the subject is excluded).
bool FoldRow(State& state, const RowChanged& change, const LiveRow& row, LogSeq seq);

// Throws the evidence of one cell away: 18 CellReset.
void ResetCell(State& state, const CellKey& key, LogSeq seq);

// Every row of `model` that the discount names counts less: when its provider declared
// a new epoch, and after an alarm. Exact, by exponents.
void DiscountModel(State& state, ModelId model, const Discount& discount);
// The same for one cell.
void DiscountCell(State& state, const CellKey& key, const Discount& discount);

// Marks a row for the next checkpoint, and a cell also for the next publication.
void MarkCell(State& state, const CellKey& key, Cell& cell);

}  // namespace pointsman::policy
