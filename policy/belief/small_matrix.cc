#include "policy/belief/small_matrix.h"

#include <cmath>
#include <limits>

namespace pointsman::policy {

namespace {

// matrix = L D L'; false when it is not positive definite, see InvertPositive.
bool Factor(const SmallMatrix& matrix, std::size_t n, SmallMatrix& lower, SmallVector& pivots) {
  REQUIRE(n <= kSmallMax, "matrix too large");
  for (std::size_t j = 0; j < n; ++j) {
    double pivot = matrix(j, j);
    for (std::size_t k = 0; k < j; ++k) pivot -= lower(j, k) * lower(j, k) * pivots[k];
    // Written so that NaN fails.
    if (!(pivot > 1e-12 * matrix(j, j)) || !(matrix(j, j) > 0) || !std::isfinite(pivot)) return false;
    pivots[j] = pivot;
    lower(j, j) = 1;
    for (std::size_t i = j + 1; i < n; ++i) {
      double sum = matrix(i, j);
      for (std::size_t k = 0; k < j; ++k) sum -= lower(i, k) * lower(j, k) * pivots[k];
      lower(i, j) = sum / pivot;
    }
  }
  return true;
}

}  // namespace

bool InvertPositive(const SmallMatrix& matrix, std::size_t n, SmallMatrix* inverse) {
  SmallMatrix lower;
  SmallVector pivots{};
  if (!Factor(matrix, n, lower, pivots)) return false;
  SmallMatrix result;
  for (std::size_t column = 0; column < n; ++column) {
    SmallVector x{};
    for (std::size_t i = column; i < n; ++i) {
      double sum = i == column ? 1.0 : 0.0;
      for (std::size_t k = column; k < i; ++k) sum -= lower(i, k) * x[k];
      x[i] = sum;
    }
    for (std::size_t i = column; i < n; ++i) x[i] /= pivots[i];
    for (std::size_t i = n; i-- > 0;) {
      double sum = x[i];
      for (std::size_t k = i + 1; k < n; ++k) sum -= lower(k, i) * x[k];
      x[i] = sum;
    }
    for (std::size_t i = 0; i < n; ++i) result(i, column) = x[i];
  }
  Symmetrise(result, n);
  *inverse = result;
  return true;
}

double LogDeterminant(const SmallMatrix& matrix, std::size_t n) {
  SmallMatrix lower;
  SmallVector pivots{};
  if (!Factor(matrix, n, lower, pivots)) return std::numeric_limits<double>::quiet_NaN();
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += std::log(pivots[i]);
  return sum;
}

bool InvertWithRescue(const SmallMatrix& matrix, std::size_t n, SmallMatrix* inverse) {
  if (InvertPositive(matrix, n, inverse)) return true;
  SmallMatrix raised = matrix;
  for (std::size_t i = 0; i < n; ++i) raised(i, i) += 1e-9 * std::abs(matrix(i, i));
  return InvertPositive(raised, n, inverse);
}

void FloorEigenvalues(SmallMatrix& matrix, std::size_t n, double floor) {
  SmallMatrix diagonal = matrix;
  SmallMatrix vectors;
  for (std::size_t i = 0; i < n; ++i) vectors(i, i) = 1;
  for (int sweep = 0; sweep < 30; ++sweep) {
    double off = 0;
    for (std::size_t p = 0; p < n; ++p) {
      for (std::size_t q = p + 1; q < n; ++q) off += diagonal(p, q) * diagonal(p, q);
    }
    if (off < 1e-30) break;
    for (std::size_t p = 0; p < n; ++p) {
      for (std::size_t q = p + 1; q < n; ++q) {
        if (diagonal(p, q) == 0) continue;
        const double theta = (diagonal(q, q) - diagonal(p, p)) / (2 * diagonal(p, q));
        const double t = (theta >= 0 ? 1.0 : -1.0) / (std::abs(theta) + std::sqrt(theta * theta + 1));
        const double c = 1 / std::sqrt(t * t + 1);
        const double s = t * c;
        for (std::size_t k = 0; k < n; ++k) {
          const double kp = diagonal(k, p);
          const double kq = diagonal(k, q);
          diagonal(k, p) = c * kp - s * kq;
          diagonal(k, q) = s * kp + c * kq;
        }
        for (std::size_t k = 0; k < n; ++k) {
          const double pk = diagonal(p, k);
          const double qk = diagonal(q, k);
          diagonal(p, k) = c * pk - s * qk;
          diagonal(q, k) = s * pk + c * qk;
          const double vp = vectors(k, p);
          const double vq = vectors(k, q);
          vectors(k, p) = c * vp - s * vq;
          vectors(k, q) = s * vp + c * vq;
        }
      }
    }
  }
  bool low = false;
  for (std::size_t i = 0; i < n; ++i) low = low || !(diagonal(i, i) >= floor);
  if (!low) return;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      double sum = 0;
      for (std::size_t k = 0; k < n; ++k) {
        const double value = diagonal(k, k) >= floor ? diagonal(k, k) : floor;
        sum += vectors(i, k) * value * vectors(j, k);
      }
      matrix(i, j) = sum;
    }
  }
  Symmetrise(matrix, n);
}

}  // namespace pointsman::policy
