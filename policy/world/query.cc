#include "policy/world/query.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace pointsman::policy {

Result<Weights> PresetWeights(std::string_view name) {
  if (name == "cost") return Weights{0.2, 0.8};
  if (name == "balanced") return Weights{0.5, 0.5};
  if (name == "quality") return Weights{0.8, 0.2};
  return MakeError(Code::kInvalidArgument, "unknown_preset", "presets of the weights are cost, balanced and quality");
}

Status ValidateWeights(const Weights& weights) {
  const bool in_range = weights.quality >= 0 && weights.quality <= 1 && weights.cost >= 0 && weights.cost <= 1;
  if (in_range && std::abs(weights.quality + weights.cost - 1) <= 1e-6) return {};
  return MakeError(Code::kOutOfRange, "bad_weights",
                   "weights must lie in [0,1] and sum to 1; got quality " + std::to_string(weights.quality) +
                       " and cost " + std::to_string(weights.cost));
}

Status NormaliseEmbedding(std::span<float> vector, std::size_t dimension) {
  if (vector.size() != dimension) {
    return MakeError(Code::kInvalidArgument, "wrong_dimension",
                     "the live bundle embeds in " + std::to_string(dimension) + " dimensions, the vector has " +
                         std::to_string(vector.size()));
  }
  // Four sums side by side: one alone would wait for each addition.
  std::array<double, 4> sums{};
  std::size_t at = 0;
  for (; at + 4 <= vector.size(); at += 4) {
    for (std::size_t j = 0; j < 4; ++j) {
      const double x = vector[at + j];
      sums[j] += x * x;
    }
  }
  for (; at < vector.size(); ++at) {
    const double x = vector[at];
    sums[0] += x * x;
  }
  const double squares = (sums[0] + sums[2]) + (sums[1] + sums[3]);
  // Squares of floats are far from the end of the doubles: the sum of finite ones is finite.
  if (!std::isfinite(squares)) {
    const auto bad = std::find_if(vector.begin(), vector.end(), [](float x) { return !std::isfinite(x); });
    return MakeError(Code::kInvalidArgument, "not_finite",
                     "number " + std::to_string(bad - vector.begin()) + " of the embedding is not finite");
  }
  const double length = std::sqrt(squares);
  // Shorter than this, the direction is rounding noise.
  if (!(length > 1e-30)) {
    return MakeError(Code::kInvalidArgument, "zero_vector", "the embedding is zero; it has no direction");
  }
  const double inverse = 1 / length;
  for (float& x : vector) x = static_cast<float>(x * inverse);
  return {};
}

}  // namespace pointsman::policy
