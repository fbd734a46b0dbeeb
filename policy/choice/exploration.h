// Exploration: scores -> distribution -> draw.
//
// A policy returns the whole distribution; the draw uses it and the log keeps it,
// so every logged propensity is the true one (promise 4). Pure functions; nothing
// is modified; arms are in the caller's order.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/result.h"

namespace pointsman::policy {

struct Score {
  double mean = 0;                // utility
  double standard_deviation = 0;  // of it, >= 0
};

// All mass on the best; ties to the first. `scores` not empty.
std::vector<double> GreedyDistribution(std::span<const Score> scores);

constexpr double kAuditEven = 0.2;
constexpr double kAuditReach = 0.3;
// What of a prediction's `deviation` may turn a ranking: the part of it that is not common
// to all models is kAuditReach of it with a prior by consensus, and not below what a model's
// level and its cell may deviate by (`own_width`), where it is as uncertain as that.
double AuditReach(double deviation, double own_width);

// How audits are shared out among the audit set A (decisions/0034): a fifth evenly, the rest
// among those that may be the best. With w = (1 + z^2/16)^-8, about exp(-z^2/2), and
// z = (best mean - mean) / standard deviation, here weights.quality times AuditReach:
// (1 - kAuditEven) w / sum of w + kAuditEven / |A| in A, 0 outside. Sums to 1; all 0 of an
// empty set.
std::vector<double> AuditShares(std::span<const Score> scores, std::span<const bool> in_audit_set);

// Greedy with probability 1 - audit_probability, else shared out as above. An empty audit
// set is plain greedy.
std::vector<double> AuditDistribution(std::span<const Score> scores, std::span<const bool> in_audit_set,
                                      double audit_probability);

// The best with probability 1 - epsilon + epsilon/n, the others epsilon/n each.
std::vector<double> EpsilonDistribution(std::span<const Score> scores, double epsilon);

// Inverse-gap weighting (trouter_bandits 2.9, 3.5): 1/(n + gamma * gap) for all but
// the best, which gets the rest. `gamma` > 0.
std::vector<double> SquareCbDistribution(std::span<const Score> scores, double gamma);

// Arms that could be the best: mean + 2 standard deviations reaches the best mean;
// the best `arms_max` of them by mean (0: all), in ascending order.
std::vector<std::size_t> PlausibleArms(std::span<const Score> scores, std::size_t arms_max);

// Probability that each arm is the best under independent normals: quadrature by
// bisection on V = prod Phi, error about epsilon (online_learner 3). With
// `arms_max` > 0 only PlausibleArms(scores, arms_max) take part, the others get 0;
// with 0 all arms do. Sums to 1 within 1e-12.
std::vector<double> ThompsonDistribution(std::span<const Score> scores, double epsilon, std::size_t arms_max);

// Raises every plausible arm to p_eff = min(floor, 0.1/|plausible|) and
// renormalises in order.
std::vector<double> WithFloor(std::span<const double> distribution, std::span<const bool> plausible, double floor);

struct Draw {
  std::size_t arm = 0;
  double propensity = 0;  // exactly distribution[arm]
};

// Draws one arm. `unit` in [0,1). An arm of probability zero is never returned,
// also not when rounding leaves the sum slightly below `unit` (then: the last
// possible arm). Errors: INVALID_ARGUMENT for an empty or invalid distribution
// (negative, non-finite, sum off by more than 1e-9) or a draw outside [0,1).
Result<Draw> DrawArm(std::span<const double> distribution, double unit);

}  // namespace pointsman::policy
