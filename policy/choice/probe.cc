#include "policy/choice/probe.h"

#include <algorithm>
#include <map>

#include "policy/choice/decide.h"
#include "policy/learning/life_cycle.h"

namespace pointsman::policy {

namespace {

ClusterId Heaviest(const ClusterWeights& clusters) {
  const auto lighter = [](const ClusterWeight& a, const ClusterWeight& b) { return a.weight < b.weight; };
  return std::max_element(clusters.begin(), clusters.end(), lighter)->cluster;
}

Status CheckProbes(const Snapshot& snapshot, const std::string& model, std::span<const Probe> probes,
                   std::size_t clusters) {
  if (snapshot.FindLive(model) == nullptr) {
    return MakeError(Code::kNotFound, "unknown_model",
                     "no live model has this name; add it first: `pointsman models list` shows the pool");
  }
  if (probes.size() > kProbeRowsMax) {
    return MakeError(Code::kResourceExhausted, "too_many_probes",
                     std::to_string(probes.size()) + " probes; at most " + std::to_string(kProbeRowsMax) +
                         " are taken: send 5 to 8 for each cluster");
  }
  const std::size_t least = kProbesACluster * clusters;
  if (probes.size() < least) {
    return MakeError(Code::kInvalidArgument, "too_few_probes",
                     std::to_string(probes.size()) + " probes for " + std::to_string(clusters) +
                         " clusters that matter; at least " + std::to_string(least) +
                         " are needed, 5 to 8 for each: `pointsman clusters list` shows them");
  }
  for (std::size_t i = 0; i < probes.size(); ++i) {
    if (probes[i].score >= 0 && probes[i].score <= 1) continue;
    return MakeError(Code::kOutOfRange, "probe_score",
                     "the score of probe " + std::to_string(i + 1) + " must be a number from 0 to 1");
  }
  return {};
}

}  // namespace

Result<Probes> MakeProbes(const Snapshot& snapshot, const std::string& model, std::span<const Probe> probes,
                          std::int64_t now_us) {
  const std::vector<ClusterId> massive = MassiveClusters(*snapshot.bundle);
  if (auto s = CheckProbes(snapshot, model, probes, massive.size()); !s.ok()) return s.error();
  Probes made;
  made.event.id = snapshot.FindLive(model)->model.id;
  std::map<ClusterId, std::size_t> counts;
  for (const Probe& probe : probes) {
    Query query;
    query.embedding = probe.embedding;
    query.observed = model;
    const auto decision = Decide(snapshot, query);
    if (!decision.ok()) return decision.error();
    ProbeRow& row = made.event.rows.emplace_back();
    row.context = ToEvent(snapshot, query, *decision, now_us).context;
    row.context.decision = DecisionId{};
    row.context.gold_probability = 0;
    row.value = probe.score;
    ++counts[Heaviest(row.context.clusters)];
  }
  for (const ClusterId cluster : massive) {
    if (counts[cluster] < kProbesACluster) made.thin.push_back(cluster);
  }
  return made;
}

}  // namespace pointsman::policy
