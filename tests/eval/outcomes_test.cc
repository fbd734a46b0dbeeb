#include "eval/outcomes.h"

#include <gtest/gtest.h>

#include <cmath>

#include "eval/model_choice.h"
#include "tests/eval/small_table.h"

namespace pointsman::eval {
namespace {

std::vector<std::size_t> All(const TableWorld& world) { return world.usable_rows(); }

bootstrap::Table ThreePrices() {
  return MadeTable(
      40, {{"cheap", {.0}, 1e-4}, {"dear", {1.0}, 1e-2}, {"mistral-large-x", {1.0}, 1e-3}}, 1);
}

TEST(Outcomes, AreTheTableWithoutAVariant) {
  const auto table = ThreePrices();
  const auto world = TableWorld::Create(table, "");
  const Outcomes outcomes(*world, All(*world), 90, Variant::kNone, 0);
  EXPECT_FALSE(outcomes.loss().has_value());
  EXPECT_FALSE(outcomes.price_fall().has_value());
  EXPECT_EQ(outcomes.Score(89, 3, 1), 1);
  EXPECT_EQ(outcomes.Cost(89, 3, 1), 1e-2);
}

TEST(Outcomes, DriftMakesTheDearestCheapAtOneThirdAndTheNamedModelWorseAtTwoThirds) {
  const auto table = ThreePrices();
  const auto world = TableWorld::Create(table, "");
  const Outcomes outcomes(*world, All(*world), 90, Variant::kDrift, 1e-3);
  EXPECT_DOUBLE_EQ(outcomes.Cost(29, 0, 1), 1e-2);
  EXPECT_DOUBLE_EQ(outcomes.Cost(30, 0, 1), 1e-3);
  EXPECT_DOUBLE_EQ(outcomes.Cost(30, 0, 2), 1e-3) << "the others keep their price";
  EXPECT_DOUBLE_EQ(outcomes.Score(59, 0, 2), 1);
  EXPECT_DOUBLE_EQ(outcomes.Score(60, 0, 2), 1 - kSilentLoss);
  EXPECT_DOUBLE_EQ(outcomes.Score(60, 0, 0), 0);
}

TEST(Outcomes, ASilentLossBeginsHalfwayAndNeverGoesBelowZero) {
  auto table = MadeTable(40, {{"a", {.9}, 1e-4}, {"b", {1.0}, 1e-2}}, 1);
  table.rows[0].models[0].score = 0.1;
  const auto world = TableWorld::Create(table, "");
  const Outcomes outcomes(*world, All(*world), 100, Variant::kSilentLoss, 1e-3);
  ASSERT_TRUE(outcomes.loss().has_value());
  EXPECT_EQ(outcomes.loss()->model, 0U) << "the best model within the budget";
  EXPECT_EQ(outcomes.loss()->from, 50U);
  EXPECT_EQ(outcomes.Score(50, 0, 0), 0);
  EXPECT_EQ(Outcomes(*world, All(*world), 100, Variant::kSilentLoss, 0).loss()->model, 1U) << "of all without a budget";
}

TEST(BestMixture, LiesOnTheLineBetweenACheapAndADearModel) {
  const auto table = MadeTable(10, {{"cheap", {.0}, 1e-4}, {"dear", {1.0}, 1e-2}}, 1);
  const auto world = TableWorld::Create(table, "");
  const Outcomes outcomes(*world, All(*world), 10, Variant::kNone, 0);
  EXPECT_DOUBLE_EQ(BestMixture(outcomes, All(*world), 0, 0), 1);
  EXPECT_DOUBLE_EQ(BestMixture(outcomes, All(*world), 0, 2e-2), 1);
  EXPECT_NEAR(BestMixture(outcomes, All(*world), 0, 5.05e-3), .5, 1e-12);
  EXPECT_DOUBLE_EQ(BestMixture(outcomes, All(*world), 0, 1e-5), 0) << "nothing fits: the cheapest";
}

TEST(Variants, HaveNamesAndRefuseOthers) {
  for (const char* name : {"none", "drift", "silent-loss", "inverted-prior"}) {
    EXPECT_EQ(VariantName(VariantFromName(name).value()), name);
  }
  EXPECT_EQ(VariantFromName("sudden").error().reason, "unknown_variant");
}

// Twenty models, m00 the worst and m19 the best.
bootstrap::Table Twenty() {
  std::vector<MadeModel> models;
  for (int m = 0; m < 20; ++m) {
    models.push_back({(m < 10 ? "m0" : "m") + std::to_string(m), {0.0}, 1e-4});
  }
  auto table = MadeTable(40, models, 1);
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    for (std::size_t m = 0; m < 20; ++m) table.rows[r].models[m].score = r < 2 * m ? 1 : 0;
  }
  return table;
}

TEST(ModelChoice, TakesTheBestTheWorstTheNamedAndTheLockInPool) {
  const auto table = Twenty();
  const auto world = TableWorld::Create(table, "");
  EXPECT_EQ(ChooseModels(*world, "", 1)->size(), 20U);
  EXPECT_EQ(*ChooseModels(*world, "best:2", 1), (std::vector<std::size_t>{18, 19}));
  EXPECT_EQ(*ChooseModels(*world, "worst:3", 1), (std::vector<std::size_t>{0, 1, 2}));
  EXPECT_EQ(*ChooseModels(*world, "m07,m02,m07", 1), (std::vector<std::size_t>{2, 7}));
  const auto lock_in = *ChooseModels(*world, "lock-in", 1);
  ASSERT_EQ(lock_in.size(), 15U);
  EXPECT_EQ(lock_in.front(), 0U);
  EXPECT_EQ(lock_in[13], 13U);
  EXPECT_EQ(lock_in.back(), 19U);
}

TEST(ModelChoice, DrawsTheSameRandomModelsForTheSameSeed) {
  const auto table = Twenty();
  const auto world = TableWorld::Create(table, "");
  const auto first = *ChooseModels(*world, "random:5", 3);
  EXPECT_EQ(first.size(), 5U);
  EXPECT_EQ(*ChooseModels(*world, "random:5", 3), first);
  EXPECT_NE(*ChooseModels(*world, "random:5", 4), first);
}

TEST(ModelChoice, RefusesWhatItCannotRead) {
  const auto table = Twenty();
  const auto world = TableWorld::Create(table, "");
  EXPECT_EQ(ChooseModels(*world, "best:x", 1).error().code, Code::kInvalidArgument);
  EXPECT_EQ(ChooseModels(*world, "best:21", 1).error().code, Code::kOutOfRange);
  EXPECT_EQ(ChooseModels(*world, "worst:0", 1).error().code, Code::kOutOfRange);
  const auto unknown = ChooseModels(*world, "m01,m99", 1);
  EXPECT_EQ(unknown.error().code, Code::kNotFound);
  EXPECT_NE(unknown.error().message.find("m99"), std::string::npos);
}

TEST(KeptModels, KeepRatingsOfAReferenceThatDoesNotTakePart) {
  auto table = MadeTable(20, {{"a", {.5}}, {"b", {.5}}, {"reference", {.5}}}, 4);
  const auto world = TableWorld::Create(table, "agree:reference");
  ASSERT_TRUE(world.ok());
  const auto kept = KeepModels(*world, {0, 1});
  EXPECT_EQ(kept.models, (std::vector<std::string>{"a", "b"}));
  const auto small = TableWorld::Create(kept, "agree:reference");
  ASSERT_TRUE(small.ok()) << small.error().message;
  for (std::size_t r = 0; r < 20; ++r) {
    for (std::size_t m = 0; m < 2; ++m) EXPECT_EQ(small->Rating(r, m), world->Rating(r, m)) << r << " " << m;
  }
}

TEST(KeptModels, GetLengthsFromCostsWhereThereAreNone) {
  auto table = MadeTable(4, {{"a", {1}, 5e-4}}, 1);
  for (auto& row : table.rows) row.models[0].tokens_out = std::nan("");
  const auto world = TableWorld::Create(table, "");
  const auto kept = KeepModels(*world, {0});
  EXPECT_EQ(kept.rows[0].models[0].tokens_out, 500);
  const auto small = TableWorld::Create(kept, "");
  EXPECT_NEAR(OutputPrices(*small)[0], 1, 1e-9) << "one dollar per million tokens";
  const auto priced = MadeTable(4, {{"a", {1}, 4e-4}}, 1);
  EXPECT_NEAR(OutputPrices(*TableWorld::Create(priced, ""))[0], 20, 1e-9) << "4e-4 for 20 tokens";
}

}  // namespace
}  // namespace pointsman::eval
