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
#include "policy/judgement/model_tree.h"

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
  std::vector<double> size;  // G: items, by their weight
};

// group[i] in [0, groups) or kNoGroup; `use` selects items (empty: all). Missing
// scores (NaN) count as unseen. REQUIREs at least one model.
SkillProfiles FindSkillProfiles(const Scores& scores, std::span<const std::uint32_t> group, std::size_t groups,
                                std::span<const std::size_t> use, const ProfileOptions& options);

// The tree of models and what it is made of are policy's, which serves it.
using policy::CutTree;
using policy::CutTreeTo;
using policy::DoubleCentred;
using policy::Join;
using policy::ModelTree;

}  // namespace pointsman::bootstrap
