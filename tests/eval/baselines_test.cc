#include "eval/baselines.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "eval/arm_factory.h"
#include "eval/linucb.h"
#include "tests/eval/small_table.h"

namespace pointsman::eval {
namespace {

// Three topics, each with a master; "even" is the same everywhere.
std::vector<MadeModel> Masters() {
  return {{"even", {.6, .6, .6}, 1e-3},
          {"first", {.95, .1, .1}, 2e-3},
          {"second", {.1, .95, .1}, 3e-3},
          {"third", {.1, .1, .95}, 4e-3}};
}

struct Played {
  double total = 0;
  double second_half = 0;
  double cost = 0;
  double cost_last = 0;  // of the last quarter
  std::vector<std::size_t> models;
};

// Every score is revealed.
Played Play(Arm& arm, const Outcomes& outcomes, const std::vector<std::size_t>& rows) {
  Played played;
  double half = 0;
  double last = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    StreamItem item;
    item.number = i;
    item.row = rows[i];
    const auto choice = arm.Route(item);
    EXPECT_TRUE(choice.ok());
    const double score = outcomes.Score(i, rows[i], choice->model);
    ArmFeedback feedback;
    feedback.gold = score;
    feedback.cost_usd = outcomes.Cost(i, rows[i], choice->model);
    EXPECT_TRUE(arm.Report(*choice, feedback).ok());
    played.models.push_back(choice->model);
    played.total += score / static_cast<double>(rows.size());
    played.cost += feedback.cost_usd / static_cast<double>(rows.size());
    if (2 * i >= rows.size()) half += score;
    if (4 * i >= 3 * rows.size()) last += feedback.cost_usd;
  }
  played.second_half = half / static_cast<double>(rows.size() - rows.size() / 2);
  played.cost_last = last / static_cast<double>(rows.size() - (3 * rows.size() + 3) / 4);
  return played;
}

constexpr std::size_t kBootstrap = 100;  // few: the embedder's fit is most of a test's time

class Baselines : public ::testing::Test {
 protected:
  void SetUp() override {
    table_ = MadeTable(500, Masters(), 11);
    auto world = TableWorld::Create(table_, "");
    ASSERT_TRUE(world.ok());
    world_ = std::make_unique<TableWorld>(*world);
    split_ = *SplitWorld(*world_, 3, kBootstrap);
    auto features = Features::Create(*world_, split_, nullptr, 3);
    ASSERT_TRUE(features.ok()) << features.error().message;
    features_ = std::make_unique<Features>(std::move(features).value());
    outcomes_ = std::make_unique<Outcomes>(*world_, split_.stream, split_.stream.size(), Variant::kNone, 0);
  }

  std::vector<OfflineRow> Offline() const {
    std::vector<OfflineRow> rows;
    for (const std::size_t row : split_.bootstrap) {
      OfflineRow one{.row = row, .rewards = {}};
      for (std::size_t m = 0; m < world_->models().size(); ++m) one.rewards.push_back(world_->Score(row, m));
      rows.push_back(one);
    }
    return rows;
  }

