#include "policy/choice/exploration.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>

#include "base/contract.h"

namespace pointsman::policy {

namespace {

constexpr double kDeviationMin = 1e-6;
constexpr double kReach = 6;            // standard deviations beyond which an arm's density is dropped
constexpr double kPlausibleReach = 2;   // an arm within these of the best takes part
constexpr double kFarthest = 1e6;       // z of an audit's share: a weight above 0, whatever the scores
constexpr double kPanelMax = 1.0 / 16;  // of V
constexpr int kDepthMax = 48;
constexpr double kSumTolerance = 1e-9;

std::size_t BestArm(std::span<const Score> scores) {
  REQUIRE(!scores.empty(), "scores of at least one arm");
  std::size_t best = 0;
  for (std::size_t i = 1; i < scores.size(); ++i) {
    if (scores[i].mean > scores[best].mean) best = i;
  }
  return best;
}

// Arms that take part in a quadrature, with their deviations floored.
struct Arms {
  std::vector<std::size_t> index;  // ascending
  std::vector<double> mean;
  std::vector<double> deviation;
  std::size_t size() const { return index.size(); }
};

struct LogCdf {
  double log_phi;  // log Phi(t)
  double mills;    // phi(t) / Phi(t)
};

LogCdf LogNormalCdf(double t) {
  constexpr double kHalfLog2Pi = 0.91893853320467274178;
  if (t <= -30) {
    const double y = 1 / (t * t);
    const double q = 1 - y * (1 - 3 * y * (1 - 5 * y * (1 - 7 * y)));
    return {-t * t / 2 - std::log(-t) - kHalfLog2Pi + std::log(q), -t / q};
  }
  const double cdf = 0.5 * std::erfc(-t / std::numbers::sqrt2);
  return {std::log(cdf), std::exp(-t * t / 2 - kHalfLog2Pi) / cdf};
}

// Bisection on V = prod_j Phi((u - mean_j) / s_j): p_m is the integral of
// g_m = h_m / sum_j h_j over V in [0,1], h = phi / (s Phi).
class Quadrature {
 public:
  Quadrature(const Arms& arms, double epsilon) : arms_(arms), epsilon_(epsilon), mass_(arms.size(), 0.0) {}

  std::vector<double> Run(double low, double high) {
    // Depth-first from the left: the stack holds the right ends still to come.
    std::vector<Node> stack;
    Node left = At(low, 0);
    stack.push_back(At(high, 0));
    for (std::size_t m = 0; m < mass_.size(); ++m) {
      mass_[m] = left.v * left.share[m] + (1 - stack.back().v) * stack.back().share[m];
    }
    int depth = 0;
    while (!stack.empty()) {
      const Node& right = stack.back();
      depth = std::max(left.depth, right.depth);
      if (depth < kDepthMax && MustSplit(left, right)) {
        Node middle = At((left.u + right.u) / 2, depth + 1);
        stack.push_back(std::move(middle));
        continue;
      }
      for (std::size_t m = 0; m < mass_.size(); ++m) {
        mass_[m] += 0.5 * (right.v - left.v) * (left.share[m] + right.share[m]);
      }
      left = std::move(stack.back());
      stack.pop_back();
    }
    const double total = std::accumulate(mass_.begin(), mass_.end(), 0.0);
    for (double& p : mass_) p = std::max(0.0, p / total);
    return mass_;
  }

 private:
  struct Node {
    double u = 0;
    double v = 0;
    int depth = 0;              // of the panel that this node split
    std::vector<double> share;  // g_j
  };

  Node At(double u, int depth) const {
    Node node{.u = u, .v = 0, .depth = depth, .share = std::vector<double>(arms_.size())};
    double log_v = 0;
    double total = 0;
    for (std::size_t j = 0; j < arms_.size(); ++j) {
      const LogCdf cdf = LogNormalCdf((u - arms_.mean[j]) / arms_.deviation[j]);
      log_v += cdf.log_phi;
      node.share[j] = cdf.mills / arms_.deviation[j];
      total += node.share[j];
    }
    node.v = std::exp(log_v);
    for (double& share : node.share) share /= total;
    return node;
  }

  bool MustSplit(const Node& left, const Node& right) const {
    const double width = right.v - left.v;
    if (width > kPanelMax) return true;
    double change = 0;
    for (std::size_t m = 0; m < left.share.size(); ++m) {
      change = std::max(change, std::abs(right.share[m] - left.share[m]));
    }
    return 0.5 * width * change > epsilon_;
  }

  const Arms& arms_;
  double epsilon_;
  std::vector<double> mass_;
};

}  // namespace

std::vector<double> EpsilonDistribution(std::span<const Score> scores, double epsilon) {
  std::vector<double> distribution = GreedyDistribution(scores);
  for (double& p : distribution) p = (1 - epsilon) * p + epsilon / static_cast<double>(scores.size());
  return distribution;
}

std::vector<double> SquareCbDistribution(std::span<const Score> scores, double gamma) {
  REQUIRE(gamma > 0, "gamma must be positive");
  std::vector<double> distribution = GreedyDistribution(scores);
  const auto best =
      static_cast<std::size_t>(std::max_element(distribution.begin(), distribution.end()) - distribution.begin());
  double rest = 1;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (i == best) continue;
    const double gap = scores[best].mean - scores[i].mean;
    distribution[i] = 1 / (static_cast<double>(scores.size()) + gamma * gap);
    rest -= distribution[i];
  }
  distribution[best] = rest;
  return distribution;
}

