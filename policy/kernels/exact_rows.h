// The exact scores of some rows; inner header of kernels/. The sums have a fixed
// order, so the bits do not depend on the instruction set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "policy/kernels/nearest.h"

namespace pointsman::policy::kernels {

// The best `count` (1 to kNearestMax) of the rows that were offered, by exact score,
// ties to the smaller row, in whatever order they came. The bits do not depend on
// the processor. `rows`, `bias` and `query` must outlive it. For one thread.
class BestRows {
 public:
  BestRows(std::span<const float> rows, std::span<const float> bias, std::span<const float> query, std::size_t count)
      : rows_(rows), bias_(bias), query_(query), count_(count) {}
  // Each row once.
  void Offer(std::span<const std::uint32_t> listed);
  // The score of the count-th best; -infinity while there are fewer.
  double Worst() const;
  Nearest Take() const { return best_; }

 private:
  const std::span<const float> rows_;
  const std::span<const float> bias_;
  const std::span<const float> query_;
  const std::size_t count_;
  Nearest best_;
};

}  // namespace pointsman::policy::kernels
