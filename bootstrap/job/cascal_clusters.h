// The published CASCAL clusters of a table, flattened over its subjects.
//
// Pure and deterministic; one thread. Errors: none; a wrong shape aborts.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "bootstrap/data/table_reader.h"
#include "bootstrap/fit/cells.h"
#include "bootstrap/fit/rows.h"

namespace pointsman::bootstrap {

struct CascalClusters {
  std::vector<float> centroids;           // K x d, unit rows, K >= 1
  std::vector<std::uint32_t> assignment;  // of each row, in [0, K)
  std::vector<std::uint32_t> sizes;       // K
  std::vector<double> quality;            // K x columns, the published mean scores
};

// One subject per task of the table. Where the table has no answers, being right
// (score at least one half) stands for agreeing, as in CASCAL-GT. A table in which
// no query has a consensus gives one cluster.
CascalClusters FindCascalClusters(const Table& table, std::span<const std::size_t> rows,
                                  std::span<const std::size_t> columns, const Rows& embeddings, const Scores& scores);

}  // namespace pointsman::bootstrap
