// The best rows of a matrix for a query: a fast float scan proposes, exact double
// sums decide. So a routing decision has the same bits on every processor unless
// two rows are closer than float rounding at the edge of the proposal.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/inline_vector.h"

namespace pointsman::policy::kernels {

inline constexpr std::size_t kNearestMax = 8;

struct Scored {
  std::uint32_t row = 0;
  double score = 0;
};
using Nearest = InlineVector<Scored, kNearestMax>;

// The `count` (at most kNearestMax) rows with the largest row . query + bias,
// best first, ties to the smaller row. `bias` is empty or one value a row. Rows
// are query.size() long. Scores are the exact ones in both.
Nearest NearestFast(std::span<const float> rows, std::span<const float> bias, std::span<const float> query,
                    std::size_t count);
// Exact scores of all rows in one fixed order of sums (scan.h): for the fold.
Nearest NearestExact(std::span<const float> rows, std::span<const float> bias, std::span<const float> query,
                     std::size_t count);

}  // namespace pointsman::policy::kernels