std::vector<std::size_t> PlausibleArms(std::span<const Score> scores, std::size_t arms_max) {
  const double best = scores[BestArm(scores)].mean;
  std::vector<std::size_t> arms;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i].mean + kPlausibleReach * scores[i].standard_deviation >= best) arms.push_back(i);
  }
  if (arms_max > 0 && arms.size() > arms_max) {
    std::stable_sort(arms.begin(), arms.end(),
                     [&](std::size_t a, std::size_t b) { return scores[a].mean > scores[b].mean; });
    arms.resize(arms_max);
    std::sort(arms.begin(), arms.end());
  }
  return arms;
}

std::vector<double> GreedyDistribution(std::span<const Score> scores) {
  std::vector<double> distribution(scores.size(), 0.0);
  distribution[BestArm(scores)] = 1;
  return distribution;
}

double AuditReach(double deviation, double own_width) {
  return std::max(kAuditReach * deviation, std::min(deviation, own_width));
}

std::vector<double> AuditShares(std::span<const Score> scores, std::span<const bool> in_audit_set) {
  REQUIRE(in_audit_set.size() == scores.size(), "one audit mark an arm");
  const double best = scores[BestArm(scores)].mean;
  std::vector<double> shares(scores.size(), 0.0);
  double total = 0;
  double audited = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (!in_audit_set[i]) continue;
    const double z =
        std::min((best - scores[i].mean) / std::max(scores[i].standard_deviation, kDeviationMin), kFarthest);
    const double once = 1 + z * z / 16;
    const double fourth = once * once * once * once;
    shares[i] = 1 / (fourth * fourth);
    total += shares[i];
    ++audited;
  }
  if (audited == 0) return shares;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (in_audit_set[i]) shares[i] = (1 - kAuditEven) * shares[i] / total + kAuditEven / audited;
  }
  return shares;
}

std::vector<double> AuditDistribution(std::span<const Score> scores, std::span<const bool> in_audit_set,
                                      double audit_probability) {
  REQUIRE(audit_probability >= 0 && audit_probability <= 1, "audit probability");
  std::vector<double> distribution = GreedyDistribution(scores);
  if (audit_probability == 0) return distribution;
  const std::vector<double> shares = AuditShares(scores, in_audit_set);
  if (std::all_of(shares.begin(), shares.end(), [](double share) { return share == 0; })) return distribution;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    distribution[i] = distribution[i] * (1 - audit_probability) + audit_probability * shares[i];
  }
  return distribution;
}

std::vector<double> ThompsonDistribution(std::span<const Score> scores, double epsilon, std::size_t arms_max) {
  REQUIRE(epsilon > 0, "epsilon of the quadrature");
  std::vector<std::size_t> taking_part(scores.size());
  std::iota(taking_part.begin(), taking_part.end(), std::size_t{0});
  if (arms_max > 0) taking_part = PlausibleArms(scores, arms_max);
  const auto deviation = [&](std::size_t i) { return std::max(scores[i].standard_deviation, kDeviationMin); };
  double low = scores[BestArm(scores)].mean - kReach * deviation(BestArm(scores));
  for (const std::size_t i : taking_part) low = std::max(low, scores[i].mean - kReach * deviation(i));
  Arms arms;
  double high = low;
  for (const std::size_t i : taking_part) {
    const double top = scores[i].mean + kReach * deviation(i);
    if (top < low) continue;
    high = std::max(high, top);
    arms.index.push_back(i);
    arms.mean.push_back(scores[i].mean);
    arms.deviation.push_back(deviation(i));
  }
  std::vector<double> distribution(scores.size(), 0.0);
  if (arms.size() == 1) {
    distribution[arms.index[0]] = 1;
    return distribution;
  }
  const std::vector<double> mass = Quadrature(arms, epsilon).Run(low, high);
  for (std::size_t j = 0; j < arms.size(); ++j) distribution[arms.index[j]] = mass[j];
  return distribution;
}

std::vector<double> WithFloor(std::span<const double> distribution, std::span<const bool> plausible, double floor) {
  REQUIRE(plausible.size() == distribution.size(), "one plausibility mark an arm");
  std::size_t count = 0;
  for (const bool mark : plausible) count += mark ? 1 : 0;
  std::vector<double> raised(distribution.begin(), distribution.end());
  if (count == 0 || floor <= 0) return raised;
  const double least = std::min(floor, 0.1 / static_cast<double>(count));
  double total = 0;
  for (std::size_t i = 0; i < raised.size(); ++i) {
    if (plausible[i]) raised[i] = std::max(raised[i], least);
    total += raised[i];
  }
  for (double& p : raised) p /= total;
  return raised;
}

Result<Draw> DrawArm(std::span<const double> distribution, double unit) {
  if (distribution.empty()) return MakeError(Code::kInvalidArgument, "empty_distribution", "there is no arm to draw");
  if (!(unit >= 0 && unit < 1)) {
    return MakeError(Code::kInvalidArgument, "bad_draw", "the draw must be in [0, 1)");
  }
  double sum = 0;
  for (const double p : distribution) {
    if (!(p >= 0) || !std::isfinite(p)) {
      return MakeError(Code::kInvalidArgument, "bad_distribution", "a probability is negative or not finite");
    }
    sum += p;
  }
  if (std::abs(sum - 1) > kSumTolerance) {
    return MakeError(Code::kInvalidArgument, "bad_distribution", "the probabilities do not sum to 1");
  }
  double reached = 0;
  std::size_t last_possible = 0;
  for (std::size_t i = 0; i < distribution.size(); ++i) {
    if (distribution[i] == 0) continue;
    last_possible = i;
    reached += distribution[i];
    if (unit < reached) break;
  }
  return Draw{.arm = last_possible, .propensity = distribution[last_possible]};
}

}  // namespace pointsman::policy
