#include "base/exact_math.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "base/contract.h"

namespace pointsman::exact {

namespace {

constexpr double kLn2 = 0.69314718055994530942;
constexpr std::size_t kLanes = 4;

// sum * 2^n; a product by a power of two is exact where neither end is near.
double Scale(double sum, int n) {
  if (n < -1000 || n > 1000) return std::ldexp(sum, n);
  return sum * std::bit_cast<double>(static_cast<std::uint64_t>(n + 1023) << 52);
}

double AtTheEnds(double x) {
  if (x != x) return x;
  return x > 710 ? std::numeric_limits<double>::infinity() : 0;
}

// At most kLanes numbers, whose series run side by side in one order.
void ExpLanes(std::span<double> numbers) {
  // 1/ln2 in two parts keeps the fraction accurate for large |x|.
  constexpr double kLog2E = 1.4426950408889634074;
  constexpr double kLn2Hi = 0x1.62e42fefa38p-1;
  constexpr double kLn2Lo = 0x1.ef35793c7673p-45;
  std::array<int, kLanes> n{};
  std::array<double, kLanes> r{};
  std::array<double, kLanes> sum{1, 1, 1, 1};
  for (std::size_t j = 0; j < numbers.size(); ++j) {
    const double x = numbers[j];
    if (!(x <= 710 && x >= -750)) continue;
    const double scaled = x * kLog2E;
    n[j] = static_cast<int>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    r[j] = (x - n[j] * kLn2Hi) - n[j] * kLn2Lo;
  }
  for (int k = 16; k >= 1; --k) {
    for (std::size_t j = 0; j < kLanes; ++j) sum[j] = 1 + sum[j] * (r[j] / k);
  }
  for (std::size_t j = 0; j < numbers.size(); ++j) {
    double& x = numbers[j];
    x = x <= 710 && x >= -750 ? Scale(sum[j], n[j]) : AtTheEnds(x);
  }
}

}  // namespace

double Exp2(double x) {
  if (x != x) return x;
  if (x > 1024) return std::numeric_limits<double>::infinity();
  if (x < -1080) return 0;
  // x = n + r with |r| <= 1/2; 2^r by its Taylor series in r*ln2, |r*ln2| <= .347,
  // 16 terms leave a remainder below 2e-20.
  auto n = static_cast<int>(x < 0 ? x - 0.5 : x + 0.5);
  const double r = (x - n) * kLn2;
  double sum = 1;
  for (int k = 16; k >= 1; --k) sum = 1 + sum * (r / k);
  return Scale(sum, n);
}

double Exp(double x) {
  ExpEach({&x, 1});
  return x;
}

void ExpEach(std::span<double> numbers) {
  for (std::size_t at = 0; at < numbers.size(); at += kLanes) {
    ExpLanes(numbers.subspan(at, std::min(kLanes, numbers.size() - at)));
  }
}

double Log(double x) {
  REQUIRE(x > 0 && x <= std::numeric_limits<double>::max(), "Log needs a finite number above zero");
  // x = m * 2^e with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh(t), t = (m-1)/(m+1),
  // |t| <= .172, 13 odd terms leave a remainder below 1e-21.
  int e = 0;
  double m = std::frexp(x, &e);
  if (m < 0.70710678118654752440) {
    m *= 2;
    --e;
  }
  const double t = (m - 1) / (m + 1);
  const double t2 = t * t;
  double sum = 0;
  for (int k = 25; k >= 1; k -= 2) sum = sum * t2 + 1.0 / k;
  return static_cast<double>(e) * kLn2 + 2 * t * sum;
}

}  // namespace pointsman::exact
