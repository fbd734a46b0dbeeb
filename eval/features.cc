#include "eval/features.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/contract.h"
#include "bootstrap/fit/kmeans.h"
#include "embed/lsa.h"

namespace pointsman::eval {

namespace {

constexpr std::size_t kClustersMax = 32;
constexpr std::size_t kRowsPerCluster = 30;
constexpr std::size_t kBlock = 256;

using RowMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Index = Eigen::Index;

Index ToIndex(std::size_t value) { return static_cast<Index>(value); }

}  // namespace

Result<Features> Features::Create(const TableWorld& world, const Split& split,
                                  std::shared_ptr<const embed::Embedder> embedder, std::uint64_t seed) {
  Features features(world, seed);
  if (Status embedded = features.EmbedAll(split, std::move(embedder)); !embedded.ok()) return embedded.error();
  return features;
}

Status Features::EmbedAll(const Split& split, std::shared_ptr<const embed::Embedder> embedder) {
  if (embedder == nullptr) {
    std::vector<std::string> texts;
    for (const std::size_t row : split.bootstrap) texts.push_back(world_->table().rows[row].query);
    auto fit = embed::FitLsa(texts, {.seed = seed_});
    if (!fit.ok()) return fit.error();
    embedder = fit->embedder;
  }
  dimension_ = embedder->identity().dimension;
  rows_ = split.bootstrap;
  bootstrap_ = rows_.size();
  rows_.insert(rows_.end(), split.stream.begin(), split.stream.end());
  place_.assign(world_->table().rows.size(), 0);
  vectors_.assign(rows_.size() * dimension_, 0);
  known_.assign(rows_.size(), false);
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    place_[rows_[i]] = static_cast<std::uint32_t>(i);
    const auto vector = embedder->Embed(world_->table().rows[rows_[i]].query);
    if (!vector.ok()) return vector.error();
    if (vector->empty()) continue;
    std::copy(vector->begin(), vector->end(), vectors_.begin() + static_cast<std::ptrdiff_t>(i * dimension_));
    known_[i] = true;
  }
  return {};
}

std::span<const float> Features::Embedding(std::size_t row) const {
  const std::size_t i = place_[row];
  if (!known_[i]) return {};
  return std::span<const float>(vectors_).subspan(i * dimension_, dimension_);
}

void Features::FitComponents() {
  const Eigen::Map<const RowMatrix> all(vectors_.data(), ToIndex(rows_.size()), ToIndex(dimension_));
  const auto bootstrap = all.topRows(ToIndex(bootstrap_));
  const Eigen::VectorXf mean = bootstrap.colwise().mean();
  const RowMatrix centred = bootstrap.rowwise() - mean.transpose();
  const Eigen::MatrixXf covariance =
      centred.transpose() * centred / static_cast<float>(std::max<std::size_t>(bootstrap_, 1));
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXf> solver(covariance);
  const std::size_t count = std::min(kComponents, dimension_);
  contexts_.assign(rows_.size() * kContext, 0);
  for (std::size_t c = 0; c < count; ++c) {
    const Index column = ToIndex(dimension_ - 1 - c);  // eigenvalues ascend
    const double deviation = std::sqrt(std::max(static_cast<double>(solver.eigenvalues()[column]), 1e-12));
    const Eigen::VectorXf along = (all.rowwise() - mean.transpose()) * solver.eigenvectors().col(column);
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      contexts_[i * kContext + c] = static_cast<double>(along[ToIndex(i)]) / deviation;
    }
  }
  for (std::size_t i = 0; i < rows_.size(); ++i) contexts_[i * kContext + kComponents] = 1;
}

std::span<const double> Features::Context(std::size_t row) {
  if (contexts_.empty()) FitComponents();
  return std::span<const double>(contexts_).subspan(place_[row] * kContext, kContext);
}

void Features::FitClusters() {
  std::vector<float> unit;
  for (std::size_t i = 0; i < bootstrap_; ++i) {
    if (!known_[i]) continue;
    const auto row = std::span<const float>(vectors_).subspan(i * dimension_, dimension_);
    unit.insert(unit.end(), row.begin(), row.end());
  }
  cluster_.assign(rows_.size(), 0);
  clusters_ = 1;
  if (unit.empty()) return;
  const bootstrap::Rows known(unit, dimension_);
  bootstrap::KMeansOptions options;
  options.clusters = std::clamp<std::size_t>(known.count() / kRowsPerCluster, 1, kClustersMax);
  options.seed = seed_;
  options.iterations_max = 50;
  const bootstrap::KMeansFit fit = bootstrap::FitSphericalKMeans(known, options);
  clusters_ = fit.count();
  cluster_ = bootstrap::NearestByCosine(bootstrap::Rows(vectors_, dimension_),
                                        bootstrap::Rows(fit.centroids, dimension_), nullptr);
}

std::size_t Features::Cluster(std::size_t row) {
  if (cluster_.empty()) FitClusters();
  return cluster_[place_[row]];
}

std::size_t Features::clusters() {
  if (cluster_.empty()) FitClusters();
  return clusters_;
}

void Features::FindNeighbours(std::size_t count) {
  const Eigen::Map<const RowMatrix> all(vectors_.data(), ToIndex(rows_.size()), ToIndex(dimension_));
  std::unordered_map<std::string_view, std::uint32_t> numbers;
  std::vector<std::uint32_t> text(rows_.size());  // equal for equal queries
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const auto number = static_cast<std::uint32_t>(numbers.size());
    text[i] = numbers.try_emplace(world_->table().rows[rows_[i]].query, number).first->second;
  }
  neighbours_.resize(rows_.size());
  std::vector<Neighbour> row;
  for (std::size_t begin = bootstrap_; begin < rows_.size(); begin += kBlock) {
    const std::size_t size = std::min(kBlock, rows_.size() - begin);
    const RowMatrix similarity = all.middleRows(ToIndex(begin), ToIndex(size)) * all.transpose();
    for (std::size_t b = 0; b < size; ++b) {
      row.clear();
      for (std::size_t j = 0; j < rows_.size(); ++j) {
        if (text[j] == text[begin + b]) continue;
        row.push_back({static_cast<std::uint32_t>(rows_[j]), similarity(ToIndex(b), ToIndex(j))});
      }
      const auto middle = row.begin() + static_cast<std::ptrdiff_t>(std::min(count, row.size()));
      const auto nearer = [](const Neighbour& a, const Neighbour& c) {
        return a.similarity > c.similarity || (a.similarity == c.similarity && a.row < c.row);
      };
      std::nth_element(row.begin(), middle, row.end(), nearer);
      std::sort(row.begin(), middle, nearer);
      neighbours_[begin + b].assign(row.begin(), middle);
    }
  }
}

std::span<const Features::Neighbour> Features::Neighbours(std::size_t row, std::size_t count) {
  if (neighbours_.empty()) FindNeighbours(count);
  return neighbours_[place_[row]];
}

}  // namespace pointsman::eval
