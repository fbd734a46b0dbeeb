// A table of real (or simulated) outcomes as a world to route in: queries arrive,
// a model is chosen, its score, cost and rating are revealed.
//
// Source: protocol E1, docs/ALGORITHMS.md. Usable rows are those with every model
// present and scored. Ratings come from a source of the file or are derived from
// the letters: agree:MODEL is 1 where the chosen model's letter equals MODEL's, 0
// where it differs or is missing, and undefined for MODEL itself and where MODEL
// has no letter. Aliases: ref_agree (gemini-1.5-flash-002), weak_agree
// (Meta-Llama-3_1-8B-Instruct).
//
// Threads: immutable once made; any number may read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bootstrap/data/table_reader.h"

namespace pointsman::eval {

// The name by which a world is asked for without ratings.
inline constexpr std::string_view kNoSource = "none";

class TableWorld {
 public:
  // `source`: a name as above; empty: the file's first source, else none;
  // kNoSource: none, unless the file has a source of that name. The table must
  // outlive the world.
  // Errors: INVALID_ARGUMENT when no row is usable; NOT_FOUND for an unknown
  // source, listing those that there are.
  static Result<TableWorld> Create(const bootstrap::Table& table, const std::string& source);

  const bootstrap::Table& table() const { return *table_; }
  const std::vector<std::string>& models() const { return table_->models; }
  // Indices into table().rows, ascending.
  const std::vector<std::size_t>& usable_rows() const { return usable_; }
  // The rating source's name as given (aliases unresolved); empty: no ratings.
  const std::string& source() const { return source_; }

  // `row` is an index into table().rows.
  double Score(std::size_t row, std::size_t model) const { return table_->rows[row].models[model].score; }
  // US dollars; NaN where the table does not say.
  double Cost(std::size_t row, std::size_t model) const { return table_->rows[row].models[model].cost_usd; }
  std::optional<double> Rating(std::size_t row, std::size_t model) const;

 private:
  explicit TableWorld(const bootstrap::Table& table) : table_(&table) {}

  const bootstrap::Table* table_;
  std::vector<std::size_t> usable_;
  std::string source_;
  int source_column_ = -1;     // in Table::sources, or
  int reference_column_ = -1;  // in Table::models
};

// The two halves of protocol E1, as indices into table().rows.
struct Split {
  std::vector<std::size_t> bootstrap;
  std::vector<std::size_t> stream;
};

// Groups rows by query text, shuffles the groups with `seed` and takes groups
// until `bootstrap_rows` rows are in the bootstrap set; the rest is the stream.
// 0: 3,000 rows, or half of the usable ones where that is less.
// kAsInTable does not shuffle: for a table whose rows are in the order of time.
// Errors: OUT_OF_RANGE when fewer than 2 rows would be left for the stream.
enum class RowOrder { kShuffled, kAsInTable };
Result<Split> SplitWorld(const TableWorld& world, std::uint64_t seed, std::size_t bootstrap_rows,
                         RowOrder order = RowOrder::kShuffled);

}  // namespace pointsman::eval
