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
  const CascalSubject* subject = ChooseSubject(model, unit_embedding, options.two_stage);
  if (subject == nullptr) return Normalised(model.global);
  auto order = ByDistance(*subject, model.dimension, unit_embedding);
  if (order.size() > options.nearest) order.resize(options.nearest);
  std::vector<double> distances;
  for (const auto& entry : order) distances.push_back(entry.first);
  const std::vector<double> share = DistanceWeights(distances, options.distance_temperature);
  std::vector<double> preference(model.models, 0);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto sharpened = SharpenedScores(
        std::span(subject->scores).subspan(order[i].second * model.models, model.models), options.score_temperature);
    if (!(Sum(sharpened) > 0)) continue;
    for (std::size_t m = 0; m < model.models; ++m) preference[m] += share[i] * sharpened[m];
  }
  preference = Normalised(std::move(preference));
  const double alpha = FallbackShare(distances.front(), options);
  if (alpha > 0) {
    const std::vector<double> global = Normalised(model.global);
    for (std::size_t m = 0; m < model.models; ++m) preference[m] = (1 - alpha) * preference[m] + alpha * global[m];
  }
  return preference;
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
