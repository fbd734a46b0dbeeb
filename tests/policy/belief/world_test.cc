#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "policy/world/bundle.h"
#include "policy/world/options.h"
#include "policy/world/pool.h"
#include "policy/world/query.h"

namespace pointsman::policy {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(Options, DefaultsAreValid) { EXPECT_TRUE(ValidateOptions(Options{}).ok()); }

TEST(Options, AllFaultsAreInOneMessage) {
  Options options;
  options.gold_rate = 2;
  options.rating_half_life_days = kNan;
  options.sources = {"thumbs", "thumbs"};
  const auto status = ValidateOptions(options);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, Code::kInvalidArgument);
  EXPECT_NE(status.error().message.find("gold_rate"), std::string::npos);
  EXPECT_NE(status.error().message.find("rating_half_life_days"), std::string::npos);
  EXPECT_NE(status.error().message.find("twice"), std::string::npos);
}

TEST(Options, SourcesMayOnlyBeAppended) {
  Options before;
  before.sources = {"thumbs", "judge"};
  Options after = before;
  after.sources.push_back("stars");
  EXPECT_TRUE(ValidateOptionsChange(before, after).ok());
  after.sources = {"judge", "thumbs"};
  EXPECT_FALSE(ValidateOptionsChange(before, after).ok());
  after.sources = {"thumbs"};
  EXPECT_FALSE(ValidateOptionsChange(before, after).ok());
  after.sources = {"a", "b", "c", "d", "e"};
  EXPECT_FALSE(ValidateOptionsChange({}, after).ok());
}

TEST(Pool, KeepsModelsInOrderOfNameAndEpochAndNumbersThemOnce) {
  Pool pool;
  ASSERT_EQ(pool.Add("m", {1, 2}, 0).value().value, 1u);
  ASSERT_EQ(pool.Add("a", {1, 2}, 0).value().value, 2u);
  EXPECT_EQ(pool.Add("a", {1, 2}, 0).error().code, Code::kConflict);
  ASSERT_TRUE(pool.SetState(ModelId{2}, ModelState::kRetired).ok());
  ASSERT_EQ(pool.Add("a", {3, 4}, 0).value().value, 3u);
  ASSERT_EQ(pool.models().size(), 3u);
  EXPECT_EQ(pool.models()[0].id.value, 2u);
  EXPECT_EQ(pool.models()[1].id.value, 3u);
  EXPECT_EQ(pool.models()[1].epoch, 2u);
  EXPECT_EQ(pool.FindLive("a")->id.value, 3u);
  EXPECT_EQ(pool.SetState(ModelId{2}, ModelState::kActive).error().code, Code::kFailedPrecondition);
  EXPECT_EQ(pool.SetState(ModelId{9}, ModelState::kActive).error().code, Code::kNotFound);
  EXPECT_EQ(pool.SetPrice(ModelId{1}, {-1, 0}).error().code, Code::kOutOfRange);
  EXPECT_EQ(pool.SetPrice(ModelId{1}, {kNan, 0}).error().code, Code::kOutOfRange);
  EXPECT_FALSE(pool.Add("", {}, 0).ok());
  EXPECT_FALSE(pool.Add("tab\t", {}, 0).ok());
}

TEST(Pool, RestoringItsModelsGivesTheSamePool) {
  Pool pool;
  ASSERT_TRUE(pool.Add("b", {1, 2}, 0).ok());
  ASSERT_TRUE(pool.Add("a", {1, 2}, 8192).ok());
  Pool copy;
  for (const Model& model : pool.models()) copy.Restore(model);
  EXPECT_EQ(copy.NextId(), pool.NextId());
  EXPECT_EQ(copy.models()[0].name, "a");
}

Bundle SmallBundle() {
  Bundle bundle;
  bundle.embedder = {"caller", 2, {}};
  bundle.models = {"a", "b"};
  bundle.centroids = {1, 0, 0, 1};
  bundle.cluster_names = {"x", "y"};
  bundle.cluster_sizes = {2, 1, 1};
  bundle.skills = {.5, .5, .4, .6, .7, .2};
  bundle.anchors = {1, 0};
  bundle.mean_prior = {.5, .5};
  bundle.tokens.resize(2);
  return bundle;
}

TEST(Bundle, AWellFormedOneAndTheColdOneAreValid) {
  EXPECT_TRUE(ValidateBundle(SmallBundle()).ok());
  EXPECT_TRUE(ValidateBundle(*ColdBundle()).ok());
  EXPECT_EQ(SmallBundle().Column("b"), 1);
  EXPECT_EQ(SmallBundle().Column("c"), -1);
}

TEST(Bundle, TheFirstBadFieldIsNamed) {
  const auto fault = [](auto change) {
    Bundle bundle = SmallBundle();
    change(bundle);
    const auto status = ValidateBundle(bundle);
    return status.ok() ? std::string("valid") : status.error().message;
  };
  EXPECT_NE(fault([](Bundle& b) { b.skills.pop_back(); }).find("skills"), std::string::npos);
  EXPECT_NE(fault([](Bundle& b) { b.skills[1] = kNan; }).find("skills"), std::string::npos);
  EXPECT_NE(fault([](Bundle& b) { b.centroids[0] = 2; }).find("centroids"), std::string::npos);
  EXPECT_NE(fault([](Bundle& b) { b.models[1] = "a"; }).find("models"), std::string::npos);
  EXPECT_NE(fault([](Bundle& b) { b.anchors = {1}; }).find("anchors"), std::string::npos);
  EXPECT_NE(fault([](Bundle& b) { b.membership_temperature = 0; }).find("temperature"), std::string::npos);
  EXPECT_NE(fault([](Bundle& b) { b.task_names = {"t"}; }).find("task_weights"), std::string::npos);
  EXPECT_NE(fault([](Bundle& b) { b.mean_prior.clear(); }).find("mean_prior"), std::string::npos);
  EXPECT_NE(fault([](Bundle& b) { b.bridge = {1, 0}; }).find("bridge"), std::string::npos);
  EXPECT_NE(fault([](Bundle& b) { b.widths.cell = kNan; }).find("widths"), std::string::npos);
}

TEST(Weights, PresetsAreValidAndOthersAreChecked) {
  for (const char* name : {"cost", "balanced", "quality"}) {
    ASSERT_TRUE(PresetWeights(name).ok());
    EXPECT_TRUE(ValidateWeights(PresetWeights(name).value()).ok());
  }
  EXPECT_EQ(PresetWeights("cheap").error().code, Code::kInvalidArgument);
  EXPECT_EQ(ValidateWeights({.5, .6}).error().code, Code::kOutOfRange);
  EXPECT_EQ(ValidateWeights({kNan, .5}).error().code, Code::kOutOfRange);
}

TEST(Embedding, IsScaledToUnitLengthOrRefused) {
  std::vector<float> vector = {3, 4};
  ASSERT_TRUE(NormaliseEmbedding(vector, 2).ok());
  EXPECT_FLOAT_EQ(vector[0], .6f);
  EXPECT_EQ(NormaliseEmbedding(vector, 3).error().reason, "wrong_dimension");
  vector = {0, 0};
  EXPECT_EQ(NormaliseEmbedding(vector, 2).error().reason, "zero_vector");
  vector = {1, std::numeric_limits<float>::infinity()};
  EXPECT_EQ(NormaliseEmbedding(vector, 2).error().reason, "not_finite");
}

}  // namespace
}  // namespace pointsman::policy
