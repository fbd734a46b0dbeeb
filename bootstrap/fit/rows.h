// Rows: a row-major matrix of floats that is looked at, not owned.
//
// Lifetime: the values must outlive it. Threads: reads, any.
#pragma once

#include <cstddef>
#include <span>

#include "base/contract.h"

namespace pointsman::bootstrap {

struct Rows {
  std::span<const float> values;
  std::size_t dimension = 0;

  Rows() = default;
  // REQUIREs a whole number of rows.
  Rows(std::span<const float> all, std::size_t width) : values(all), dimension(width) {
    REQUIRE(width > 0 && all.size() % width == 0, "a whole number of rows");
  }
  std::size_t count() const { return dimension == 0 ? 0 : values.size() / dimension; }
  std::span<const float> row(std::size_t i) const { return values.subspan(i * dimension, dimension); }
};

}  // namespace pointsman::bootstrap
