// Scores of a table's rows: from its labels, or from what the answers say.
//
// Pure and deterministic; one thread. Errors: none; a wrong shape aborts.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "bootstrap/data/table_reader.h"
#include "bootstrap/fit/cells.h"
#include "bootstrap/fit/votes.h"
#include "bootstrap/job/bundle_builder.h"

namespace pointsman::bootstrap {

// The answers of `columns` to `rows` as votes. Letters where at least nine in ten
// answers are letters; otherwise answers of an item are grouped by their words.
struct TableVotes {
  Votes votes;
  bool letters = false;
};
TableVotes VotesOf(const Table& table, std::span<const std::size_t> rows, std::span<const std::size_t> columns);

struct RowScores {
  Scores scores;                      // rows x columns; NaN where the model has no answer (score)
  Consensus used = Consensus::kAuto;  // kAuto with Labels::kScores
};
// An unreadable answer scores 0; a model that was not asked has no score.
RowScores ScoreRows(const Table& table, std::span<const std::size_t> rows, std::span<const std::size_t> columns,
                    Labels labels, Consensus consensus);

}  // namespace pointsman::bootstrap
