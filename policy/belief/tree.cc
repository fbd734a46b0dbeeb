#include "policy/belief/tree.h"

#include <cmath>

namespace pointsman::policy {

namespace {

// Prior variances of n given the root, in the order of n.
SmallVector PriorVariances(std::size_t sources, const Widths& widths) {
  SmallVector variances{};
  variances[0] = widths.model * widths.model;
  for (std::size_t s = 1; s <= sources; ++s) variances[s] = widths.source_model * widths.source_model;
  variances[sources + 1] = widths.trust * widths.trust;
  return variances;
}

ModelSystem Untouched(std::size_t sources, const Widths& widths) {
  ModelSystem model;
  const SmallVector variances = PriorVariances(sources, widths);
  for (std::size_t i = 0; i < sources + 2; ++i) model.covariance(i, i) = variances[i];
  for (std::size_t s = 1; s <= sources; ++s) model.lift(s, s - 1) = 1;
  return model;
}

ModelPosterior Combine(const ModelSystem& model, const Root& root, std::size_t sources) {
  const std::size_t n = sources + 2;
  ModelPosterior posterior;
  SmallMatrix spread;  // (Q P E) C
  for (std::size_t i = 0; i < n; ++i) {
    double mean = model.mean[i];
    for (std::size_t s = 0; s < sources; ++s) mean += model.lift(i, s) * root.mean[s];
    posterior.mean[i] = mean;
    for (std::size_t s = 0; s < sources; ++s) {
      double sum = 0;
      for (std::size_t t = 0; t < sources; ++t) sum += model.lift(i, t) * root.covariance(t, s);
      spread(i, s) = sum;
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      double sum = model.covariance(i, j);
      for (std::size_t s = 0; s < sources; ++s) sum += spread(i, s) * model.lift(j, s);
      posterior.covariance(i, j) = sum;
    }
  }
  Symmetrise(posterior.covariance, n);
  return posterior;
}

}  // namespace

ModelSystem SolveModel(const LeafMessage& sum, std::size_t sources, const Widths& widths) {
  const std::size_t n = sources + 2;
  const SmallVector variances = PriorVariances(sources, widths);
  SmallMatrix precision = sum.precision;
  for (std::size_t i = 0; i < n; ++i) precision(i, i) += 1 / variances[i];
  ModelSystem model;
  if (!InvertWithRescue(precision, n, &model.covariance)) {
    model = Untouched(sources, widths);
    model.usable = false;
    return model;
  }
  model.mean = Multiply(model.covariance, sum.score, n);
  const SmallMatrix pull = Multiply(model.covariance, sum.precision, n);  // Q Lambda
  for (std::size_t s = 1; s <= sources; ++s) {
    for (std::size_t i = 0; i < n; ++i) model.lift(i, s - 1) = model.covariance(i, s) / variances[s];
    for (std::size_t t = 1; t <= sources; ++t) model.root_precision(s - 1, t - 1) = pull(s, t) / variances[s];
    model.root_score[s - 1] = model.mean[s] / variances[s];
  }
  Symmetrise(model.root_precision, sources);
  return model;
}

void AddToRoot(RootSums& sums, const ModelSystem& model, std::size_t sources) {
  for (std::size_t s = 0; s < sources; ++s) {
    for (std::size_t t = 0; t < sources; ++t) sums.precision(s, t) += model.root_precision(s, t);
    sums.score[s] += model.root_score[s];
  }
}

Root SolveRoot(const RootSums& sums, std::size_t sources, const Widths& widths) {
  Root root;
  const double variance = widths.source * widths.source;
  SmallMatrix precision = sums.precision;
  for (std::size_t s = 0; s < sources; ++s) precision(s, s) += 1 / variance;
  if (!InvertWithRescue(precision, sources, &root.covariance)) {
    root.covariance = SmallMatrix{};
    for (std::size_t s = 0; s < sources; ++s) root.covariance(s, s) = variance;
    return root;
  }
  root.mean = Multiply(root.covariance, sums.score, sources);
  return root;
}

ModelPosterior FinishModel(const ModelSystem& model, const Root& root, std::size_t sources, const Widths& widths) {
  ModelPosterior posterior = Combine(model, root, sources);
  const SmallVector variances = PriorVariances(sources, widths);
  bool bounded = std::abs(posterior.mean[0]) <= 2 && std::abs(posterior.mean[sources + 1]) <= 3;
  for (std::size_t i = 0; i < sources + 2; ++i) {
    const double root_variance = i >= 1 && i <= sources ? widths.source * widths.source : 0;
    const double diagonal = posterior.covariance(i, i);
    bounded = bounded && diagonal >= 0 && diagonal <= variances[i] + root_variance + 1e-9;
    bounded = bounded && std::isfinite(posterior.mean[i]);
  }
  if (!bounded) posterior = Combine(Untouched(sources, widths), root, sources);
  posterior.usable = bounded && model.usable;
  return posterior;
}

}  // namespace pointsman::policy
