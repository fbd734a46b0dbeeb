#include "daemon/cluster_layout.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace pointsman::daemon {
namespace {

constexpr int kIterations = 30;

using Rows = std::vector<std::vector<double>>;

double Dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

void Normalise(std::vector<double>* axis) {
  const double length = std::sqrt(Dot(*axis, *axis));
  if (length < 1e-12) return;
  for (double& value : *axis) value /= length;
}

// The direction of the largest spread of `rows`; zero where there is none.
std::vector<double> PrincipalAxis(const Rows& rows, std::size_t start) {
  std::vector<double> axis(rows.front().size(), 0.0);
  for (std::size_t i = 0; i < axis.size(); ++i) axis[i] = 1.0 + static_cast<double>((i * 7 + start) % 11) / 11.0;
  Normalise(&axis);
  for (int pass = 0; pass < kIterations; ++pass) {
    std::vector<double> next(axis.size(), 0.0);
    for (const auto& row : rows) {
      const double share = Dot(row, axis);
      for (std::size_t i = 0; i < next.size(); ++i) next[i] += share * row[i];
    }
    Normalise(&next);
    axis = std::move(next);
  }
  return axis;
}

// The places of `rows` along `axis`, scaled into [-1, 1]; takes that part out of the rows.
std::vector<double> Project(Rows* rows, const std::vector<double>& axis) {
  std::vector<double> places;
  double widest = 0;
  for (auto& row : *rows) {
    const double place = Dot(row, axis);
    for (std::size_t i = 0; i < row.size(); ++i) row[i] -= place * axis[i];
    places.push_back(place);
    widest = std::max(widest, std::abs(place));
  }
  for (double& place : places) place = widest < 1e-12 ? 0.0 : place / widest;
  return places;
}

}  // namespace

std::vector<std::pair<double, double>> LayOutClusters(const policy::Bundle& bundle) {
  const std::size_t clusters = bundle.cluster_count();
  const std::size_t dimension = bundle.dimension();
  std::vector<std::pair<double, double>> places(clusters + 1);
  if (clusters == 0 || dimension == 0) return places;
  Rows rows(clusters, std::vector<double>(dimension));
  for (std::size_t j = 0; j < dimension; ++j) {
    double mean = 0;
    for (std::size_t k = 0; k < clusters; ++k) mean += static_cast<double>(bundle.centroids[k * dimension + j]);
    mean /= static_cast<double>(clusters);
    for (std::size_t k = 0; k < clusters; ++k) {
      rows[k][j] = static_cast<double>(bundle.centroids[k * dimension + j]) - mean;
    }
  }
  const std::vector<double> x = Project(&rows, PrincipalAxis(rows, 0));
  const std::vector<double> y = Project(&rows, PrincipalAxis(rows, 5));
  for (std::size_t k = 0; k < clusters; ++k) places[k + 1] = {x[k], y[k]};
  return places;
}

}  // namespace pointsman::daemon
