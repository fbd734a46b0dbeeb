#include "policy/judgement/model_tree.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/contract.h"

namespace pointsman::policy {
namespace {

constexpr std::uint32_t kNoNumber = std::numeric_limits<std::uint32_t>::max();

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
  std::vector<std::uint32_t> number(leaves + steps, kNoNumber);
  std::vector<std::uint32_t> family(leaves);
  std::uint32_t next = 0;
  for (std::size_t m = 0; m < leaves; ++m) {
    std::size_t root = m;
    while (parent[root] != root) root = parent[root];
    if (number[root] == kNoNumber) number[root] = next++;
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

}  // namespace pointsman::policy
