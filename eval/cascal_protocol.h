// Protocol "cascal": what a router knows before any feedback.
//
// For each seed the table's usable rows (eval/table_world.h) are split; the router is
// fitted on the training part from answers, scores or references with errors, and
// judged by the true scores of the test part.
//
//   cell_correlation       Pearson's r over (cell, model) of predicted and true mean
//                          score after taking out each model's mean over the cells.
//                          Cells are the evaluator's own: spherical k-means, 32,
//                          seed 0, on the test embeddings; the same for every router
//   task_correlation       the same with the table's tasks as cells
//   consensus_correlation  the same as cell_correlation for the consensus scores of
//                          the test rows' answers in place of predictions: the
//                          consensus step without the router
//   top1, top3             true score of the first model; of the answer that the
//                          first three vote for (of the first where all differ)
//   best_single            the best model of the test part, in hindsight
//   train_single           the model that looks best in the training part
//
// Threads: none. Deterministic but for `seconds`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "bootstrap/data/table_reader.h"
#include "bootstrap/job/bundle_builder.h"
#include "eval/report.h"
#include "eval/simulated_niches.h"

namespace pointsman::eval {

enum class CascalMode {
  kPublished,  // steps A.2 to A.8 of the paper's code
  kScaled,     // a bundle with the scaled clusters
  kShared,     // a bundle with one shared k-means
};
enum class CascalLabels {
  kAnswers,    // none: agreement of the answers
  kScores,     // the true scores
  kGenerated,  // agreement with a reference answer that may be wrong
};
// Errors: INVALID_ARGUMENT listing the names.
Result<CascalMode> CascalModeFromName(std::string_view name);
Result<CascalLabels> CascalLabelsFromName(std::string_view name);

struct CascalOptions {
  CascalMode mode = CascalMode::kScaled;
  CascalLabels labels = CascalLabels::kAnswers;
  double generator_error = 0;  // [0,1]: share of references replaced by another letter, with kGenerated
  std::string generator_fault = "random";  // what stands in its place; see eval/generated_labels.h
  std::uint32_t clusters = 32; // at most, 1 to 2,000; not read by kPublished
  double train = 0.6;          // share of the rows, (0,1)
  std::uint64_t first_seed = 1;
  std::uint32_t seeds = 10;  // 1 to 1,000
  bool task_types = true;    // the router may read the task names of the training part
  bootstrap::RowFilter filter = bootstrap::RowFilter::kNone;  // with kAnswers, not read by kPublished
};

struct CascalReport {
  std::string table;
  std::size_t train_rows = 0;  // of the first seed
  std::size_t test_rows = 0;
  Figure cell_correlation;
  Figure task_correlation;       // NaN with fewer than two tasks
  Figure consensus_correlation;  // NaN without answers
  Figure top1;
  Figure top3;  // NaN without answers, or with fewer than three models
  Figure best_single;
  Figure train_single;
  Figure random;
  Figure oracle;
  Figure clusters;
  Figure niche_rand;   // adjusted Rand index of clusters and planted niches; NaN for real tables
  Figure family_rand;  // of the model tree, cut at the planted number of families
  double seconds = 0;
};

using CascalProgress = std::function<void(std::string_view, std::uint64_t, std::uint64_t)>;

// Errors: OUT_OF_RANGE for options; FAILED_PRECONDITION where generated labels are
// asked for and a row has no gold letter, naming it; those of TableWorld, SplitWorld
// and BuildBundle.
Result<CascalReport> RunCascal(const bootstrap::Table& table, const CascalOptions& options, const Clock& clock,
                               const CascalProgress& progress = {});

// The same on planted niches; one seed, kAnswers or kScores, kScaled only (else
// INVALID_ARGUMENT). `threads` for clustering.
Result<CascalReport> RunCascalNiches(const NicheWorld& world, const CascalOptions& options, std::size_t threads,
                                     const Clock& clock, const CascalProgress& progress = {});

// Predicted and true mean scores (items x models) by cell, as above; 0 where one of
// the two does not vary. Cells without items are left out.
double CellCorrelation(std::span<const double> predicted, std::span<const double> truth, std::size_t models,
                       std::span<const std::uint32_t> cell, std::size_t cells);

// Hubert and Arabie 1985; 1 for equal partitions, about 0 for unrelated ones.
double AdjustedRand(std::span<const std::uint32_t> left, std::span<const std::uint32_t> right);

// One line of JSON: {"protocol","table",...: {"mean","se"}}; unknown numbers are null.
std::string ToJson(const CascalReport& report, const CascalOptions& options);
// For people, at most 100 columns.
std::string ToTable(const CascalReport& report);

}  // namespace pointsman::eval
