#include "bootstrap/fit/kmeans.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/contract.h"
#include "base/unit_draw.h"
#include "bootstrap/fit/parallel.h"

namespace pointsman::bootstrap {
namespace {

using Dense = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using DenseMap = Eigen::Map<const Dense>;

constexpr std::size_t kBlockRows = 1024;  // bounds the memory of a block of similarities

DenseMap MapRows(std::span<const float> values, std::size_t rows, std::size_t dimension) {
  return {values.data(), static_cast<Eigen::Index>(rows), static_cast<Eigen::Index>(dimension)};
}

std::vector<double> SquaredNorms(const Rows& rows) {
  std::vector<double> norms(rows.count());
  for (std::size_t i = 0; i < norms.size(); ++i) {
    for (const float value : rows.row(i)) norms[i] += static_cast<double>(value) * static_cast<double>(value);
  }
  return norms;
}

// Calls visit(row, products with every centroid), blocks of rows on `threads`
// threads: blocks have the same bounds, and so the same bits, however many.
template <typename Visit>
void ForEachProduct(const Rows& rows, const Rows& centroids, std::size_t threads, Visit visit) {
  const DenseMap right = MapRows(centroids.values, centroids.count(), centroids.dimension);
  ForEachBlock(rows.count(), kBlockRows, threads, [&](std::size_t begin, std::size_t end) {
    const Dense products =
        MapRows(rows.values.subspan(begin * rows.dimension), end - begin, rows.dimension) * right.transpose();
    for (std::size_t i = begin; i < end; ++i) {
      visit(i, std::span<const float>(products.data() + (i - begin) * centroids.count(), centroids.count()));
    }
  });
}

double SquaredDistance(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t j = 0; j < a.size(); ++j) {
    const double gap = static_cast<double>(a[j]) - static_cast<double>(b[j]);
    sum += gap * gap;
  }
  return sum;
}

// k-means++: each next centre is a row drawn in proportion to weight times
// squared distance to the nearest centre so far. Fewer when rows run out.
std::vector<float> Seed(const Rows& rows, std::span<const double> weights, std::size_t clusters, SplitMix64& random) {
  const auto draw = [&](const std::vector<double>& mass) {
    double total = 0;
    for (const double value : mass) total += value;
    if (!(total > 0)) return rows.count();
    double left = random.Unit() * total;
    std::size_t last = rows.count();
    for (std::size_t i = 0; i < mass.size(); ++i) {
      if (!(mass[i] > 0)) continue;
      last = i;
      left -= mass[i];
      if (left < 0) break;
    }
    return last;
  };
  std::vector<double> mass(rows.count());
  for (std::size_t i = 0; i < mass.size(); ++i) mass[i] = weights.empty() ? 1 : weights[i];
  std::vector<double> nearest(rows.count(), std::numeric_limits<double>::infinity());
  std::vector<float> centroids;
  for (std::size_t k = 0; k < clusters; ++k) {
    std::size_t chosen = draw(mass);
    if (chosen == rows.count() && k == 0) chosen = 0;
    if (chosen == rows.count()) break;
    const auto centre = rows.row(chosen);
    centroids.insert(centroids.end(), centre.begin(), centre.end());
    for (std::size_t i = 0; i < mass.size(); ++i) {
      // Equal rows differ by rounding alone and must not be drawn again.
      const double distance = SquaredDistance(rows.row(i), centre);
      nearest[i] = std::min(nearest[i], distance < 1e-12 ? 0 : distance);
      mass[i] = nearest[i] * (weights.empty() ? 1 : weights[i]);
    }
  }
  return centroids;
}

// `count` rows drawn without replacement, in row order; empty where all are wanted.
std::vector<float> SampleRows(const Rows& rows, std::size_t count, SplitMix64& random) {
  std::vector<float> sample;
  if (count == 0 || count >= rows.count()) return sample;
  std::size_t wanted = count;
  for (std::size_t i = 0; i < rows.count() && wanted > 0; ++i) {
    if (random.Below(rows.count() - i) >= wanted) continue;
    const auto row = rows.row(i);
    sample.insert(sample.end(), row.begin(), row.end());
    --wanted;
  }
  return sample;
}

double MeanFeatureVariance(const Rows& rows) {
  std::vector<double> sum(rows.dimension, 0);
  std::vector<double> squares(rows.dimension, 0);
  for (std::size_t i = 0; i < rows.count(); ++i) {
    const auto row = rows.row(i);
    for (std::size_t j = 0; j < rows.dimension; ++j) {
      sum[j] += static_cast<double>(row[j]);
      squares[j] += static_cast<double>(row[j]) * static_cast<double>(row[j]);
    }
  }
  const auto count = static_cast<double>(rows.count());
  double total = 0;
  for (std::size_t j = 0; j < rows.dimension; ++j) total += squares[j] / count - sum[j] / count * (sum[j] / count);
  return std::max(total, 0.0) / static_cast<double>(rows.dimension);
}

// Sums of the members' rows, weighted, and the weight of each cluster.
struct Sums {
  std::vector<double> rows;
  std::vector<double> weight;
  std::vector<std::uint32_t> sizes;
};

Sums SumMembers(const Rows& rows, std::span<const double> weights, std::span<const std::uint32_t> assignment,
                std::size_t clusters) {
  Sums sums{std::vector<double>(clusters * rows.dimension, 0), std::vector<double>(clusters, 0),
            std::vector<std::uint32_t>(clusters, 0)};
  for (std::size_t i = 0; i < rows.count(); ++i) {
    const double weight = weights.empty() ? 1 : weights[i];
    const auto row = rows.row(i);
    double* sum = sums.rows.data() + assignment[i] * rows.dimension;
    for (std::size_t j = 0; j < rows.dimension; ++j) sum[j] += weight * static_cast<double>(row[j]);
    sums.weight[assignment[i]] += weight;
    ++sums.sizes[assignment[i]];
  }
  return sums;
}

void AssignEuclidean(const Rows& rows, const Rows& centroids, std::size_t threads, KMeansFit& fit) {
  const std::vector<double> norms = SquaredNorms(centroids);
  fit.assignment.resize(rows.count());
  ForEachProduct(rows, centroids, threads, [&](std::size_t i, std::span<const float> products) {
    std::size_t best = 0;
    double best_score = std::numeric_limits<double>::infinity();
    for (std::size_t k = 0; k < products.size(); ++k) {
      const double score = norms[k] - 2 * static_cast<double>(products[k]);
      if (score < best_score) {
        best_score = score;
        best = k;
      }
    }
    fit.assignment[i] = static_cast<std::uint32_t>(best);
  });
}

// Renumbers so that only clusters with members stay.
void DropEmpty(KMeansFit& fit, std::size_t dimension) {
  std::vector<std::uint32_t> number(fit.sizes.size(), 0);
  std::size_t kept = 0;
  for (std::size_t k = 0; k < fit.sizes.size(); ++k) {
    if (fit.sizes[k] == 0) continue;
    number[k] = static_cast<std::uint32_t>(kept);
    std::copy_n(fit.centroids.begin() + static_cast<std::ptrdiff_t>(k * dimension), dimension,
                fit.centroids.begin() + static_cast<std::ptrdiff_t>(kept * dimension));
    fit.sizes[kept++] = fit.sizes[k];
  }
  fit.sizes.resize(kept);
  fit.centroids.resize(kept * dimension);
  for (auto& cluster : fit.assignment) cluster = number[cluster];
}

}  // namespace

