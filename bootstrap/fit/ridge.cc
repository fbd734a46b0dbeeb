#include "bootstrap/fit/ridge.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <utility>

#include "base/contract.h"

namespace pointsman::bootstrap {
namespace {

constexpr std::size_t kBlockRows = 1024;

using Matrix = Eigen::MatrixXd;

// Z'WZ and Z'WS over rows z = (q, 1).
struct Moments {
  Matrix gram;
  Matrix cross;
  Moments(Eigen::Index width, Eigen::Index columns)
      : gram(Matrix::Zero(width, width)), cross(Matrix::Zero(width, columns)) {}
  double weight() const { return gram(gram.rows() - 1, gram.cols() - 1); }
};

// Rows `of` with the scores of `columns`, added to `to` block by block.
void Add(const Rows& rows, const Scores& scores, std::span<const double> weight, std::span<const std::size_t> of,
         std::span<const std::size_t> columns, Moments& to) {
  const auto width = static_cast<Eigen::Index>(rows.dimension + 1);
  for (std::size_t begin = 0; begin < of.size(); begin += kBlockRows) {
    const std::size_t count = std::min(kBlockRows, of.size() - begin);
    Matrix block(width, static_cast<Eigen::Index>(count));
    Matrix target(static_cast<Eigen::Index>(columns.size()), static_cast<Eigen::Index>(count));
    for (std::size_t i = 0; i < count; ++i) {
      const auto at = static_cast<Eigen::Index>(i);
      const std::span<const float> row = rows.row(of[begin + i]);
      const double root = weight.empty() ? 1 : std::sqrt(weight[of[begin + i]]);
      for (std::size_t j = 0; j < row.size(); ++j) block(static_cast<Eigen::Index>(j), at) = root * row[j];
      block(width - 1, at) = root;
      for (std::size_t c = 0; c < columns.size(); ++c) {
        target(static_cast<Eigen::Index>(c), at) = root * scores.at(of[begin + i], columns[c]);
      }
    }
    to.gram.selfadjointView<Eigen::Lower>().rankUpdate(block);
    to.cross.noalias() += block * target.transpose();
  }
}

// Models that share their rows.
struct Group {
  std::vector<std::size_t> columns;
  std::vector<Moments> folds;
};

}  // namespace

struct RidgeMoments::Impl {
  std::size_t models = 0;
  std::size_t dimension = 0;
  std::vector<Group> groups;
};

RidgeMoments::RidgeMoments(const Rows& rows, const Scores& scores, std::span<const std::uint32_t> fold,
                           std::size_t folds, std::span<const double> weight)
    : impl_(std::make_unique<Impl>()) {
  REQUIRE(rows.count() == scores.items && fold.size() == scores.items && folds > 0, "one score row and fold per row");
  REQUIRE(weight.empty() || weight.size() == scores.items, "one weight per row");
  impl_->models = scores.models;
  impl_->dimension = rows.dimension;
  const auto gather = [&](std::vector<std::size_t> columns, std::span<const std::size_t> use) {
    std::vector<std::vector<std::size_t>> members(folds);
    for (const std::size_t i : use) members[fold[i]].push_back(i);
    Group group;
    group.columns = std::move(columns);
    for (std::size_t f = 0; f < folds; ++f) {
      group.folds.emplace_back(static_cast<Eigen::Index>(rows.dimension + 1),
                               static_cast<Eigen::Index>(group.columns.size()));
      Add(rows, scores, weight, members[f], group.columns, group.folds.back());
    }
    impl_->groups.push_back(std::move(group));
  };
  std::vector<std::size_t> dense;
  for (std::size_t m = 0; m < scores.models; ++m) {
    std::vector<std::size_t> answered;
    for (std::size_t i = 0; i < scores.items; ++i) {
      if (!std::isnan(scores.at(i, m))) answered.push_back(i);
    }
    if (answered.size() == scores.items) {
      dense.push_back(m);
    } else if (!answered.empty()) {
      const std::size_t stride = (answered.size() + kSparseRowsMax - 1) / kSparseRowsMax;
      std::vector<std::size_t> kept;
      for (std::size_t i = 0; i < answered.size(); i += stride) kept.push_back(answered[i]);
      gather({m}, kept);
    }
  }
  std::vector<std::size_t> all(scores.items);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  if (!dense.empty()) gather(dense, all);
}

RidgeMoments::~RidgeMoments() = default;

RidgeHead RidgeMoments::Fit(double lambda, std::size_t left_out) const {
  REQUIRE(lambda > 0, "the ridge");
  const std::size_t d = impl_->dimension;
  RidgeHead head{impl_->models, d, std::vector<double>(impl_->models * d, 0), std::vector<double>(impl_->models, 0)};
  std::vector<char> fitted(impl_->models, 0);
  const auto width = static_cast<Eigen::Index>(d);
  for (const Group& group : impl_->groups) {
    Moments sum(width + 1, static_cast<Eigen::Index>(group.columns.size()));
    for (std::size_t f = 0; f < group.folds.size(); ++f) {
      if (f == left_out) continue;
      sum.gram += group.folds[f].gram;
      sum.cross += group.folds[f].cross;
    }
    const double n = sum.weight();
    if (!(n > 0)) continue;
    // The intercept is eliminated: moments about the mean.
    const Eigen::VectorXd mean = sum.gram.row(width).head(width).transpose() / n;
    const Eigen::VectorXd level = sum.cross.row(width).transpose() / n;
    Matrix system = sum.gram.topLeftCorner(width, width);
    system.selfadjointView<Eigen::Lower>().rankUpdate(mean, -n);
    system.diagonal().array() += lambda;
    const Matrix right = sum.cross.topRows(width) - n * mean * level.transpose();
    const Matrix weights = system.selfadjointView<Eigen::Lower>().llt().solve(right);
    for (std::size_t c = 0; c < group.columns.size(); ++c) {
      const auto at = static_cast<Eigen::Index>(c);
      const std::size_t m = group.columns[c];
      head.bias[m] = level(at) - weights.col(at).dot(mean);
      for (std::size_t j = 0; j < d; ++j) head.weights[m * d + j] = weights(static_cast<Eigen::Index>(j), at);
      fitted[m] = 1;
    }
  }
  double known = 0;
  double total = 0;
  for (std::size_t m = 0; m < head.models; ++m) {
    if (fitted[m] == 0) continue;
    known += 1;
    total += head.bias[m];
  }
  for (std::size_t m = 0; m < head.models; ++m) {
    if (fitted[m] == 0) head.bias[m] = known > 0 ? total / known : 0.5;
  }
  return head;
}

double RidgeHead::At(std::span<const float> embedding, std::size_t model) const {
  double sum = bias[model];
  const double* w = weights.data() + model * dimension;
  for (std::size_t j = 0; j < dimension; ++j) sum += w[j] * static_cast<double>(embedding[j]);
  return sum;
}

FactorisedHead Factorise(const RidgeHead& head, std::size_t rank_max) {
  using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const auto models = static_cast<Eigen::Index>(head.models);
  const auto dimension = static_cast<Eigen::Index>(head.dimension);
  const Matrix weights = Eigen::Map<const RowMajor>(head.weights.data(), models, dimension);
  const std::size_t rank = std::min({rank_max, head.models, head.dimension});
  const auto r = static_cast<Eigen::Index>(rank);
  Matrix basis;  // d x r, orthonormal
  if (models <= dimension) {
    const Eigen::SelfAdjointEigenSolver<Matrix> solver(weights * weights.transpose());
    basis = weights.transpose() * solver.eigenvectors().rightCols(r);
    for (Eigen::Index k = 0; k < r; ++k) basis.col(k) /= std::max(basis.col(k).norm(), 1e-12);
  } else {
    const Eigen::SelfAdjointEigenSolver<Matrix> solver(weights.transpose() * weights);
    basis = solver.eigenvectors().rightCols(r);
  }
  const Matrix loadings = weights * basis;
  FactorisedHead result{rank, {}, {}, head.bias};
  for (Eigen::Index j = 0; j < dimension; ++j) {
    for (Eigen::Index k = 0; k < r; ++k) result.basis.push_back(static_cast<float>(basis(j, k)));
  }
  for (Eigen::Index m = 0; m < models; ++m) {
    for (Eigen::Index k = 0; k < r; ++k) result.loadings.push_back(static_cast<float>(loadings(m, k)));
  }
  return result;
}

}  // namespace pointsman::bootstrap
