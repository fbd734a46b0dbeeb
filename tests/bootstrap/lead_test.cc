#include "bootstrap/job/lead.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "base/unit_draw.h"
#include "bootstrap/job/bundle_builder.h"
#include "bootstrap/job/row_scores.h"

namespace pointsman::bootstrap {
namespace {

TEST(Lead, LevelsAreTheModelsOwnAndThoseNearTheBestFallFurtherBehind) {
  policy::Bundle bundle;
  bundle.models = {"next", "best", "behind", "last"};
  bundle.mean_prior = {.70, .69, .66, .04};              // what the parts give: "next" would lead
  bundle.skills = {.69, .7, .64, .04, .8, .5, .9, .03};  // what the crowd gives, and one cluster
  bundle.task_quality = {.5, .4, .3, .2};
  bundle.head_bias = {.1, .2, .3, .4};
  StretchLead(bundle);
  const std::vector<double> skills = {.66, .71, .59, .04, .77, .51, .85, .03};
  const std::vector<double> tasks = {.47, .41, .25, .2};
  const std::vector<double> head = {.07, .21, .25, .4};
  for (std::size_t i = 0; i < skills.size(); ++i) EXPECT_NEAR(bundle.skills[i], skills[i], 1e-12) << i;
  for (std::size_t i = 0; i < tasks.size(); ++i) EXPECT_NEAR(bundle.task_quality[i], tasks[i], 1e-12) << i;
  for (std::size_t i = 0; i < head.size(); ++i) EXPECT_NEAR(bundle.head_bias[i], head[i], 1e-12) << i;
}

TEST(Lead, AGapGrowsToThreeTimesAtTheReachAndNotAtAllAtTheEndAndRanksStay) {
  EXPECT_EQ(FurtherBehind(0), 0);
  EXPECT_NEAR(FurtherBehind(.01), .02, 1e-12);
  EXPECT_NEAR(FurtherBehind(.02), .04, 1e-12);
  EXPECT_NEAR(FurtherBehind(.04), .04, 1e-12);
  EXPECT_NEAR(FurtherBehind(.1), .01, 1e-12);
  EXPECT_EQ(FurtherBehind(.12), 0);
  EXPECT_EQ(FurtherBehind(.9), 0);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_LT(.001 * i + FurtherBehind(.001 * i), .001 * (i + 1) + FurtherBehind(.001 * (i + 1)));
  }
}

TEST(Lead, OneModelOrEqualOnesStayWhereTheyAre) {
  policy::Bundle alone;
  alone.models = {"only"};
  alone.mean_prior = alone.skills = {.5};
  StretchLead(alone);
  EXPECT_EQ(alone.skills, std::vector<double>{.5});
  policy::Bundle equal;
  equal.models = {"a", "b"};
  equal.mean_prior = equal.skills = {.5, .5};
  StretchLead(equal);
  EXPECT_EQ(equal.skills, (std::vector<double>{.5, .5}));
}

// Nine models of letters, close to each other.
Table CloseModels() {
  SplitMix64 random(23);
  Table table;
  table.name = "close";
  for (std::size_t m = 0; m < 9; ++m) table.models.push_back("model" + std::to_string(m));
  for (std::size_t i = 0; i < 400; ++i) {
    TableRow row;
    row.query = (i % 2 == 0 ? "enzyme protein gene " : "contract court statute ") + std::to_string(random.Below(50));
    row.task = i % 2 == 0 ? "life" : "law";
    const auto truth = static_cast<char>('A' + random.Below(5));
    for (std::size_t m = 0; m < 9; ++m) {
      TableCell cell;
      cell.present = true;
      const bool right = random.Unit() < .6 + .02 * static_cast<double>(m % 4);
      cell.answer = std::string(1, right ? truth : static_cast<char>('A' + random.Below(5)));
      row.models.push_back(cell);
    }
    table.rows.push_back(row);
  }
  return table;
}

TEST(Lead, ABundleFromConsensusHasTheCrowdsLevelsWithTheLeadStretched) {
  const Table table = CloseModels();
  std::vector<std::size_t> rows(table.rows.size());
  std::vector<std::size_t> columns(table.models.size());
  std::iota(rows.begin(), rows.end(), 0);
  std::iota(columns.begin(), columns.end(), 0);
  const Scores crowd = ScoreRows(table, rows, columns, Labels::kConsensus, Consensus::kAuto).scores;
  const auto consensus = BuildBundle(table, {});
  ASSERT_TRUE(consensus.ok()) << consensus.error().message;
  std::vector<double> levels(9, 0);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t m = 0; m < levels.size(); ++m) levels[m] += crowd.at(i, m) / static_cast<double>(rows.size());
  }
  const double best = *std::max_element(levels.begin(), levels.end());
  for (std::size_t m = 0; m < levels.size(); ++m) {
    const double expected = levels[m] - FurtherBehind(best - levels[m]);
    EXPECT_NEAR(consensus->mean_prior[m], expected, .002) << "the mean of what is routed with, model " << m;
  }
}

}  // namespace
}  // namespace pointsman::bootstrap
