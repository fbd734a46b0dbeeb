// Skill profiles: how the models rank in a group of queries, apart from how good
// they are overall and how hard the group is.
//
// Source: spec cascal_meta_router D.4. Residuals of shrunken group means, double
// centred, in the directions in which the groups differ most; few directions
// borrow strength across models and fill what was not seen.
// Pure and deterministic; one thread. Shapes: G groups, M models, R <= min(rank, M).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bootstrap/fit/cells.h"

namespace pointsman::bootstrap {

struct ProfileOptions {
  std::size_t rank = 16;
  double pseudo_count = 5;  // answers at the model's mean level that each (group, model) is given
};

struct SkillProfiles {
  std::size_t groups = 0;
  std::size_t models = 0;
  std::size_t rank = 0;
  std::vector<double> level;      // M: mean score over all items
  std::vector<double> residual;   // G x M, rows and (by size) columns centred
  std::vector<double> direction;  // M x R, orthonormal columns, largest first
  std::vector<double> profile;    // G x R: residual . direction
  // R: share of the spread of the groups along a direction that is not sampling noise, [0,1].
  std::vector<double> reliability;
  std::vector<double> size;       // G: items
};

// group[i] in [0, groups) or kNoGroup; `use` selects items (empty: all). Missing
// scores (NaN) count as unseen. REQUIREs at least one model.
SkillProfiles FindSkillProfiles(const Scores& scores, std::span<const std::uint32_t> group, std::size_t groups,
                                std::span<const std::size_t> use, const ProfileOptions& options);

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

}  // namespace pointsman::bootstrap
