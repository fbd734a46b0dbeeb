// A fitted correction of ratings as a function of the query, and its uncertainty.
//
//   gold(q) = rating(q) + At(q)
//
// Linear in the features of a query. The covariance is the sandwich of the weighted
// ridge that made it, summed by unit (a user or a conversation), with what the ridge
// may have taken away counted as a normal prior would; it takes the nuisances as
// given. A value; threads: reads, any.
// Source: spec cascal_meta_router B.3, B.4; online_learner section 9 (b0 = -At).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bootstrap/fit/ridge.h"
#include "bootstrap/fit/rows.h"

namespace pointsman::bootstrap {

struct Estimate {
  double value = 0;
  double standard_error = 0;  // >= 0
};

class BiasSurface {
 public:
  BiasSurface() = default;
  // A head of one model and its covariance, (d+1) x (d+1), the intercept last.
  BiasSurface(RidgeHead head, std::vector<double> covariance);

  std::size_t dimension() const { return head_.dimension; }
  // The correction for one query. `features`: dimension() numbers.
  Estimate At(std::span<const float> features) const;
  // The mean correction over the chosen rows; REQUIREs at least one. Cost d^2.
  Estimate MeanOver(const Rows& rows, std::span<const std::size_t> chosen) const;

 private:
  Estimate AtPoint(std::span<const double> point) const;  // features and 1
  RidgeHead head_;
  std::vector<double> covariance_;
};

// A head and the lambda that made it.
struct WeightedFit {
  RidgeHead head;  // of one model
  double lambda = 0;
};

// `residual[i]` and `weight[i]` >= 0 of the rows that made the head; residuals of
// cross-validation, since those in-sample are too small where rows are few.
// `unit[i]`: rows of one unit err together; empty: each row on its own.
// Cost: rows * d^2. Rows of weight 0 do not count.
BiasSurface WithCovariance(const WeightedFit& fit, const Rows& rows, std::span<const double> residual,
                           std::span<const double> weight, std::span<const std::uint64_t> unit);

}  // namespace pointsman::bootstrap
