// Small dense matrices in fixed storage, with every sum in a fixed order.
//
// For the systems of the Gaussian tree: at most kSmallMax = 7 rows. Written by
// hand so that no vectorised library can change the order of a sum. Row-major.
// Pure functions; threads free.
#pragma once

#include <array>
#include <cstddef>

#include "base/contract.h"

namespace pointsman::policy {

inline constexpr std::size_t kSmallMax = 7;

using SmallVector = std::array<double, kSmallMax>;

struct SmallMatrix {
  std::array<double, kSmallMax * kSmallMax> values{};
  double& operator()(std::size_t row, std::size_t column) { return values[row * kSmallMax + column]; }
  double operator()(std::size_t row, std::size_t column) const { return values[row * kSmallMax + column]; }
};

// a * b of the leading n x n parts; inner sums ascending.
inline SmallMatrix Multiply(const SmallMatrix& a, const SmallMatrix& b, std::size_t n) {
  SmallMatrix product;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      double sum = 0;
      for (std::size_t k = 0; k < n; ++k) sum += a(i, k) * b(k, j);
      product(i, j) = sum;
    }
  }
  return product;
}

inline SmallVector Multiply(const SmallMatrix& a, const SmallVector& x, std::size_t n) {
  SmallVector product{};
  for (std::size_t i = 0; i < n; ++i) {
    double sum = 0;
    for (std::size_t k = 0; k < n; ++k) sum += a(i, k) * x[k];
    product[i] = sum;
  }
  return product;
}

inline double Dot(const SmallVector& a, const SmallVector& b, std::size_t n) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

inline void Symmetrise(SmallMatrix& a, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = i + 1; j < n; ++j) {
      const double mean = 0.5 * (a(i, j) + a(j, i));
      a(i, j) = mean;
      a(j, i) = mean;
    }
  }
}

// Inverse of a symmetric positive definite matrix by LDL'. False when a pivot is
// not above 1e-12 of its own diagonal entry (or not a number): relative to the
// entry, because widths of 1e-6 beside widths of 0.5 are legitimate scales.
bool InvertPositive(const SmallMatrix& matrix, std::size_t n, SmallMatrix* inverse);

// InvertPositive; on failure once more with 1e-9 of each diagonal entry added.
bool InvertWithRescue(const SmallMatrix& matrix, std::size_t n, SmallMatrix* inverse);

// ln det of a symmetric positive definite matrix, by LDL'; NaN for any other. Uses
// the library's logarithm: not for the fold.
double LogDeterminant(const SmallMatrix& matrix, std::size_t n);

// Raises every eigenvalue of a symmetric matrix to at least `floor` (Jacobi
// rotations). A matrix that satisfies it already is left as it is, bit for bit.
void FloorEigenvalues(SmallMatrix& matrix, std::size_t n, double floor);

}  // namespace pointsman::policy
