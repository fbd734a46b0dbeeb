#include "admin/model_profiles.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "base/log.h"

namespace pointsman::admin {
namespace {

// Clusters from 1 on as a matrix, clusters x models.
struct Grid {
  std::vector<std::string> models;  // by name
  std::vector<ClusterDetail> clusters;
  std::vector<double> quality;
  std::vector<double> size;
  std::vector<double> skill;
};

Error Changed() {
  return MakeError(Code::kUnavailable, "generation_changed",
                   "clusters or models changed while they were read; ask again");
}

Result<Grid> ReadGrid(const Ports& ports) {
  Grid grid;
  for (const ClusterReport& cluster : ports.Clusters()) {
    if (cluster.number == 0) continue;
    Result<ClusterDetail> detail = ports.Cluster(cluster.number);
    if (!detail.ok() || detail->summary.name != cluster.name) return Changed();
    grid.clusters.push_back(std::move(detail).value());
  }
  if (grid.clusters.empty()) return grid;
  for (const CellReport& cell : grid.clusters.front().cells) grid.models.push_back(cell.model);
  std::sort(grid.models.begin(), grid.models.end());
  for (const ClusterDetail& cluster : grid.clusters) {
    std::map<std::string, double> known;
    for (const CellReport& cell : cluster.cells) known.emplace(cell.model, cell.quality);
    if (known.size() != grid.models.size()) return Changed();
    for (const std::string& model : grid.models) {
      const auto found = known.find(model);
      if (found == known.end() || !std::isfinite(found->second)) return Changed();
      grid.quality.push_back(found->second);
    }
    grid.size.push_back(static_cast<double>(cluster.summary.size));
  }
  // A bundle that does not tell its clusters' sizes has them count alike.
  if (std::all_of(grid.size.begin(), grid.size.end(), [](double size) { return size <= 0; })) {
    std::fill(grid.size.begin(), grid.size.end(), 1.0);
  }
  if (!grid.models.empty()) {
    grid.skill = policy::DoubleCentred(grid.quality, grid.clusters.size(), grid.models.size(), grid.size);
  }
  return grid;
}

// Leaves from left to right.
std::vector<std::uint32_t> LeafOrder(const std::vector<policy::Join>& joins, std::size_t leaves) {
  std::vector<std::uint32_t> order;
  std::vector<std::uint32_t> open = {static_cast<std::uint32_t>(leaves + joins.size() - 1)};
  while (!open.empty()) {
    const std::uint32_t node = open.back();
    open.pop_back();
    if (node < leaves) {
      order.push_back(node);
      continue;
    }
    const policy::Join& join = joins[node - leaves];
    open.push_back(join.right);
    open.push_back(join.left);
  }
  return order;
}

NicheReport NicheOf(const ClusterDetail& cluster, const CellReport& cell, double skill) {
  NicheReport niche;
  niche.cluster = cluster.summary.number;
  niche.terms = cluster.summary.name;
  niche.size = cluster.summary.size;
  niche.quality = cell.quality;
  niche.quality_deviation = cell.quality_deviation;
  niche.skill = skill;
  niche.gold_weight = cell.gold_weight;
  niche.rating_weight = cell.rating_weight;
  niche.conflict = cell.conflict;
  double other = -std::numeric_limits<double>::infinity();
  for (const CellReport& rival : cluster.cells) {
    if (rival.model == cell.model) continue;
    other = std::max(other, rival.quality);
    niche.rank += rival.quality > cell.quality ? 1 : 0;
  }
  niche.lead = std::isfinite(other) ? cell.quality - other : 0;
  return niche;
}

}  // namespace

Result<ModelTreeReport> MakeModelTree(const Ports& ports) {
  const Result<Grid> grid = ReadGrid(ports);
  if (!grid.ok()) return grid.error();
  ModelTreeReport report;
  report.clusters = static_cast<std::uint32_t>(grid->clusters.size());
  const std::size_t models = grid->models.size();
  if (models == 0) return report;
  report.joins = policy::ModelTree(grid->skill, grid->clusters.size(), models, grid->size);
  const std::vector<std::uint32_t> order = LeafOrder(report.joins, models);
  const std::vector<std::uint32_t> family = policy::CutTree(report.joins, models, kFamilyDistance);
  std::vector<std::uint32_t> place(models);
  std::map<std::uint32_t, std::uint32_t> numbers;
  for (std::size_t at = 0; at < models; ++at) {
    place[order[at]] = static_cast<std::uint32_t>(at);
    const auto number = numbers.try_emplace(family[order[at]], static_cast<std::uint32_t>(numbers.size()) + 1).first;
    report.leaves.push_back({grid->models[order[at]], number->second});
  }
  for (policy::Join& join : report.joins) {
    if (join.left < models) join.left = place[join.left];
    if (join.right < models) join.right = place[join.right];
  }
  return report;
}

Result<ModelProfile> MakeModelProfile(const Ports& ports, const std::string& name) {
  const std::vector<ModelReport> pool = ports.Models();
  // Ascending epochs: the last of that name is the one in force.
  const auto model = std::find_if(pool.rbegin(), pool.rend(), [&](const auto& one) { return one.name == name; });
  if (model == pool.rend()) {
    return MakeError(Code::kNotFound, "unknown_model",
                     "no model '" + log::Escape(name) + "' in the pool; `pointsman models list` has the names");
  }
  if (model->state == "retired") {
    return MakeError(Code::kFailedPrecondition, "model_retired",
                     "model '" + log::Escape(name) + "' is retired and has no cells any more");
  }
  const Result<Grid> grid = ReadGrid(ports);
  if (!grid.ok()) return grid.error();
  ModelProfile profile;
  profile.model = *model;
  profile.clusters = static_cast<std::uint32_t>(grid->clusters.size());
  if (grid->clusters.empty()) return profile;
  const auto found = std::find(grid->models.begin(), grid->models.end(), name);
  if (found == grid->models.end()) return Changed();
  const auto column = static_cast<std::size_t>(found - grid->models.begin());
  const std::size_t models = grid->models.size();
  double squares = 0;
  for (const double skill : grid->skill) squares += skill * skill;
  const double enough = std::max(kNicheSkill, std::sqrt(squares / static_cast<double>(grid->skill.size())));
  double sizes = 0;
  for (std::size_t k = 0; k < grid->clusters.size(); ++k) {
    const ClusterDetail& cluster = grid->clusters[k];
    const auto cell = std::find_if(cluster.cells.begin(), cluster.cells.end(),
                                   [&](const CellReport& one) { return one.model == name; });
    if (cell == cluster.cells.end()) return Changed();
    const NicheReport niche = NicheOf(cluster, *cell, grid->skill[k * models + column]);
    profile.mean_quality += grid->size[k] * cell->quality;
    sizes += grid->size[k];
    profile.best_in += niche.rank == 1 ? 1 : 0;
    if (niche.rank == 1 || niche.skill >= enough) profile.niches.push_back(niche);
  }
  profile.mean_quality /= sizes;
  std::stable_sort(profile.niches.begin(), profile.niches.end(), [](const NicheReport& a, const NicheReport& b) {
    if ((a.rank == 1) != (b.rank == 1)) return a.rank == 1;
    return a.skill > b.skill;
  });
  return profile;
}

}  // namespace pointsman::admin
