// The source of the TRouter kernels; compiled once for each set of instructions.
//
// The including file defines POINTSMAN_KERNELS (the name of its namespace) and Eigen
// (another name for the library's namespace), so that no function of one set can take
// the place of another's at link time. For the same reason nothing of the standard
// library is called here.
//
// Threads, errors: as trouter_kernels.h says.
#pragma once

// Where a buffer begins must not change a bit of a result: no approximate square
// roots, and no sums whose order depends on alignment.
#define EIGEN_FAST_MATH 0
#define EIGEN_GEMM_TO_COEFFBASED_PRODUCT_THRESHOLD 1
#include <Eigen/Core>
#include <cmath>

#include "bootstrap/fit/trouter_kernels.h"

namespace pointsman::bootstrap::POINTSMAN_KERNELS {
namespace {

template <typename Real>
using RowMajor = Eigen::Matrix<Real, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <typename Real>
using ConstMap = Eigen::Map<const RowMajor<Real>>;
template <typename Real>
using Column = Eigen::Map<Eigen::Array<Real, Eigen::Dynamic, 1>>;
template <typename Real>
using ConstColumn = Eigen::Map<const Eigen::Array<Real, Eigen::Dynamic, 1>>;

template <typename Real>
void Product(bool a_transposed, bool b_transposed, std::size_t m, std::size_t n, std::size_t k, const Real* a,
             const Real* b, bool add, Real* c) {
  const auto rows = static_cast<Eigen::Index>(m);
  const auto columns = static_cast<Eigen::Index>(n);
  const auto inner = static_cast<Eigen::Index>(k);
  Eigen::Map<RowMajor<Real>> out(c, rows, columns);
  if (!add) out.setZero();
  const ConstMap<Real> left(a, a_transposed ? inner : rows, a_transposed ? rows : inner);
  const ConstMap<Real> right(b, b_transposed ? columns : inner, b_transposed ? inner : columns);
  if (a_transposed && b_transposed) {
    out.noalias() += left.transpose() * right.transpose();
  } else if (a_transposed) {
    out.noalias() += left.transpose() * right;
  } else if (b_transposed) {
    out.noalias() += left * right.transpose();
  } else {
    out.noalias() += left * right;
  }
}

// splitmix64's mixer: the draws of four neighbours.
inline std::uint64_t Bits(std::uint64_t seed, std::uint64_t index) {
  std::uint64_t x = seed + (index + 1) * 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

template <typename Real>
void Hidden(std::size_t rows, std::size_t width, const Real* base, const Real* shift, double drop, std::uint64_t seed,
            Real* hidden) {
  const auto columns = static_cast<Eigen::Index>(width);
  for (std::size_t i = 0; i < rows; ++i) {
    Column<Real>(hidden + i * width, columns) =
        (ConstColumn<Real>(base + i * width, columns) + ConstColumn<Real>(shift, columns)).max(Real(0));
  }
  if (!(drop > 0)) return;
  const auto least = static_cast<std::uint32_t>(drop * 65536);
  const Real scale = static_cast<Real>(1 / (1 - drop));
  const std::size_t count = rows * width;
  for (std::size_t at = 0; at < count; at += 4) {
    const std::uint64_t bits = Bits(seed, at / 4);
    const std::size_t end = count - at < 4 ? count - at : 4;
    for (std::size_t lane = 0; lane < end; ++lane) {
      const auto draw = static_cast<std::uint32_t>((bits >> (16 * lane)) & 0xFFFF);
      hidden[at + lane] *= draw >= least ? scale : Real(0);
    }
  }
}

template <typename Real>
void HiddenBack(std::size_t rows, std::size_t width, const Real* hidden, double drop, Real* gradient, Real* sum,
                Real* total) {
  const auto columns = static_cast<Eigen::Index>(width);
  const Real scale = static_cast<Real>(1 / (1 - drop));
  Column<Real> sums(sum, columns);
  for (std::size_t i = 0; i < rows; ++i) {
    Column<Real> row(gradient + i * width, columns);
    const ConstColumn<Real> active(hidden + i * width, columns);
    row = (active > Real(0)).select(row * scale, Real(0));
    sums += row;
    if (total != nullptr) Column<Real>(total + i * width, columns) += row;
  }
}

template <typename Real>
void AdamW(std::size_t count, double rate, double decay, double first_power, double second_power, const Real* gradient,
           Real* first, Real* second, Real* value) {
  const auto size = static_cast<Eigen::Index>(count);
  const ConstColumn<Real> g(gradient, size);
  Column<Real> m(first, size);
  Column<Real> v(second, size);
  Column<Real> x(value, size);
  const Real b1 = static_cast<Real>(0.9);
  const Real b2 = static_cast<Real>(0.999);
  m = b1 * m + (1 - b1) * g;
  v = b2 * v + (1 - b2) * g.square();
  const Real step = static_cast<Real>(rate / (1 - first_power));
  const Real root = static_cast<Real>(1 / std::sqrt(1 - second_power));
  x = static_cast<Real>(1 - rate * decay) * x - step * m / (root * v.sqrt() + static_cast<Real>(1e-8));
}

}  // namespace

template <typename Real>
TrouterKernels<Real> Table() {
  return {&Product<Real>, &Hidden<Real>, &HiddenBack<Real>, &AdamW<Real>};
}

TrouterKernels<float> FloatTable() { return Table<float>(); }
TrouterKernels<double> DoubleTable() { return Table<double>(); }

}  // namespace pointsman::bootstrap::POINTSMAN_KERNELS
