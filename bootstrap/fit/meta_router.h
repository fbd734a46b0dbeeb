// Meta-Router: what a rating is away from gold, as a function of the query.
//
// Two kinds of log, not to be mixed up:
//   unpaired  a row has either gold or a rating (as published). The correction is the
//             effect of being judged by gold: R-learner or DR-learner.
//   paired    every row has a rating, some are audited, and the audit may depend on
//             the rating (a thumbs-down gets audited). Conditioning on the query alone
//             is then wrong; missing-data AIPW given query and rating is right.
// Nuisances are ridge regressions or random forests, cross-fitted (bootstrap/fit/cross_fit.h).
//
// Shapes: n rows of d features. A model or a cluster is told apart by features.
// Units: outcomes and ratings are any finite numbers; corrections are in units of the
// ratings. Cost: about 40 solves of d x d, and 50 n d^2. Pure; threads: any.
// Errors: INVALID_ARGUMENT for logs that say nothing about a correction.
// Source: spec cascal_meta_router part B, C.4 (clips), C.6 (overlap weights, AIPW).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "bootstrap/fit/cross_fit.h"
#include "bootstrap/fit/meta_router_surface.h"
#include "bootstrap/fit/ridge.h"
#include "bootstrap/fit/rows.h"

namespace pointsman::bootstrap {

enum class MetaLearner : std::uint8_t { kR, kDr };

// The constant that gold is multiplied with (spec B.6).
enum class ScaleMatch : std::uint8_t {
  kNone,         // 1
  kVariance,     // sd(rating) / sd(gold), the published choice
  kWasserstein,  // sum r_(k) y_(k) / sum r_(k)^2 over matched quantiles
};

struct MetaOptions {
  MetaLearner learner = MetaLearner::kR;
  std::uint32_t folds = 5;  // 0: nuisances in-sample, as the published program has them; else >= 2
  ScaleMatch scale = ScaleMatch::kVariance;
  BaseLearner base = BaseLearner::kRidge;  // of the nuisances; the correction itself is linear
  // Clips and masks of the published program: R clips p to [.1, .9]; DR clips to
  // [.05, .95], leaves out rows with p(1-p) <= .05 and weighs the others alike. They
  // fail where gold is below 5 %: then DR has no row left, and R shrinks the correction.
  // Otherwise p is clipped relative to the share of gold, and DR has overlap weights.
  bool published_clips = false;
  double correction_max = 1.2;  // |correction| of a rating in FitGain, as published; > 0
};

// Everything is looked at, not owned.
struct UnpairedLog {
  Rows features;
  std::span<const double> outcome;        // n: gold where is_gold, else a rating
  std::span<const std::uint8_t> is_gold;  // n
  std::span<const double> propensity;     // n, Pr(gold | row) in [0,1]; empty: estimated
  std::span<const std::uint64_t> unit;    // n: hash of the user or conversation; empty: each row on its own
};

struct PairedLog {
  Rows features;
  std::span<const double> rating;       // n
  std::span<const double> gold;         // n, NaN where not audited
  std::span<const double> propensity;   // n, Pr(audited | row, rating) in [0,1]; empty: estimated from row and rating
  std::span<const std::uint64_t> unit;  // as above
};

struct MetaFit {
  BiasSurface surface;
  double scale = 1;  // what gold was multiplied with
  std::size_t rows = 0;
  std::size_t gold = 0;
  std::size_t used = 0;             // rows with a weight in the last regression
  std::size_t clipped = 0;          // propensities that were moved
  std::size_t without_support = 0;  // paired: rows of propensity 0, known by extrapolation alone
};

// R: (o - mu) / (t - p), weight (t - p)^2. DR: mu1 - mu0 + (t - p)/(p(1-p)) (o - mu_t),
// weight p(1-p). Reasons: empty_log, bad_log, no_gold, no_ratings, too_few_gold,
// constant_gold, constant_ratings (with scale matching), bad_propensity, no_overlap.
Result<MetaFit> FitUnpaired(const UnpairedLog& log, const MetaOptions& options);

// phi = d(x, y) + audited/e (gold - y - d(x, y)), regressed on x over all rows. `learner`,
// `scale` and `correction_max` are not used: gold and rating must share a scale.
// Reasons: empty_log, bad_log, no_gold, too_few_gold, bad_propensity (also: 0 on an audited row).
Result<MetaFit> FitPaired(const PairedLog& log, const MetaOptions& options);

// Step 2: gold and corrected ratings as one sample (spec B.5). In units of gold.
// `log` and `options` are those that `fit` was made with.
RidgeHead FitGain(const UnpairedLog& log, const MetaFit& fit, const MetaOptions& options);
// Ridge of `target` over the rows that have `weight`, lambda by cross-validation: what
// the router without a correction does.
RidgeHead FitPlain(const Rows& features, std::span<const double> target, std::span<const double> weight,
                   std::uint32_t folds);

// The pseudo-outcomes, and the scale; `gold` and `ratings` not empty, not constant.
double RTarget(double outcome, double mu, bool gold, double propensity);
double DrTarget(double outcome, double mu1, double mu0, bool gold, double propensity);
double MatchScale(std::span<const double> gold, std::span<const double> ratings, ScaleMatch how);

}  // namespace pointsman::bootstrap
