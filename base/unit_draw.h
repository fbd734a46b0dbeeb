// Repeatable random numbers.
//
// UnitDraw turns a key and a seed into one number in [0, 1): the same on every
// machine, so that a logged decision can be drawn again. SplitMix64 is a small
// generator for simulations and fits. Neither is for secrets.
#pragma once

#include <cstdint>
#include <span>

#include "base/ids.h"

namespace pointsman {

// A 64-bit mix of `bytes` and `seed` (FNV-1a, finished with the splitmix64 mixer).
std::uint64_t Mix(std::span<const std::uint8_t> bytes, std::uint64_t seed);

// The draw of `decision` for purpose `seed`: a multiple of 2^-53 in [0, 1).
// 53 bits and a division by 2^53 make 1.0 impossible, which would select nobody.
double UnitDraw(const DecisionId& decision, std::uint64_t seed);

// splitmix64 (Steele, Lea, Flood 2014). Copyable value; one thread at a time.
class SplitMix64 {
 public:
  using result_type = std::uint64_t;
  explicit SplitMix64(std::uint64_t seed) : state_(seed) {}
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return ~0ULL; }
  result_type operator()();
  // In [0, 1).
  double Unit() { return static_cast<double>((*this)() >> 11) * 0x1p-53; }
  // In [0, bound); bound >= 1. Bias below 2^-32 for bounds below 2^32.
  std::uint64_t Below(std::uint64_t bound);
  // Standard normal, by the polar method.
  double Normal();

 private:
  std::uint64_t state_;
};

// Fisher-Yates with SplitMix64: the same order for the same seed everywhere,
// which std::shuffle does not promise.
template <typename Container>
void Shuffle(Container& values, SplitMix64& random) {
  for (std::size_t i = values.size(); i > 1; --i) {
    const auto j = static_cast<std::size_t>(random.Below(i));
    if (j != i - 1) std::swap(values[i - 1], values[j]);
  }
}

}  // namespace pointsman
