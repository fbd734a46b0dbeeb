#include "bootstrap/job/bundle_builder.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <utility>

#include "bootstrap/fit/kmeans.h"
#include "bootstrap/job/cascal_clusters.h"
#include "bootstrap/job/cluster_terms.h"
#include "bootstrap/job/lead.h"
#include "bootstrap/job/prior_blend.h"
#include "bootstrap/job/report.h"
#include "bootstrap/job/row_scores.h"
#include "embed/lsa.h"
#include "policy/belief/membership.h"
#include "policy/belief/prior.h"
#include "policy/belief/task_recogniser.h"

namespace pointsman::bootstrap {
namespace {

constexpr std::size_t kRowsPerCluster = 30;
constexpr std::size_t kRowsPerAnchor = 5;
constexpr std::size_t kBridgeNeighbours = 5;
constexpr double kConsensusPseudoCount = 20;
constexpr double kLabelPseudoCount = 10;
// Spec online_learner 4b: when a prior is good enough for narrow widths.
constexpr std::size_t kNarrowModels = 8;
constexpr std::size_t kNarrowRows = 500;
constexpr double kLeadingShare = 0.8;  // mean share of the largest membership weight

Error Unusable(const std::string& what) { return MakeError(Code::kInvalidArgument, "table_unusable", what); }

bool HasLabel(const TableCell& cell, Labels labels) {
  return cell.present && (labels == Labels::kScores ? std::isfinite(cell.score) : !cell.answer.empty());
}

class BundleBuilder {
 public:
  BundleBuilder(const Table& table, const BuildOptions& options) : table_(table), options_(options) {}

  Result<policy::Bundle> Build() {
    if (auto status = ChooseRowsAndColumns(); !status.ok()) return status.error();
    if (auto status = EmbedRows(); !status.ok()) return status.error();
    Report("score", 0);
    row_scores_ = ScoreRows(table_, rows_, columns_, options_.labels, options_.consensus);
    if (options_.labels == Labels::kConsensus && options_.filter == RowFilter::kJunk) {
      row_scores_.scores.weight = HonestShares(table_, rows_, columns_);
    }
    cells_.pseudo_count = options_.labels == Labels::kScores ? kLabelPseudoCount : kConsensusPseudoCount;
    cells_.skill_rank = kSkillRank;
    Report("cluster", 0);
    FillClusters();
    FillMembership();
    Report("tasks", 0);
    FillBlend();
    Report("prior", 0);
    FillMeanPrior();
    if (options_.labels != Labels::kScores) {
      StretchLead(bundle_);
      FillMeanPrior();
    }
    FillAnchors();
    FillTokens();
    FillWidthsAndProvenance();
    if (auto status = FillBridge(); !status.ok()) return status.error();
    if (auto status = policy::ValidateBundle(bundle_); !status.ok()) {
      return MakeError(Code::kInternal, "bundle_not_valid",
                       "the bundle that was built is not valid: " + status.error().message);
    }
    Report("prior", 1);
    return std::move(bundle_);
  }

 private:
  Rows embeddings() const { return Rows(vectors_, bundle_.dimension()); }
  void Report(std::string_view stage, std::uint64_t done) const {
    if (options_.progress) options_.progress(stage, done, 1);
  }

  Status ChooseRowsAndColumns();
  Status EmbedRows();
  void FillClusters();
  void FillMembership();
  void FillBlend();
  void FillMeanPrior();
  void FillAnchors();
  void FillTokens();
  void FillWidthsAndProvenance();
  Status FillBridge();

