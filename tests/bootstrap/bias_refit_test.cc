// The sequential re-fit of a source's bias: what it finds, and what it refuses.
#include "bootstrap/fit/bias_refit.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/unit_draw.h"
#include "bootstrap/fit/forest.h"

namespace pointsman::bootstrap {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kClusters = 8;

struct WorldOptions {
  std::uint64_t seed = 1;
  std::size_t rows = 4000;
  double gold = .05;
  bool paired = true;
  double selection = 1;  // how much likelier gold is where the rating is 0
  double prior_off = 0;  // of the prior, in the odd clusters
};

// Raters take .25 away in the even clusters. Quality differs by model and cluster.
std::vector<RefitRow> MakeRows(const WorldOptions& options) {
  SplitMix64 random(options.seed);
  std::vector<RefitRow> rows;
  for (std::size_t i = 0; i < options.rows; ++i) {
    const auto model = static_cast<std::uint32_t>(random.Below(4));
    const auto cluster = static_cast<std::uint32_t>(1 + random.Below(kClusters));
    const double quality = .45 + .05 * model + .02 * cluster;
    const double said = quality - (cluster % 2 == 0 ? .25 : 0);
    RefitRow row;
    row.model = ModelId{model + 1};
    row.clusters.push_back({ClusterId{cluster}, 1});
    row.prior = quality + (cluster % 2 == 1 ? options.prior_off : 0);
    const double u = random.Unit();
    row.gold = u < quality ? 1 : 0;
    row.rating = u < said ? 1 : 0;
    row.gold_probability = options.gold * (row.rating == 0 ? options.selection : 1);
    row.unit = i;
    const bool audited = random.Unit() < row.gold_probability;
    if (!audited) row.gold = kNone;
    if (audited && !options.paired) row.rating = kNone;
    rows.push_back(row);
  }
  return rows;
}

double Gap(const Refit& refit) {  // of the odd clusters over the even ones
  double gap = 0;
  for (std::size_t k = 1; k <= kClusters; ++k) gap += (k % 2 == 1 ? 2 : -2) * refit.clusters[k] / kClusters;
  return gap;
}

class Learners : public ::testing::TestWithParam<std::tuple<MetaLearner, BaseLearner, bool>> {
 protected:
  RefitOptions options() const {
    RefitOptions options;
    options.learner = std::get<0>(GetParam());
    options.base = std::get<1>(GetParam());
    return options;
  }
};

TEST_P(Learners, FindWhereRatersTakeSomethingAway) {
  WorldOptions world;
  world.paired = std::get<2>(GetParam());
  const auto refit = FitBias(MakeRows(world), kClusters, options());
  ASSERT_TRUE(refit.ok()) << refit.error().message;
  EXPECT_NEAR(Gap(*refit), .25, .07);
  EXPECT_EQ(refit->paired > 0, world.paired);
  EXPECT_GT(refit->error, 0);
  EXPECT_LT(refit->error, .1);
}

INSTANTIATE_TEST_SUITE_P(BiasRefit, Learners,
                         ::testing::Combine(::testing::Values(MetaLearner::kR, MetaLearner::kDr),
                                            ::testing::Values(BaseLearner::kRidge, BaseLearner::kForest),
                                            ::testing::Bool()));

// Gold on half of the rows of rating 0 and a twentieth of the others would make gold look
// bad; the logged probabilities undo that.
TEST(BiasRefit, SelectionOfGoldOnTheRatingIsUndoneByTheLoggedProbabilities) {
  double mean = 0;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const auto refit = FitBias(MakeRows({.seed = seed, .selection = 4}), kClusters, {});
    ASSERT_TRUE(refit.ok());
    for (std::size_t k = 1; k <= kClusters; ++k) mean += refit->clusters[k] / kClusters / 5;
  }
  EXPECT_NEAR(mean, -.125, .05);
}

TEST(BiasRefit, GoldCorrectsAPriorThatIsOff) {
  const auto few = FitBias(MakeRows({.gold = .005, .prior_off = .2}), kClusters, {});
  const auto many = FitBias(MakeRows({.gold = .5, .prior_off = .2}), kClusters, {});
  ASSERT_TRUE(few.ok() && many.ok());
  EXPECT_LT(std::abs(Gap(*many) - .25), std::abs(Gap(*few) - .25));
  EXPECT_NEAR(Gap(*many), .25, .06);
}

