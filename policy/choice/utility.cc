#include "policy/choice/utility.h"

#include <algorithm>

namespace pointsman::policy {

double Utility(const Weights& weights, double quality, double cost_usd, double reference_cost_usd) {
  const double relative = reference_cost_usd > 0 ? std::clamp(cost_usd / reference_cost_usd, 0.0, 1.0) : 0.0;
  return weights.quality * quality - weights.cost * relative;
}

}  // namespace pointsman::policy
