#include "bootstrap/fit/meta_router_surface.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "base/contract.h"

namespace pointsman::bootstrap {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

Vector Point(std::span<const float> features) {
  Vector point(static_cast<Eigen::Index>(features.size()) + 1);
  for (std::size_t j = 0; j < features.size(); ++j) point(static_cast<Eigen::Index>(j)) = features[j];
  point(point.size() - 1) = 1;
  return point;
}

}  // namespace

BiasSurface::BiasSurface(RidgeHead head, std::vector<double> covariance)
    : head_(std::move(head)), covariance_(std::move(covariance)) {
  REQUIRE(head_.models == 1 && covariance_.size() == (head_.dimension + 1) * (head_.dimension + 1),
          "one model and its covariance");
}

Estimate BiasSurface::At(std::span<const float> features) const {
  REQUIRE(features.size() == head_.dimension, "features of the fitted dimension");
  std::vector<double> point(features.begin(), features.end());
  point.push_back(1);
  return AtPoint(point);
}

Estimate BiasSurface::MeanOver(const Rows& rows, std::span<const std::size_t> chosen) const {
  REQUIRE(!chosen.empty() && rows.dimension == head_.dimension, "rows of the fitted dimension");
  std::vector<double> point(head_.dimension + 1, 0);
  for (const std::size_t i : chosen) {
    const std::span<const float> row = rows.row(i);
    for (std::size_t j = 0; j < row.size(); ++j) point[j] += row[j];
  }
  for (double& x : point) x /= static_cast<double>(chosen.size());
  point.back() = 1;
  return AtPoint(point);
}

Estimate BiasSurface::AtPoint(std::span<const double> point) const {
  double value = head_.bias[0];
  for (std::size_t j = 0; j < head_.dimension; ++j) value += head_.weights[j] * point[j];
  double variance = 0;
  for (std::size_t j = 0; j < point.size(); ++j) {
    for (std::size_t k = 0; k < point.size(); ++k) variance += point[j] * point[k] * covariance_[j * point.size() + k];
  }
  return {value, std::sqrt(std::max(variance, 0.0))};
}

BiasSurface WithCovariance(const WeightedFit& fit, const Rows& rows, std::span<const double> residual,
                           std::span<const double> weight, std::span<const std::uint64_t> unit) {
  REQUIRE(residual.size() == rows.count() && weight.size() == rows.count(), "one residual and weight per row");
  const auto width = static_cast<Eigen::Index>(rows.dimension) + 1;
  Matrix hessian = Matrix::Zero(width, width);
  std::map<std::uint64_t, Vector> score;  // by unit, in a fixed order
  double squares = 0;
  double total = 0;
  for (std::size_t i = 0; i < rows.count(); ++i) {
    if (!(weight[i] > 0)) continue;
    const Vector point = Point(rows.row(i));
    hessian.selfadjointView<Eigen::Lower>().rankUpdate(point, weight[i]);
    auto [entry, fresh] = score.try_emplace(unit.empty() ? i : unit[i], Vector::Zero(width));
    entry->second += weight[i] * residual[i] * point;
    squares += weight[i] * weight[i] * residual[i] * residual[i];
    total += weight[i];
  }
  REQUIRE(total > 0, "a row that counts");
  Matrix middle = Matrix::Zero(width, width);
  for (const auto& [key, value] : score) middle.selfadjointView<Eigen::Lower>().rankUpdate(value);
  // lambda = noise / prior variance, so the part that the ridge took away has the
  // variance H^-1 (noise lambda) H^-1.
  const double noise = squares / total;
  for (Eigen::Index j = 0; j + 1 < width; ++j) {
    hessian(j, j) += fit.lambda;
    middle(j, j) += noise * fit.lambda;
  }
  const Eigen::LDLT<Matrix> solver(hessian.selfadjointView<Eigen::Lower>());
  const Matrix half = solver.solve(Matrix(middle.selfadjointView<Eigen::Lower>()));
  const Matrix covariance = solver.solve(half.transpose());
  std::vector<double> flat;
  flat.reserve(static_cast<std::size_t>(width * width));
  for (Eigen::Index j = 0; j < width; ++j) {
    for (Eigen::Index k = 0; k < width; ++k) flat.push_back(covariance(j, k));
  }
  return BiasSurface(fit.head, std::move(flat));
}

}  // namespace pointsman::bootstrap
