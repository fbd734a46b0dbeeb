#include "bootstrap/fit/cascal_scaled.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <tuple>

#include "base/contract.h"
#include "base/unit_draw.h"
#include "bootstrap/fit/kmeans.h"

namespace pointsman::bootstrap {
namespace {

constexpr int kMicroIterations = 12;
constexpr std::size_t kSeedRows = 20'000;
constexpr std::size_t kManyRows = 20'000;  // one held-out part of so many rows says enough
constexpr std::size_t kFoldsOfOne = 5;     // then a fifth is held out once
constexpr double kUnitTolerance = 1e-3;
constexpr std::size_t kRowsShareMin = 30;

Error Bad(std::string reason, std::string message) {
  return MakeError(Code::kInvalidArgument, std::move(reason), std::move(message));
}

Status Check(const Rows& embeddings, const Scores& scores) {
  if (embeddings.count() == 0) return Bad("no_rows", "clusters need at least one row");
  if (scores.models == 0) return Bad("no_models", "clusters of skills need at least one model");
  REQUIRE(scores.items == embeddings.count(), "a row of scores for each embedding");
  for (std::size_t i = 0; i < embeddings.count(); ++i) {
    double squares = 0;
    for (const float value : embeddings.row(i)) squares += static_cast<double>(value) * static_cast<double>(value);
    if (!(std::fabs(squares - 1) < kUnitTolerance)) {
      return Bad("embedding_not_unit", "the embedding of row " + std::to_string(i) +
                                           " is not a finite vector of length 1; normalise it or leave the row out");
    }
    for (std::size_t m = 0; m < scores.models; ++m) {
      const double score = scores.at(i, m);
      if (std::isnan(score) || (score >= 0 && score <= 1)) continue;
      return Bad("score_out_of_range", "the score of row " + std::to_string(i) + ", model column " +
                                           std::to_string(m) + " is not in [0,1]");
    }
  }
  return {};
}


// Micro-clusters of some of the rows, ready to be merged.
Agglomeration Start(const ScaledClusters& micro, std::size_t dimension, const SkillProfiles& profiles,
                    const ScaledOptions& options) {
  std::vector<double> scaled = profiles.profile;
  for (std::size_t at = 0; at < scaled.size(); ++at) scaled[at] *= profiles.reliability[at % profiles.rank];
  std::vector<double> sizes = profiles.size;
  for (double& size : sizes) size = std::max(size, 0.5);  // all of its rows may be held out
  return Agglomeration(Rows(micro.micro_centroids, dimension), scaled, sizes, options.neighbours,
                       options.skill_weight);
}

// Sum of squared errors of held-out scores with the item's mean taken out of both:
// how hard an item is decides nothing about the ranking.
double HeldOutError(const Scores& scores, std::span<const std::uint32_t> group, const CellTable& table,
                    std::span<const std::size_t> test) {
  double error = 0;
  for (const std::size_t i : test) {
    double mean = 0;
    double seen = 0;
    for (std::size_t m = 0; m < scores.models; ++m) {
      if (std::isnan(scores.at(i, m))) continue;
      mean += scores.at(i, m) - table.quality[group[i] * scores.models + m];
      seen += 1;
    }
    for (std::size_t m = 0; m < scores.models; ++m) {
      if (std::isnan(scores.at(i, m))) continue;
      const double gap = scores.at(i, m) - table.quality[group[i] * scores.models + m] - mean / seen;
      error += gap * gap;
    }
  }
  return error;
}

class ScaledFit {
 public:
  ScaledFit(const Rows& embeddings, const Scores& scores, const ScaledOptions& options)
      : embeddings_(embeddings), scores_(scores), options_(options) {}

  ScaledClusters Run() {
    FindMicro();
    out_.profiles = FindSkillProfiles(scores_, out_.micro, micro_count(), {}, options_.profile);
    const std::vector<std::size_t> counts = Counts();
    const std::size_t clusters = counts.size() == 1 ? counts[0] : Choose(counts);
    Agglomeration merging = Start(out_, embeddings_.dimension, out_.profiles, options_);
    merging.MergeDownTo(clusters);
    Finish(merging.Labels(rows_min_));
    return std::move(out_);
  }

 private:
  std::size_t micro_count() const { return out_.micro_centroids.size() / embeddings_.dimension; }

