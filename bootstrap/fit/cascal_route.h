// Routing and answer aggregation as published: spec cascal_meta_router A.7, A.8.
//
// For comparison and tests; the product routes by policy::Decide. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bootstrap/fit/cascal.h"

namespace pointsman::bootstrap {

struct CascalRouteOptions {
  bool two_stage = true;  // nearest subject first; else the subject of the nearest centroid
  std::size_t nearest = 3;
  double distance_temperature = 0.1;
  double score_temperature = 0.1;
  bool fallback = true;
  double fallback_distance = 0.5;
  double fallback_ramp = 0.2;
};

// softmax(-d / temperature).
std::vector<double> DistanceWeights(std::span<const double> distances, double temperature);
// softmax(score / temperature); the raw scores where their sum is not above 0.
std::vector<double> SharpenedScores(std::span<const double> scores, double temperature);
// Share of the global scores: 0 up to the threshold, then a ramp to 1.
double FallbackShare(double nearest_distance, const CascalRouteOptions& options);

// Preference over the models, summing to 1 (all 0 when no score is above 0).
std::vector<double> RouteCascal(const CascalModel& model, std::span<const float> unit_embedding,
                                const CascalRouteOptions& options);

// Expected score of each model by the same clusters and weights, not sharpened.
std::vector<double> PredictCascal(const CascalModel& model, std::span<const float> unit_embedding,
                                  const CascalRouteOptions& options);

// The letter of at least two of the first three models, else that of the largest
// z (standardised log-probability, by the training scale).
std::int16_t AggregateTopThree(const std::array<std::int16_t, 3>& letters, const std::array<double, 3>& z);

}  // namespace pointsman::bootstrap
