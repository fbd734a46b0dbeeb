// The bundle: the read-only offline artefact that the daemon starts from.
//
// Made by bootstrap/, written and read by store/bundle_file, identified by the
// hash of its content. It holds no prices (those are the pool's) and no prompt
// text. Immutable and shared between threads once built.
//
// Shapes: d dimensions, K clusters (numbered 1..K; 0 is the background), M model
// columns, A anchors, T task types. Matrices are row-major.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "policy/world/options.h"

namespace pointsman::policy {

inline constexpr std::size_t kAnchorsMax = 2000;
inline constexpr std::size_t kDimensionMax = 8192;
inline constexpr std::size_t kHeadRankMax = 16;

// Which function turned text into vectors. Vectors of different identities must
// never meet.
struct EmbedderIdentity {
  std::string kind;  // "lsa", "caller", "none"
  std::uint32_t dimension = 0;
  std::array<std::uint8_t, 32> digest{};  // of the embedder's parameters; zero for "caller"
  bool operator==(const EmbedderIdentity&) const = default;
};

// Output length of one model: z = ln(1 + tokens_out), mean and variance.
struct TokenStatistics {
  double mean_log = 5.0;
  double variance_log = 0.5;
  double rows = 0;
};

struct Bundle {
  BundleHash hash;  // set by store/bundle_file; not part of the content

  EmbedderIdentity embedder;
  std::vector<std::uint8_t> embedder_model;  // opaque here; embed/ reads it

  std::vector<std::string> models;  // M column names, distinct

  // Clusters (CASCAL).
  std::vector<float> centroids;              // K x d, unit rows
  std::vector<std::string> cluster_names;    // K, short terms for people, never prompt text
  std::vector<std::uint32_t> cluster_sizes;  // K + 1; [0] is the total
  std::vector<double> skills;                // (K + 1) x M expected quality in [0,1]; row 0: over all
  double membership_temperature = 0.07;      // T of spec trouter_bandits 3.2, > 0
  double background_similarity = 0.0;        // s_0 there, a cosine

  // Anchors: micro-centroids by which evidence moves between bundles.
  std::vector<float> anchors;  // A x d, unit rows, A <= kAnchorsMax

  // Task types (TRouter): p(t|q) = softmax(row_t . q + bias_t), cut to 8.
  std::vector<std::string> task_names;  // T
  std::vector<float> task_weights;      // T x d
  std::vector<float> task_bias;         // T
  std::vector<double> task_quality;     // T x M in [0,1]

  // Linear head: quality straight from the embedding, one ridge regression a model,
  // factorised. head_m(q) = head_bias[m] + sum_r head_loadings[m,r] * (sum_j q_j head_basis[j,r]).
  // All three are empty when head_share is 0.
  std::vector<float> head_basis;     // d x r, r <= kHeadRankMax
  std::vector<float> head_loadings;  // M x r
  std::vector<double> head_bias;     // M

  // Weights of the prior's parts, fitted by cross-validation and frozen; the
  // clusters have the rest, 1 - task_share - head_share. Each in [0,1], sum <= 1.
  double task_share = 0.5;  // omega
  double head_share = 0;
  std::vector<double> mean_prior;       // M: mean over the bootstrap queries of f_m(q)
  std::vector<TokenStatistics> tokens;  // M
  Widths widths;

  // Where the anchors of one earlier bundle lie in this one's embedding space;
  // needed only when the embedder changed. Empty otherwise.
  BundleHash bridge_from;
  std::vector<float> bridge;  // (anchors of bridge_from) x d

  // Provenance, for people.
  std::string made_from;  // for example "table mmlupro (3000 rows)"
  std::int64_t made_at_us = 0;
  std::uint64_t rows = 0;
  std::string labels;  // "consensus", "scores"

  std::size_t dimension() const { return embedder.dimension; }
  std::size_t cluster_count() const { return cluster_names.size(); }  // without the background
  std::size_t anchor_count() const { return dimension() == 0 ? 0 : anchors.size() / dimension(); }
  std::size_t task_count() const { return task_names.size(); }
  std::size_t head_rank() const { return dimension() == 0 ? 0 : head_basis.size() / dimension(); }
  // Column of `model`, or -1.
  int Column(std::string_view model) const;
  double skill(std::size_t cluster, std::size_t column) const { return skills[cluster * models.size() + column]; }
};

// Checks every shape, that every number is finite and in range, rows unit to
// 1e-3, names distinct. Errors: INVALID_ARGUMENT naming the first bad field.
// Everything that reads a bundle calls this before using it.
Status ValidateBundle(const Bundle& bundle);

// The bundle of generation 0: no embedder, no clusters, no models. Every query
// lies in the background and every model has the same prior, so there is always
// an answer.
std::shared_ptr<const Bundle> ColdBundle();

}  // namespace pointsman::policy
