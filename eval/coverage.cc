#include "eval/coverage.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/contract.h"
#include "policy/belief/membership.h"
#include "policy/belief/posterior.h"
#include "policy/belief/prior.h"
#include "policy/belief/task_recogniser.h"

namespace pointsman::eval {

namespace {

constexpr double kNormal95 = 1.959963984540054;
constexpr std::size_t kBestOf = 3;

// Where a row lies, once for all models.
struct Place {
  policy::ClusterWeights clusters;
  policy::TaskProbabilities tasks;
  policy::HeadFeatures head;
};

// Rows of one cluster, or all: how much each counts, and their mean membership.
struct Region {
  double weight = 0;
  double squares = 0;
  std::vector<double> membership;  // by cluster, background first; sums to 1
  double Answers() const { return weight * weight / squares; }
};

std::vector<Region> RegionsOf(std::span<const Place> places, std::size_t clusters) {
  std::vector<Region> regions(clusters + 1);  // the last: all rows
  for (Region& region : regions) region.membership.assign(clusters, 0);
  const auto add = [](Region& region, const Place& place, double weight) {
    region.weight += weight;
    region.squares += weight * weight;
    for (const auto& entry : place.clusters) region.membership[entry.cluster.value] += weight * entry.weight;
  };
  for (const Place& place : places) {
    for (const auto& entry : place.clusters) add(regions[entry.cluster.value], place, entry.weight);
    add(regions.back(), place, 1);
  }
  for (Region& region : regions) {
    for (double& share : region.membership) share /= region.weight;
  }
  return regions;
}

// Sums over the rows of a region for one model, by their weights there.
struct Sums {
  double prior = 0;
  double score = 0;
  double squares = 0;
};

struct Held {
  bool holds = false;
  double mean = 0;
  double half_width = 0;
};

Held Judge(const policy::Snapshot& snapshot, const policy::ModelView& view, const Region& region, const Sums& sums) {
  std::vector<policy::ClusterWeight> membership;
  for (std::uint32_t k = 0; k < region.membership.size(); ++k) {
    if (region.membership[k] > 0) membership.push_back({ClusterId{k}, region.membership[k]});
  }
  const double prior = sums.prior / region.weight;
  const double truth = sums.score / region.weight;
  const double spread = std::max(0.0, sums.squares / region.weight - truth * truth);
  const policy::Estimate estimate = policy::ReadPosterior(snapshot, view, membership, prior, prior - view.mean_prior);
  const double answers = spread / region.Answers();
  const double deviation = estimate.Deviation();
  return {.holds = std::abs(truth - estimate.mean) <= kNormal95 * std::sqrt(deviation * deviation + answers),
          .mean = estimate.mean,
          .half_width = kNormal95 * deviation};
}

void Count(Coverage::Count& count, const Held& held) {
  ++count.intervals;
  count.held += held.holds ? 1 : 0;
  count.half_width += held.half_width;
}

bool IsHeard(const policy::Snapshot& snapshot, std::size_t cluster, ModelId model) {
  const auto* block = cluster < snapshot.clusters.size() ? snapshot.clusters[cluster].get() : nullptr;
  return block != nullptr && block->Find(model) != nullptr;
}

}  // namespace

double Coverage::Count::Share() const {
  return intervals > 0 ? static_cast<double>(held) / static_cast<double>(intervals)
                       : std::numeric_limits<double>::quiet_NaN();
}

double Coverage::Count::MeanHalfWidth() const {
  return intervals > 0 ? half_width / static_cast<double>(intervals) : std::numeric_limits<double>::quiet_NaN();
}

void Coverage::Count::Add(const Count& other) {
  intervals += other.intervals;
  held += other.held;
  half_width += other.half_width;
}

void Coverage::Add(const Coverage& other) {
  models.Add(other.models);
  cells.Add(other.cells);
  heard.Add(other.heard);
  choice.Add(other.choice);
}

Coverage JudgeIntervals(const policy::Snapshot& snapshot, const Features& features, std::span<const std::size_t> rows,
                        const std::function<double(std::size_t row, const std::string& model)>& score) {
  REQUIRE(!rows.empty() && snapshot.bundle != nullptr, "rows, and a bundle that places them");
  const policy::Bundle& bundle = *snapshot.bundle;
  std::vector<Place> places;
  for (const std::size_t row : rows) {
    const auto embedding = features.Embedding(row);
    places.push_back({policy::FindMembership(bundle, embedding).clusters, policy::RecogniseTasks(bundle, embedding),
                      policy::ProjectHead(bundle, embedding)});
  }
  const std::size_t clusters = bundle.cluster_count() + 1;
  const std::vector<Region> regions = RegionsOf(places, clusters);
  Coverage coverage;
  std::vector<std::vector<std::pair<double, Held>>> by_cluster(clusters);  // -predicted
  for (const policy::ModelView& view : snapshot.models) {
    std::vector<Sums> sums(regions.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double prior =
          policy::PriorQuality(bundle, view.columns(), places[i].clusters, places[i].tasks, places[i].head);
      const double truth = score(rows[i], view.model.name);
      const auto add = [&](Sums& to, double weight) {
        to.prior += weight * prior;
        to.score += weight * truth;
        to.squares += weight * truth * truth;
      };
      for (const auto& entry : places[i].clusters) add(sums[entry.cluster.value], entry.weight);
      add(sums.back(), 1);
    }
    Count(coverage.models, Judge(snapshot, view, regions.back(), sums.back()));
    for (std::size_t k = 0; k < clusters; ++k) {
      if (!(regions[k].weight > 0) || regions[k].Answers() < kAnswersLeast) continue;
      const Held held = Judge(snapshot, view, regions[k], sums[k]);
      Count(coverage.cells, held);
      if (!IsHeard(snapshot, k, view.model.id)) continue;
      Count(coverage.heard, held);
      by_cluster[k].emplace_back(-held.mean, held);
    }
  }
  for (auto& heard : by_cluster) {
    const std::size_t best = std::min(kBestOf, heard.size());
    std::partial_sort(heard.begin(), heard.begin() + static_cast<std::ptrdiff_t>(best), heard.end(),
                      [](const auto& a, const auto& b) { return a.first < b.first; });
    for (std::size_t i = 0; i < best; ++i) Count(coverage.choice, heard[i].second);
  }
  return coverage;
}

}  // namespace pointsman::eval
