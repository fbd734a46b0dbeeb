#include "bootstrap/fit/cells.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/contract.h"
#include "bootstrap/fit/skill_profile.h"

namespace pointsman::bootstrap {
namespace {

std::vector<double> OverallMeans(const Scores& scores, std::span<const std::size_t> use, bool weighted) {
  std::vector<double> sum(scores.models, 0);
  std::vector<double> count(scores.models, 0);
  for (const std::size_t i : use) {
    const double weight = weighted ? scores.weight_of(i) : 1;
    for (std::size_t m = 0; m < scores.models; ++m) {
      if (std::isnan(scores.at(i, m))) continue;
      sum[m] += weight * scores.at(i, m);
      count[m] += weight;
    }
  }
  const double all = std::accumulate(count.begin(), count.end(), 0.0);
  const double mean = all > 0 ? std::accumulate(sum.begin(), sum.end(), 0.0) / all : 0.5;
  for (std::size_t m = 0; m < scores.models; ++m) sum[m] = count[m] > 0 ? sum[m] / count[m] : mean;
  return sum;
}

// Replaces how the models rank in each group by what the skill directions say.
void SmoothRankings(const Scores& scores, std::span<const std::uint32_t> group, std::span<const std::size_t> use,
                    const CellOptions& options, CellTable& table) {
  ProfileOptions profile;
  profile.rank = options.skill_rank;
  const SkillProfiles skills = FindSkillProfiles(scores, group, table.groups, use, profile);
  const std::size_t models = scores.models;
  for (std::size_t k = 0; k < table.groups; ++k) {
    double* row = table.quality.data() + k * models;
    double level = 0;
    for (std::size_t m = 0; m < models; ++m) level += (row[m] - table.overall[m]) / static_cast<double>(models);
    for (std::size_t m = 0; m < models; ++m) {
      double skill = 0;
      for (std::size_t r = 0; r < skills.rank; ++r) {
        skill += skills.reliability[r] * skills.profile[k * skills.rank + r] * skills.direction[m * skills.rank + r];
      }
      row[m] = std::clamp(table.overall[m] + level + options.trust * skill, 0.0, 1.0);
    }
  }
}

}  // namespace

CellTable ShrunkenCells(const Scores& scores, std::span<const std::uint32_t> group, std::size_t groups,
                        std::span<const std::size_t> use, const CellOptions& options) {
  REQUIRE(group.size() == scores.items, "one group per item");
  REQUIRE(scores.weight.empty() || scores.weight.size() == scores.items, "one weight per item");
  std::vector<std::size_t> all;
  if (use.empty()) {
    all.resize(scores.items);
    std::iota(all.begin(), all.end(), 0);
    use = all;
  }
  CellTable table;
  table.groups = groups;
  table.overall = OverallMeans(scores, use, false);
  // What the groups are compared with: of weighted items the weighted means.
  const std::vector<double> level = scores.weight.empty() ? table.overall : OverallMeans(scores, use, true);
  std::vector<double> sum(groups * scores.models, 0);
  std::vector<double> count(groups * scores.models, 0);
  std::vector<double> items(groups, 0);
  std::vector<double> surplus(groups, 0);  // sum over items of the mean of s - g over who answered
  for (const std::size_t i : use) {
    if (group[i] == kNoGroup) continue;
    REQUIRE(group[i] < groups, "group number");
    const double weight = scores.weight_of(i);
    double gap = 0;
    double answered = 0;
    for (std::size_t m = 0; m < scores.models; ++m) {
      const double score = scores.at(i, m);
      if (std::isnan(score)) continue;
      sum[group[i] * scores.models + m] += weight * score;
      count[group[i] * scores.models + m] += weight;
      gap += score - level[m];
      answered += 1;
    }
    if (answered > 0) surplus[group[i]] += weight * gap / answered;
    items[group[i]] += weight;
  }
  const double n0 = options.pseudo_count;
  table.quality.resize(groups * scores.models);
  for (std::size_t k = 0; k < groups; ++k) {
    const double eta = surplus[k] / (items[k] + n0 / 4);
    for (std::size_t m = 0; m < scores.models; ++m) {
      const std::size_t at = k * scores.models + m;
      const double mean = (sum[at] + n0 * (level[m] + eta)) / (count[at] + n0);
      table.quality[at] = std::clamp(scores.weight.empty() ? mean : mean - level[m] + table.overall[m], 0.0, 1.0);
    }
  }
  if (options.skill_rank > 0 && groups > 1) SmoothRankings(scores, group, use, options, table);
  return table;
}

}  // namespace pointsman::bootstrap
