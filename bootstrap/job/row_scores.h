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

// The answers of `columns` to `rows` as votes, with each item's number of options.
// A table of letters (nine in ten answers): as many as the row states in `options`,
// else as its query lists, else as the table uses; letters beyond that abstain.
// Otherwise each item is grouped by the kind that most of its answers have
// (fit/answer_groups.h), the larger groups first.
struct TableVotes {
  Votes votes;
  bool letters = false;
};
TableVotes VotesOf(const Table& table, std::span<const std::size_t> rows, std::span<const std::size_t> columns);

// What Consensus::kAuto means. Found on real answers: docs/decisions has the figures.
inline constexpr std::size_t kCrowdModelsMin = 3;
inline constexpr std::size_t kCrowdRowsMin = 2;
Consensus ChooseConsensus(std::size_t rows, std::size_t models);

// rows x columns, NaN where there is none; empty for a table without any.
std::vector<double> LogProbabilities(const Table& table, std::span<const std::size_t> rows,
                                     std::span<const std::size_t> columns);

struct RowScores {
  Scores scores;                      // rows x columns; NaN where the model has no answer (score)
  Consensus used = Consensus::kAuto;  // kAuto with Labels::kScores
};
// An unreadable answer scores 0; a model that was not asked has no score. Raw sums
// are divided by the number of models. Log-probabilities, where the table has some,
// weigh the votes.
RowScores ScoreRows(const Table& table, std::span<const std::size_t> rows, std::span<const std::size_t> columns,
                    Labels labels, Consensus consensus);

// Of each row: how likely its answers are no junk (fit/junk.h), at least
// kHonestShareMin: what RowFilter::kJunk lets it count. 1 where there are too few
// models or rows to tell.
inline constexpr double kHonestShareMin = 0.001;
std::vector<double> HonestShares(const Table& table, std::span<const std::size_t> rows,
                                 std::span<const std::size_t> columns);

}  // namespace pointsman::bootstrap
