#include "bootstrap/fit/cascal.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "base/contract.h"
#include "bootstrap/fit/kmeans.h"

namespace pointsman::bootstrap {
namespace {

constexpr std::size_t kClustersMax = 5;
constexpr double kSilhouetteMin = 0.05;
constexpr std::size_t kTopModels = 3;

double Rounded(double value, double scale) { return std::round(value * scale) / scale; }

// l2(sum of weight * row) over `members`.
std::vector<float> UnitMean(const Rows& rows, std::span<const std::size_t> members, std::span<const double> weights) {
  std::vector<double> sum(rows.dimension, 0);
  for (const std::size_t i : members) {
    const double weight = weights.empty() ? 1 : weights[i];
    const auto row = rows.row(i);
    for (std::size_t j = 0; j < row.size(); ++j) sum[j] += weight * static_cast<double>(row[j]);
  }
  double squares = 0;
  for (const double value : sum) squares += value * value;
  const double norm = std::max(std::sqrt(squares), 1e-9);
  std::vector<float> unit(rows.dimension);
  for (std::size_t j = 0; j < sum.size(); ++j) unit[j] = static_cast<float>(sum[j] / norm);
  return unit;
}

std::size_t DistinctRows(const Rows& rows) {
  std::set<std::vector<float>> distinct;
  for (std::size_t i = 0; i < rows.count(); ++i) {
    const auto row = rows.row(i);
    distinct.insert(std::vector<float>(row.begin(), row.end()));
    if (distinct.size() > kClustersMax) break;  // more make no difference
  }
  return distinct.size();
}

std::vector<std::size_t> AllOf(std::size_t count) {
  std::vector<std::size_t> all(count);
  std::iota(all.begin(), all.end(), 0);
  return all;
}

void Append(SeededCentroids& out, const std::vector<float>& centroid, double seeds) {
  out.centroids.insert(out.centroids.end(), centroid.begin(), centroid.end());
  out.seeds.push_back(seeds);
}

// The fit with the best silhouette, or none that is good enough.
KMeansFit BestFit(const Rows& rows, std::span<const double> weights, std::size_t clusters_max, std::uint64_t seed) {
  KMeansFit best;
  double best_score = kSilhouetteMin;
  bool found = false;
  for (std::size_t k = 2; k <= clusters_max; ++k) {
    KMeansOptions options;
    options.clusters = k;
    options.seed = seed;
    KMeansFit fit = FitKMeans(rows, weights, options);
    const auto filled = std::count_if(fit.sizes.begin(), fit.sizes.end(), [](std::uint32_t size) { return size > 0; });
    if (filled < 2) continue;
    const double score = MeanSilhouette(rows, fit.assignment, fit.count());
    if (found ? score > best_score : score >= kSilhouetteMin) {
      best_score = score;
      best = std::move(fit);
      found = true;
    }
  }
  return best;
}

std::set<std::size_t> TopModels(std::span<const double> scores, std::span<const std::string> names) {
  const auto ranked = RankModels(scores, names);
  return {ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(std::min(kTopModels, ranked.size()))};
}

// The embeddings of `items`, gathered.
std::vector<float> Gather(const Rows& rows, std::span<const std::size_t> items) {
  std::vector<float> values;
  values.reserve(items.size() * rows.dimension);
  for (const std::size_t i : items) {
    const auto row = rows.row(i);
    values.insert(values.end(), row.begin(), row.end());
  }
  return values;
}

SeededCentroids SubjectCentroids(const Rows& embeddings, std::span<const std::size_t> items, const Votes& votes,
                                 const CascalOptions& options) {
  std::vector<StrongVote> strong;
  for (const std::size_t i : items) {
    strong.push_back(FindStrong(std::span(votes.answer).subspan(i * votes.models, votes.models), options));
  }
  SeededCentroids all;
  for (std::size_t m = 0; m < votes.models; ++m) {
    std::vector<std::size_t> own;
    std::vector<double> weights;
    for (std::size_t at = 0; at < items.size(); ++at) {
      if (strong[at].weight <= 0 || !strong[at].strong[m]) continue;
      own.push_back(items[at]);
      weights.push_back(strong[at].weight);
    }
    if (own.empty()) continue;
    const std::vector<float> values = Gather(embeddings, own);
    const SeededCentroids found = StrongCentroids(Rows(values, embeddings.dimension), weights, options);
    all.centroids.insert(all.centroids.end(), found.centroids.begin(), found.centroids.end());
    all.seeds.insert(all.seeds.end(), found.seeds.begin(), found.seeds.end());
  }
  return MergeClose(all, embeddings.dimension, options.merge_distance);
}

CascalSubject FitSubject(const Rows& embeddings, std::span<const std::size_t> items, const Votes& votes,
                         std::span<const double> scores, std::span<const std::string> names,
                         const CascalOptions& options) {
  CascalSubject subject;
  if (items.empty()) return subject;
  const std::size_t d = embeddings.dimension;
  const SeededCentroids merged = SubjectCentroids(embeddings, items, votes, options);
  if (merged.seeds.empty()) {
    subject.representative = UnitMean(embeddings, items, {});
    return subject;
  }
  const std::vector<float> values = Gather(embeddings, items);
  const auto nearest = NearestByCosine(Rows(values, d), Rows(merged.centroids, d), nullptr);
  std::vector<std::vector<std::size_t>> members(merged.seeds.size());
  for (std::size_t at = 0; at < items.size(); ++at) members[nearest[at]].push_back(items[at]);
  for (std::size_t k = 0; k < members.size(); ++k) {
    if (members[k].empty()) continue;
    subject.centroids.insert(subject.centroids.end(), merged.centroids.begin() + static_cast<std::ptrdiff_t>(k * d),
                             merged.centroids.begin() + static_cast<std::ptrdiff_t>((k + 1) * d));
    subject.members.push_back(std::move(members[k]));
  }
  if (options.prune) {
    subject.members = PruneClusters(std::move(subject.members), scores, names);
    subject.centroids.clear();
    for (const auto& cluster : subject.members) {
      const auto centroid = UnitMean(embeddings, cluster, {});
      subject.centroids.insert(subject.centroids.end(), centroid.begin(), centroid.end());
    }
  }
  for (const auto& cluster : subject.members) {
    const auto mean = ClusterScores(scores, votes.models, cluster);
    subject.scores.insert(subject.scores.end(), mean.begin(), mean.end());
  }
  subject.representative = UnitMean(Rows(subject.centroids, d), AllOf(subject.members.size()), {});
  return subject;
}

}  // namespace

StrongVote FindStrong(std::span<const std::int16_t> letters, const CascalOptions& options) {
  std::array<std::size_t, 64> count{};
  std::size_t most = 0;
  for (const std::int16_t letter : letters) {
    if (letter == kNoVote) continue;
    REQUIRE(static_cast<std::size_t>(letter) < count.size(), "category number");
    most = std::max(most, ++count[static_cast<std::size_t>(letter)]);
  }
  StrongVote vote;
  vote.strong.assign(letters.size(), false);
  if (most == 0) return vote;
  const auto tied = std::count(count.begin(), count.end(), most);
  if (tied > 1 && !options.ties_count_all) return vote;
  const double rho = static_cast<double>(most) * static_cast<double>(tied) / static_cast<double>(letters.size());
  if (options.weighted && rho < options.min_consensus) return vote;
  vote.weight = options.weighted ? rho : 1;
  for (std::size_t m = 0; m < letters.size(); ++m) {
    vote.strong[m] = letters[m] != kNoVote && count[static_cast<std::size_t>(letters[m])] == most;
  }
  return vote;
}

SeededCentroids StrongCentroids(const Rows& rows, std::span<const double> weights, const CascalOptions& options) {
  SeededCentroids out;
  const std::size_t n = rows.count();
  if (n == 0) return out;
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<double> scaled(n, 1.0);
  if (options.weighted && total > 0) {
    for (std::size_t i = 0; i < n; ++i) scaled[i] = weights[i] * static_cast<double>(n) / total;
  }
  const std::size_t distinct = DistinctRows(rows);
  const std::size_t clusters_max = distinct < 2 ? 1 : std::min({kClustersMax, n - 1, distinct - 1});
  const KMeansFit fit = BestFit(rows, scaled, clusters_max, options.seed);
  if (fit.count() == 0) {
    Append(out, UnitMean(rows, AllOf(n), scaled), static_cast<double>(n));
    return out;
  }
  for (std::size_t k = 0; k < fit.count(); ++k) {
    std::vector<std::size_t> members;
    for (std::size_t i = 0; i < n; ++i) {
      if (fit.assignment[i] == k) members.push_back(i);
    }
    if (!members.empty()) Append(out, UnitMean(rows, members, scaled), static_cast<double>(members.size()));
  }
  return out;
}

SeededCentroids MergeClose(const SeededCentroids& centroids, std::size_t dimension, double distance) {
  const std::size_t count = centroids.seeds.size();
  if (count == 0 || distance <= 0) return centroids;
  const Rows rows(centroids.centroids, dimension);
  std::vector<std::size_t> parent = AllOf(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (parent[i] != i) continue;
    for (std::size_t j = i + 1; j < count; ++j) {
      if (parent[j] != j) continue;
      const auto a = rows.row(i);
      const auto b = rows.row(j);
      if (1 - std::inner_product(a.begin(), a.end(), b.begin(), 0.0) >= distance) continue;
      if (centroids.seeds[j] > centroids.seeds[i]) {
        parent[i] = j;
        break;
      }
      parent[j] = i;
    }
  }
  std::vector<std::vector<std::size_t>> group(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t root = i;
    while (parent[root] != root) root = parent[root];
    group[root].push_back(i);
  }
  SeededCentroids merged;
  for (const auto& members : group) {
    if (members.empty()) continue;
    double seeds = 0;
    for (const std::size_t i : members) seeds += centroids.seeds[i];
    Append(merged, UnitMean(rows, members, centroids.seeds), seeds);
  }
  return merged;
}

std::vector<std::size_t> RankModels(std::span<const double> scores, std::span<const std::string> names) {
  REQUIRE(scores.size() == names.size(), "one name per score");
  std::vector<std::size_t> order = AllOf(scores.size());
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return scores[a] != scores[b] ? scores[a] > scores[b] : names[a] < names[b];
  });
  return order;
}

