#include "base/unit_draw.h"

#include <cmath>

#include "base/contract.h"

namespace pointsman {

namespace {

__extension__ using Wide = unsigned __int128;

std::uint64_t Finish(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

}  // namespace

std::uint64_t Mix(std::span<const std::uint8_t> bytes, std::uint64_t seed) {
  std::uint64_t hash = 0xCBF29CE484222325ULL ^ Finish(seed + 0x9E3779B97F4A7C15ULL);
  for (const std::uint8_t byte : bytes) {
    hash ^= byte;
    hash *= 0x100000001B3ULL;
  }
  return Finish(hash);
}

double UnitDraw(const DecisionId& decision, std::uint64_t seed) {
  return static_cast<double>(Mix(decision.bytes, seed) >> 11) * 0x1p-53;
}

SplitMix64::result_type SplitMix64::operator()() {
  state_ += 0x9E3779B97F4A7C15ULL;
  return Finish(state_);
}

std::uint64_t SplitMix64::Below(std::uint64_t bound) {
  REQUIRE(bound >= 1, "Below() needs a bound of at least 1");
  return static_cast<std::uint64_t>((static_cast<Wide>((*this)()) * bound) >> 64);
}

double SplitMix64::Normal() {
  for (;;) {
    const double u = 2 * Unit() - 1;
    const double v = 2 * Unit() - 1;
    const double s = u * u + v * v;
    if (s > 0 && s < 1) return u * std::sqrt(-2 * std::log(s) / s);
  }
}

}  // namespace pointsman
