// k-means, Euclidean with weights and spherical, and silhouettes.
//
// Deterministic: k-means++ draws from SplitMix64, ties go to the smaller number,
// sums run in row order. Pure. Only the assignment of rows runs on several
// threads, where they are asked for, and its result does not depend on how many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "bootstrap/fit/rows.h"

namespace pointsman::bootstrap {

struct KMeansOptions {
  std::size_t clusters = 2;
  std::uint64_t seed = 0;
  int iterations_max = 200;
  double tolerance = 1e-4;  // of the squared movement of all centroids, times the mean variance of a feature
  std::size_t threads = 1;
  std::size_t seed_rows_max = 0;  // k-means++ draws from a sample of so many rows; 0: from all
};

struct KMeansFit {
  std::vector<float> centroids;           // k x d, k <= clusters asked for (distinct rows may be fewer)
  std::vector<std::uint32_t> assignment;  // of every row
  std::vector<std::uint32_t> sizes;       // k
  std::size_t count() const { return sizes.size(); }
};

// Lloyd's iterations with sample weights (one per row, >= 0; empty: 1 each) and
// k-means++ seeding; centroids are means, not normalised. An empty cluster keeps
// its centroid. REQUIREs at least one row and one cluster.
KMeansFit FitKMeans(const Rows& rows, std::span<const double> weights, const KMeansOptions& options);

// On the unit sphere: nearest by cosine, centroids are normalised sums. Rows must
// be of unit length. Empty clusters are dropped, so sizes are >= 1.
KMeansFit FitSphericalKMeans(const Rows& rows, const KMeansOptions& options);
// The same iterations from given centroids (unit rows); `options.clusters` is not read.
KMeansFit RefineSphericalKMeans(const Rows& rows, std::span<const float> centroids, const KMeansOptions& options);

// Number of the centroid of largest cosine for each row; rows and centroids unit.
// The similarity goes to `similarity` unless it is null.
std::vector<std::uint32_t> NearestByCosine(const Rows& rows, const Rows& centroids, std::vector<float>* similarity,
                                           std::size_t threads = 1);

// The assignment's matrix product alone, in the same blocks, for measuring what the
// rest of it costs; gives the sum of each block's first product.
double ProductsAlone(const Rows& rows, const Rows& centroids);

// Mean silhouette with cosine distance 1 - u.v over unit rows, unweighted; a row
// alone in its cluster counts 0. Uses sums per cluster, so O(n k d).
// REQUIREs at least 2 clusters.
double MeanSilhouette(const Rows& unit_rows, std::span<const std::uint32_t> assignment, std::size_t clusters);

// `vector` scaled to unit length: x / max(|x|, 1e-9), as published.
void Normalise(std::span<float> vector);

}  // namespace pointsman::bootstrap
