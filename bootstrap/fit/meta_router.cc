#include "bootstrap/fit/meta_router.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include "base/contract.h"
#include "bootstrap/fit/cross_fit.h"

namespace pointsman::bootstrap {
namespace {

// Propensities stay within this share of the base rate on either side (spec C.4).
constexpr double kRelativeClip = 0.2;
constexpr double kPublishedClipR = 0.1;
constexpr double kPublishedClipDr = 0.05;
constexpr double kPublishedOverlap = 0.05;
constexpr std::uint32_t kFoldsForLambda = 5;

// What the parts of one fit share.
struct Setting {
  std::vector<std::uint32_t> fold;
  std::uint32_t folds;
  bool in_sample;
  BaseLearner base;
  std::vector<double> ones;
  Setting(std::size_t rows, std::span<const std::uint64_t> unit, const MetaOptions& options)
      : folds(options.folds == 0 ? kFoldsForLambda : options.folds),
        in_sample(options.folds == 0),
        base(options.base),
        ones(rows, 1) {
    fold = FoldsByUnit(rows, unit, folds);
  }
  // A last stage: linear, so that it can be installed.
  CrossFitted Fit(const Rows& rows, std::span<const double> target, std::span<const double> weight) const {
    return CrossFit(rows, target, weight, fold, folds, in_sample);
  }
  // A nuisance, by the base learner.
  std::vector<double> Predict(const Rows& rows, std::span<const double> target, std::span<const double> weight) const {
    if (base == BaseLearner::kRidge) return Fit(rows, target, weight).prediction;
    return CrossFitForest(rows, target, weight, fold, in_sample ? 0 : folds);
  }
};

Error Refused(std::string reason, std::string message) {
  return MakeError(Code::kInvalidArgument, std::move(reason), std::move(message));
}

bool AllFinite(std::span<const double> values) {
  return std::all_of(values.begin(), values.end(), [](double x) { return std::isfinite(x); });
}

Status CheckShape(const Rows& features, std::size_t outcomes, std::span<const double> propensity,
                  std::span<const std::uint64_t> unit, const MetaOptions& options) {
  const std::size_t n = features.count();
  if (n == 0) return Refused("empty_log", "the log has no row; collect feedback first");
  REQUIRE(options.folds != 1 && options.correction_max > 0, "two folds or none, and a positive clip");
  if (outcomes != n || (!propensity.empty() && propensity.size() != n) || (!unit.empty() && unit.size() != n)) {
    return Refused("bad_log", "every row needs its features, outcome, propensity and unit, or no row has one");
  }
  if (!std::all_of(features.values.begin(), features.values.end(), [](float x) { return std::isfinite(x); })) {
    return Refused("bad_log", "a feature is not a finite number");
  }
  for (const double p : propensity) {
    if (!(p >= 0 && p <= 1)) return Refused("bad_propensity", "propensities are probabilities in [0,1]");
  }
  return {};
}

// Gold must be in two folds at least, so that no fit is left without any.
Status CheckFolds(const Setting& setting, std::span<const double> has, const char* reason, const char* message) {
  std::optional<std::uint32_t> first;
  for (std::size_t i = 0; i < has.size(); ++i) {
    if (!(has[i] > 0)) continue;
    if (first.has_value() && *first != setting.fold[i]) return {};
    first = setting.fold[i];
  }
  return Refused(reason, message);
}

double Variance(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double sum = 0;
  for (const double x : values) sum += (x - mean) * (x - mean);
  return sum / n;
}

struct Sources {
  std::vector<double> gold;
  std::vector<double> ratings;
};

Result<Sources> Split(const UnpairedLog& log, const MetaOptions& options) {
  const Status shape = CheckShape(log.features, log.outcome.size(), log.propensity, log.unit, options);
  if (!shape.ok()) return shape.error();
  if (log.is_gold.size() != log.outcome.size() || !AllFinite(log.outcome)) {
    return Refused("bad_log", "every row needs a finite outcome and its source");
  }
  Sources sources;
  for (std::size_t i = 0; i < log.outcome.size(); ++i) {
    (log.is_gold[i] != 0 ? sources.gold : sources.ratings).push_back(log.outcome[i]);
  }
  if (sources.gold.empty()) return Refused("no_gold", "no row is gold; a correction needs some gold labels");
  if (sources.ratings.empty()) return Refused("no_ratings", "every row is gold; there is no rating to correct");
  if (options.scale != ScaleMatch::kNone) {
    if (!(Variance(sources.gold) > 0)) return Refused("constant_gold", "all gold is equal; its scale is not known");
    if (!(Variance(sources.ratings) > 0)) return Refused("constant_ratings", "all ratings are equal; they say nothing");
  }
  return sources;
}

// Propensities as given or by regression, within the clip.
std::vector<double> Propensities(std::span<const double> known, std::span<const double> treated, const Rows& rows,
                                 const Setting& setting, double low, double high, std::size_t& clipped) {
  std::vector<double> p(known.begin(), known.end());
  if (known.empty()) p = setting.Predict(rows, treated, setting.ones);
  for (double& x : p) {
    const double inside = std::clamp(x, low, high);
    clipped += inside != x ? 1 : 0;
    x = inside;
  }
  return p;
}

struct LastStage {
  std::vector<double> target;
  std::vector<double> weight;
};

LastStage RStage(const UnpairedLog& log, std::span<const double> scaled, std::span<const double> p,
                 const Setting& setting) {
  const std::vector<double> mu = setting.Predict(log.features, scaled, setting.ones);
  LastStage last;
  for (std::size_t i = 0; i < scaled.size(); ++i) {
    const bool gold = log.is_gold[i] != 0;
    const double distance = (gold ? 1 : 0) - p[i];
    last.target.push_back(RTarget(scaled[i], mu[i], gold, p[i]));
    last.weight.push_back(distance * distance);
  }
  return last;
}

LastStage DrStage(const UnpairedLog& log, std::span<const double> scaled, std::span<const double> p,
                  std::span<const double> treated, const Setting& setting, bool published) {
  std::vector<double> rated(treated.size());
  std::vector<double> beyond(treated.size());
  for (std::size_t i = 0; i < rated.size(); ++i) rated[i] = 1 - treated[i];
  const std::vector<double> mu0 = setting.Predict(log.features, scaled, rated);
  // Gold is too rare for a fit of its own: what it is beyond the ratings' fit.
  for (std::size_t i = 0; i < rated.size(); ++i) beyond[i] = scaled[i] - mu0[i];
  const std::vector<double> gap = setting.Predict(log.features, beyond, treated);
  LastStage last;
  for (std::size_t i = 0; i < rated.size(); ++i) {
    const double overlap = p[i] * (1 - p[i]);
    last.target.push_back(DrTarget(scaled[i], mu0[i] + gap[i], mu0[i], log.is_gold[i] != 0, p[i]));
    last.weight.push_back(!published ? overlap : overlap > kPublishedOverlap ? 1 : 0);
  }
  return last;
}

std::vector<double> Scaled(const UnpairedLog& log, double scale) {
  std::vector<double> scaled(log.outcome.begin(), log.outcome.end());
  for (std::size_t i = 0; i < scaled.size(); ++i) scaled[i] *= log.is_gold[i] != 0 ? scale : 1;
  return scaled;
}

}  // namespace

double RTarget(double outcome, double mu, bool gold, double propensity) {
  return (outcome - mu) / ((gold ? 1 : 0) - propensity);
}

double DrTarget(double outcome, double mu1, double mu0, bool gold, double propensity) {
  return mu1 - mu0 + ((gold ? 1 : 0) - propensity) / (propensity * (1 - propensity)) * (outcome - (gold ? mu1 : mu0));
}

double MatchScale(std::span<const double> gold, std::span<const double> ratings, ScaleMatch how) {
  if (how == ScaleMatch::kNone) return 1;
  REQUIRE(!gold.empty() && !ratings.empty(), "both sources");
  if (how == ScaleMatch::kVariance) return std::sqrt(Variance(ratings) / Variance(gold));
  std::vector<double> r(gold.begin(), gold.end());
  std::vector<double> y(ratings.begin(), ratings.end());
  std::sort(r.begin(), r.end());
  std::sort(y.begin(), y.end());
  double product = 0;
  double square = 0;
  for (std::size_t k = 0; k < r.size(); ++k) {
    // The rating at the middle of gold's k-th quantile, between its neighbours.
    const double at =
        (static_cast<double>(k) + .5) / static_cast<double>(r.size()) * static_cast<double>(y.size()) - .5;
    const double inside = std::clamp(at, 0.0, static_cast<double>(y.size() - 1));
    const auto below = static_cast<std::size_t>(inside);
    const std::size_t above = std::min(below + 1, y.size() - 1);
    product += r[k] * (y[below] + (inside - static_cast<double>(below)) * (y[above] - y[below]));
    square += r[k] * r[k];
  }
  return product / square;
}

Result<MetaFit> FitUnpaired(const UnpairedLog& log, const MetaOptions& options) {
  Result<Sources> sources = Split(log, options);
  if (!sources.ok()) return sources.error();
  const std::size_t n = log.outcome.size();
  const Setting setting(n, log.unit, options);
  std::vector<double> is_one(n);
  std::vector<double> is_zero(n);
  for (std::size_t i = 0; i < n; ++i) {
    is_one[i] = log.is_gold[i] != 0 ? 1 : 0;
    is_zero[i] = 1 - is_one[i];
  }
  Status spread = CheckFolds(setting, is_one, "too_few_gold", "gold must come from two folds at least; label more");
  if (!spread.ok()) return spread.error();
  spread = CheckFolds(setting, is_zero, "no_ratings", "ratings must come from two folds at least; collect more");
  if (!spread.ok()) return spread.error();

  MetaFit fit;
  fit.rows = n;
  fit.gold = sources->gold.size();
  fit.scale = MatchScale(sources->gold, sources->ratings, options.scale);
  const std::vector<double> scaled = Scaled(log, fit.scale);
  const bool r_learner = options.learner == MetaLearner::kR;
  const double base = static_cast<double>(fit.gold) / static_cast<double>(n);
  const double absolute = r_learner ? kPublishedClipR : kPublishedClipDr;
  const double low = options.published_clips ? absolute : kRelativeClip * base;
  const double high = options.published_clips ? 1 - absolute : 1 - kRelativeClip * (1 - base);
  const std::vector<double> p = Propensities(log.propensity, is_one, log.features, setting, low, high, fit.clipped);
  const LastStage last =
      r_learner ? RStage(log, scaled, p, setting) : DrStage(log, scaled, p, is_one, setting, options.published_clips);
  for (const double w : last.weight) fit.used += w > 0 ? 1 : 0;
  const Status overlap = CheckFolds(setting, last.weight, "no_overlap",
                                    "the clips leave no row to learn from; use relative clips or label more gold");
  if (!overlap.ok()) return overlap.error();
  const CrossFitted surface = setting.Fit(log.features, last.target, last.weight);
  fit.surface = WithCovariance(surface.all, log.features, surface.residual, last.weight, log.unit);
  return fit;
}

RidgeHead FitGain(const UnpairedLog& log, const MetaFit& fit, const MetaOptions& options) {
  const Setting setting(log.outcome.size(), log.unit, options);
  std::vector<double> target = Scaled(log, fit.scale);
  for (std::size_t i = 0; i < target.size(); ++i) {
    if (log.is_gold[i] != 0) continue;
    target[i] += std::clamp(fit.surface.At(log.features.row(i)).value, -options.correction_max, options.correction_max);
  }
  RidgeHead head = setting.Fit(log.features, target, setting.ones).all.head;
  for (double& w : head.weights) w /= fit.scale;
  head.bias[0] /= fit.scale;
  return head;
}

RidgeHead FitPlain(const Rows& features, std::span<const double> target, std::span<const double> weight,
                   std::uint32_t folds) {
  REQUIRE(folds >= 2 && target.size() == features.count() && weight.size() == features.count(), "whole rows");
  const std::vector<std::uint32_t> fold = FoldsByUnit(features.count(), {}, folds);
  return CrossFit(features, target, weight, fold, folds, false).all.head;
}

namespace {

// The features of a row, and its rating.
std::vector<float> WithRating(const PairedLog& log) {
  std::vector<float> wide;
  for (std::size_t i = 0; i < log.rating.size(); ++i) {
    const std::span<const float> row = log.features.row(i);
    wide.insert(wide.end(), row.begin(), row.end());
    wide.push_back(static_cast<float>(log.rating[i]));
  }
  return wide;
}

}  // namespace

Result<MetaFit> FitPaired(const PairedLog& log, const MetaOptions& options) {
  const Status shape = CheckShape(log.features, log.rating.size(), log.propensity, log.unit, options);
  if (!shape.ok()) return shape.error();
  const std::size_t n = log.rating.size();
  if (log.gold.size() != n || !AllFinite(log.rating)) return Refused("bad_log", "every row needs a finite rating");
  std::vector<double> audited(n);
  MetaFit fit;
  fit.rows = n;
  for (std::size_t i = 0; i < n; ++i) {
    if (std::isinf(log.gold[i])) return Refused("bad_log", "gold is a finite number, or NaN where there is none");
    audited[i] = std::isnan(log.gold[i]) ? 0 : 1;
    fit.gold += audited[i] > 0 ? 1 : 0;
    const bool impossible = !log.propensity.empty() && log.propensity[i] == 0;
    if (impossible && audited[i] > 0) return Refused("bad_propensity", "an audited row has the propensity 0");
    fit.without_support += impossible ? 1 : 0;
  }
  if (fit.gold == 0) return Refused("no_gold", "no row is audited; a correction needs some gold labels");
  const Setting setting(n, log.unit, options);
  const Status spread = CheckFolds(setting, audited, "too_few_gold", "gold must come from two folds; label more");
  if (!spread.ok()) return spread.error();

  const std::vector<float> wide = WithRating(log);
  const Rows given(wide, log.features.dimension + 1);
  const double base = static_cast<double>(fit.gold) / static_cast<double>(n);
  // A logged propensity is exact, and a clip would bring the selection back.
  const double low = log.propensity.empty() ? kRelativeClip * base : 0;
  const std::vector<double> e = Propensities(log.propensity, audited, given, setting, low, 1, fit.clipped);
  std::vector<double> difference(n, 0);
  std::vector<double> weight(n, 0);
  for (std::size_t i = 0; i < n; ++i) {
    if (audited[i] == 0) continue;
    difference[i] = log.gold[i] - log.rating[i];
    weight[i] = base / e[i];
  }
  const std::vector<double> guess = setting.Predict(given, difference, weight);
  std::vector<double> target(n);
  for (std::size_t i = 0; i < n; ++i) {
    target[i] = guess[i] + (audited[i] > 0 ? (difference[i] - guess[i]) / e[i] : 0);
  }
  fit.used = n;
  const CrossFitted surface = setting.Fit(log.features, target, setting.ones);
  fit.surface = WithCovariance(surface.all, log.features, surface.residual, setting.ones, log.unit);
  return fit;
}

}  // namespace pointsman::bootstrap
