#include "bootstrap/fit/meta_router_curve.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>

#include "base/contract.h"

namespace pointsman::bootstrap {

std::vector<double> EfficiencyGain(std::span<const double> predicted, std::span<const double> gold_gain,
                                   std::span<const double> ratios, double unit) {
  REQUIRE(!predicted.empty() && predicted.size() == gold_gain.size(), "one prediction per gain");
  const double total = std::accumulate(gold_gain.begin(), gold_gain.end(), 0.0);
  REQUIRE(unit > 0, "a unit of gain");
  std::vector<std::size_t> order(predicted.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return predicted[a] > predicted[b]; });
  std::vector<double> sum = {0};
  for (const std::size_t i : order) {
    if (!(predicted[i] > 0)) break;
    sum.push_back(sum.back() + gold_gain[i]);
  }
  std::vector<double> gain;
  for (const double ratio : ratios) {
    const double at = ratio * static_cast<double>(predicted.size());
    const auto below = static_cast<std::size_t>(at);
    const auto above = static_cast<std::size_t>(std::ceil(at));
    if (above >= sum.size()) {
      gain.push_back(std::numeric_limits<double>::quiet_NaN());
      continue;
    }
    const double reached = sum[below] + (at - static_cast<double>(below)) * (sum[above] - sum[below]);
    gain.push_back((reached - ratio * total) / unit);
  }
  return gain;
}

std::vector<double> PublishedRatios() {
  std::vector<double> ratios;
  for (int i = 0; i <= 60; ++i) ratios.push_back(.2 + .01 * i);
  return ratios;
}

}  // namespace pointsman::bootstrap
