// Cells: the expected quality of each model in each group of queries, shrunk.
//
// Source: spec consensus_prior, "Cells"; spec cascal_meta_router D.4 for the skill
// directions. Groups are clusters or task types.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace pointsman::bootstrap {

// Scores of a table: items x models in [0,1], NaN where a model has no answer.
struct Scores {
  std::size_t items = 0;
  std::size_t models = 0;
  std::vector<double> value;
  // How much each item tells about its group, in (0,1]; empty: 1 each. The levels of
  // the models are means over all items alike.
  std::vector<double> weight = {};
  double at(std::size_t item, std::size_t model) const { return value[item * models + model]; }
  double weight_of(std::size_t item) const { return weight.empty() ? 1 : weight[item]; }
};

struct CellOptions {
  double pseudo_count = 20;  // n0: 20 for consensus scores, 10 for labels
  // Above 0: how models rank within a group is taken from so many skill directions
  // (skill_profile.h), each as far as it stands out from sampling noise, times
  // `trust`. 0: each model on its own, by the pseudo-count alone.
  std::size_t skill_rank = 0;
  double trust = 1;  // [0,1]: share of a ranking that is believed however many rows speak for it
};

inline constexpr std::size_t kSkillRank = 16;
// For scores that a crowd gave itself, where nothing else corrects them (a bundle's
// prior blend does): models that err together look good together, and more rows do
// not cure that.
inline constexpr double kConsensusTrust = 0.5;

inline constexpr std::uint32_t kNoGroup = 0xFFFFFFFF;

struct CellTable {
  std::size_t groups = 0;
  std::vector<double> overall;  // models: g_m; the mean of the others where a model has no score
  std::vector<double> quality;  // groups x models: S_km in [0,1]
};

// group[i] in [0, groups) or kNoGroup (such items count in `overall` only);
// `use` selects items (empty: all).
//   S = (sum s + n0 (g_m + eta_k)) / (n + n0), eta_k = sum (s - g) / M / (n_k + n0/4)
// and with skill directions, h_k the mean over the models of S_km - g_m:
//   S = g_m + h_k + trust * sum_r reliability_r profile_kr direction_mr
CellTable ShrunkenCells(const Scores& scores, std::span<const std::uint32_t> group, std::size_t groups,
                        std::span<const std::size_t> use, const CellOptions& options);

}  // namespace pointsman::bootstrap