TEST(BiasRefit, WithoutGoldItRestsOnThePrior) {
  const auto refit = FitBias(MakeRows({.gold = 0}), kClusters, {});
  ASSERT_TRUE(refit.ok());
  EXPECT_EQ(refit->gold, 0U);
  EXPECT_NEAR(Gap(*refit), .25, .06);
}

TEST(BiasRefit, OneModelConstantRatingsAndCertainGoldAreTakenAsTheyAre) {
  std::vector<RefitRow> rows = MakeRows({});
  for (RefitRow& row : rows) row.model = ModelId{1};
  EXPECT_TRUE(FitBias(rows, kClusters, {}).ok());
  for (RefitRow& row : rows) row.rating = 1;
  const auto constant = FitBias(rows, kClusters, {});
  ASSERT_TRUE(constant.ok());
  for (const double bias : constant->clusters) EXPECT_TRUE(bias > 0 && bias <= 1) << bias;
  // Asked for with certainty, or although the log says that it never was: both stand for themselves.
  for (const double probability : {1.0, 0.0}) {
    std::vector<RefitRow> certain = MakeRows({});
    for (RefitRow& row : certain) row.gold_probability = probability;
    const auto refit = FitBias(certain, kClusters, {});
    ASSERT_TRUE(refit.ok()) << probability;
    EXPECT_NEAR(Gap(*refit), .25, .12) << probability;
  }
}

TEST(BiasRefit, RefusesLogsThatSayNothing) {
  const auto reason = [](std::vector<RefitRow> rows) {
    const auto refit = FitBias(rows, kClusters, {});
    return refit.ok() ? std::string("ok") : refit.error().reason;
  };
  EXPECT_EQ(reason({}), "empty_log");
  EXPECT_EQ(reason(MakeRows({.rows = 40})), "too_few_ratings");
  std::vector<RefitRow> rows = MakeRows({.gold = .5});
  for (RefitRow& row : rows) row.rating = kNone;
  EXPECT_EQ(reason(rows), "no_ratings");
  rows = MakeRows({});
  rows[3].gold_probability = 2;
  EXPECT_EQ(reason(rows), "bad_log");
  rows = MakeRows({});
  rows[3].prior = kNone;
  EXPECT_EQ(reason(rows), "bad_log");
  rows = MakeRows({});
  rows[3].clusters[0].cluster = ClusterId{kClusters + 1};
  EXPECT_EQ(reason(rows), "bad_log");
}

TEST(BiasRefit, TheSameRowsGiveTheSameSurface) {
  RefitOptions options;
  options.base = BaseLearner::kForest;
  const auto rows = MakeRows({.rows = 800});
  EXPECT_EQ(FitBias(rows, kClusters, options)->clusters, FitBias(rows, kClusters, options)->clusters);
}

TEST(BiasRefit, AScheduleWaitsUntilReportsHaveGrownByAHalf) {
  EXPECT_FALSE(RefitIsDue(1000, 0, 0));
  EXPECT_FALSE(RefitIsDue(499, 0, 500));
  EXPECT_TRUE(RefitIsDue(500, 0, 500));
  EXPECT_FALSE(RefitIsDue(2900, 2000, 500));
  EXPECT_TRUE(RefitIsDue(3000, 2000, 500));
}

TEST(Forest, LearnsAStepThatNoPlaneCanAndIsTheSameEveryTime) {
  SplitMix64 random(5);
  std::vector<float> features;
  std::vector<double> target;
  for (int i = 0; i < 600; ++i) {
    const double a = random.Unit();
    const double b = random.Unit();
    features.insert(features.end(), {static_cast<float>(a), static_cast<float>(b), static_cast<float>(random.Unit())});
    target.push_back((a > .5) != (b > .5) ? 1 : 0);
  }
  const std::vector<double> weight(target.size(), 1);
  const Rows rows(features, 3);
  const Forest forest(rows, target, weight, {});
  const Forest again(rows, target, weight, {});
  EXPECT_GT(forest.At(std::vector<float>{.25F, .75F, .5F}), .8);
  EXPECT_LT(forest.At(std::vector<float>{.25F, .25F, .5F}), .2);
  EXPECT_EQ(forest.At(std::vector<float>{.6F, .1F, .5F}), again.At(std::vector<float>{.6F, .1F, .5F}));
  EXPECT_EQ(Forest(rows, target, std::vector<double>(target.size(), 0), {}).At(rows.row(0)), 0);
}

}  // namespace
}  // namespace pointsman::bootstrap
