#include "bootstrap/fit/skill_profile.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
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
  std::vector<double> weight_squares(profiles.groups, 0);
  std::vector<double> gaps(profiles.models);
  for (const std::size_t i : use) {
    if (group[i] == kNoGroup) continue;
    const double weight = scores.weight_of(i);
    weight_squares[group[i]] += weight * weight;
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
      sum[group[i] * rank + r] += weight * at;
      squares[group[i] * rank + r] += weight * at * at;
    }
  }
  profiles.reliability.assign(rank, 0);
  for (std::size_t r = 0; r < rank; ++r) {
    double between = 0;
    double noise = 0;
    for (std::size_t g = 0; g < profiles.groups; ++g) {
      const double size = profiles.size[g];
      const double n = size * size / std::max(weight_squares[g], 1e-300);  // items of equal weight
      if (n < 2) continue;
      const double mean = sum[g * rank + r] / size;
      between += size * mean * mean;
      noise += std::max(squares[g * rank + r] / size - mean * mean, 0.0) * size / (n - 1);
    }
    if (between > 1e-12) profiles.reliability[r] = std::clamp(1 - noise / between, 0.0, 1.0);
  }
}

}  // namespace

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
    if (group[i] != kNoGroup) out.size[group[i]] += scores.weight_of(i);
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

}  // namespace pointsman::bootstrap
