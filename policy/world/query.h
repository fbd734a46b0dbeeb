// One routing request, as the policy sees it: no text, no socket.
// Plain values; nothing here is kept longer than the request.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace pointsman::policy {

// Weights of quality and cost in the utility; each in [0,1], sum 1 within 1e-6.
// Presets: cost (0.2, 0.8), balanced (0.5, 0.5), quality (0.8, 0.2).
struct Weights {
  double quality = 0.8;
  double cost = 0.2;
};

// The weights of preset `name` ("cost", "balanced", "quality").
// Errors: INVALID_ARGUMENT listing the names.
Result<Weights> PresetWeights(std::string_view name);
// Errors: OUT_OF_RANGE.
Status ValidateWeights(const Weights& weights);

struct Query {
  // Unit vector of the bundle's dimension; empty for "nothing known" (the
  // background). The caller has checked dimension and finiteness.
  std::span<const float> embedding;
  Weights weights;
  // Names of models that may answer; empty: all active ones.
  std::vector<std::string> allowed;
  double cost_cap_usd = 0;      // expected cost above this is not eligible; 0: no cap
  double quality_floor = 0;     // predicted quality below this is not eligible, unless none is left
  std::uint32_t tokens_in = 0;  // length of the input; 0: unknown
  // Never audit or explore with this request; which of router and incumbent answers
  // under a rollout is still drawn.
  bool no_explore = false;
  double latency_cap_ms = 0;    // a model whose latency's 95 % quantile is above is not eligible; 0: no cap
  // A conversation: the model that answered so far, and what a switch costs in utility.
  // Another is chosen only if it gains more; such a request is not audited. Under a
  // rollout it is also whom this request follows (world/rollout.h).
  std::string_view incumbent;
  double switch_cost = 0;  // >= 0
  // Observe: the caller chooses this model whatever comes back; empty: Decide chooses.
  std::string_view observed;
  std::string_view tenant;  // whose budget pays; decides nothing else
  DecisionId id;            // keys the draws, so that they can be repeated
};

// Scales `vector` to unit length in place.
// Errors: INVALID_ARGUMENT for a wrong dimension, a non-finite number or a zero
// vector; the message names expected and given dimension or the index.
Status NormaliseEmbedding(std::span<float> vector, std::size_t dimension);

}  // namespace pointsman::policy
