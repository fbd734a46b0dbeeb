// CASCAL clusters for a bundle: the published ones of a table, flattened over its
// subjects, and the scaled ones.
//
// Pure and deterministic; one thread. Errors: none; a wrong shape aborts.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "bootstrap/data/table_reader.h"
#include "bootstrap/fit/cascal_scaled.h"
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

// The scaled clusters within a bundle's limits: at most `clusters_max` of them, a
// thirtieth of the rows each on average, from at most `micro_max` micro-clusters.
// `cells` says how scores become means. Rows must be of unit length.
ScaledClusters FindScaledClusters(const Rows& embeddings, const Scores& scores, const CellOptions& cells,
                                  std::size_t clusters_max, std::size_t micro_max, std::uint64_t seed);

}  // namespace pointsman::bootstrap
