// The routers that protocol "cascal" judges, fitted on one part of a table and asked
// about another.
//
// Threads: none; deterministic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "bootstrap/data/table_reader.h"
#include "bootstrap/job/bundle_builder.h"

namespace pointsman::eval {

struct CascalRouterOptions {
  bool published = false;  // steps A.2 to A.8 of the paper's code; else a bundle
  bool scaled = true;      // of a bundle: the scaled clusters, else one k-means
  bool labelled = false;   // by the table's scores; else by what the answers say
  std::uint32_t clusters_max = 32;
  bool task_types = true;
  bootstrap::RowFilter filter = bootstrap::RowFilter::kNone;  // of a bundle fitted from answers
  std::uint64_t seed = 0;
};

struct CascalRouted {
  std::vector<double> predicted;       // test rows x models: expected score
  std::vector<double> preference;      // test rows x models: larger is chosen first
  std::vector<float> test_embeddings;  // test rows x dimension; of a text without known words the first axis
  std::size_t dimension = 0;
  std::size_t clusters = 0;
  std::size_t best_on_train = 0;  // model with the best mean by the training labels
};

// Rows are indices into table.rows. A model without an answer in the training part
// is predicted as the product does for one that it does not know.
// Errors: those of BuildBundle, FitLsa and the embedder.
Result<CascalRouted> FitCascalRouter(const bootstrap::Table& table, std::span<const std::size_t> train,
                                     std::span<const std::size_t> test, const CascalRouterOptions& options);

// Models by falling preference; ties to the smaller number.
std::vector<std::size_t> RankByPreference(std::span<const double> preference);

}  // namespace pointsman::eval
