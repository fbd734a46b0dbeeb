// From a table to a bundle: votes -> clusters and scores, anchors, task tables,
// recogniser -> Bundle. Needs no label: with Labels::kConsensus the reference
// answers and scores of the table are not looked at.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bootstrap/data/table_reader.h"
#include "bootstrap/job/task_tables.h"
#include "embed/embedder.h"
#include "policy/world/bundle.h"

namespace pointsman::bootstrap {

// Where the expected quality of an answer comes from.
enum class Labels {
  kConsensus,  // agreement among the models' answers; no gold
  kScores,     // the table's scores
};

// How unlabelled answers become scores.
enum class Consensus {
  kAuto,             // kCrowd where there are enough models and rows (job/row_scores.h), else kPlainEm
  kCrowd,            // spec consensus_prior: truth, popular wrong answer, difficulty, shared errors
  kPlainEm,          // one reliability per model
  kPublished,        // spec cascal_meta_router A.2, softmax link
  kPublishedRawSum,  // the same with the raw-sum link, divided by the number of models
};

// Where the clusters come from.
enum class ClusterMethod {
  kSpherical,  // one shared spherical k-means, shrunken cells (spec consensus_prior, "Cells")
  kScaled,     // micro-clusters merged where models rank alike (spec cascal_meta_router D)
  kCascal,     // the published steps A.3 to A.6, one subject per task of the table
};

// Which rows the consensus leaves out (job/report.h tells what a table would lose).
enum class RowFilter {
  kNone,
  kPlurality,    // spec cascal_meta_router A.9: unanimous ones, and those with a plurality below one half
  kAboveChance,  // unanimous ones, and those with a plurality below one half that random answers would reach too
  kNotByChance,  // of kAboveChance the latter alone: unanimous rows tell how hard a region is
  kJunk,         // none; each counts as far as its answers are likely to be no junk (job/row_scores.h)
};

struct BuildOptions {
  Labels labels = Labels::kConsensus;
  Consensus consensus = Consensus::kAuto;
  ClusterMethod cluster_method = ClusterMethod::kSpherical;
  RowFilter filter = RowFilter::kNone;  // with kConsensus
  bool task_types = true;               // learn task types from the table's task column
  TaskRecogniser recogniser = TaskRecogniser::kLinear;
  bool latent_types = false;  // without task_types: types found in the embeddings (job/task_tables.h)
  std::uint32_t clusters_max = 32;
  std::uint32_t anchors_max = 512;
  std::uint64_t seed = 0;
  std::int64_t made_at_us = 0;
  // Reused when given (a re-bootstrap keeps the embedder, so that anchors stay
  // comparable).
  const policy::Bundle* keep_embedder_of = nullptr;
  // Otherwise this, where it is given, makes the embedder from the queries; else LSA.
  std::function<Result<embed::FittedEmbedder>(std::span<const std::string>)> make_embedder;
  // With a newly fitted embedder: an earlier bundle (its hash set) whose anchors
  // get images in the new embedding, so that evidence can cross. Null, or an
  // embedder that gives no vectors any more: no bridge.
  const policy::Bundle* bridge_from = nullptr;
  // Indices of rows to use; empty: all.
  std::vector<std::size_t> rows;
  // Called with (stage, done, total); may be empty.
  std::function<void(std::string_view, std::uint64_t, std::uint64_t)> progress;
};

// The bundle is valid (policy::ValidateBundle); its hash is not set.
// Rows without words, and models without a single answer (score), are left out.
// Deterministic: same table, options and seed, same bundle.
// Errors: INVALID_ARGUMENT for fewer than 2 usable rows or no model with answers
// (kConsensus) or scores (kScores), naming what is missing; FAILED_PRECONDITION
// when the kept embedder cannot embed text.
Result<policy::Bundle> BuildBundle(const Table& table, const BuildOptions& options);

}  // namespace pointsman::bootstrap
