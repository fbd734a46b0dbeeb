#include "policy/belief/tree.h"

#include <cmath>

namespace pointsman::policy {

namespace {

// The root holds c0_1..c0_S and, where it has a width, the common shift behind them.
std::size_t RootSize(const TreeLayout& layout, const Widths& widths) {
  return layout.sources + (widths.common > 0 ? 1 : 0);
}

double RootWidth(std::size_t root, const TreeLayout& layout, const Widths& widths) {
  return root == layout.sources ? widths.common : widths.source;
}

// The place in n that a root variable feeds: a source its bias, the shift the level.
std::size_t FedBy(std::size_t root, const TreeLayout& layout) { return root == layout.sources ? 0 : root + 1; }

// Prior variances of n given the root, in the order of n.
SmallVector PriorVariances(const TreeLayout& layout, const Widths& widths) {
  SmallVector variances{};
  variances[0] = widths.model * widths.model;
  for (std::size_t s = 1; s <= layout.biases(); ++s) variances[s] = widths.source_model * widths.source_model;
  // Of a pair: both sides'.
  if (layout.preferences) variances[layout.preference()] *= 2;
  variances[layout.trust()] = widths.trust * widths.trust;
  return variances;
}

ModelSystem Untouched(const TreeLayout& layout, const Widths& widths) {
  ModelSystem model;
  const SmallVector variances = PriorVariances(layout, widths);
  for (std::size_t i = 0; i < layout.model_size(); ++i) model.covariance(i, i) = variances[i];
  for (std::size_t r = 0; r < RootSize(layout, widths); ++r) model.lift(FedBy(r, layout), r) = 1;
  return model;
}

ModelPosterior Combine(const ModelSystem& model, const Root& root, const TreeLayout& layout, const Widths& widths) {
  const std::size_t n = layout.model_size();
  const std::size_t roots = RootSize(layout, widths);
  ModelPosterior posterior;
  SmallMatrix spread;  // (Q P E) C
  for (std::size_t i = 0; i < n; ++i) {
    double mean = model.mean[i];
    for (std::size_t r = 0; r < roots; ++r) mean += model.lift(i, r) * root.mean[r];
    posterior.mean[i] = mean;
    for (std::size_t r = 0; r < roots; ++r) {
      double sum = 0;
      for (std::size_t t = 0; t < roots; ++t) sum += model.lift(i, t) * root.covariance(t, r);
      spread(i, r) = sum;
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      double sum = model.covariance(i, j);
      for (std::size_t r = 0; r < roots; ++r) sum += spread(i, r) * model.lift(j, r);
      posterior.covariance(i, j) = sum;
    }
  }
  Symmetrise(posterior.covariance, n);
  return posterior;
}

}  // namespace

ModelSystem SolveModel(const LeafMessage& sum, const TreeLayout& layout, const Widths& widths) {
  const std::size_t n = layout.model_size();
  const SmallVector variances = PriorVariances(layout, widths);
  SmallMatrix precision = sum.precision;
  for (std::size_t i = 0; i < n; ++i) precision(i, i) += 1 / variances[i];
  ModelSystem model;
  if (!InvertWithRescue(precision, n, &model.covariance)) {
    model = Untouched(layout, widths);
    model.usable = false;
    return model;
  }
  model.mean = Multiply(model.covariance, sum.score, n);
  const SmallMatrix pull = Multiply(model.covariance, sum.precision, n);  // Q Lambda
  const std::size_t roots = RootSize(layout, widths);
  for (std::size_t r = 0; r < roots; ++r) {
    const std::size_t fed = FedBy(r, layout);
    for (std::size_t i = 0; i < n; ++i) model.lift(i, r) = model.covariance(i, fed) / variances[fed];
    for (std::size_t t = 0; t < roots; ++t) model.root_precision(r, t) = pull(fed, FedBy(t, layout)) / variances[fed];
    model.root_score[r] = model.mean[fed] / variances[fed];
  }
  Symmetrise(model.root_precision, roots);
  return model;
}

void AddToRoot(RootSums& sums, const ModelSystem& model, const TreeLayout& layout) {
  // The slot of the common shift is zero where the shift has no width.
  for (std::size_t r = 0; r <= layout.sources; ++r) {
    for (std::size_t t = 0; t <= layout.sources; ++t) sums.precision(r, t) += model.root_precision(r, t);
    sums.score[r] += model.root_score[r];
  }
}

Root SolveRoot(const RootSums& sums, const TreeLayout& layout, const Widths& widths) {
  Root root;
  const std::size_t roots = RootSize(layout, widths);
  const auto variance = [&](std::size_t r) {
    const double width = RootWidth(r, layout, widths);
    return width * width;
  };
  SmallMatrix precision = sums.precision;
  for (std::size_t r = 0; r < roots; ++r) precision(r, r) += 1 / variance(r);
  if (!InvertWithRescue(precision, roots, &root.covariance)) {
    root.covariance = SmallMatrix{};
    for (std::size_t r = 0; r < roots; ++r) root.covariance(r, r) = variance(r);
    return root;
  }
  root.mean = Multiply(root.covariance, sums.score, roots);
  return root;
}

double ModelEvidence(const LeafMessage& sum, const TreeLayout& layout, const Widths& widths) {
  const std::size_t n = layout.model_size();
  const SmallVector variances = PriorVariances(layout, widths);
  // I + P^-1 Lambda has the determinant of the symmetric I + V^1/2 Lambda V^1/2.
  SmallMatrix scaled;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      scaled(i, j) = (i == j ? 1 : 0) + std::sqrt(variances[i]) * sum.precision(i, j) * std::sqrt(variances[j]);
    }
  }
  const ModelSystem model = SolveModel(sum, layout, widths);
  const double log_determinant = LogDeterminant(scaled, n);
  if (!model.usable || !std::isfinite(log_determinant)) return 0;
  return 0.5 * Dot(sum.score, model.mean, n) - 0.5 * log_determinant;
}

