#include "admin/model_profiles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "admin/cli/model_render.h"
#include "tests/admin/fake_ports.h"

namespace pointsman::admin {
namespace {

using ::testing::ElementsAre;

// Clusters 1 to 4 besides the background; qualities of a, alpha, b, c. a and b are good
// at 1 and 2, alpha at 3 and, by a hair not the best, at 4.
std::vector<ClusterDetail> Planted() {
  const std::vector<std::vector<double>> quality = {{0.5, 0.5, 0.5, 0.5},
                                                    {0.9, 0.3, 0.8, 0.5},
                                                    {0.8, 0.3, 0.7, 0.5},
                                                    {0.2, 0.8, 0.1, 0.5},
                                                    {0.96, 0.95, 0.1, 0.3}};
  const std::vector<std::string> names = {"a", "alpha", "b", "c"};
  std::vector<ClusterDetail> clusters;
  for (std::uint32_t k = 0; k < quality.size(); ++k) {
    ClusterDetail detail;
    detail.summary.number = k;
    detail.summary.name = k == 0 ? "background" : "words of " + std::to_string(k);
    detail.summary.size = 10 + k;
    for (std::size_t m = 0; m < names.size(); ++m) {
      CellReport cell;
      cell.model = names[m];
      cell.quality = quality[k][m];
      cell.gold_weight = k;
      cell.conflict = k == 3;
      detail.cells.push_back(cell);
    }
    clusters.push_back(detail);
  }
  return clusters;
}

TEST(ModelTree, RelativesStandTogetherAndNoBranchesCross) {
  FakePorts ports;
  ports.planted = Planted();
  ports.planted[4].cells[0].quality = 0.1;  // now a and b deviate alike everywhere
  const auto tree = MakeModelTree(ports);
  ASSERT_TRUE(tree.ok()) << tree.error().message;
  EXPECT_EQ(tree->clusters, 4U);
  ASSERT_EQ(tree->leaves.size(), 4U);
  ASSERT_EQ(tree->joins.size(), 3U);
  EXPECT_EQ(tree->leaves[0].model, "a");
  EXPECT_EQ(tree->leaves[1].model, "b");
  EXPECT_EQ(tree->leaves[0].family, tree->leaves[1].family);
  EXPECT_NE(tree->leaves[1].family, tree->leaves[2].family);
  EXPECT_EQ(tree->joins[0].left, 0U);
  EXPECT_EQ(tree->joins[0].right, 1U);
  EXPECT_LT(tree->joins[0].distance, 0.1);
  EXPECT_EQ(tree->joins[2].size, 4U);
}

TEST(ModelTree, WithoutClustersItIsEmpty) {
  FakePorts ports;
  ports.planted = {Planted()[0]};
  const auto tree = MakeModelTree(ports);
  ASSERT_TRUE(tree.ok());
  EXPECT_EQ(tree->clusters, 0U);
  EXPECT_TRUE(tree->leaves.empty());
  const auto profile = MakeModelProfile(ports, "alpha");
  ASSERT_TRUE(profile.ok());
  EXPECT_TRUE(profile->niches.empty());
}

TEST(ModelProfile, NichesAreWhereItIsTheBestAndThenWhereItIsWellAboveItsLevel) {
  FakePorts ports;
  ports.planted = Planted();
  const auto profile = MakeModelProfile(ports, "alpha");
  ASSERT_TRUE(profile.ok()) << profile.error().message;
  EXPECT_EQ(profile->clusters, 4U);
  EXPECT_EQ(profile->best_in, 1U);
  EXPECT_NEAR(profile->mean_quality, (11 * 0.3 + 12 * 0.3 + 13 * 0.8 + 14 * 0.95) / 50, 1e-12);
  ASSERT_EQ(profile->niches.size(), 2U);
  const NicheReport& best = profile->niches[0];
  EXPECT_EQ(best.cluster, 3U);
  EXPECT_EQ(best.terms, "words of 3");
  EXPECT_EQ(best.rank, 1U);
  EXPECT_NEAR(best.lead, 0.3, 1e-12);
  EXPECT_EQ(best.gold_weight, 3);
  EXPECT_TRUE(best.conflict);
  EXPECT_EQ(profile->niches[1].cluster, 4U);
  EXPECT_EQ(profile->niches[1].rank, 2U);
  EXPECT_NEAR(profile->niches[1].lead, -0.01, 1e-12);
}

TEST(ModelProfile, AnUnknownAndARetiredModelAreNamedAndAChangeInBetweenIsNoMixture) {
  FakePorts ports;
  ports.planted = Planted();
  const auto unknown = MakeModelProfile(ports, "no\nbody");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().reason, "unknown_model");
  EXPECT_EQ(unknown.error().message.find('\n'), std::string::npos);
  ports.planted[2].cells.pop_back();
  EXPECT_EQ(MakeModelProfile(ports, "alpha").error().reason, "generation_changed");
  EXPECT_EQ(MakeModelTree(ports).error().code, Code::kUnavailable);
  ports.model_state = "retired";
  EXPECT_EQ(MakeModelProfile(ports, "alpha").error().reason, "model_retired");
}

TEST(DrawTree, BranchesMeetFurtherRightTheFurtherApartTheyAre) {
  EXPECT_THAT(cli::DrawTree(3, {{0, 1, 0.5}, {3, 2, 1.0}}, 8), ElementsAre("----+---+", "----+   |", "--------+"));
  EXPECT_THAT(cli::DrawTree(1, {}, 8), ElementsAre(""));
  EXPECT_THAT(cli::DrawTree(2, {{0, 7, 1.0}}, 8), ElementsAre("", "")) << "a join with a node that is not there";
}

}  // namespace
}  // namespace pointsman::admin
