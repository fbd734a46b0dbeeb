// What all models share in a cluster: part of how far a quality may be off, and of no choice.
#include <gtest/gtest.h>

#include <cmath>

#include "policy/belief/leaf.h"
#include "tests/policy/belief/harness.h"

namespace pointsman::policy {
namespace {

constexpr double kCommon = .15;
constexpr double kShared = .06;  // online_learner 4b

// Two models that a bundle of `common` knows; `right` of ten answers of A in cluster 1 were.
std::shared_ptr<const Snapshot> Seen(double common, double gold, int labels) {
  Harness world;
  Bundle bundle = PlainBundle(2, {{"A", .6}, {"B", .5}});
  bundle.widths = {.model = .04, .trust = .1, .cell = .04, .source = .2, .source_model = .15, .source_cell = .05};
  bundle.widths.common = common;
  bundle.cluster_sizes = {20, 4, 16};  // a fifth of the traffic, and the rest
  world.AddBundle(bundle);
  world.AddModel("A");
  world.AddModel("B");
  world.Activate(1, 1);
  for (int i = 1; i <= labels; ++i) {
    world.Decide(static_cast<std::uint32_t>(i), 1, {{1, 1}}, .6);
    world.Report(static_cast<std::uint32_t>(i), 0, gold);
  }
  return world.Publish();
}

TEST(SharedCell, OfClustersWithoutEvidenceCountsInFull) {
  const Estimate one = Read(*Seen(kCommon, 0, 0), "A", {{1, 1}}, .6);
  EXPECT_NEAR(one.shared, kShared * kShared * (.8 * .8), 1e-15) << "beyond its part of all traffic";
  EXPECT_NEAR(one.Deviation(), std::sqrt(one.variance + one.shared), 1e-15);
  const Estimate two = Read(*Seen(kCommon, 0, 0), "A", {{0, .1}, {1, .6}, {2, .3}}, .6);
  EXPECT_NEAR(two.shared, kShared * kShared * (.4 * .4 + .5 * .5), 1e-15) << "clusters are off on their own";
}

TEST(SharedCell, OverAllTrafficAndInTheBackgroundThereIsNone) {
  EXPECT_NEAR(Read(*Seen(kCommon, 0, 0), "A", {{1, .2}, {2, .8}}, .6).shared, 0, 1e-15) << "that is the level's";
  EXPECT_EQ(Read(*Seen(kCommon, 0, 0), "A", {{0, 1}}, .6).shared, 0) << "no kind of query";
}

TEST(SharedCell, IsThereWhereTheBundleAllowsACommonShiftOnly) {
  const Estimate estimate = Read(*Seen(0, 0, 0), "A", {{1, 1}}, .6);
  EXPECT_EQ(estimate.shared, 0);
  EXPECT_EQ(estimate.Deviation(), std::sqrt(estimate.variance));
}

// What is the same for all models in a cluster moves the answers in it alike; what the
// cell makes of that is told, and the rest is what the estimate is still off by.
TEST(SharedCell, WhatTheCellHasHeardOfItIsNoDoubtAnyMore) {
  constexpr double kMoved = .25;
  const auto low = Seen(kCommon, .5, 40);
  const auto high = Seen(kCommon, .5 + kMoved, 40);
  const CellReadout* cell = low->clusters[1]->Find(ModelId{1});
  const CellReadout* moved = high->clusters[1]->Find(ModelId{1});
  ASSERT_NE(cell, nullptr);
  ASSERT_NE(moved, nullptr);
  const double untold = 1 - (moved->shift - cell->shift) / kMoved;
  ASSERT_GT(untold, .1);
  ASSERT_LT(untold, .9);
  EXPECT_NEAR(Read(*low, "A", {{1, 1}}, .6).shared, kShared * kShared * (untold - .2) * (untold - .2), 1e-12);
  EXPECT_NEAR(Read(*low, "B", {{1, 1}}, .5).shared, kShared * kShared * (.8 * .8), 1e-15) << "nor is the other model's";
}

}  // namespace
}  // namespace pointsman::policy
