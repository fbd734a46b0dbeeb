#include "bootstrap/fit/junk.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace pointsman::bootstrap {
namespace {

constexpr std::array<double, 9> kConcentrations = {.02, .05, .1, .2, .5, 1, 2, 4, 8};
constexpr std::size_t kChaos = kConcentrations.size();
constexpr std::size_t kUnanimity = kChaos + 1;
constexpr std::size_t kKinds = kUnanimity + 1;
constexpr int kRounds = 60;
constexpr double kImpossible = -1e9;

using Kinds = std::array<double, kKinds>;

// Log-probability of the item's answers, one after the other, under each kind.
Kinds LogLikelihood(const Votes& votes, std::size_t item) {
  const std::size_t options = votes.options_of(item);
  std::vector<double> count(options, 0);
  double all = 0;
  for (std::size_t m = 0; m < votes.models; ++m) {
    if (votes.at(item, m) == kNoVote) continue;
    count[static_cast<std::size_t>(votes.at(item, m))] += 1;
    all += 1;
  }
  Kinds log{};
  const auto k = static_cast<double>(options);
  for (std::size_t c = 0; c < kChaos; ++c) {
    const double total = kConcentrations[c];
    log[c] = std::lgamma(total) - std::lgamma(total + all);
    for (const double n : count) {
      if (n > 0) log[c] += std::lgamma(total / k + n) - std::lgamma(total / k);
    }
  }
  log[kChaos] = -all * std::log(k);
  const bool one = *std::max_element(count.begin(), count.end()) == all;
  log[kUnanimity] = one ? -std::log(k) : kImpossible;
  return log;
}

// Posterior of the kinds of one item.
Kinds Posterior(const Kinds& log, const Kinds& share) {
  Kinds out{};
  double top = kImpossible;
  for (std::size_t c = 0; c < kKinds; ++c) top = std::max(top, out[c] = log[c] + std::log(share[c]));
  double total = 0;
  for (double& value : out) total += value = std::exp(value - top);
  for (double& value : out) value /= total;
  return out;
}

}  // namespace

JunkFit FindJunk(const Votes& votes) {
  std::vector<Kinds> log;
  for (std::size_t i = 0; i < votes.items; ++i) log.push_back(LogLikelihood(votes, i));
  Kinds share{};
  share.fill(1.0 / kKinds);
  JunkFit fit;
  fit.honest.assign(votes.items, 1);
  for (int round = 0; round < kRounds; ++round) {
    Kinds sum{};
    sum.fill(1);  // one item of each kind beforehand
    for (std::size_t i = 0; i < votes.items; ++i) {
      const Kinds posterior = Posterior(log[i], share);
      for (std::size_t c = 0; c < kKinds; ++c) sum[c] += posterior[c];
      fit.honest[i] = std::clamp(1 - posterior[kChaos] - posterior[kUnanimity], 0.0, 1.0);
    }
    const double total = std::accumulate(sum.begin(), sum.end(), 0.0);
    for (std::size_t c = 0; c < kKinds; ++c) share[c] = sum[c] / total;
  }
  fit.chaos = share[kChaos];
  fit.unanimity = share[kUnanimity];
  return fit;
}

}  // namespace pointsman::bootstrap
