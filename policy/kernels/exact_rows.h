// The exact scores of some rows; inner header of kernels/. Pure; any thread. The sums
// have a fixed order, so the bits do not depend on the instruction set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "policy/kernels/nearest.h"

namespace pointsman::policy::kernels {

// The best `count` of `listed` (ascending row numbers) by exact score, ties to the
// smaller row. Threads: any. The bits do not depend on the processor.
Nearest BestOf(std::span<const float> rows, std::span<const float> bias, std::span<const float> query,
               std::span<const std::uint32_t> listed, std::size_t count);

}  // namespace pointsman::policy::kernels
