#include "embed/sparse_svd.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "base/contract.h"
#include "base/unit_draw.h"

namespace pointsman::embed {
namespace {

using Tall = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr std::size_t kOversampling = 16;
constexpr int kPowerIterations = 2;
// Directions whose share of the largest variance is below this are noise of
// float arithmetic, not structure.
constexpr double kNegligible = 1e-9;

// X * right, rows x k.
Tall Times(const SparseRows& matrix, const Tall& right) {
  Tall product = Tall::Zero(static_cast<Eigen::Index>(matrix.rows()), right.cols());
  for (std::size_t i = 0; i < matrix.rows(); ++i) {
    auto out = product.row(static_cast<Eigen::Index>(i));
    for (std::size_t e = matrix.begin[i]; e < matrix.begin[i + 1]; ++e) {
      out.noalias() += matrix.values[e] * right.row(matrix.column[e]);
    }
  }
  return product;
}

// X' * left, columns x k.
Tall TransposedTimes(const SparseRows& matrix, const Tall& left) {
  Tall product = Tall::Zero(static_cast<Eigen::Index>(matrix.columns), left.cols());
  for (std::size_t i = 0; i < matrix.rows(); ++i) {
    const auto in = left.row(static_cast<Eigen::Index>(i));
    for (std::size_t e = matrix.begin[i]; e < matrix.begin[i + 1]; ++e) {
      product.row(matrix.column[e]).noalias() += matrix.values[e] * in;
    }
  }
  return product;
}

struct Spectrum {
  Eigen::VectorXd values;   // descending
  Eigen::MatrixXd vectors;  // columns in the same order
};

Spectrum Gram(const Tall& matrix) {
  const Eigen::MatrixXd gram = (matrix.transpose() * matrix).cast<double>();
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(0.5 * (gram + gram.transpose()));
  return {solver.eigenvalues().reverse(), solver.eigenvectors().rowwise().reverse()};
}

// Right-multiplies `matrix` so that its columns become orthonormal principal
// directions; columns without variance become zero.
Tall Whiten(const Tall& matrix) {
  const Spectrum spectrum = Gram(matrix);
  Eigen::VectorXd inverse = Eigen::VectorXd::Zero(spectrum.values.size());
  for (Eigen::Index i = 0; i < inverse.size(); ++i) {
    if (spectrum.values[i] > kNegligible * spectrum.values[0]) inverse[i] = 1 / std::sqrt(spectrum.values[i]);
  }
  const Tall rotation = (spectrum.vectors * inverse.asDiagonal()).cast<float>();
  return matrix * rotation;
}

}  // namespace

std::vector<float> RightSingularVectors(const SparseRows& rows, std::size_t rank, std::uint64_t seed) {
  REQUIRE(rank >= 1 && rank <= rows.rows(), "rank of the decomposition");
  const std::size_t sketch = std::min(rank + kOversampling, rows.rows());
  SplitMix64 random(seed ^ 0x6C73615F73766400ULL);
  Tall start(static_cast<Eigen::Index>(rows.columns), static_cast<Eigen::Index>(sketch));
  for (Eigen::Index i = 0; i < start.rows(); ++i) {
    for (Eigen::Index j = 0; j < start.cols(); ++j) start(i, j) = static_cast<float>(random.Normal());
  }
  // Twice: whitening by a float Gram matrix alone leaves small directions skewed.
  Tall range = Whiten(Whiten(Times(rows, start)));
  for (int iteration = 0; iteration < kPowerIterations; ++iteration) {
    range = Whiten(Whiten(Times(rows, Whiten(TransposedTimes(rows, range)))));
  }
  const Tall images = TransposedTimes(rows, range);  // (Q' X)', columns x sketch
  const Spectrum spectrum = Gram(images);
  const auto kept = static_cast<Eigen::Index>(rank);
  Eigen::MatrixXd rotation = spectrum.vectors.leftCols(kept);
  for (Eigen::Index j = 0; j < kept; ++j) {
    const double variance = spectrum.values[j];
    rotation.col(j) *= variance > kNegligible * spectrum.values[0] ? 1 / std::sqrt(variance) : 0.0;
  }
  const Tall vectors = images * Tall(rotation.cast<float>());
  return {vectors.data(), vectors.data() + vectors.size()};
}

}  // namespace pointsman::embed
