// What a snapshot says of one query.
#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "policy/belief/posterior.h"

namespace pointsman::policy {

namespace {

// Variance of what all models share in a cluster, where `untold` of it counts: evidence of
// the cell has taken in all but the share of D that is still the prior's. What the cluster
// adds to the mean over all traffic is part of the levels. The background is no kind of
// query: its rows are as hard as others.
double SharedIn(const Snapshot& snapshot, std::size_t cluster, double untold) {
  const auto& sizes = snapshot.bundle->cluster_sizes;
  if (cluster == 0 || cluster >= sizes.size() || sizes[0] == 0) return 0;
  const double beyond = untold - static_cast<double>(sizes[cluster]) / static_cast<double>(sizes[0]);
  return beyond * beyond * snapshot.shared_cell * snapshot.shared_cell;
}

}  // namespace

Estimate ReadPosterior(const Snapshot& snapshot, const ModelView& model, std::span<const ClusterWeight> clusters,
                       double prior, double prior_centred) {
  const std::size_t n = snapshot.layout.model_size();
  std::array<double, kModelStateMax> load{};  // L
  Estimate estimate;
  double shift = 0;
  for (const ClusterWeight& membership : clusters) {
    const double w = membership.weight;
    const std::size_t index = membership.cluster.value;
    const ClusterBlock* block = index < snapshot.clusters.size() ? snapshot.clusters[index].get() : nullptr;
    const CellReadout* cell = block != nullptr ? block->Find(model.model.id) : nullptr;
    estimate.shared += SharedIn(snapshot, index, cell == nullptr ? w : w * cell->gain[0]);
    if (cell == nullptr) {
      load[0] += w;
      estimate.variance += w * w * snapshot.widths.cell * snapshot.widths.cell;
      continue;
    }
    shift += w * cell->shift;
    estimate.variance += w * w * cell->variance;
    for (std::size_t i = 0; i < n; ++i) load[i] += w * cell->gain[i];
  }
  load[n - 1] += prior_centred;
  double lifted = 0;
  double spread = 0;
  for (std::size_t i = 0; i < n; ++i) {
    lifted += load[i] * model.mean[i];
    double row = 0;
    for (std::size_t j = 0; j < n; ++j) row += model.covariance[i * kModelStateMax + j] * load[j];
    spread += load[i] * row;
  }
  estimate.mean = prior + shift + lifted;
  estimate.variance += spread;
  return estimate;
}

double Estimate::Deviation() const { return std::sqrt(std::max(variance, 0.0) + shared); }

const CellReadout* ClusterBlock::Find(ModelId model) const {
  const auto at = std::lower_bound(cells.begin(), cells.end(), model,
                                   [](const CellReadout& cell, ModelId wanted) { return cell.model < wanted; });
  return at != cells.end() && at->model == model ? &*at : nullptr;
}

const ModelView* Snapshot::FindLive(std::string_view name) const {
  for (const ModelView& view : models) {
    if (view.model.name == name) return &view;
  }
  return nullptr;
}

}  // namespace pointsman::policy
