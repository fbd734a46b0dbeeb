#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/unit_draw.h"
#include "bootstrap/fit/cascal.h"
#include "bootstrap/fit/cascal_route.h"
#include "bootstrap/fit/kmeans.h"

namespace pointsman::bootstrap {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

using Letters = std::vector<std::int16_t>;

TEST(Strong, TheMajorityIsStrongWithItsShareAsWeight) {
  const StrongVote vote = FindStrong(Letters{0, 0, 0, 0, 1, kNoVote}, {});
  EXPECT_NEAR(vote.weight, 4.0 / 6, 1e-12);
  EXPECT_THAT(vote.strong, ElementsAre(true, true, true, true, false, false));
}

TEST(Strong, WeakConsensusIsSkippedOnlyInWeightedMode) {
  const Letters letters = {0, 0, 1, 2, 3, 4};
  EXPECT_EQ(FindStrong(letters, {}).weight, 0);
  CascalOptions unweighted;
  unweighted.weighted = false;
  EXPECT_EQ(FindStrong(letters, unweighted).weight, 1);
}

TEST(Strong, TiesAreSkippedUnlessTheOldCountingIsAskedFor) {
  CascalOptions compatible;
  compatible.ties_count_all = true;
  for (const Letters& tie : {Letters{0, 0, 0, 1, 1, 1}, Letters{0, 0, 1, 1, 2, 2}, Letters{0, 1, 2, 3, 4, 5}}) {
    EXPECT_EQ(FindStrong(tie, {}).weight, 0);
    const StrongVote inflated = FindStrong(tie, compatible);
    EXPECT_EQ(inflated.weight, 1);
    EXPECT_THAT(inflated.strong, ::testing::Each(true));
  }
}

TEST(Strong, NobodyIsStrongWithoutAReadableAnswer) { EXPECT_EQ(FindStrong(Letters{kNoVote, kNoVote}, {}).weight, 0); }

// Unit rows around axes `i % axes`.
std::vector<float> Around(std::size_t count, std::size_t axes, double spread) {
  SplitMix64 random(6);
  std::vector<float> values;
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<float> row(6);
    for (float& value : row) value = static_cast<float>(spread * random.Normal());
    row[i % axes] += 1;
    Normalise(row);
    values.insert(values.end(), row.begin(), row.end());
  }
  return values;
}

TEST(StrongCentroids, TheNumberOfClustersFollowsTheSilhouette) {
  for (const std::size_t axes : {2U, 3U, 4U}) {
    const auto values = Around(60, axes, 0.08);
    const auto found = StrongCentroids(Rows(values, 6), std::vector<double>(60, 0.7), {});
    EXPECT_THAT(found.seeds, SizeIs(axes));
  }
}

TEST(StrongCentroids, FewOrEqualRowsGiveOneCentroid) {
  EXPECT_THAT(StrongCentroids(Rows(), {}, {}).seeds, SizeIs(0));
  const std::vector<float> one = {0.6F, 0.8F};
  EXPECT_THAT(StrongCentroids(Rows(one, 2), std::vector<double>{1}, {}).seeds, ElementsAre(1));
  const std::vector<float> equal = {0.6F, 0.8F, 0.6F, 0.8F, 0.6F, 0.8F};
  const auto found = StrongCentroids(Rows(equal, 2), std::vector<double>(3, 0.5), {});
  EXPECT_THAT(found.seeds, ElementsAre(3));
  EXPECT_NEAR(found.centroids[0], 0.6, 1e-6);
}

// Unit vectors of the plane at `degrees`.
std::vector<float> Directions(const std::vector<double>& degrees) {
  std::vector<float> values;
  for (const double angle : degrees) {
    values.push_back(static_cast<float>(std::cos(angle * M_PI / 180)));
    values.push_back(static_cast<float>(std::sin(angle * M_PI / 180)));
  }
  return values;
}

TEST(Merge, CloseCentroidsFuseIntoTheirSeedWeightedMean) {
  // 1 - cos 20 degrees = .060; 1 - cos 90 = 1.
  const auto merged = MergeClose({Directions({0, 20, 110}), {3, 1, 2}}, 2, 0.15);
  EXPECT_THAT(merged.seeds, ElementsAre(4, 2));
  const double x = 3 + std::cos(20 * M_PI / 180);
  const double y = std::sin(20 * M_PI / 180);
  EXPECT_NEAR(merged.centroids[0], x / std::hypot(x, y), 1e-6);
}

TEST(Merge, DistancesAreOfTheOriginalCentroidsAndTheLargerSeedIsTheRoot) {
  // 0 joins 25 (larger seed), then 25 takes 50; 0 and 50 are .357 apart.
  const auto merged = MergeClose({Directions({0, 25, 50}), {1, 5, 2}}, 2, 0.15);
  EXPECT_THAT(merged.seeds, ElementsAre(8));
  EXPECT_THAT(MergeClose({Directions({0, 25, 50}), {1, 5, 2}}, 2, 0).seeds, SizeIs(3)) << "0 turns merging off";
}

const std::vector<std::string> kNames = {"delta", "alpha", "charlie", "bravo"};

TEST(Rank, ScoreFirstThenName) {
  EXPECT_THAT(RankModels(std::vector<double>{.5, .5, .9, .1}, kNames), ElementsAre(2, 1, 0, 3));
}

TEST(ClusterScores, AreMeansRoundedToThreeDecimals) {
  const std::vector<double> scores = {1, 0, 0, 0, 0, 1};
  EXPECT_THAT(ClusterScores(scores, 2, std::vector<std::size_t>{0, 1, 2}), ElementsAre(.333, .333));
  EXPECT_THAT(ClusterScores(scores, 2, {}), ElementsAre(0, 0));
}