void Normalise(std::span<float> vector) {
  double squares = 0;
  for (const float value : vector) squares += static_cast<double>(value) * static_cast<double>(value);
  const double norm = std::max(std::sqrt(squares), 1e-9);
  for (float& value : vector) value = static_cast<float>(static_cast<double>(value) / norm);
}

KMeansFit FitKMeans(const Rows& rows, std::span<const double> weights, const KMeansOptions& options) {
  REQUIRE(rows.count() > 0 && options.clusters > 0, "rows and clusters");
  REQUIRE(weights.empty() || weights.size() == rows.count(), "one weight per row");
  SplitMix64 random(options.seed);
  KMeansFit fit;
  fit.centroids = Seed(rows, weights, std::min(options.clusters, rows.count()), random);
  const std::size_t clusters = fit.centroids.size() / rows.dimension;
  const double stop_below = options.tolerance * MeanFeatureVariance(rows);
  for (int iteration = 0; iteration < options.iterations_max; ++iteration) {
    AssignEuclidean(rows, Rows(fit.centroids, rows.dimension), options.threads, fit);
    const Sums sums = SumMembers(rows, weights, fit.assignment, clusters);
    double moved = 0;
    for (std::size_t k = 0; k < clusters; ++k) {
      if (!(sums.weight[k] > 0)) continue;
      for (std::size_t j = 0; j < rows.dimension; ++j) {
        float& at = fit.centroids[k * rows.dimension + j];
        const auto next = static_cast<float>(sums.rows[k * rows.dimension + j] / sums.weight[k]);
        moved += (static_cast<double>(next) - static_cast<double>(at)) *
                 (static_cast<double>(next) - static_cast<double>(at));
        at = next;
      }
    }
    if (moved <= stop_below) break;
  }
  AssignEuclidean(rows, Rows(fit.centroids, rows.dimension), options.threads, fit);
  fit.sizes = SumMembers(rows, weights, fit.assignment, clusters).sizes;
  return fit;
}