  void FindMicro() {
    KMeansOptions micro;
    micro.clusters = std::clamp<std::size_t>(embeddings_.count() / std::max<std::size_t>(options_.rows_per_micro, 1), 1,
                                             std::max<std::size_t>(options_.micro_max, 1));
    micro.seed = options_.seed;
    micro.iterations_max = kMicroIterations;
    micro.threads = options_.threads;
    micro.seed_rows_max = kSeedRows;
    KMeansFit fit = FitSphericalKMeans(embeddings_, micro);
    out_.micro_centroids = std::move(fit.centroids);
    out_.micro = std::move(fit.assignment);
    rows_min_ = static_cast<double>(std::min(options_.cluster_rows_min, embeddings_.count() / kRowsShareMin));
  }

  // Those of the options that the rows can fill, descending; else the micro-clusters' own number.
  std::vector<std::size_t> Counts() const {
    std::vector<std::size_t> counts;
    for (const std::size_t count : options_.counts) {
      if (count >= 1 && count <= micro_count()) counts.push_back(count);
    }
    std::sort(counts.begin(), counts.end(), std::greater<>());
    counts.erase(std::unique(counts.begin(), counts.end()), counts.end());
    if (counts.empty()) counts.push_back(micro_count());
    return counts;
  }

  std::size_t Choose(const std::vector<std::size_t>& counts) {
    std::vector<std::size_t> order(scores_.items);
    std::iota(order.begin(), order.end(), 0);
    SplitMix64 random(options_.seed);
    Shuffle(order, random);
    const bool many = order.size() > kManyRows;
    const std::size_t folds = many ? kFoldsOfOne : std::max<std::size_t>(options_.folds, 2);
    std::vector<double> error(counts.size(), 0);
    double seen = 0;
    for (std::size_t fold = 0; fold < (many ? 1 : folds); ++fold) {
      std::vector<std::size_t> train;
      std::vector<std::size_t> test;
      for (std::size_t rank = 0; rank < order.size(); ++rank) {
        (rank % folds == fold ? test : train).push_back(order[rank]);
      }
      if (train.empty() || test.empty()) continue;
      Try(train, test, counts, error);
      seen += static_cast<double>(test.size() * scores_.models);
    }
    std::size_t best = 0;
    for (std::size_t c = 0; c < counts.size(); ++c) {
      out_.trials.push_back({counts[c], seen > 0 ? error[c] / seen : 0});
      if (error[c] <= error[best]) best = c;  // the smaller number wins ties
    }
    return counts[best];
  }

  void Try(const std::vector<std::size_t>& train, const std::vector<std::size_t>& test,
           const std::vector<std::size_t>& counts, std::vector<double>& error) const {
    const SkillProfiles profiles = FindSkillProfiles(scores_, out_.micro, micro_count(), train, options_.profile);
    Agglomeration merging = Start(out_, embeddings_.dimension, profiles, options_);
    std::vector<std::uint32_t> group(scores_.items);
    for (std::size_t c = 0; c < counts.size(); ++c) {
      merging.MergeDownTo(counts[c]);
      const std::vector<std::uint32_t> labels = merging.Labels(rows_min_);
      for (std::size_t i = 0; i < group.size(); ++i) group[i] = labels[out_.micro[i]];
      const std::size_t groups = 1 + *std::max_element(labels.begin(), labels.end());
      error[c] += HeldOutError(scores_, group, ShrunkenCells(scores_, group, groups, train, options_.cells), test);
    }
  }

  // Centroids of the merged clusters; then every row goes to its nearest.
  void Finish(const std::vector<std::uint32_t>& labels) {
    const std::size_t d = embeddings_.dimension;
    const std::size_t clusters = 1 + *std::max_element(labels.begin(), labels.end());
    std::vector<double> sum(clusters * d, 0);
    std::vector<float> centroids(clusters * d);
    for (std::size_t i = 0; i < scores_.items; ++i) {
      const auto row = embeddings_.row(i);
      double* at = sum.data() + labels[out_.micro[i]] * d;
      for (std::size_t j = 0; j < d; ++j) at[j] += static_cast<double>(row[j]);
    }
    for (std::size_t k = 0; k < clusters; ++k) {
      double squares = 0;
      for (std::size_t j = 0; j < d; ++j) squares += sum[k * d + j] * sum[k * d + j];
      const auto first = static_cast<std::size_t>(std::find(labels.begin(), labels.end(), k) - labels.begin());
      for (std::size_t j = 0; j < d; ++j) {
        // Members that cancel have no direction; the first micro-cluster stands for them.
        centroids[k * d + j] = squares < 1e-12 ? out_.micro_centroids[first * d + j]
                                               : static_cast<float>(sum[k * d + j] / std::sqrt(squares));
      }
    }
    for (const std::uint32_t micro : out_.micro) out_.merged.push_back(labels[micro]);
    KMeansOptions refine;
    refine.iterations_max = options_.refine_iterations;
    refine.threads = options_.threads;
    KMeansFit fit = RefineSphericalKMeans(embeddings_, centroids, refine);
    out_.centroids = std::move(fit.centroids);
    out_.assignment = std::move(fit.assignment);
    out_.sizes = std::move(fit.sizes);
  }

