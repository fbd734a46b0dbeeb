#include "policy/learning/bias_surface.h"

#include <algorithm>

namespace pointsman::policy {

double BiasAt(const BiasSurfaceInstalled& surface, ModelId model, const ClusterWeights& clusters) {
  if (surface.clusters.empty()) return 0;
  double bias = 0;
  for (const ClusterWeight& membership : clusters) {
    if (membership.cluster.value >= surface.clusters.size()) continue;
    bias += membership.weight * surface.clusters[membership.cluster.value];
  }
  const auto at = std::lower_bound(surface.models.begin(), surface.models.end(), model,
                                   [](const ModelBias& entry, ModelId wanted) { return entry.model < wanted; });
  if (at != surface.models.end() && at->model == model) bias += at->bias;
  return bias < -1 ? -1 : bias > 1 ? 1 : bias;
}

SurfaceBiases BiasesAt(const State& state, ModelId model, const ClusterWeights& clusters) {
  SurfaceBiases biases{};
  for (const auto& [channel, surface] : state.surfaces) biases[channel] = BiasAt(surface, model, clusters);
  return biases;
}

Channels Shifted(const Channels& channels, const SurfaceBiases& biases) {
  Channels shifted = channels;
  for (ChannelValue& value : shifted) value.offset += biases[value.channel];
  return shifted;
}

}  // namespace pointsman::policy