  const Table& table_;
  const BuildOptions& options_;
  std::vector<std::size_t> rows_;
  std::vector<std::size_t> columns_;
  std::shared_ptr<const embed::Embedder> embedder_;
  std::vector<float> vectors_;  // rows x dimension
  RowScores row_scores_;
  CellOptions cells_;
  std::vector<std::uint32_t> cluster_;  // of each row, from 0
  policy::Bundle bundle_;
};

Status BundleBuilder::ChooseRowsAndColumns() {
  std::vector<std::size_t> wanted = options_.rows;
  if (wanted.empty()) {
    wanted.resize(table_.rows.size());
    std::iota(wanted.begin(), wanted.end(), 0);
  }
  std::vector<std::size_t> labels(table_.models.size(), 0);
  for (const std::size_t r : wanted) {
    if (r >= table_.rows.size()) {
      return MakeError(Code::kOutOfRange, "no_such_row",
                       "row " + std::to_string(r) + " of a table with " + std::to_string(table_.rows.size()) + " rows");
    }
    bool any = false;
    for (std::size_t m = 0; m < table_.models.size(); ++m) {
      if (!HasLabel(table_.rows[r].models[m], options_.labels)) continue;
      ++labels[m];
      any = true;
    }
    if (any) rows_.push_back(r);
  }
  for (std::size_t m = 0; m < labels.size(); ++m) {
    if (labels[m] == 0) continue;
    columns_.push_back(m);
    bundle_.models.push_back(table_.models[m]);
  }
  if (options_.labels == Labels::kConsensus) rows_ = FilterRows(table_, rows_, columns_, options_.filter);
  const std::string what = options_.labels == Labels::kScores ? "score" : "answer";
  if (columns_.empty()) {
    return Unusable("no model of the table has " + std::string(what == "score" ? "a score" : "an answer") +
                    "; a bundle from " + (what == "score" ? "labels" : "consensus") + " needs the field \"" + what +
                    "\" in models");
  }
  if (rows_.size() < 2) {
    return Unusable("a bundle needs at least 2 rows with " + std::string(what == "score" ? "a score" : "an answer") +
                    "; there are " + std::to_string(rows_.size()));
  }
  return {};
}

Status BundleBuilder::EmbedRows() {
  std::vector<std::string> texts;
  for (const std::size_t r : rows_) texts.push_back(table_.rows[r].query);
  if (options_.keep_embedder_of != nullptr) {
    auto embedder = embed::EmbedderFor(*options_.keep_embedder_of);
    if (!embedder.ok()) return embedder.error();
    embedder_ = *embedder;
    bundle_.embedder_model = options_.keep_embedder_of->embedder_model;
  } else {
    Report("embedder", 0);
    embed::LsaOptions lsa;
    lsa.seed = options_.seed;
    auto fit = options_.make_embedder ? options_.make_embedder(texts) : embed::FitLsa(texts, lsa);
    if (!fit.ok()) return fit.error();
    embedder_ = fit->embedder;
    bundle_.embedder_model = std::move(fit->model);
  }
  bundle_.embedder = embedder_->identity();
  std::vector<std::size_t> kept;
  constexpr std::size_t kBatch = 256;
  for (std::size_t begin = 0; begin < rows_.size(); begin += kBatch) {
    if (options_.progress) options_.progress("embed", begin, rows_.size());
    const auto batch = std::span(texts).subspan(begin, std::min(kBatch, rows_.size() - begin));
    const auto vectors = embedder_->EmbedMany(batch);
    if (!vectors.ok()) return vectors.error();
    for (std::size_t i = 0; i < batch.size(); ++i) {
      const std::vector<float>& vector = vectors.value()[i];
      if (vector.empty()) continue;  // no words: it would lie in the background
      vectors_.insert(vectors_.end(), vector.begin(), vector.end());
      kept.push_back(rows_[begin + i]);
    }
  }
  rows_ = std::move(kept);
  if (rows_.size() < 2) {
    return Unusable("a bundle needs at least 2 rows with words that the embedder knows; there are " +
                    std::to_string(rows_.size()));
  }
  return {};
}

void BundleBuilder::FillClusters() {
  CellTable cells;
  if (options_.cluster_method == ClusterMethod::kCascal) {
    CascalClusters found = FindCascalClusters(table_, rows_, columns_, embeddings(), row_scores_.scores);
    bundle_.centroids = std::move(found.centroids);
    cluster_ = std::move(found.assignment);
    bundle_.cluster_sizes = std::move(found.sizes);
    cells = ShrunkenCells(row_scores_.scores, cluster_, bundle_.cluster_sizes.size(), {}, cells_);
    cells.quality = std::move(found.quality);
  } else if (options_.cluster_method == ClusterMethod::kScaled) {
    ScaledClusters found = FindScaledClusters(embeddings(), row_scores_.scores, cells_, options_.clusters_max,
                                              options_.anchors_max, options_.seed);
    bundle_.centroids = std::move(found.centroids);
    bundle_.anchors = std::move(found.micro_centroids);
    cluster_ = std::move(found.assignment);
    bundle_.cluster_sizes = std::move(found.sizes);
    cells = ShrunkenCells(row_scores_.scores, cluster_, bundle_.cluster_sizes.size(), {}, cells_);
  } else {
    KMeansOptions options;
    const std::size_t most = std::max<std::size_t>(rows_.size() / kRowsPerCluster, 1);
    options.clusters = std::clamp<std::size_t>(options_.clusters_max, 1, most);
    options.seed = options_.seed;
    options.iterations_max = 50;
    KMeansFit fit = FitSphericalKMeans(embeddings(), options);
    bundle_.centroids = std::move(fit.centroids);
    cluster_ = std::move(fit.assignment);
    bundle_.cluster_sizes = std::move(fit.sizes);
    cells = ShrunkenCells(row_scores_.scores, cluster_, bundle_.cluster_sizes.size(), {}, cells_);
  }
  std::vector<std::string> queries;
  for (const std::size_t r : rows_) queries.push_back(table_.rows[r].query);
  bundle_.cluster_names = NameClusters(queries, cluster_, bundle_.cluster_sizes.size());
  std::vector<std::uint32_t> sizes{static_cast<std::uint32_t>(rows_.size())};
  for (const std::uint32_t size : bundle_.cluster_sizes) sizes.push_back(size);
  bundle_.cluster_sizes = std::move(sizes);
  bundle_.skills = cells.overall;
  for (double& skill : bundle_.skills) skill = std::clamp(skill, 0.0, 1.0);
  bundle_.skills.insert(bundle_.skills.end(), cells.quality.begin(), cells.quality.end());
}

// s_0: 5th percentile of the nearest centroid's cosine. T: the largest of a grid
// with a mean leading share of at least .8, so that memberships are as soft as
// spec online_learner 0 allows.
void BundleBuilder::FillMembership() {
  std::vector<float> similarity;
  NearestByCosine(embeddings(), Rows(bundle_.centroids, bundle_.dimension()), &similarity);
  std::sort(similarity.begin(), similarity.end());
  bundle_.background_similarity = std::clamp(static_cast<double>(similarity[similarity.size() / 20]), -1.0, 1.0);
  constexpr std::array<double, 14> kTemperatures = {0.3,  0.2,  0.15, 0.1,   0.08, 0.07,  0.06,
                                                    0.05, 0.04, 0.03, 0.025, 0.02, 0.015, 0.01};
  const std::size_t stride = std::max<std::size_t>(rows_.size() / 3000, 1);
  for (const double temperature : kTemperatures) {
    bundle_.membership_temperature = temperature;
    double share = 0;
    double count = 0;
    for (std::size_t i = 0; i < rows_.size(); i += stride) {
      double leading = 0;
      for (const auto& entry : policy::FindMembership(bundle_, embeddings().row(i)).clusters) {
        leading = std::max(leading, entry.weight);
      }
      share += leading;
      count += 1;
    }
    if (share >= kLeadingShare * count) break;
  }
}

void BundleBuilder::FillBlend() {
  std::vector<std::string> tasks;
  for (const std::size_t r : rows_) {
    if (options_.task_types) tasks.push_back(table_.rows[r].task);
  }
  BlendInputs inputs;
  inputs.embeddings = embeddings();
  inputs.tasks = tasks;
  inputs.cluster = cluster_;
  inputs.scores = &row_scores_.scores;
  inputs.cells = cells_;
  inputs.latent_types = options_.latent_types && !options_.task_types;
  inputs.recogniser = inputs.latent_types ? TaskRecogniser::kDual : options_.recogniser;
  inputs.seed = options_.seed;
  FillPriorBlend(inputs, bundle_);
}

void BundleBuilder::FillMeanPrior() {
  bundle_.mean_prior.assign(columns_.size(), 0);
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const auto row = embeddings().row(i);
    const auto clusters = policy::FindMembership(bundle_, row).clusters;
    const auto tasks = policy::RecogniseTasks(bundle_, row);
    const auto head = policy::ProjectHead(bundle_, row);
    for (std::size_t m = 0; m < columns_.size(); ++m) {
      bundle_.mean_prior[m] += policy::PriorQuality(bundle_, static_cast<int>(m), clusters, tasks, head);
    }
  }
  for (double& mean : bundle_.mean_prior) mean /= static_cast<double>(rows_.size());
}

void BundleBuilder::FillAnchors() {
  if (!bundle_.anchors.empty()) return;  // the clusters were made of them
  KMeansOptions options;
  const std::size_t most = std::max<std::size_t>(rows_.size() / kRowsPerAnchor, 1);
  options.clusters =
      std::min({static_cast<std::size_t>(std::max<std::uint32_t>(options_.anchors_max, 1)), most, policy::kAnchorsMax});
  options.seed = options_.seed + 1;
  options.iterations_max = 10;
  bundle_.anchors = FitSphericalKMeans(embeddings(), options).centroids;
}

void BundleBuilder::FillTokens() {
  bundle_.tokens.assign(columns_.size(), {});
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    double rows = 0;
    double sum = 0;
    double squares = 0;
    for (const std::size_t r : rows_) {
      const TableCell& cell = table_.rows[r].models[columns_[c]];
      if (!cell.present || !std::isfinite(cell.tokens_out)) continue;
      const double z = std::log1p(cell.tokens_out);
      rows += 1;
      sum += z;
      squares += z * z;
    }
    policy::TokenStatistics& statistics = bundle_.tokens[c];
    statistics.rows = rows;
    if (rows < 1) continue;
    statistics.mean_log = sum / rows;
    if (rows >= 2) statistics.variance_log = std::max((squares - sum * sum / rows) / (rows - 1), 1e-4);
  }
}