  const Rows& embeddings_;
  const Scores& scores_;
  const ScaledOptions& options_;
  ScaledClusters out_;
  double rows_min_ = 0;
};

// Size-weighted mean squared distance from the mean, over all columns.
double Spread(const std::vector<double>& points, std::span<const double> sizes, std::size_t width) {
  std::vector<double> mean(width, 0);
  double total = 0;
  for (std::size_t g = 0; g < sizes.size(); ++g) {
    for (std::size_t j = 0; j < width; ++j) mean[j] += sizes[g] * points[g * width + j];
    total += sizes[g];
  }
  double spread = 0;
  for (std::size_t g = 0; g < sizes.size(); ++g) {
    for (std::size_t j = 0; j < width; ++j) {
      const double gap = points[g * width + j] - mean[j] / total;
      spread += sizes[g] * gap * gap;
    }
  }
  return spread / total;
}

}  // namespace

Agglomeration::Agglomeration(const Rows& positions, std::span<const double> profiles, std::span<const double> sizes,
                             std::size_t neighbours, double skill_weight) {
  const std::size_t groups = positions.count();
  REQUIRE(groups > 0 && sizes.size() == groups && profiles.size() % groups == 0, "a size and a profile a group");
  const std::size_t d = positions.dimension;
  const std::size_t rank = profiles.size() / groups;
  const std::vector<double> place(positions.values.begin(), positions.values.end());
  const double place_spread = Spread(place, sizes, d);
  const double skill_spread = Spread({profiles.begin(), profiles.end()}, sizes, rank);
  const double place_scale = place_spread > 1e-12 ? 1 / std::sqrt(place_spread) : 0;
  const double skill_scale = skill_spread > 1e-12 ? std::sqrt(skill_weight / skill_spread) : 0;
  nodes_.resize(groups);
  for (std::size_t g = 0; g < groups; ++g) {
    nodes_[g].size = sizes[g];
    for (std::size_t j = 0; j < d; ++j) nodes_[g].point.push_back(place[g * d + j] * place_scale);
    for (std::size_t r = 0; r < rank; ++r) nodes_[g].point.push_back(profiles[g * rank + r] * skill_scale);
  }
  root_.resize(groups);
  std::iota(root_.begin(), root_.end(), 0);
  alive_ = groups;
  Link(positions, neighbours);
}

void Agglomeration::Link(const Rows& positions, std::size_t neighbours) {
  const std::size_t groups = nodes_.size();
  std::vector<std::pair<double, std::uint32_t>> ranked;
  for (std::size_t g = 0; g < groups; ++g) {
    ranked.clear();
    const auto row = positions.row(g);
    for (std::size_t other = 0; other < groups; ++other) {
      if (other == g) continue;
      const auto at = positions.row(other);
      ranked.emplace_back(-std::inner_product(row.begin(), row.end(), at.begin(), 0.0), other);
    }
    const std::size_t kept = std::min(neighbours, ranked.size());
    std::partial_sort(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(kept), ranked.end());
    for (std::size_t n = 0; n < kept; ++n) {
      nodes_[g].near.push_back(ranked[n].second);
      nodes_[ranked[n].second].near.push_back(static_cast<std::uint32_t>(g));
    }
  }
  for (std::uint32_t g = 0; g < groups; ++g) {
    auto& near = nodes_[g].near;
    std::sort(near.begin(), near.end());
    near.erase(std::unique(near.begin(), near.end()), near.end());
    for (const std::uint32_t other : near) {
      if (g < other) Push(g, other);
    }
  }
}

bool Agglomeration::Later(const Pair& a, const Pair& b) {
  return std::tie(a.cost, a.left, a.right) > std::tie(b.cost, b.left, b.right);
}

double Agglomeration::Cost(const Node& a, const Node& b) {
  double squares = 0;
  for (std::size_t j = 0; j < a.point.size(); ++j) squares += (a.point[j] - b.point[j]) * (a.point[j] - b.point[j]);
  return a.size * b.size / (a.size + b.size) * squares;
}

void Agglomeration::Absorb(Node& into, const Node& from) {
  const double total = into.size + from.size;
  for (std::size_t j = 0; j < into.point.size(); ++j) {
    into.point[j] = (into.size * into.point[j] + from.size * from.point[j]) / total;
  }
  into.size = total;
}

void Agglomeration::Push(std::uint32_t a, std::uint32_t b) {
  const std::uint32_t left = std::min(a, b);
  const std::uint32_t right = std::max(a, b);
  heap_.push_back({Cost(nodes_[left], nodes_[right]), left, right, nodes_[left].version, nodes_[right].version});
  std::push_heap(heap_.begin(), heap_.end(), Later);
}

// The graph has come apart: its parts may all be joined.
void Agglomeration::ConnectAll() {
  std::vector<std::uint32_t> left;
  for (std::uint32_t g = 0; g < nodes_.size(); ++g) {
    if (nodes_[g].alive) left.push_back(g);
  }
  for (const std::uint32_t g : left) {
    nodes_[g].near.clear();
    for (const std::uint32_t other : left) {
      if (other != g) nodes_[g].near.push_back(other);
      if (g < other) Push(g, other);
    }
  }
}

void Agglomeration::Merge(std::uint32_t left, std::uint32_t right) {
  Node& into = nodes_[left];
  Node& from = nodes_[right];
  Absorb(into, from);
  from.alive = false;
  ++into.version;
  std::vector<std::uint32_t> near;
  std::set_union(into.near.begin(), into.near.end(), from.near.begin(), from.near.end(), std::back_inserter(near));
  std::erase_if(near, [&](std::uint32_t g) { return g == left || !nodes_[g].alive; });
  into.near = std::move(near);
  from.near.clear();
  for (std::uint32_t& root : root_) root = root == right ? left : root;
  --alive_;
  for (const std::uint32_t g : into.near) {
    auto& back = nodes_[g].near;
    const auto at = std::lower_bound(back.begin(), back.end(), left);
    if (at == back.end() || *at != left) back.insert(at, left);
    Push(left, g);
  }
}

void Agglomeration::MergeDownTo(std::size_t clusters) {
  while (alive_ > std::max<std::size_t>(clusters, 1)) {
    if (heap_.empty()) ConnectAll();
    std::pop_heap(heap_.begin(), heap_.end(), Later);
    const Pair pair = heap_.back();
    heap_.pop_back();
    const Node& left = nodes_[pair.left];
    const Node& right = nodes_[pair.right];
    const bool stale = !left.alive || !right.alive || left.version != pair.left_version ||
                       right.version != pair.right_version;
    if (!stale) Merge(pair.left, pair.right);
  }
}

std::vector<std::uint32_t> Agglomeration::Labels(double rows_min) const {
  std::vector<Node> nodes = nodes_;
  std::vector<std::uint32_t> root = root_;
  std::size_t alive = alive_;
  while (alive > 1) {
    std::size_t small = nodes.size();
    for (std::size_t g = 0; g < nodes.size(); ++g) {
      if (nodes[g].alive && nodes[g].size < rows_min && (small == nodes.size() || nodes[g].size < nodes[small].size)) {
        small = g;
      }
    }
    if (small == nodes.size()) break;
    std::size_t into = nodes.size();
    double best = std::numeric_limits<double>::infinity();
    for (std::size_t g = 0; g < nodes.size(); ++g) {
      if (!nodes[g].alive || g == small) continue;
      const double cost = Cost(nodes[g], nodes[small]);
      if (cost >= best) continue;
      best = cost;
      into = g;
    }
    Absorb(nodes[into], nodes[small]);
    nodes[small].alive = false;
    for (std::uint32_t& at : root) at = at == small ? static_cast<std::uint32_t>(into) : at;
    --alive;
  }
  std::vector<std::uint32_t> number(nodes.size(), kNoGroup);
  std::uint32_t next = 0;
  for (std::uint32_t& at : root) {
    if (number[at] == kNoGroup) number[at] = next++;
    at = number[at];
  }
  return root;
}

Result<ScaledClusters> FitScaledCascal(const Rows& embeddings, const Scores& scores, const ScaledOptions& options) {
  if (auto status = Check(embeddings, scores); !status.ok()) return status.error();
  return ScaledFit(embeddings, scores, options).Run();
}

}  // namespace pointsman::bootstrap
