#include "policy/learning/life_cycle.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "policy/belief/posterior.h"
#include "policy/belief/prior.h"
#include "policy/belief/token_cost.h"
#include "policy/choice/utility.h"

namespace pointsman::policy {

namespace {

constexpr double kDeviations = 1.96;  // of a 95 % interval

// Utilities at the middle of clusters.
class Comparison {
 public:
  Comparison(const Snapshot& snapshot, const Weights& typical) : snapshot_(snapshot), typical_(typical) {
    for (const ModelView& view : snapshot.models) reference_cost_ = std::max(reference_cost_, ExpectedCost(view, 0));
  }

  struct Bounds {
    double mean = 0;
    double low = 0;
    double high = 0;
    double variance = 0;  // of the quality
  };
  Bounds At(const ModelView& view, ClusterId cluster) const {
    const ClusterWeights only{{cluster, 1.0}};
    const double prior = PriorQuality(*snapshot_.bundle, view.columns(), only, {});
    const Estimate estimate = ReadPosterior(snapshot_, view, only, prior, prior - view.mean_prior);
    const double reach = kDeviations * typical_.quality * std::sqrt(std::max(estimate.variance, 0.0));
    const double mean = Utility(typical_, estimate.mean, ExpectedCost(view, 0), reference_cost_);
    return {mean, mean - reach, mean + reach, estimate.variance};
  }

  // Of the active models; none: below everything.
  Bounds BestActive(ClusterId cluster) const {
    Bounds best{-1e300, -1e300, -1e300, 0};
    for (const ModelView& view : snapshot_.models) {
      if (view.model.state != ModelState::kActive) continue;
      const Bounds bounds = At(view, cluster);
      best.mean = std::max(best.mean, bounds.mean);
      best.low = std::max(best.low, bounds.low);
    }
    return best;
  }

 private:
  const Snapshot& snapshot_;
  const Weights& typical_;
  double reference_cost_ = 0;
};

ModelState Judge(const Snapshot& snapshot, const Comparison& comparison, const ModelView& view) {
  bool worse = true;
  bool leads = false;
  double variance = 0;
  const std::vector<ClusterId> clusters = MassiveClusters(*snapshot.bundle);
  for (const ClusterId cluster : clusters) {
    const Comparison::Bounds own = comparison.At(view, cluster);
    const Comparison::Bounds best = comparison.BestActive(cluster);
    worse = worse && own.high < best.low;
    leads = leads || own.mean >= best.mean;
    variance += own.variance / static_cast<double>(clusters.size());
  }
  if (worse) return ModelState::kProbation;
  if (view.model.state == ModelState::kProbation) return leads ? ModelState::kActive : ModelState::kProbation;
  const Widths& base = snapshot.options.widths_overridden ? snapshot.options.widths : snapshot.bundle->widths;
  return variance <= base.model * base.model + base.cell * base.cell ? ModelState::kActive : ModelState::kNew;
}

}  // namespace

std::vector<ClusterId> MassiveClusters(const Bundle& bundle) {
  std::vector<ClusterId> clusters;
  const auto& sizes = bundle.cluster_sizes;
  for (std::uint32_t k = 1; k < sizes.size(); ++k) {
    if (static_cast<double>(sizes[k]) > kClusterMass * static_cast<double>(sizes[0])) clusters.push_back(ClusterId{k});
  }
  if (clusters.empty()) clusters.push_back(kBackground);
  return clusters;
}

std::optional<ModelStateChanged> DueStateChange(const Snapshot& snapshot, const Weights& typical) {
  if (snapshot.trials.empty() || snapshot.frozen) return std::nullopt;
  const Comparison comparison(snapshot, typical);
  for (const std::size_t index : snapshot.trials) {
    const ModelView& view = snapshot.models[index];
    if (!OnTrial(view.model.state)) continue;  // a model that changed: it stays what it is
    if (view.tally.ratings + view.tally.gold + view.newcomer.probes < kTrialReports) continue;
    const ModelState due = Judge(snapshot, comparison, view);
    if (due != view.model.state) return ModelStateChanged{view.model.id, due};
  }
  return std::nullopt;
}

}  // namespace pointsman::policy