std::vector<double> ClusterScores(std::span<const double> scores, std::size_t models,
                                  std::span<const std::size_t> members) {
  std::vector<double> mean(models, 0);
  for (const std::size_t i : members) {
    for (std::size_t m = 0; m < models; ++m) mean[m] += scores[i * models + m];
  }
  for (double& value : mean) {
    value = members.empty() ? 0 : Rounded(value / static_cast<double>(members.size()), 1000);
  }
  return mean;
}

std::vector<std::vector<std::size_t>> PruneClusters(std::vector<std::vector<std::size_t>> members,
                                                    std::span<const double> scores,
                                                    std::span<const std::string> names) {
  // Rankings as they were before the pass.
  std::vector<std::set<std::size_t>> top;
  for (const auto& cluster : members) top.push_back(TopModels(ClusterScores(scores, names.size(), cluster), names));
  std::vector<bool> gone(members.size(), false);
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (gone[i]) continue;
    for (std::size_t j = i + 1; j < members.size(); ++j) {
      if (gone[j] || top[i] != top[j]) continue;
      const bool outer_loses = members[j].size() > members[i].size();
      const std::size_t winner = outer_loses ? j : i;
      const std::size_t loser = outer_loses ? i : j;
      members[winner].insert(members[winner].end(), members[loser].begin(), members[loser].end());
      gone[loser] = true;
      if (outer_loses) break;
    }
  }
  std::vector<std::vector<std::size_t>> kept;
  for (std::size_t k = 0; k < members.size(); ++k) {
    if (!gone[k]) kept.push_back(std::move(members[k]));
  }
  return kept;
}

CascalModel FitCascal(const Rows& embeddings, std::span<const std::uint32_t> subject, std::size_t subjects,
                      const Votes& votes, std::span<const double> scores, std::span<const std::string> names,
                      const CascalOptions& options) {
  REQUIRE(subject.size() == embeddings.count() && votes.items == embeddings.count(), "one row per query");
  REQUIRE(scores.size() == votes.answer.size() && names.size() == votes.models, "one column per model");
  CascalModel model;
  model.dimension = embeddings.dimension;
  model.models = votes.models;
  std::vector<std::vector<std::size_t>> items(subjects);
  for (std::size_t i = 0; i < subject.size(); ++i) items.at(subject[i]).push_back(i);
  for (const auto& own : items) {
    model.subjects.push_back(FitSubject(embeddings, own, votes, scores, names, options));
  }
  model.global.assign(votes.models, 0);
  for (std::size_t i = 0; i < scores.size(); ++i) model.global[i % votes.models] += scores[i];
  for (double& value : model.global) value = Rounded(value / static_cast<double>(votes.items), 10'000);
  return model;
}

}  // namespace pointsman::bootstrap