TEST(Prune, ClustersOfEqualTopThreeFuseAndTheLargerStays) {
  // Four models; items 0..2 rank model 3 last, items 3..4 rank model 0 last.
  std::vector<double> scores;
  for (int i = 0; i < 3; ++i) scores.insert(scores.end(), {.9, .8, .7, .1});
  for (int i = 0; i < 2; ++i) scores.insert(scores.end(), {.1, .8, .7, .9});
  const auto kept = PruneClusters({{0}, {3, 4}, {1, 2}}, scores, kNames);
  EXPECT_THAT(kept, ElementsAre(ElementsAre(3, 4), ElementsAre(1, 2, 0)));
  const auto even = PruneClusters({{0}, {1}}, scores, kNames);
  EXPECT_THAT(even, ElementsAre(ElementsAre(0, 1))) << "ties keep the earlier";
}

TEST(Cascal, WithThreeModelsPruningLeavesOneClusterASubject) {
  const auto values = Around(60, 3, 0.05);
  Votes votes{60, 3, 4, {}};
  std::vector<double> scores;
  for (std::size_t i = 0; i < 180; ++i) {
    votes.answer.push_back(static_cast<std::int16_t>(i % 3 == 2 ? 1 : 0));
    scores.push_back(i % 3 == 2 ? 0.1 : 0.6);
  }
  const std::vector<std::uint32_t> subject(60, 0);
  const std::vector<std::string> names = {"a", "b", "c"};
  const CascalModel pruned = FitCascal(Rows(values, 6), subject, 1, votes, scores, names, {});
  EXPECT_THAT(pruned.subjects[0].members, SizeIs(1));
  CascalOptions unpruned;
  unpruned.prune = false;
  const CascalModel kept = FitCascal(Rows(values, 6), subject, 1, votes, scores, names, unpruned);
  EXPECT_THAT(kept.subjects[0].members, SizeIs(3));
  EXPECT_THAT(kept.global, ElementsAre(.6, .6, .1));
}

TEST(Cascal, ASubjectWithoutConsensusKeepsARepresentativeAlone) {
  const auto values = Around(8, 1, 0.05);
  Votes votes{8, 2, 4, {}};
  for (std::int16_t i = 0; i < 16; ++i) votes.answer.push_back(static_cast<std::int16_t>(i % 2));
  const std::vector<std::string> names = {"a", "b"};
  const CascalModel model =
      FitCascal(Rows(values, 6), std::vector<std::uint32_t>(8, 0), 2, votes, std::vector<double>(16, .4), names, {});
  EXPECT_THAT(model.subjects[0].members, SizeIs(0));
  EXPECT_THAT(model.subjects[0].representative, SizeIs(6));
  EXPECT_THAT(model.subjects[1].representative, SizeIs(0)) << "no query at all";
  EXPECT_THAT(RouteCascal(model, Rows(values, 6).row(0), {}), ElementsAre(.5, .5)) << "the global scores";
}

TEST(CascalRoute, AgreesWithThePrintedVectors) {
  const auto omega = DistanceWeights(std::vector<double>{.20, .25, .40}, 0.1);
  EXPECT_NEAR(omega[0], .5741, 5e-5);
  EXPECT_NEAR(omega[1], .3482, 5e-5);
  EXPECT_NEAR(omega[2], .0777, 5e-5);
  const auto pi = SharpenedScores(std::vector<double>{.62, .60, .55, .50, .45, .40}, 0.1);
  const std::vector<double> printed = {.3436, .2814, .1706, .1035, .0628, .0381};
  for (std::size_t m = 0; m < printed.size(); ++m) EXPECT_NEAR(pi[m], printed[m], 5e-5);
}

TEST(CascalRoute, ScoresWithoutMassStayRaw) {
  EXPECT_THAT(SharpenedScores(std::vector<double>{0, 0}, 0.1), ElementsAre(0, 0));
}

TEST(CascalRoute, TheFallbackRampsFromTheThresholdToOne) {
  EXPECT_EQ(FallbackShare(0.5, {}), 0);
  EXPECT_NEAR(FallbackShare(0.6, {}), 0.5, 1e-12);
  EXPECT_EQ(FallbackShare(0.9, {}), 1);
  CascalRouteOptions off;
  off.fallback = false;
  EXPECT_EQ(FallbackShare(0.9, off), 0);
}

TEST(CascalRoute, FarAwayTheGlobalScoresDecideUnsharpened) {
  CascalModel model;
  model.dimension = 2;
  model.models = 2;
  model.global = {.6, .2};
  model.subjects.push_back({{1, 0}, {.9, .1}, {{0}}, {1, 0}});
  const std::vector<float> far = {-1, 0};
  EXPECT_THAT(RouteCascal(model, far, {}),
              ElementsAre(::testing::DoubleNear(.75, 1e-9), ::testing::DoubleNear(.25, 1e-9)));
  const std::vector<float> near = {1, 0};
  EXPECT_GT(RouteCascal(model, near, {})[0], 0.99);
}

TEST(CascalRoute, TwoAgreeingAnswersWinElseTheMostConfident) {
  EXPECT_EQ(AggregateTopThree({0, 1, 1}, {9, 0, 0}), 1);
  EXPECT_EQ(AggregateTopThree({0, 1, 2}, {-1, 2, 0}), 1);
}

}  // namespace
}  // namespace pointsman::bootstrap
