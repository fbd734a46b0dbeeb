// CASCAL at scale: clusters that exist only where models rank differently.
//
// Source: spec cascal_meta_router D.3 to D.5. One shared spherical k-means gives
// micro-clusters; each has a skill profile (skill_profile.h); neighbours merge by
// Ward's cost on position and profile; the number of clusters is the one whose
// shrunken means predict held-out scores best. Cost O(n G d + G k log G): the
// number of models enters through the profiles alone.
//
// Deterministic: same rows, scores and seed, same bytes whatever the number of
// threads. Pure; several threads where asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "bootstrap/fit/cells.h"
#include "bootstrap/fit/rows.h"
#include "bootstrap/fit/skill_profile.h"

namespace pointsman::bootstrap {

struct ScaledOptions {
  std::size_t micro_max = 2000;
  std::size_t rows_per_micro = 40;
  std::size_t neighbours = 15;
  double skill_weight = 1;  // rho >= 0: of the profiles against the positions
  ProfileOptions profile;
  // Numbers of clusters to try; those that the rows cannot fill are left out. One
  // entry: taken without a trial.
  std::vector<std::size_t> counts = {16,  20,  24,  28,  32,  40,  48,  56,  64,  80, 96,
                                     112, 128, 160, 192, 224, 256, 320, 384, 448, 512};
  std::size_t cluster_rows_min = 100;  // of a final cluster; at most a thirtieth of the rows is asked
  std::size_t folds = 5;               // of the trial; 1 fold is tried above 20,000 rows
  int refine_iterations = 3;           // of spherical k-means after the merging; rows then lie nearest their centroid
  CellOptions cells;
  std::uint64_t seed = 0;
  std::size_t threads = 1;
};

struct CountTrial {
  std::size_t clusters = 0;
  double error = 0;  // mean squared error of held-out scores, item means taken out
};

struct ScaledClusters {
  std::vector<float> centroids;            // K x d, unit rows, K >= 1
  std::vector<std::uint32_t> assignment;   // of each row, in [0, K)
  std::vector<std::uint32_t> sizes;        // K, >= 1
  std::vector<float> micro_centroids;      // G x d, unit rows: the bundle's anchors
  std::vector<std::uint32_t> micro;        // of each row, in [0, G)
  // Of each row, in [0, K): the cluster into which its micro-cluster was merged. Finer
  // than `assignment`, which holds to what one centroid a cluster can tell apart.
  std::vector<std::uint32_t> merged;
  std::vector<CountTrial> trials;          // by falling number of clusters; empty without a trial
  SkillProfiles profiles;                  // of the micro-clusters, from all rows
};

// Rows n x d of unit length, scores n x M in [0,1] or NaN.
// Errors: INVALID_ARGUMENT no_rows, no_models; embedding_not_unit, score_out_of_range
// naming the row (and the model's column), from 0.
Result<ScaledClusters> FitScaledCascal(const Rows& embeddings, const Scores& scores, const ScaledOptions& options);

// Ward's agglomeration of groups along a neighbour graph; for FitScaledCascal and tests.
class Agglomeration {
 public:
  // positions G x d, profiles G x R (scaled by the caller), sizes > 0. Groups are
  // joined to their `neighbours` nearest by cosine of the positions.
  // `skill_weight` as above; spreads of positions and profiles are scaled to 1.
  Agglomeration(const Rows& positions, std::span<const double> profiles, std::span<const double> sizes,
                std::size_t neighbours, double skill_weight);
  // Merges the cheapest pairs until `clusters` are left (no less than 1).
  void MergeDownTo(std::size_t clusters);
  std::size_t alive() const { return alive_; }
  // Cluster of each group, numbered by first group. Clusters below `rows_min` rows
  // are given to the one that costs least, smallest first.
  std::vector<std::uint32_t> Labels(double rows_min) const;

 private:
  struct Node {
    double size = 0;
    std::vector<double> point;  // position and profile, scaled: Ward's cost is one squared distance
    std::vector<std::uint32_t> near;
    bool alive = true;
    std::uint32_t version = 0;
  };
  struct Pair {
    double cost = 0;
    std::uint32_t left = 0;
    std::uint32_t right = 0;
    std::uint32_t left_version = 0;
    std::uint32_t right_version = 0;
  };
  static bool Later(const Pair& a, const Pair& b);
  static double Cost(const Node& a, const Node& b);
  static void Absorb(Node& into, const Node& from);
  void Link(const Rows& positions, std::size_t neighbours);
  void Push(std::uint32_t a, std::uint32_t b);
  void ConnectAll();
  void Merge(std::uint32_t left, std::uint32_t right);

  std::vector<Node> nodes_;
  std::vector<std::uint32_t> root_;  // of each group
  std::vector<Pair> heap_;
  std::size_t alive_ = 0;
};

}  // namespace pointsman::bootstrap
