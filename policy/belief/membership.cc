#include "policy/belief/membership.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/contract.h"
#include "base/exact_math.h"
#include "policy/kernels/nearest.h"

namespace pointsman::policy {

namespace {

constexpr std::size_t kNearestClusters = 3;
constexpr std::size_t kNearestAnchors = 3;

ClusterWeights WeighClusters(const Bundle& bundle, const kernels::Nearest& nearest) {
  // The largest exponent is subtracted, so nothing overflows at small temperatures.
  double top = bundle.background_similarity;
  for (const auto& scored : nearest) top = std::max(top, scored.score);
  ClusterWeights weights;
  std::array<double, 1 + kNearestClusters> shares{};
  shares[0] = (bundle.background_similarity - top) / bundle.membership_temperature;
  for (std::size_t i = 0; i < nearest.size(); ++i) {
    shares[1 + i] = (nearest[i].score - top) / bundle.membership_temperature;
  }
  exact::ExpEach(std::span(shares).first(1 + nearest.size()));
  weights.push_back({kBackground, shares[0]});
  for (std::size_t i = 0; i < nearest.size(); ++i) {
    weights.push_back({ClusterId{nearest[i].row + 1}, shares[1 + i]});
  }
  // Ascending clusters, by insertion: there are at most four.
  for (std::size_t i = 2; i < weights.size(); ++i) {
    for (std::size_t j = i; j > 1 && weights[j].cluster < weights[j - 1].cluster; --j) {
      std::swap(weights[j], weights[j - 1]);
    }
  }
  double total = 0;
  for (const auto& entry : weights) total += entry.weight;
  for (auto& entry : weights) entry.weight /= total;
  return weights;
}

AnchorWeights WeighAnchors(const Bundle& bundle, const kernels::Nearest& nearest) {
  AnchorWeights weights;
  std::array<double, kNearestAnchors> shares{};
  for (std::size_t i = 0; i < nearest.size(); ++i) {
    shares[i] = (nearest[i].score - nearest[0].score) / bundle.membership_temperature;
  }
  exact::ExpEach(std::span(shares).first(nearest.size()));
  double total = 0;
  for (std::size_t i = 0; i < nearest.size(); ++i) {
    weights.push_back({nearest[i].row, shares[i]});
    total += shares[i];
  }
  for (auto& entry : weights) entry.weight /= total;
  return weights;
}

Membership Weigh(const Bundle& bundle, const kernels::Nearest& clusters) {
  Membership membership;
  membership.clusters = WeighClusters(bundle, clusters);
  if (!clusters.empty()) membership.nearest_similarity = clusters[0].score;
  return membership;
}

constexpr std::span<const float> kNoBias;

template <typename Search>
Membership Find(const Bundle& bundle, std::span<const float> embedding, Search search) {
  if (embedding.empty()) {
    Membership membership;
    membership.clusters.push_back({kBackground, 1.0});
    return membership;
  }
  REQUIRE(embedding.size() == bundle.dimension(), "the embedding has the bundle's dimension");
  return Weigh(bundle, search(bundle.centroids, kNoBias, embedding, kNearestClusters));
}

}  // namespace

Membership FindMembership(const Bundle& bundle, std::span<const float> embedding) {
  return Find(bundle, embedding, kernels::NearestFast);
}

Membership FindMembership(const SearchIndex& index, const kernels::CoarseQuery& query) {
  return Weigh(*index.bundle, index.centroids.Find(query, kNearestClusters));
}

Membership FindMembershipExact(const Bundle& bundle, std::span<const float> embedding) {
  return Find(bundle, embedding, kernels::NearestExact);
}

AnchorWeights FindAnchors(const Bundle& bundle, std::span<const float> embedding) {
  if (embedding.empty()) return {};
  REQUIRE(embedding.size() == bundle.dimension(), "the embedding has the bundle's dimension");
  return WeighAnchors(bundle, kernels::NearestFast(bundle.anchors, kNoBias, embedding, kNearestAnchors));
}

AnchorWeights FindAnchors(const SearchIndex& index, const kernels::CoarseQuery& query) {
  return WeighAnchors(*index.bundle, index.anchors.Find(query, kNearestAnchors));
}

}  // namespace pointsman::policy
