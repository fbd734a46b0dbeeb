// Which models are skilled alike: a dendrogram from their qualities by group.
//
// A group is a cluster, or any other set of queries. What counts is how a model
// deviates in a group from its own level and from the group's: two models are
// relatives when they deviate alike, however good they are.
// Pure and deterministic; any thread. Shapes: G groups, M models. A wrong shape aborts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace pointsman::policy {

// One step of a dendrogram: the two nodes joined (leaves 0..n-1, the node made by
// step s is n + s) and how far apart they were, not falling.
struct Join {
  std::uint32_t left = 0;
  std::uint32_t right = 0;
  double distance = 0;
  std::uint32_t size = 0;  // leaves below
};

// Average linkage on 1 - r, r the correlation of two models' residuals over the
// groups, weighted by group size; a model without variation is at distance 1 from
// all. M - 1 steps; ties go to the smaller numbers. `size` empty: 1 each.
// Source of the linkage: Sokal and Michener 1958.
std::vector<Join> ModelTree(std::span<const double> residual, std::size_t groups, std::size_t models,
                            std::span<const double> size);

// Family numbers (by first member) after the steps below `distance`.
std::vector<std::uint32_t> CutTree(std::span<const Join> tree, std::size_t leaves, double distance);
// After exactly `leaves - families` steps.
std::vector<std::uint32_t> CutTreeTo(std::span<const Join> tree, std::size_t leaves, std::size_t families);

// Rows are groups: takes the row mean over models, then the size-weighted column
// mean over groups, out of `quality` (G x M, finite).
std::vector<double> DoubleCentred(std::span<const double> quality, std::size_t groups, std::size_t models,
                                  std::span<const double> size);

}  // namespace pointsman::policy
