#include "bootstrap/fit/bias_refit.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

#include "base/contract.h"

namespace pointsman::bootstrap {
namespace {

constexpr std::uint64_t kRatingsLeast = 100;
constexpr std::uint64_t kScaleGoldLeast = 30;
constexpr double kScaleLeast = 0.1;
constexpr double kSelectionClip = 5;
constexpr std::array<double, 3> kBiasWidths = {.05, .1, .2};

Error Refused(std::string reason, std::string message) {
  return MakeError(Code::kInvalidArgument, std::move(reason), std::move(message));
}

// Observations of ratings and gold as one sample, gold second: a row with both is in it twice.
struct Sample {
  std::size_t dimension = 0;
  std::size_t clusters = 0;  // with the background
  std::vector<float> features;
  std::vector<double> outcome;  // beyond the prior
  std::vector<double> rated;    // 1 for a rating, else 0
  std::vector<double> gold;     // selection weight for gold, else 0
  double share = 0;             // of gold in the sample
  std::vector<std::uint64_t> unit;
  std::vector<std::uint32_t> fold;
  std::vector<float> usual;     // the mean model, for reading a cluster
  std::vector<ModelId> models;  // of the columns behind the clusters

  Rows rows() const { return {features, dimension}; }
  // The features of model m in no cluster in particular.
  std::vector<float> Only(std::size_t m) const {
    std::vector<float> place(dimension, 0);
    place[clusters + m] = 1;
    return place;
  }
  // The features of a query in cluster k, of no model in particular.
  std::vector<float> Place(std::size_t k) const {
    std::vector<float> place(usual);
    place[k] = 1;
    return place;
  }
};

double Deviation(std::span<const RefitRow> rows, double RefitRow::*channel) {
  double n = 0;
  double sum = 0;
  double squares = 0;
  for (const RefitRow& row : rows) {
    if (std::isnan(row.*channel)) continue;
    n += 1;
    sum += row.*channel;
    squares += row.*channel * row.*channel;
  }
  return n > 0 ? std::sqrt(std::max(squares / n - sum * sum / n / n, 0.0)) : 0;
}

double ScaleOf(std::span<const RefitRow> rows, std::uint64_t gold, const RefitOptions& options) {
  if (!options.match_scale || gold < kScaleGoldLeast) return 1;
  const double rating_sd = Deviation(rows, &RefitRow::rating);
  const double gold_sd = Deviation(rows, &RefitRow::gold);
  if (!(rating_sd > 0 && gold_sd > 0) || std::abs(rating_sd / gold_sd - 1) <= kScaleLeast) return 1;
  return rating_sd / gold_sd;
}

Sample MakeSample(std::span<const RefitRow> rows, std::size_t clusters, const Refit& refit,
                  const RefitOptions& options) {
  std::map<ModelId, std::size_t> columns;
  double asked = 0;
  for (const RefitRow& row : rows) {
    columns.try_emplace(row.model, columns.size());
    if (!std::isnan(row.gold)) asked += row.gold_probability > 0 ? 1 / row.gold_probability : 1;
  }
  const double mean_inverse = refit.gold > 0 ? asked / static_cast<double>(refit.gold) : 1;
  Sample sample;
  sample.share = static_cast<double>(refit.gold) / static_cast<double>(refit.gold + refit.ratings);
  sample.clusters = clusters + 1;
  sample.dimension = sample.clusters + columns.size();
  sample.usual.assign(sample.dimension, 0);
  sample.models.resize(columns.size());
  for (const auto& [model, column] : columns) sample.models[column] = model;
  const auto add = [&](const RefitRow& row, double value, bool gold) {
    const std::size_t at = sample.features.size();
    sample.features.resize(at + sample.dimension, 0);
    for (const policy::ClusterWeight& membership : row.clusters) {
      sample.features[at + membership.cluster.value] += static_cast<float>(membership.weight);
    }
    const std::size_t column = sample.clusters + columns[row.model];
    sample.features[at + column] = 1;
    if (!gold) sample.usual[column] += 1 / static_cast<float>(refit.ratings);
    const double inverse = row.gold_probability > 0 ? 1 / row.gold_probability : mean_inverse;
    sample.outcome.push_back((gold ? refit.scale : 1) * (value - row.prior));
    sample.rated.push_back(gold ? 0 : 1);
    sample.gold.push_back(gold ? std::min(inverse / mean_inverse, kSelectionClip) : 0);
    sample.unit.push_back(row.unit);
  };
  for (const RefitRow& row : rows) {
    if (!std::isnan(row.rating)) add(row, row.rating, false);
  }
  for (const RefitRow& row : rows) {
    if (!std::isnan(row.gold)) add(row, row.gold, true);
  }
  sample.fold = FoldsByUnit(sample.outcome.size(), sample.unit, options.folds);
  return sample;
}

// One of the three regressions: a value and a variance by cluster.
struct Part {
  std::vector<double> value;
  std::vector<double> variance;
  std::vector<double> models;
  std::vector<double> prediction;  // of every row of the sample, cross-fitted
};

// Weighted mean of the squares about the weighted mean.
double Spread(std::span<const double> target, std::span<const double> weight) {
  double total = 0;
  double sum = 0;
  double squares = 0;
  for (std::size_t i = 0; i < target.size(); ++i) {
    total += weight[i];
    sum += weight[i] * target[i];
    squares += weight[i] * target[i] * target[i];
  }
  return std::max((squares - sum * sum / total) / total, 1e-6);
}

// A width is the standard deviation of a cluster's value about what all share, beforehand:
// lambda = noise / width^2 in units of the weights. Of several the one of the least error
// left out.
Part Linear(const Sample& sample, std::span<const double> target, std::span<const double> weight,
            std::span<const double> widths, const RefitOptions& options) {
  double largest = 0;
  for (const double w : weight) largest = std::max(largest, w);
  const double noise = largest * Spread(target, weight);
  std::vector<double> lambdas;
  for (const double width : widths) lambdas.push_back(noise / (width * width));
  const CrossFitted fit = CrossFit(sample.rows(), target, weight, sample.fold, options.folds, false, lambdas);
  const BiasSurface surface = WithCovariance(fit.all, sample.rows(), fit.residual, weight, sample.unit);
  Part part;
  for (std::size_t k = 0; k < sample.clusters; ++k) {
    const Estimate at = surface.At(sample.Place(k));
    part.value.push_back(at.value);
    part.variance.push_back(at.standard_error * at.standard_error);
  }
  // A place holds the mean model; what a model adds to it is its own deviation.
  const double mean = surface.At(sample.usual).value;
  for (std::size_t m = 0; m < sample.models.size(); ++m) {
    part.models.push_back(surface.At(sample.Only(m)).value - mean);
  }
  part.prediction = fit.prediction;
  return part;
}

// A nuisance by the base learner; a forest is read by its linear shadow.
Part Nuisance(const Sample& sample, std::span<const double> weight, std::span<const double> widths,
              const RefitOptions& options) {
  if (options.base == BaseLearner::kRidge) return Linear(sample, sample.outcome, weight, widths, options);
  const std::vector<double> forest = CrossFitForest(sample.rows(), sample.outcome, weight, sample.fold, options.folds);
  Part part = Linear(sample, forest, weight, widths, options);
  part.variance = Linear(sample, sample.outcome, weight, widths, options).variance;
  return part;
}

bool InTwoFolds(const Sample& sample, std::span<const double> weight) {
  std::int64_t first = -1;
  for (std::size_t i = 0; i < weight.size(); ++i) {
    if (!(weight[i] > 0)) continue;
    if (first >= 0 && first != sample.fold[i]) return true;
    first = sample.fold[i];
  }
  return false;
}

Status Check(std::span<const RefitRow> rows, std::size_t clusters, Refit& refit) {
  if (rows.empty()) return Refused("empty_log", "there is no feedback to fit on; collect some first");
  for (const RefitRow& row : rows) {
    const bool rated = !std::isnan(row.rating);
    const bool gold = !std::isnan(row.gold);
    const bool sound = std::isfinite(row.prior) && !std::isinf(row.rating) && !std::isinf(row.gold) &&
                       row.gold_probability >= 0 && row.gold_probability <= 1;
    if (!sound) return Refused("bad_log", "priors, values and probabilities must be finite numbers in their range");
    for (const policy::ClusterWeight& membership : row.clusters) {
      if (membership.cluster.value > clusters) return Refused("bad_log", "a row names a cluster that is not there");
    }
    refit.ratings += rated ? 1 : 0;
    refit.gold += gold ? 1 : 0;
    refit.paired += rated && gold ? 1 : 0;
  }
  if (refit.ratings == 0) return Refused("no_ratings", "the source has rated nothing; there is no bias to fit");
  if (refit.ratings < kRatingsLeast) {
    return Refused("too_few_ratings",
                   "a surface needs at least 100 ratings of the source; it has " + std::to_string(refit.ratings));
  }
  return {};
}

// What gold says the plug-in is off by: the effect of being gold that is left.
Part Correction(const Sample& sample, const Part& ratings, const Part& gold, const RefitOptions& options) {
  std::vector<double> target;
  std::vector<double> weight;
  const double p = sample.share;
  const bool r_learner = options.learner == MetaLearner::kR;
  for (std::size_t i = 0; i < sample.outcome.size(); ++i) {
    const bool is_gold = sample.rated[i] == 0;
    const double distance = (is_gold ? 1 : 0) - p;
    const double left = sample.outcome[i] - (is_gold ? gold : ratings).prediction[i];
    target.push_back(r_learner ? left / distance : distance / (p * (1 - p)) * left);
    weight.push_back((is_gold ? sample.gold[i] : 1) * (r_learner ? distance * distance : p * (1 - p)));
  }
  return Linear(sample, target, weight, {&options.quality_width, 1}, options);
}

}  // namespace

Result<Refit> FitBias(std::span<const RefitRow> rows, std::size_t clusters, const RefitOptions& options) {
  REQUIRE(options.folds >= 2, "two folds at least");
  Refit refit;
  if (Status sound = Check(rows, clusters, refit); !sound.ok()) return sound.error();
  refit.scale = ScaleOf(rows, refit.gold, options);
  refit.learner = std::string(options.learner == MetaLearner::kR ? "r" : "dr") +
                  (options.base == BaseLearner::kRidge ? " ridge" : " forest");
  const Sample sample = MakeSample(rows, clusters, refit, options);
  if (!InTwoFolds(sample, sample.rated)) {
    return Refused("too_few_ratings", "ratings must come from two units at least");
  }
  const Part ratings = Nuisance(sample, sample.rated, kBiasWidths, options);
  Part gold;
  Part correction;
  const bool has_gold = InTwoFolds(sample, sample.gold);
  if (has_gold) {
    gold = Nuisance(sample, sample.gold, {&options.quality_width, 1}, options);
    correction = Correction(sample, ratings, gold, options);
  }
  for (std::size_t k = 0; k < sample.clusters; ++k) {
    double bias = ratings.value[k];
    double variance = ratings.variance[k];
    if (has_gold) {
      bias -= gold.value[k] + correction.value[k];
      variance += gold.variance[k] + correction.variance[k];
    }
    refit.clusters.push_back(std::clamp(bias, -1.0, 1.0));
    refit.errors.push_back(std::sqrt(variance));
  }
  for (std::size_t m = 0; m < sample.models.size(); ++m) {
    const double bias = ratings.models[m] - (has_gold ? gold.models[m] + correction.models[m] : 0);
    refit.models.push_back({sample.models[m], std::clamp(bias, -1.0, 1.0)});
  }
  std::sort(refit.models.begin(), refit.models.end(), [](const auto& a, const auto& b) { return a.model < b.model; });
  // Means over rated rows.
  double squares = 0;
  double errors = 0;
  double moved = 0;
  for (std::size_t i = 0; i < refit.ratings; ++i) {
    const double left = sample.outcome[i] - ratings.prediction[i];
    squares += left * left;
    for (std::size_t k = 0; k < sample.clusters; ++k) {
      const double w = sample.features[i * sample.dimension + k];
      errors += w * refit.errors[k] * refit.errors[k];
      if (has_gold) moved += w * correction.value[k] * correction.value[k];
    }
  }
  const auto n = static_cast<double>(refit.ratings);
  refit.noise = std::sqrt(squares / n);
  refit.error = std::sqrt(errors / n);
  refit.correction = std::sqrt(moved / n);
  return refit;
}

policy::BiasSurfaceInstalled ToEvent(const Refit& refit) {
  policy::BiasSurfaceInstalled event;
  event.ratings = refit.ratings;
  event.gold = refit.gold;
  event.noise = refit.noise;
  event.error = refit.error;
  event.learner = refit.learner;
  event.clusters = refit.clusters;
  event.models = refit.models;
  return event;
}

}  // namespace pointsman::bootstrap