void BundleBuilder::FillWidthsAndProvenance() {
  const bool labelled = options_.labels == Labels::kScores;
  // Agreement overrates all models alike; what gold says of one says it of all.
  if (!labelled) bundle_.widths.common = 0.15;
  const bool good_crowd = row_scores_.used == Consensus::kCrowd && columns_.size() >= kNarrowModels;
  if ((labelled || good_crowd) && rows_.size() >= kNarrowRows) {
    bundle_.widths.model = 0.03;
    bundle_.widths.trust = 0.1;
    bundle_.widths.cell = 0.02;
    bundle_.widths.source_model = 0.15;
    bundle_.widths.source_cell = 0.05;
  }
  bundle_.made_from = "table " + table_.name + " (" + std::to_string(rows_.size()) + " rows)";
  bundle_.made_at_us = options_.made_at_us;
  bundle_.rows = rows_.size();
  bundle_.labels = labelled ? "scores" : "consensus";
}

// An old anchor's image: the normalised mean of the new embeddings of the five
// queries that were nearest to it in the old embedding.
Status BundleBuilder::FillBridge() {
  const policy::Bundle* old = options_.bridge_from;
  if (old == nullptr || old->embedder == bundle_.embedder || old->anchor_count() == 0 || old->hash.IsZero()) return {};
  // No bridge from an embedder that takes no text, or is gone: one leaves it for that.
  const auto embedder = embed::EmbedderFor(*old);
  if (!embedder.ok()) return {};
  std::vector<std::string> texts;
  for (const std::size_t row : rows_) texts.push_back(table_.rows[row].query);
  const auto embedded = (*embedder)->EmbedMany(texts);
  if (!embedded.ok()) return {};
  const std::vector<std::vector<float>>& olds = embedded.value();
  const std::size_t dimension = bundle_.dimension();
  for (std::size_t a = 0; a < old->anchor_count(); ++a) {
    const float* anchor = old->anchors.data() + a * old->dimension();
    std::vector<std::pair<double, std::size_t>> near;
    for (std::size_t i = 0; i < olds.size(); ++i) {
      if (!olds[i].empty()) near.emplace_back(-std::inner_product(olds[i].begin(), olds[i].end(), anchor, 0.0), i);
    }
    const std::size_t count = std::min(near.size(), kBridgeNeighbours);
    if (count == 0) return {};
    std::partial_sort(near.begin(), near.begin() + static_cast<std::ptrdiff_t>(count), near.end());
    std::vector<float> image(dimension, 0);
    for (std::size_t n = 0; n < count; ++n) {
      const auto row = embeddings().row(near[n].second);
      for (std::size_t j = 0; j < dimension; ++j) image[j] += row[j];
    }
    double squares = 0;
    for (const float value : image) squares += static_cast<double>(value) * static_cast<double>(value);
    if (squares < 1e-6) {  // the five cancel: the nearest alone stands for them
      const auto row = embeddings().row(near[0].second);
      std::copy(row.begin(), row.end(), image.begin());
    }
    Normalise(image);
    bundle_.bridge.insert(bundle_.bridge.end(), image.begin(), image.end());
  }
  bundle_.bridge_from = old->hash;
  return {};
}

}  // namespace

Result<policy::Bundle> BuildBundle(const Table& table, const BuildOptions& options) {
  return BundleBuilder(table, options).Build();
}

}  // namespace pointsman::bootstrap
