// Ridge regression of every model's score on the embedding, with an intercept.
//
// Minimises, per model, sum_i (s_im - w_m.q_i - b_m)^2 + lambda |w_m|^2; b is not
// penalised. The moments are additive over rows, so cross-validation takes a fold
// out by subtraction. Missing scores (NaN): a model with some has its own moments,
// from at most kSparseRowsMax of its rows, so that sparse tables stay affordable.
// Rows may have weights; the squares are then weighted, and lambda is to be chosen
// for their sum. Double arithmetic, deterministic; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "bootstrap/fit/cells.h"
#include "bootstrap/fit/rows.h"

namespace pointsman::bootstrap {

inline constexpr std::size_t kSparseRowsMax = 8000;

struct RidgeHead {
  std::size_t models = 0;
  std::size_t dimension = 0;
  std::vector<double> weights;  // models x dimension
  std::vector<double> bias;     // models
  double At(std::span<const float> embedding, std::size_t model) const;
};

class RidgeMoments {
 public:
  // `fold[i]` in [0, folds): where row i is left out. `models` columns of scores.
  // `weight[i]` >= 0 of row i; empty: 1 each.
  // Memory: (folds + 1) * (d + 1)^2 doubles, and as much again per sparse model.
  RidgeMoments(const Rows& rows, const Scores& scores, std::span<const std::uint32_t> fold, std::size_t folds,
               std::span<const double> weight = {});
  ~RidgeMoments();
  // Fitted without `left_out` (>= folds: on all rows). A model without any row
  // gets weights 0 and the mean bias of the others. REQUIREs lambda > 0.
  RidgeHead Fit(double lambda, std::size_t left_out) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// head_m(q) = bias_m + sum_r loadings[m,r] (sum_j q_j basis[j,r]): the closest
// factorisation of the weights of the given rank (exact where rank >= min(M, d)).
struct FactorisedHead {
  std::size_t rank = 0;
  std::vector<float> basis;     // d x rank
  std::vector<float> loadings;  // models x rank
  std::vector<double> bias;     // models
};
FactorisedHead Factorise(const RidgeHead& head, std::size_t rank_max);

}  // namespace pointsman::bootstrap
