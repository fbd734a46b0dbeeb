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

// Every row of `model` decided until `at_us` counts half, `halvings` times: 2 when
// its provider declared a new epoch, kAlarmHalvings after an alarm. Exact, by
// exponents. The oldest of more than kDiscountsMax is forgotten.
void DiscountModel(State& state, ModelId model, std::int64_t at_us, std::uint8_t halvings);
// The same for one cell, by kAlarmHalvings.
void DiscountCell(State& state, const CellKey& key, std::int64_t at_us);

// Marks a row for the next checkpoint, and a cell also for the next publication.
void MarkCell(State& state, const CellKey& key, Cell& cell);

}  // namespace pointsman::policy
