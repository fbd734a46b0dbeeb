// AdamW, and the memory of the best weights seen.
//
// Loshchilov and Hutter 2019: moments with decays .9 and .999, both corrected for
// their start at 0, and a weight decay that is not part of the gradient:
//   x <- (1 - rate decay) x - rate m^ / (sqrt(v^) + 1e-8)
//
// Real is float or double. Threads: none of its own; one at a time.
#pragma once

#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "bootstrap/fit/trouter_kernels.h"

namespace pointsman::bootstrap {

template <typename Real>
class AdamW {
 public:
  AdamW(std::size_t count, double rate, double decay, const TrouterKernels<Real>& kernels)
      : rate_(rate), decay_(decay), kernels_(&kernels), first_(count, 0), second_(count, 0) {}
  // REQUIREs `count` values and gradients.
  void Step(std::span<const Real> gradient, std::span<Real> values);

 private:
  double rate_;
  double decay_;
  const TrouterKernels<Real>* kernels_;
  std::vector<Real> first_;
  std::vector<Real> second_;
  double first_power_ = 1;
  double second_power_ = 1;
};

// Keeps a copy (not a reference) of the weights with the least loss.
template <typename Real>
class BestWeights {
 public:
  explicit BestWeights(int patience) : patience_(patience) {}
  // After an epoch. True: `patience` epochs in a row were no better, stop. A loss
  // that is not a number is no better.
  bool Seen(double loss, std::span<const Real> weights) {
    worse_ = loss < loss_ ? 0 : worse_ + 1;
    if (loss < loss_) {
      loss_ = loss;
      weights_.assign(weights.begin(), weights.end());
    }
    return worse_ >= patience_;
  }
  const std::vector<Real>& weights() const { return weights_; }  // empty: none seen
  double loss() const { return loss_; }

 private:
  int patience_;
  int worse_ = 0;
  double loss_ = std::numeric_limits<double>::infinity();
  std::vector<Real> weights_;
};

}  // namespace pointsman::bootstrap
