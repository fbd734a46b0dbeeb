#include "bootstrap/fit/skill_profile.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/contract.h"

namespace pointsman::bootstrap {
namespace {

// Orthonormal directions of the weighted residuals, largest first; the sign is
// fixed by the largest component, so that the same input gives the same bytes.
Eigen::MatrixXd Directions(const SkillProfiles& profiles, std::size_t rank) {
  const auto models = static_cast<Eigen::Index>(profiles.models);
  Eigen::MatrixXd scatter = Eigen::MatrixXd::Zero(models, models);
  for (std::size_t g = 0; g < profiles.groups; ++g) {
    const Eigen::Map<const Eigen::VectorXd> row(profiles.residual.data() + g * profiles.models, models);
    scatter.selfadjointView<Eigen::Lower>().rankUpdate(row, profiles.size[g]);
  }
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(scatter);
  Eigen::MatrixXd directions = solver.eigenvectors().rowwise().reverse().leftCols(static_cast<Eigen::Index>(rank));
  for (Eigen::Index r = 0; r < directions.cols(); ++r) {
    Eigen::Index at = 0;
    directions.col(r).cwiseAbs().maxCoeff(&at);
    if (directions(at, r) < 0) directions.col(r) *= -1;
  }
  return directions;
}

// Noise of a group's coordinate is the variance of its items' coordinates over
// their number; what is left of the groups' spread is signal.
void FillReliability(const Scores& scores, std::span<const std::uint32_t> group, std::span<const std::size_t> use,
                     SkillProfiles& profiles) {
  const std::size_t rank = profiles.rank;
  std::vector<double> sum(profiles.groups * rank, 0);
  std::vector<double> squares(profiles.groups * rank, 0);
  std::vector<double> gaps(profiles.models);
  for (const std::size_t i : use) {
    if (group[i] == kNoGroup) continue;
    double mean = 0;
    double seen = 0;
    for (std::size_t m = 0; m < profiles.models; ++m) {
      const double score = scores.at(i, m);
      gaps[m] = std::isnan(score) ? 0 : score - profiles.level[m];
      mean += gaps[m];
      seen += std::isnan(score) ? 0 : 1;
    }
    for (std::size_t r = 0; r < rank; ++r) {
      double at = 0;
      for (std::size_t m = 0; m < profiles.models; ++m) {
        if (!std::isnan(scores.at(i, m))) at += (gaps[m] - mean / seen) * profiles.direction[m * rank + r];
      }
      sum[group[i] * rank + r] += at;
      squares[group[i] * rank + r] += at * at;
    }
  }
  profiles.reliability.assign(rank, 0);
  for (std::size_t r = 0; r < rank; ++r) {
    double between = 0;
    double noise = 0;
    for (std::size_t g = 0; g < profiles.groups; ++g) {
      const double n = profiles.size[g];
      if (n < 2) continue;
      const double mean = sum[g * rank + r] / n;
      between += n * mean * mean;
      noise += std::max(squares[g * rank + r] / n - mean * mean, 0.0) * n / (n - 1);
    }
    if (between > 1e-12) profiles.reliability[r] = std::clamp(1 - noise / between, 0.0, 1.0);
  }
}

// Distances 1 - r between all pairs of models.
std::vector<double> ModelDistances(std::span<const double> residual, std::size_t groups, std::size_t models,
                                   std::span<const double> size) {
  std::vector<double> product(models * models, 0);
  for (std::size_t g = 0; g < groups; ++g) {
    const double weight = size.empty() ? 1 : size[g];
    const auto row = residual.subspan(g * models, models);
    for (std::size_t a = 0; a < models; ++a) {
      for (std::size_t b = 0; b <= a; ++b) product[a * models + b] += weight * row[a] * row[b];
    }
  }
  std::vector<double> distance(models * models, 0);
  for (std::size_t a = 0; a < models; ++a) {
    for (std::size_t b = 0; b < a; ++b) {
      const double scale = std::sqrt(product[a * models + a] * product[b * models + b]);
      const double r = scale > 1e-12 ? std::clamp(product[a * models + b] / scale, -1.0, 1.0) : 0;
      distance[a * models + b] = distance[b * models + a] = 1 - r;
    }
  }
  return distance;
}

std::vector<std::uint32_t> Families(std::span<const Join> tree, std::size_t leaves, std::size_t steps) {
  std::vector<std::uint32_t> parent(leaves + steps);
  std::iota(parent.begin(), parent.end(), 0);
  for (std::size_t s = 0; s < steps; ++s) {
    parent[tree[s].left] = parent[tree[s].right] = static_cast<std::uint32_t>(leaves + s);
  }
  std::vector<std::uint32_t> number(leaves + steps, kNoGroup);
  std::vector<std::uint32_t> family(leaves);
  std::uint32_t next = 0;
  for (std::size_t m = 0; m < leaves; ++m) {
    std::size_t root = m;
    while (parent[root] != root) root = parent[root];
    if (number[root] == kNoGroup) number[root] = next++;
    family[m] = number[root];
  }
  return family;
}

}  // namespace

std::vector<double> DoubleCentred(std::span<const double> quality, std::size_t groups, std::size_t models,
                                  std::span<const double> size) {
  REQUIRE(quality.size() == groups * models && size.size() == groups, "groups x models, a size a group");
  std::vector<double> centred(quality.begin(), quality.end());
  std::vector<double> column(models, 0);
  double total = 0;
  for (std::size_t g = 0; g < groups; ++g) {
    double* row = centred.data() + g * models;
    const double mean = std::accumulate(row, row + models, 0.0) / static_cast<double>(models);
    for (std::size_t m = 0; m < models; ++m) {
      row[m] -= mean;
      column[m] += size[g] * row[m];
    }
    total += size[g];
  }
  if (!(total > 0)) return centred;
  for (std::size_t at = 0; at < centred.size(); ++at) centred[at] -= column[at % models] / total;
  return centred;
}

SkillProfiles FindSkillProfiles(const Scores& scores, std::span<const std::uint32_t> group, std::size_t groups,
                                std::span<const std::size_t> use, const ProfileOptions& options) {
  REQUIRE(scores.models > 0 && options.rank > 0, "at least one model and one direction");
  REQUIRE(options.pseudo_count > 0, "an unseen pair needs a level");
  std::vector<std::size_t> all;
  if (use.empty()) {
    all.resize(scores.items);
    std::iota(all.begin(), all.end(), 0);
    use = all;
  }
  CellOptions cells;
  cells.pseudo_count = options.pseudo_count;
  const CellTable table = ShrunkenCells(scores, group, groups, use, cells);
  SkillProfiles out;
  out.groups = groups;
  out.models = scores.models;
  out.level = table.overall;
  out.size.assign(groups, 0);
  for (const std::size_t i : use) {
    if (group[i] != kNoGroup) out.size[group[i]] += 1;
  }
  out.residual = DoubleCentred(table.quality, groups, out.models, out.size);
  out.rank = std::min(options.rank, out.models);
  const Eigen::MatrixXd directions = Directions(out, out.rank);
  out.direction.resize(out.models * out.rank);
  for (std::size_t m = 0; m < out.models; ++m) {
    for (std::size_t r = 0; r < out.rank; ++r) {
      out.direction[m * out.rank + r] = directions(static_cast<Eigen::Index>(m), static_cast<Eigen::Index>(r));
    }
  }
  out.profile.assign(groups * out.rank, 0);
  for (std::size_t g = 0; g < groups; ++g) {
    for (std::size_t m = 0; m < out.models; ++m) {
      const double value = out.residual[g * out.models + m];
      for (std::size_t r = 0; r < out.rank; ++r) {
        out.profile[g * out.rank + r] += value * out.direction[m * out.rank + r];
      }
    }
  }
  FillReliability(scores, group, use, out);
  return out;
}

std::vector<Join> ModelTree(std::span<const double> residual, std::size_t groups, std::size_t models,
                            std::span<const double> size) {
  REQUIRE(residual.size() == groups * models && models > 0, "groups x models");
  std::vector<double> distance = ModelDistances(residual, groups, models, size);
  std::vector<std::uint32_t> node(models);
  std::iota(node.begin(), node.end(), 0);
  std::vector<double> leaves(models, 1);
  std::vector<bool> alive(models, true);
  std::vector<Join> tree;
  while (tree.size() + 1 < models) {
    std::size_t left = 0;
    std::size_t right = 0;
    double best = std::numeric_limits<double>::infinity();
    for (std::size_t a = 0; a < models; ++a) {
      for (std::size_t b = a + 1; alive[a] && b < models; ++b) {
        if (!alive[b] || distance[a * models + b] >= best) continue;
        best = distance[a * models + b];
        left = a;
        right = b;
      }
    }
    for (std::size_t c = 0; c < models; ++c) {
      if (!alive[c] || c == left || c == right) continue;
      const double sum = leaves[left] * distance[left * models + c] + leaves[right] * distance[right * models + c];
      const double joined = sum / (leaves[left] + leaves[right]);
      distance[left * models + c] = distance[c * models + left] = joined;
    }
    leaves[left] += leaves[right];
    tree.push_back({node[left], node[right], best, static_cast<std::uint32_t>(leaves[left])});
    node[left] = static_cast<std::uint32_t>(models + tree.size() - 1);
    alive[right] = false;
  }
  return tree;
}

std::vector<std::uint32_t> CutTree(std::span<const Join> tree, std::size_t leaves, double distance) {
  std::size_t steps = 0;
  while (steps < tree.size() && tree[steps].distance < distance) ++steps;
  return Families(tree, leaves, steps);
}

std::vector<std::uint32_t> CutTreeTo(std::span<const Join> tree, std::size_t leaves, std::size_t families) {
  REQUIRE(families >= 1 && families <= leaves, "between one family and one a leaf");
  return Families(tree, leaves, leaves - families);
}

}  // namespace pointsman::bootstrap
