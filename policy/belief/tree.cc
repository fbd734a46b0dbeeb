#include "policy/belief/tree.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace pointsman::policy {

namespace {

// The root holds c0_1..c0_S and, where they have widths, what all models share: the common
// shift and after it the common trust.
std::size_t RootSize(const TreeLayout& layout, const Widths& widths, double shared_trust) {
  return layout.sources + (widths.common > 0 ? 1 + (shared_trust > 0 ? 1 : 0) : 0);
}
std::size_t ShiftAt(const TreeLayout& layout) { return layout.sources; }
std::size_t TrustAt(const TreeLayout& layout) { return layout.sources + 1; }

double RootWidth(std::size_t root, const TreeLayout& layout, const Widths& widths, double shared_trust) {
  if (root == TrustAt(layout)) return shared_trust;
  return root == ShiftAt(layout) ? widths.common : widths.source;
}

// Column `root` of E: what one unit of a root variable adds to n. A source feeds its bias,
// the shift the level, the common trust both the level and the model's own trust.
SmallVector Column(std::size_t root, const TreeLayout& layout, double standing) {
  SmallVector column{};
  if (root == TrustAt(layout)) {
    column[0] = standing;
    column[layout.trust()] = 1;
  } else {
    column[root == ShiftAt(layout) ? 0 : root + 1] = 1;
  }
  return column;
}

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

ModelSystem Untouched(const TreeLayout& layout, const Widths& widths, const Standing& standing) {
  const double shared_trust = standing.shared_trust;
  ModelSystem model;
  const SmallVector variances = PriorVariances(layout, widths);
  for (std::size_t i = 0; i < layout.model_size(); ++i) model.covariance(i, i) = variances[i];
  for (std::size_t r = 0; r < RootSize(layout, widths, shared_trust); ++r) {
    const SmallVector column = Column(r, layout, standing.above);
    for (std::size_t i = 0; i < layout.model_size(); ++i) model.lift(i, r) = column[i];
  }
  return model;
}

ModelPosterior Combine(const ModelSystem& model, const Root& root, const TreeLayout& layout, const Widths& widths,
                       double shared_trust) {
  const std::size_t n = layout.model_size();
  const std::size_t roots = RootSize(layout, widths, shared_trust);
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

double SharedTrust(double trust_width, double base) {
  return std::sqrt(std::max(0.0, trust_width * trust_width - 0.75 * base * base));
}

ModelSystem SolveModel(const LeafMessage& sum, const TreeLayout& layout, const Widths& widths,
                       const Standing& standing) {
  const double shared_trust = standing.shared_trust;
  const std::size_t n = layout.model_size();
  const SmallVector variances = PriorVariances(layout, widths);
  SmallMatrix precision = sum.precision;
  for (std::size_t i = 0; i < n; ++i) precision(i, i) += 1 / variances[i];
  ModelSystem model;
  if (!InvertWithRescue(precision, n, &model.covariance)) {
    model = Untouched(layout, widths, standing);
    model.usable = false;
    return model;
  }
  model.mean = Multiply(model.covariance, sum.score, n);
  const std::size_t roots = RootSize(layout, widths, shared_trust);
  std::array<SmallVector, kModelStateMax> drawn;  // columns of P E
  for (std::size_t r = 0; r < roots; ++r) {
    drawn[r] = Column(r, layout, standing.above);
    for (std::size_t i = 0; i < n; ++i) drawn[r][i] /= variances[i];
    const SmallVector lift = Multiply(model.covariance, drawn[r], n);
    for (std::size_t i = 0; i < n; ++i) model.lift(i, r) = lift[i];
    model.root_score[r] = Dot(drawn[r], model.mean, n);
  }
  for (std::size_t t = 0; t < roots; ++t) {
    // Q Lambda E
    const SmallVector pull =
        Multiply(model.covariance, Multiply(sum.precision, Column(t, layout, standing.above), n), n);
    for (std::size_t r = 0; r < roots; ++r) model.root_precision(r, t) = Dot(drawn[r], pull, n);
  }
  Symmetrise(model.root_precision, roots);
  return model;
}

void AddToRoot(RootSums& sums, const ModelSystem& model, const TreeLayout& layout) {
  // The slots of what is shared are zero where the shift has no width.
  for (std::size_t r = 0; r <= TrustAt(layout); ++r) {
    for (std::size_t t = 0; t <= TrustAt(layout); ++t) sums.precision(r, t) += model.root_precision(r, t);
    sums.score[r] += model.root_score[r];
  }
}

Root SolveRoot(const RootSums& sums, const TreeLayout& layout, const Widths& widths, double shared_trust) {
  Root root;
  const std::size_t roots = RootSize(layout, widths, shared_trust);
  const auto variance = [&](std::size_t r) {
    const double width = RootWidth(r, layout, widths, shared_trust);
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
  const ModelSystem model = SolveModel(sum, layout, widths, {});  // given the root: where it stands does not matter
  const double log_determinant = LogDeterminant(scaled, n);
  if (!model.usable || !std::isfinite(log_determinant)) return 0;
  return 0.5 * Dot(sum.score, model.mean, n) - 0.5 * log_determinant;
}

double RootEvidence(const RootSums& sums, const TreeLayout& layout, const Widths& widths, double shared_trust) {
  const std::size_t roots = RootSize(layout, widths, shared_trust);
  if (roots == 0) return 0;
  const Root root = SolveRoot(sums, layout, widths, shared_trust);
  SmallMatrix scaled;
  for (std::size_t r = 0; r < roots; ++r) {
    for (std::size_t t = 0; t < roots; ++t) {
      const double scale = RootWidth(r, layout, widths, shared_trust) * RootWidth(t, layout, widths, shared_trust);
      scaled(r, t) = (r == t ? 1 : 0) + scale * sums.precision(r, t);
    }
  }
  const double log_determinant = LogDeterminant(scaled, roots);
  if (!std::isfinite(log_determinant)) return 0;
  return 0.5 * Dot(sums.score, root.mean, roots) - 0.5 * log_determinant;
}

ModelPosterior FinishModel(const ModelSystem& model, const Root& root, const TreeLayout& layout, const Widths& widths,
                           const Standing& standing) {
  const double shared_trust = standing.shared_trust;
  ModelPosterior posterior = Combine(model, root, layout, widths, standing.shared_trust);
  SmallVector most = PriorVariances(layout, widths);
  for (std::size_t r = 0; r < RootSize(layout, widths, shared_trust); ++r) {
    const SmallVector column = Column(r, layout, standing.above);
    const double width = RootWidth(r, layout, widths, shared_trust);
    for (std::size_t i = 0; i < layout.model_size(); ++i) most[i] += column[i] * column[i] * width * width;
  }
  bool bounded = std::abs(posterior.mean[0]) <= 2 && std::abs(posterior.mean[layout.trust()]) <= 3;
  for (std::size_t i = 0; i < layout.model_size(); ++i) {
    const double diagonal = posterior.covariance(i, i);
    bounded = bounded && diagonal >= 0 && diagonal <= most[i] + 1e-9;
    bounded = bounded && std::isfinite(posterior.mean[i]);
  }
  if (!bounded) posterior = Combine(Untouched(layout, widths, standing), root, layout, widths, standing.shared_trust);
  posterior.usable = bounded && model.usable;
  return posterior;
}

}  // namespace pointsman::policy
