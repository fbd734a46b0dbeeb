// Probes: answers of one model to chosen queries, scored, as the event that is folded.
//
// Source: trouter_bandits 3.7 (a): 5 to 8 queries a cluster, at most 400 in all. A probe
// lies where a decision for its query would lie, and counts as gold without being one.
// Pure; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "policy/belief/snapshot.h"
#include "policy/learning/event.h"

namespace pointsman::policy {

inline constexpr std::size_t kProbesACluster = 5;

struct Probe {
  std::vector<float> embedding;  // unit vector of the live bundle's dimension; empty: not known
  double score = 0;              // [0,1]
};
struct Probes {
  ModelProbed event;
  std::vector<ClusterId> thin;  // clusters of some mass with fewer than kProbesACluster
};

// Errors: NOT_FOUND unknown_model; OUT_OF_RANGE probe_score naming the row (from 1);
// INVALID_ARGUMENT too_few_probes: fewer than kProbesACluster for each cluster of some
// mass (learning/life_cycle.h) taken together; RESOURCE_EXHAUSTED too_many_probes.
Result<Probes> MakeProbes(const Snapshot& snapshot, const std::string& model, std::span<const Probe> probes,
                          std::int64_t now_us);

}  // namespace pointsman::policy
