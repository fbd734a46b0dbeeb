#include "policy/learning/row_translation.h"

#include <algorithm>

#include "policy/belief/prior.h"

namespace pointsman::policy {

namespace {

// The three heaviest clusters and the background, renormalised ascending; ties to
// the smaller number.
ClusterWeights CutToThree(const std::map<ClusterId, double>& mix) {
  std::vector<ClusterWeight> kept;
  double background = 0;
  for (const auto& [cluster, weight] : mix) {
    if (cluster == kBackground) {
      background = weight;
    } else {
      kept.push_back({cluster, weight});
    }
  }
  std::stable_sort(kept.begin(), kept.end(),
                   [](const ClusterWeight& a, const ClusterWeight& b) { return a.weight > b.weight; });
  if (kept.size() > 3) kept.resize(3);
  if (background > 0 || kept.empty()) kept.push_back({kBackground, background});
  std::sort(kept.begin(), kept.end(),
            [](const ClusterWeight& a, const ClusterWeight& b) { return a.cluster < b.cluster; });
  double sum = 0;
  for (const ClusterWeight& entry : kept) sum += entry.weight;
  ClusterWeights clusters;
  if (!(sum > 0)) {
    clusters.push_back({kBackground, 1});
    return clusters;
  }
  for (const ClusterWeight& entry : kept) clusters.push_back({entry.cluster, entry.weight / sum});
  return clusters;
}

}  // namespace

RowTranslator::RowTranslator(const BundleCatalogue& bundles, BundleHash live_hash, std::shared_ptr<const Bundle> live)
    : bundles_(bundles), live_hash_(live_hash), live_(std::move(live)) {}

Result<RowTranslator::Origin*> RowTranslator::FindOrigin(const BundleHash& hash) {
  ++uses_;
  if (const auto at = origins_.find(hash); at != origins_.end()) {
    at->second.used = uses_;
    return &at->second;
  }
  Origin origin;
  origin.used = uses_;
  if (hash.IsZero()) {
    origin.bundle = ColdBundle();
  } else {
    auto found = bundles_.Find(hash);
    if (!found.ok()) return found.error();
    origin.bundle = found.value();
  }
  const std::size_t numbers = origin.bundle->anchor_count() * live_->dimension();
  if (numbers > 0 && origin.bundle->embedder == live_->embedder) {
    origin.images = origin.bundle->anchors;
  } else if (numbers > 0 && live_->bridge_from == hash && live_->bridge.size() == numbers) {
    origin.images = live_->bridge;
  }
  origin.tabulated.resize(origin.images.empty() ? 0 : origin.bundle->anchor_count());
  if (origins_.size() >= kOriginsMax) {
    origins_.erase(std::ranges::min_element(origins_, {}, [](const auto& entry) { return entry.second.used; }));
  }
  return &origins_.emplace(hash, std::move(origin)).first->second;
}

const RowTranslator::AnchorImage& RowTranslator::Image(Origin& origin, std::uint32_t anchor) {
  std::optional<AnchorImage>& image = origin.tabulated[anchor];
  if (!image.has_value()) {
    const std::span<const float> vector = origin.images.subspan(anchor * live_->dimension(), live_->dimension());
    image = AnchorImage{FindMembershipExact(*live_, vector), RecogniseTasksExact(*live_, vector),
                        ProjectHead(*live_, vector)};
  }
  return *image;
}

Result<LiveRow> RowTranslator::Translate(const DecisionContext& context, const Pool& pool) {
  if (context.bundle == live_hash_) {
    for (const ClusterWeight& entry : context.clusters) {
      if (entry.cluster.value <= live_->cluster_count()) continue;
      return MakeError(Code::kInvalidArgument, "unknown_cluster",
                       "a decision names cluster " + std::to_string(entry.cluster.value) + ", which its bundle lacks");
    }
    return LiveRow{context.clusters, context.prior, context.prior_centred};
  }
  const Model* model = pool.Find(context.model);
  const PriorColumns columns = model != nullptr ? PriorColumns(*live_, *model) : PriorColumns(-1);
  const double mean_prior = MeanPrior(*live_, columns);
  LiveRow row;
  row.prior = mean_prior;
  row.clusters.push_back({kBackground, 1});
  if (context.anchors.empty()) return row;

  auto found = FindOrigin(context.bundle);
  if (!found.ok()) return found.error();
  Origin& origin = *found.value();
  if (origin.images.empty()) return row;
  std::map<ClusterId, double> mix;
  double prior = 0;
  double total = 0;
  for (const AnchorWeight& anchor : context.anchors) {
    if (anchor.anchor >= origin.tabulated.size()) {
      return MakeError(Code::kInvalidArgument, "unknown_anchor",
                       "a decision names anchor " + std::to_string(anchor.anchor) + ", which its bundle lacks");
    }
    const AnchorImage& image = Image(origin, anchor.anchor);
    for (const ClusterWeight& cluster : image.membership.clusters) {
      mix[cluster.cluster] += anchor.weight * cluster.weight;
    }
    prior += anchor.weight * PriorQuality(*live_, columns, image.membership.clusters, image.tasks, image.head);
    total += anchor.weight;
  }
  if (!(total > 0)) return row;
  row.clusters = CutToThree(mix);
  row.prior = prior / total;
  row.prior_centred = row.prior - mean_prior;
  return row;
}

}  // namespace pointsman::policy