double RootEvidence(const RootSums& sums, const TreeLayout& layout, const Widths& widths) {
  const std::size_t roots = RootSize(layout, widths);
  if (roots == 0) return 0;
  const Root root = SolveRoot(sums, layout, widths);
  SmallMatrix scaled;
  for (std::size_t r = 0; r < roots; ++r) {
    for (std::size_t t = 0; t < roots; ++t) {
      const double scale = RootWidth(r, layout, widths) * RootWidth(t, layout, widths);
      scaled(r, t) = (r == t ? 1 : 0) + scale * sums.precision(r, t);
    }
  }
  const double log_determinant = LogDeterminant(scaled, roots);
  if (!std::isfinite(log_determinant)) return 0;
  return 0.5 * Dot(sums.score, root.mean, roots) - 0.5 * log_determinant;
}

ModelPosterior FinishModel(const ModelSystem& model, const Root& root, const TreeLayout& layout, const Widths& widths) {
  ModelPosterior posterior = Combine(model, root, layout, widths);
  const SmallVector variances = PriorVariances(layout, widths);
  bool bounded = std::abs(posterior.mean[0]) <= 2 && std::abs(posterior.mean[layout.trust()]) <= 3;
  for (std::size_t i = 0; i < layout.model_size(); ++i) {
    const double root_width = i == 0 ? widths.common : i <= layout.sources ? widths.source : 0;
    const double root_variance = root_width * root_width;
    const double diagonal = posterior.covariance(i, i);
    bounded = bounded && diagonal >= 0 && diagonal <= variances[i] + root_variance + 1e-9;
    bounded = bounded && std::isfinite(posterior.mean[i]);
  }
  if (!bounded) posterior = Combine(Untouched(layout, widths), root, layout, widths);
  posterior.usable = bounded && model.usable;
  return posterior;
}

}  // namespace pointsman::policy
