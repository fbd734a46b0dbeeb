// Meta-Router's published experiment on a simulated judge.
#include "eval/meta_protocol.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace pointsman::eval {
namespace {

TEST(MetaProtocol, BothLearnersBeatPoolingWhichIsNoWorseThanRatingsWhichBeatGoldAlone) {
  MetaProtocolOptions options;
  options.seeds = 10;
  const auto curves = RunMeta(options);
  ASSERT_TRUE(curves.ok());
  const MetaRouterCurve& pooled = curves->at(2);
  const MetaRouterCurve& ratings = curves->at(3);
  const MetaRouterCurve& gold = curves->at(4);
  const MetaRouterCurve& oracle = curves->at(5);
  const std::string table = "seeds 42..51\n" + ToTable(*curves);
  for (std::size_t learner = 0; learner < 2; ++learner) {
    EXPECT_GT(curves->at(learner).mean_gain, pooled.mean_gain) << table;
    EXPECT_LT(curves->at(learner).rmse, pooled.rmse) << table;
    EXPECT_LT(curves->at(learner).mean_gain, oracle.mean_gain) << table;
  }
  EXPECT_GE(pooled.mean_gain, ratings.mean_gain) << table;
  EXPECT_LE(pooled.rmse, ratings.rmse) << table;
  EXPECT_GT(ratings.mean_gain, gold.mean_gain) << table;
}

TEST(MetaProtocol, ABetterJudgeHelpsAndAWorseOneLeavesTheLearnersAheadOfGoldAlone) {
  MetaProtocolOptions options;
  for (const double bias : {0.0, 3.0}) {
    options.bias = bias;
    const auto curves = RunMeta(options);
    ASSERT_TRUE(curves.ok());
    EXPECT_EQ(curves->at(3).mean_gain > curves->at(4).mean_gain, bias == 0) << ToTable(*curves);
    EXPECT_GT(curves->at(0).mean_gain, curves->at(4).mean_gain) << ToTable(*curves);
    EXPECT_GT(curves->at(1).mean_gain, curves->at(4).mean_gain) << ToTable(*curves);
  }
}

TEST(MetaProtocol, WithThePublishedClipsTheDrLearnerIsReportedAsFailedAndNotAsANumber) {
  MetaProtocolOptions options;
  options.seeds = 1;
  options.published_clips = true;
  const auto curves = RunMeta(options);
  ASSERT_TRUE(curves.ok());
  const auto json = nlohmann::json::parse(ToJson(*curves, options));
  EXPECT_EQ(json["routers"].size(), 6U);
  EXPECT_EQ(json["routers"][0]["failed_seeds"], 0);
  EXPECT_EQ(json["routers"][0]["gain"].size(), json["ratios"].size());
  EXPECT_TRUE(json["routers"][0]["mean_gain_se"].is_null()) << "one seed has no spread";
  const MetaRouterCurve& dr = curves->at(1);
  EXPECT_EQ(dr.failed, std::isnan(dr.mean_gain) ? 1U : 0U);
}

TEST(MetaProtocol, OptionsOutOfRangeAreRefused) {
  for (const std::uint32_t gold : {0U, 1U, 4499U}) {
    MetaProtocolOptions options;
    options.gold = gold;
    EXPECT_FALSE(RunMeta(options).ok());
  }
  MetaProtocolOptions options;
  options.bias = std::nan("");
  EXPECT_FALSE(RunMeta(options).ok());
}

}  // namespace
}  // namespace pointsman::eval
