// What the models are good at, read off the clusters of the live generation: the tree
// of relatives and each model's niches.
//
// Both start from the expected quality of each (cluster, model) cell, the bootstrap's
// prior corrected by what was learnt. Cluster 0 (the background) takes no part. A skill
// is what is left of a quality after the model's own level and the cluster's are taken
// out (policy/judgement/model_tree.h).
//
// The clusters are asked for one by one: where a generation changes in between, the
// answer is an error that says so, never a mixture. Threads: any.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "admin/ports.h"
#include "base/result.h"
#include "policy/judgement/model_tree.h"

namespace pointsman::admin {

// Below this distance (1 - correlation of skills) models count as one family.
inline constexpr double kFamilyDistance = 0.5;
// A cluster is a niche of a model that is not the best there when its skill reaches
// both this and the root mean square of all skills.
inline constexpr double kNicheSkill = 0.02;

struct ModelTreeReport {
  struct Leaf {
    std::string model;
    std::uint32_t family = 0;  // from 1, in the order of the leaves
  };
  std::vector<Leaf> leaves;         // such that no branches cross
  std::vector<policy::Join> joins;  // nodes: leaves from 0 in that order, then the joins in theirs
  std::uint32_t clusters = 0;       // that the tree stands on; with fewer than two nothing tells models apart
};

struct NicheReport {
  std::uint32_t cluster = 0;
  std::string terms;          // words that its queries share
  std::uint32_t size = 0;     // bootstrap queries
  std::uint32_t rank = 1;     // of the model among all in the cluster; 1: the best
  double quality = 0;         // expected, [0,1]
  double quality_deviation = 0;
  double lead = 0;            // over the best other model; below 0 for a rank beyond 1
  double skill = 0;
  double gold_weight = 0;     // evidence of this model in the cluster now, after decay
  double rating_weight = 0;
  bool conflict = false;      // gold contradicts the ratings
};

struct ModelProfile {
  ModelReport model;
  std::uint32_t clusters = 0;
  std::uint32_t best_in = 0;         // clusters in which it has rank 1
  double mean_quality = 0;           // over the clusters, by size
  std::vector<NicheReport> niches;   // those in which it is best first, then by falling skill
};

// Errors: UNAVAILABLE generation_changed.
Result<ModelTreeReport> MakeModelTree(const Ports& ports);

// The live model of that name. Errors: NOT_FOUND unknown_model; UNAVAILABLE
// generation_changed; FAILED_PRECONDITION model_retired.
Result<ModelProfile> MakeModelProfile(const Ports& ports, const std::string& name);

}  // namespace pointsman::admin
