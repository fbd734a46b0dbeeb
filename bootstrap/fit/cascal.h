// CASCAL as published: skill clusters from unlabelled answers.
//
// Source: spec cascal_meta_router A.3 to A.8 (the released code). Traps of that
// code are behind compatibility flags; the defaults are the spec's proposals.
// Shapes: embeddings n x d (unit rows), scores n x M (consensus), subjects by
// number. Pure and deterministic; ties go to the smaller number.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bootstrap/fit/rows.h"
#include "bootstrap/fit/votes.h"

namespace pointsman::bootstrap {

struct CascalOptions {
  bool weighted = true;  // weights rho and the minimum below; false: weight 1, nothing skipped
  double min_consensus = 0.5;
  bool ties_count_all = false;   // compatibility: all letters of a tie count as the majority (inflates rho)
  double merge_distance = 0.15;  // on 1 - cos; 0: no merging
  bool prune = true;
  std::uint64_t seed = 0;
};

// A.3 for one query: which models are strong, with which weight.
struct StrongVote {
  double weight = 0;         // rho; 0: the query is skipped
  std::vector<bool> strong;  // per model
};
StrongVote FindStrong(std::span<const std::int16_t> letters, const CascalOptions& options);

// Unit centroids and the number of rows that each stands for.
struct SeededCentroids {
  std::vector<float> centroids;  // k x d
  std::vector<double> seeds;     // k
};

// A.4: weighted k-means with k chosen by silhouette among 2..5, else one centroid.
// No rows: no centroid.
SeededCentroids StrongCentroids(const Rows& rows, std::span<const double> weights, const CascalOptions& options);

// A.5: greedy merge by original centroids, in order.
SeededCentroids MergeClose(const SeededCentroids& centroids, std::size_t dimension, double distance);

// Models by (score descending, name ascending).
std::vector<std::size_t> RankModels(std::span<const double> scores, std::span<const std::string> names);

// Mean score per model over `members`, rounded to three decimals; 0 without members.
std::vector<double> ClusterScores(std::span<const double> scores, std::size_t models,
                                  std::span<const std::size_t> members);

// A.6.3: fuses clusters whose sets of top-3 models are equal; returns the members
// of the clusters that stay, in ascending order of cluster.
std::vector<std::vector<std::size_t>> PruneClusters(std::vector<std::vector<std::size_t>> members,
                                                    std::span<const double> scores, std::span<const std::string> names);

struct CascalSubject {
  std::vector<float> centroids;                   // k x d, unit
  std::vector<double> scores;                     // k x M
  std::vector<std::vector<std::size_t>> members;  // k
  std::vector<float> representative;              // d, or empty
};

struct CascalModel {
  std::size_t dimension = 0;
  std::size_t models = 0;
  std::vector<CascalSubject> subjects;
  std::vector<double> global;  // M, rounded to four decimals
};

// A.3 to A.6. `names` are the models', for ranking; subject[i] in [0, subjects).
CascalModel FitCascal(const Rows& embeddings, std::span<const std::uint32_t> subject, std::size_t subjects,
                      const Votes& votes, std::span<const double> scores, std::span<const std::string> names,
                      const CascalOptions& options);

}  // namespace pointsman::bootstrap