KMeansFit FitSphericalKMeans(const Rows& rows, const KMeansOptions& options) {
  REQUIRE(rows.count() > 0 && options.clusters > 0, "rows and clusters");
  SplitMix64 random(options.seed);
  const std::vector<float> sample = SampleRows(rows, options.seed_rows_max, random);
  const Rows seeded_from = sample.empty() ? rows : Rows(sample, rows.dimension);
  return RefineSphericalKMeans(rows, Seed(seeded_from, {}, std::min(options.clusters, rows.count()), random), options);
}

KMeansFit RefineSphericalKMeans(const Rows& rows, std::span<const float> centroids, const KMeansOptions& options) {
  REQUIRE(rows.count() > 0 && !centroids.empty(), "rows and centroids");
  KMeansFit fit;
  fit.centroids.assign(centroids.begin(), centroids.end());
  const std::size_t clusters = fit.centroids.size() / rows.dimension;
  const auto assign = [&] {
    return NearestByCosine(rows, Rows(fit.centroids, rows.dimension), nullptr, options.threads);
  };
  for (int iteration = 0; iteration < options.iterations_max; ++iteration) {
    std::vector<std::uint32_t> next = assign();
    const bool settled = next == fit.assignment;
    fit.assignment = std::move(next);
    if (settled) break;
    const Sums sums = SumMembers(rows, {}, fit.assignment, clusters);
    for (std::size_t k = 0; k < clusters; ++k) {
      const double* sum = sums.rows.data() + k * rows.dimension;
      double squares = 0;
      for (std::size_t j = 0; j < rows.dimension; ++j) squares += sum[j] * sum[j];
      // Empty, or members that cancel: the centroid stays where it was.
      if (squares < 1e-12) continue;
      const double inverse = 1 / std::sqrt(squares);
      for (std::size_t j = 0; j < rows.dimension; ++j) {
        fit.centroids[k * rows.dimension + j] = static_cast<float>(sum[j] * inverse);
      }
    }
  }
  fit.assignment = assign();
  fit.sizes = SumMembers(rows, {}, fit.assignment, clusters).sizes;
  DropEmpty(fit, rows.dimension);
  return fit;
}

std::vector<std::uint32_t> NearestByCosine(const Rows& rows, const Rows& centroids, std::vector<float>* similarity,
                                           std::size_t threads) {
  REQUIRE(centroids.count() > 0, "at least one centroid");
  std::vector<std::uint32_t> nearest(rows.count());
  if (similarity != nullptr) similarity->resize(rows.count());
  ForEachProduct(rows, centroids, threads, [&](std::size_t i, std::span<const float> products) {
    std::size_t best = 0;
    for (std::size_t k = 1; k < products.size(); ++k) {
      if (products[k] > products[best]) best = k;
    }
    nearest[i] = static_cast<std::uint32_t>(best);
    if (similarity != nullptr) (*similarity)[i] = products[best];
  });
  return nearest;
}

double ProductsAlone(const Rows& rows, const Rows& centroids) {
  double sum = 0;
  const DenseMap right = MapRows(centroids.values, centroids.count(), centroids.dimension);
  ForEachBlock(rows.count(), kBlockRows, 1, [&](std::size_t begin, std::size_t end) {
    const Dense products =
        MapRows(rows.values.subspan(begin * rows.dimension), end - begin, rows.dimension) * right.transpose();
    sum += static_cast<double>(products(0, 0));
  });
  return sum;
}

double MeanSilhouette(const Rows& unit_rows, std::span<const std::uint32_t> assignment, std::size_t clusters) {
  REQUIRE(clusters >= 2 && assignment.size() == unit_rows.count(), "at least two clusters");
  const Sums sums = SumMembers(unit_rows, {}, assignment, clusters);
  double total = 0;
  for (std::size_t i = 0; i < unit_rows.count(); ++i) {
    const std::size_t own = assignment[i];
    if (sums.sizes[own] < 2) continue;
    const auto row = unit_rows.row(i);
    double self = 0;
    for (const float value : row) self += static_cast<double>(value) * static_cast<double>(value);
    double inner = 0;
    double outer = std::numeric_limits<double>::infinity();
    for (std::size_t k = 0; k < clusters; ++k) {
      if (sums.sizes[k] == 0) continue;
      double dot = 0;
      for (std::size_t j = 0; j < row.size(); ++j) dot += static_cast<double>(row[j]) * sums.rows[k * row.size() + j];
      const double size = sums.sizes[k];
      if (k == own) {
        inner = ((size - 1) - (dot - self)) / (size - 1);
      } else {
        outer = std::min(outer, (size - dot) / size);
      }
    }
    const double wider = std::max(inner, outer);
    if (std::isfinite(outer) && wider > 1e-12) total += (outer - inner) / wider;
  }
  return total / static_cast<double>(unit_rows.count());
}

}  // namespace pointsman::bootstrap
