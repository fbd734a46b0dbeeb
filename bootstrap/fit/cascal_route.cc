#include "bootstrap/fit/cascal_route.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace pointsman::bootstrap {
namespace {

std::vector<double> Softmax(std::vector<double> values) {
  double top = -1e300;
  for (const double value : values) top = std::max(top, value);
  double total = 0;
  for (double& value : values) total += value = std::exp(value - top);
  for (double& value : values) value /= total;
  return values;
}

double Sum(std::span<const double> values) { return std::accumulate(values.begin(), values.end(), 0.0); }

double Distance(std::span<const float> a, std::span<const float> b) {
  return 1 - std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// Distances from `embedding` to the subject's centroids with their numbers, ascending.
std::vector<std::pair<double, std::size_t>> ByDistance(const CascalSubject& subject, std::size_t dimension,
                                                       std::span<const float> embedding) {
  std::vector<std::pair<double, std::size_t>> order;
  for (std::size_t k = 0; k < subject.members.size(); ++k) {
    order.emplace_back(Distance(std::span(subject.centroids).subspan(k * dimension, dimension), embedding), k);
  }
  std::sort(order.begin(), order.end());
  return order;
}

const CascalSubject* ChooseSubject(const CascalModel& model, std::span<const float> embedding, bool two_stage) {
  const CascalSubject* best = nullptr;
  double best_distance = 0;
  for (const CascalSubject& subject : model.subjects) {
    if (subject.members.empty()) continue;
    const double distance = two_stage ? Distance(subject.representative, embedding)
                                      : ByDistance(subject, model.dimension, embedding).front().first;
    if (best == nullptr || distance < best_distance) {
      best = &subject;
      best_distance = distance;
    }
  }
  return best;
}

std::vector<double> Normalised(std::vector<double> values) {
  const double total = Sum(values);
  for (double& value : values) value = total > 0 ? value / total : 0;
  return values;
}

// The clusters that speak for a query, with their shares, and the global scores' own.
struct Neighbourhood {
  const CascalSubject* subject = nullptr;
  std::vector<std::pair<double, std::size_t>> clusters;
  double fallback = 0;
};

Neighbourhood FindNeighbourhood(const CascalModel& model, std::span<const float> unit_embedding,
                                const CascalRouteOptions& options) {
  Neighbourhood near;
  near.subject = ChooseSubject(model, unit_embedding, options.two_stage);
  if (near.subject == nullptr) return near;
  auto order = ByDistance(*near.subject, model.dimension, unit_embedding);
  if (order.size() > options.nearest) order.resize(options.nearest);
  std::vector<double> distances;
  for (const auto& entry : order) distances.push_back(entry.first);
  const std::vector<double> share = DistanceWeights(distances, options.distance_temperature);
  for (std::size_t i = 0; i < order.size(); ++i) near.clusters.emplace_back(share[i], order[i].second);
  near.fallback = FallbackShare(distances.front(), options);
  return near;
}

std::span<const double> ScoresOf(const CascalModel& model, const CascalSubject& subject, std::size_t cluster) {
  return std::span(subject.scores).subspan(cluster * model.models, model.models);
}

}  // namespace

std::vector<double> DistanceWeights(std::span<const double> distances, double temperature) {
  std::vector<double> values;
  for (const double distance : distances) values.push_back(-distance / temperature);
  return Softmax(std::move(values));
}

std::vector<double> SharpenedScores(std::span<const double> scores, double temperature) {
  const double total = Sum(scores);
  std::vector<double> values(scores.begin(), scores.end());
  if (!(total > 0) || !std::isfinite(total)) return values;
  for (double& value : values) value /= temperature;
  return Softmax(std::move(values));
}

double FallbackShare(double nearest_distance, const CascalRouteOptions& options) {
  if (!options.fallback || nearest_distance <= options.fallback_distance) return 0;
  return std::min((nearest_distance - options.fallback_distance) / options.fallback_ramp, 1.0);
}

std::vector<double> RouteCascal(const CascalModel& model, std::span<const float> unit_embedding,
                                const CascalRouteOptions& options) {
  const Neighbourhood near = FindNeighbourhood(model, unit_embedding, options);
  if (near.subject == nullptr) return Normalised(model.global);
  std::vector<double> preference(model.models, 0);
  for (const auto& [share, cluster] : near.clusters) {
    const auto sharpened = SharpenedScores(ScoresOf(model, *near.subject, cluster), options.score_temperature);
    if (!(Sum(sharpened) > 0)) continue;
    for (std::size_t m = 0; m < model.models; ++m) preference[m] += share * sharpened[m];
  }
  preference = Normalised(std::move(preference));
  if (near.fallback > 0) {
    const std::vector<double> global = Normalised(model.global);
    for (std::size_t m = 0; m < model.models; ++m) {
      preference[m] = (1 - near.fallback) * preference[m] + near.fallback * global[m];
    }
  }
  return preference;
}

std::vector<double> PredictCascal(const CascalModel& model, std::span<const float> unit_embedding,
                                  const CascalRouteOptions& options) {
  const Neighbourhood near = FindNeighbourhood(model, unit_embedding, options);
  if (near.subject == nullptr) return model.global;
  std::vector<double> predicted(model.models, 0);
  for (std::size_t m = 0; m < model.models; ++m) predicted[m] = near.fallback * model.global[m];
  for (const auto& [share, cluster] : near.clusters) {
    const auto scores = ScoresOf(model, *near.subject, cluster);
    for (std::size_t m = 0; m < model.models; ++m) predicted[m] += (1 - near.fallback) * share * scores[m];
  }
  return predicted;
}

std::int16_t AggregateTopThree(const std::array<std::int16_t, 3>& letters, const std::array<double, 3>& z) {
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = i + 1; j < 3; ++j) {
      if (letters[i] != kNoVote && letters[i] == letters[j]) return letters[i];
    }
  }
  const auto best = static_cast<std::size_t>(std::max_element(z.begin(), z.end()) - z.begin());
  return letters[best];
}

}  // namespace pointsman::bootstrap