  bootstrap::Table table_;
  std::unique_ptr<TableWorld> world_;
  Split split_;
  std::unique_ptr<Features> features_;
  std::unique_ptr<Outcomes> outcomes_;
};

TEST_F(Baselines, FeaturesTellTopicsApart) {
  std::size_t same = 0;
  for (const std::size_t row : split_.stream) {
    const auto near = features_->Neighbours(row, 8);
    ASSERT_EQ(near.size(), 8U);
    for (std::size_t i = 1; i < near.size(); ++i) EXPECT_GE(near[i - 1].similarity, near[i].similarity);
    EXPECT_NE(near[0].row, row);
    same += near[0].row % 3 == row % 3 ? 1 : 0;
    EXPECT_LT(features_->Cluster(row), features_->clusters());
    EXPECT_EQ(features_->Context(row).size(), kContext);
    EXPECT_EQ(features_->Context(row)[kComponents], 1);
  }
  EXPECT_GT(same, split_.stream.size() * 9 / 10);
}

TEST_F(Baselines, ContextsHaveMeanZeroAndVarianceOneOverTheBootstrapSet) {
  for (const std::size_t component : {std::size_t{0}, std::size_t{3}}) {
    double sum = 0;
    double squares = 0;
    for (const std::size_t row : split_.bootstrap) {
      sum += features_->Context(row)[component];
      squares += features_->Context(row)[component] * features_->Context(row)[component];
    }
    EXPECT_NEAR(sum / kBootstrap, 0, 1e-3) << component;
    EXPECT_NEAR(squares / kBootstrap, 1, 1e-2) << component;
  }
}

TEST_F(Baselines, OracleTakesTheBestScoreAndAFixedArmItsModel) {
  const auto oracle = MakeOracleArm(*outcomes_);
  double best = 0;
  for (const std::size_t row : split_.stream) {
    double top = 0;
    for (std::size_t m = 0; m < 4; ++m) top = std::max(top, world_->Score(row, m));
    best += top / static_cast<double>(split_.stream.size());
  }
  EXPECT_NEAR(Play(*oracle, *outcomes_, split_.stream).total, best, 1e-12);
  const auto fixed = MakeFixedArm(2);
  for (const std::size_t model : Play(*fixed, *outcomes_, split_.stream).models) EXPECT_EQ(model, 2U);
}

TEST_F(Baselines, RandomPlaysEveryModelEquallyOften) {
  const auto arm = MakeRandomArm(4, 5);
  std::vector<int> counts(4, 0);
  for (const std::size_t model : Play(*arm, *outcomes_, split_.stream).models) ++counts[model];
  for (const int count : counts) EXPECT_NEAR(count, 100, 5 * std::sqrt(100 * .75));
}

TEST_F(Baselines, ClusterMeansFindTheMasterOfEachTopic) {
  const auto arm = MakeClusterMeansArm(*features_, 4, 5);
  std::vector<std::size_t> rows = split_.stream;
  for (int pass = 0; pass < 3; ++pass) rows.insert(rows.end(), split_.stream.begin(), split_.stream.end());
  EXPECT_GT(Play(*arm, *outcomes_, rows).second_half, .66)
      << "the best single model has .6; clusters of so few rows do not quite match the topics";
}

TEST_F(Baselines, NeighboursKnowTheMastersFromTheStart) {
  const auto arm = MakeNeighboursArm(*features_, *outcomes_, split_);
  EXPECT_GT(Play(*arm, *outcomes_, split_.stream).total, .85);
}

TEST_F(Baselines, LinUcbKnowsTheMastersWhenWarmAndTriesEachModelWhenCold) {
  const auto warm = MakeLinUcbArm(*features_, 4, {}, Offline());
  EXPECT_GT(Play(*warm, *outcomes_, split_.stream).total, .85);
  const auto cold = MakeLinUcbArm(*features_, 4, {}, {});
  const Played played = Play(*cold, *outcomes_, split_.stream);
  for (std::size_t m = 0; m < 4; ++m) {
    for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(played.models[20 * m + i], m) << "forced pulls";
  }
  EXPECT_GT(played.second_half, .7);
}

TEST_F(Baselines, LinUcbKeepsToItsBudgetAndHeedsAPriceThatFalls) {
  LinUcbOptions options;
  options.budget_usd = 2e-3;
  options.mean_costs = {1e-3, 2e-3, 3e-3, 4e-3};
  const auto arm = MakeLinUcbArm(*features_, 4, options, Offline());
  std::vector<std::size_t> rows = split_.stream;
  rows.insert(rows.end(), split_.stream.begin(), split_.stream.end());
  const Played played = Play(*arm, *outcomes_, rows);
  EXPECT_LT(played.cost, 2.1e-3);
  EXPECT_GT(played.cost, 1.5e-3);
  const auto told = MakeLinUcbArm(*features_, 4, options, Offline());
  ASSERT_TRUE(told->PriceChanged(3, .1).ok());
  const auto dear = [](const Played& run) { return std::count(run.models.begin(), run.models.end(), 3U); };
  EXPECT_GT(dear(Play(*told, *outcomes_, rows)), dear(played)) << "its costs are not lower, its price is";
}

TEST_F(Baselines, TakeGoldBeforeARatingAndNothingForNothing) {
  ArmFeedback feedback;
  EXPECT_EQ(RewardOf(feedback), std::nullopt);
  feedback.rating = .2;
  EXPECT_EQ(RewardOf(feedback), .2);
  feedback.gold = .9;
  EXPECT_EQ(RewardOf(feedback), .9);
}

TEST_F(Baselines, AnInvertedPriorRanksTheModelsInReverse) {
  RunOptions options = DefaultsOf(Protocol::kStream);
  options.bootstrap_rows = kBootstrap;
  auto seed = PrepareSeed(*world_, options, 3);
  ASSERT_TRUE(seed.ok()) << seed.error().message;
  const policy::Bundle inverted = InvertPrior(*seed->bundle, *seed->features, seed->split.bootstrap);
  ASSERT_TRUE(policy::ValidateBundle(inverted).ok()) << policy::ValidateBundle(inverted).error().message;
  const std::size_t models = inverted.models.size();
  for (std::size_t begin = 0; begin < inverted.skills.size(); begin += models) {
    const auto at = [&](const policy::Bundle& bundle, std::size_t m) { return bundle.skills[begin + m]; };
    for (std::size_t a = 0; a < models; ++a) {
      for (std::size_t b = 0; b < models; ++b) {
        if (at(*seed->bundle, a) > at(*seed->bundle, b)) {
          EXPECT_LT(at(inverted, a), at(inverted, b) + 1e-12);
        }
      }
    }
  }
  EXPECT_NE(inverted.mean_prior, seed->bundle->mean_prior);
}

TEST_F(Baselines, AFlatPriorKnowsNoDifferenceBetweenModels) {
  RunOptions options = DefaultsOf(Protocol::kStream);
  options.bootstrap_rows = kBootstrap;
  auto seed = PrepareSeed(*world_, options, 3);
  ASSERT_TRUE(seed.ok());
  const policy::Bundle flat = FlattenPrior(*seed->bundle);
  ASSERT_TRUE(policy::ValidateBundle(flat).ok());
  for (const double skill : flat.skills) EXPECT_EQ(skill, flat.skills[0]);
  EXPECT_EQ(flat.mean_prior[0], flat.mean_prior.back());
  EXPECT_EQ(flat.centroids, seed->bundle->centroids) << "clusters stay";
}

}  // namespace
}  // namespace pointsman::eval
