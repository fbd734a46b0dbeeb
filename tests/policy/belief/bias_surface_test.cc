// An installed bias surface: the mean of a source's bias, in every row that the cells hold.
#include "policy/learning/bias_surface.h"

#include <gtest/gtest.h>

#include "base/unit_draw.h"
#include "harness.h"

namespace pointsman::policy {
namespace {

constexpr double kOff = 0.3;  // what raters take away in cluster 1

BiasSurfaceInstalled Surface(std::vector<double> clusters, std::uint32_t version = 1) {
  BiasSurfaceInstalled surface;
  surface.version = version;
  surface.bundle = HashOf(1);
  surface.fitted_from = surface.fitted_to = LogSeq{1};
  surface.learner = "test";
  surface.clusters = std::move(clusters);
  return surface;
}

// Two models, two clusters; `rated` ratings of model 1 in cluster 1.
struct World : Harness {
  explicit World(std::uint32_t rated = 0) {
    AddBundle(PlainBundle(2, {{"a", .6}, {"b", .6}}));
    AddModel("a");
    AddModel("b");
    Activate(1, 1);
    SplitMix64 random(7);
    for (std::uint32_t id = 1; id <= rated; ++id) {
      Decide(id, 1, {{1, .7}, {2, .3}}, .6);
      Report(id, 1, random.Unit() < .6 - kOff ? 1 : 0, 0, id);
    }
  }
};

std::map<std::string, std::string> Replayed(const Harness& world) {
  auto again = Learner::Create(world.bundles, world.history, State{}).value();
  for (const Event& event : world.history.events) EXPECT_TRUE(again->Learn(event).ok());
  return Harness::RowsOf(again->state());
}

TEST(BiasSurface, TakesItsBiasFromWhatTheSourceSaidBeforeAndAfter) {
  World world(1);
  world.Add(Surface({0, -.2, .1}));
  world.Decide(2, 1, {{1, .7}, {2, .3}}, .5);
  world.Report(2, 1, 1, 0, 2);
  const double bias = .7 * -.2 + .3 * .1;
  const double first = world.rows[1].values[0].value;
  const auto& moments = world.learner->state().cells.at({ModelId{1}, ClusterId{1}}).patterns.at(2);
  EXPECT_NEAR(moments.residual[1], .7 * ((first - bias - .6) + (1 - bias - .5)), 1e-12);
}

TEST(BiasSurface, AddsWhatItSaysOfAModelAndStaysWithinOne) {
  BiasSurfaceInstalled surface = Surface({0, .9, -.4});
  surface.models = {{ModelId{2}, .3}};
  ClusterWeights clusters;
  clusters.push_back({ClusterId{1}, 1});
  EXPECT_DOUBLE_EQ(BiasAt(surface, ModelId{1}, clusters), .9);
  EXPECT_DOUBLE_EQ(BiasAt(surface, ModelId{2}, clusters), 1);
}

TEST(BiasSurface, LeavesTheLevelOfAModelThatOnlyItsRatersBelittle) {
  World without(400);
  World with(400);
  with.Add(Surface({0, -kOff, -kOff}));
  const double before = Read(*without.PublishOnce(), "a", {{1, 1}}, .6).mean;
  const double after = Read(*with.PublishOnce(), "a", {{1, 1}}, .6).mean;
  EXPECT_LT(before, .595);
  EXPECT_NEAR(after, .6, .01);
}

TEST(BiasSurface, LetsGoldCorrectTheRest) {
  World world(200);
  world.Add(Surface({0, .2, .2}));  // wrong: raters took .3 away
  for (std::uint32_t id = 1; id <= 100; ++id) world.Report(id, 0, id % 10 < 6 ? 1 : 0);
  EXPECT_NEAR(Read(*world.PublishOnce(), "a", {{1, 1}}, .6).mean, .6, .04);
}

TEST(BiasSurface, ReplayComesToTheSameBytesAcrossAnInstall) {
  World world(120);
  for (std::uint32_t id = 1; id <= 20; ++id) world.Report(id, 0, id % 2);
  world.Add(Surface({0, -.3, .1}));
  for (std::uint32_t id = 30; id <= 40; ++id) world.Report(id, 1, .5, 1, id);
  world.Add(Surface({.1, -.2, .05}, 2));
  for (std::uint32_t id = 50; id <= 60; ++id) world.Report(id, 1, std::nullopt, 1, id);
  EXPECT_EQ(world.Rows(), Replayed(world));
}

TEST(BiasSurface, RowsOfAStateWithASurfaceComeBackFromTheirBytes) {
  World world(30);
  BiasSurfaceInstalled surface = Surface({0, -.3, .1});
  surface.models = {{ModelId{1}, .02}, {ModelId{2}, -.02}};
  world.Add(surface);
  State state;
  for (const auto& [key, value] : world.Rows()) ASSERT_TRUE(LoadStateRow(state, key, value).ok()) << key;
  EXPECT_EQ(Harness::RowsOf(state), world.Rows());
  EXPECT_EQ(state.surfaces.at(1), surface);
}

TEST(BiasSurface, TakingEveryRatingBackLeavesNothingInTheCells) {
  World world(50);
  world.Add(Surface({.1, -.3, .2}));
  for (std::uint32_t id = 1; id <= 50; ++id) world.Report(id, 1, std::nullopt, 1, id);
  for (const auto& [key, cell] : world.learner->state().cells) EXPECT_TRUE(cell.patterns.empty());
}

TEST(BiasSurface, ARevisionTakesOutExactlyWhatWasPutIn) {
  World changed(40);
  changed.Add(Surface({.1, -.3, .2}));
  changed.Report(7, 1, .25, 1, 7);
  changed.Report(7, 1, 0, 2, 7);
  World straight(40);
  straight.Report(7, 1, .25, 1, 7);
  straight.Report(7, 1, 0, 2, 7);
  straight.Add(Surface({.1, -.3, .2}));
  const auto& a = changed.learner->state().cells.at({ModelId{1}, ClusterId{1}}).patterns.at(2);
  const auto& b = straight.learner->state().cells.at({ModelId{1}, ClusterId{1}}).patterns.at(2);
  EXPECT_EQ(a.rows, b.rows);
  EXPECT_NEAR(a.residual[1], b.residual[1], 1e-12);
}

TEST(BiasSurface, AnEmptyOneTakesItAway) {
  World world(40);
  const auto before = world.learner->state().cells.at({ModelId{1}, ClusterId{1}}).patterns.at(2);
  world.Add(Surface({.1, -.3, .2}));
  world.Add(Surface({}, 2));
  EXPECT_EQ(world.learner->state().cells.at({ModelId{1}, ClusterId{1}}).patterns.at(2), before);
}

TEST(BiasSurface, EndsWithItsGenerationAndKeepsItsVersion) {
  World world(40);
  const auto before = world.learner->state().cells.at({ModelId{1}, ClusterId{1}}).patterns.at(2);
  world.Add(Surface({.1, -.3, .2}, 5));
  world.Activate(2, 1);
  EXPECT_EQ(world.learner->state().cells.at({ModelId{1}, ClusterId{1}}).patterns.at(2), before);
  EXPECT_TRUE(world.learner->state().surfaces.at(1).clusters.empty());
  EXPECT_FALSE(world.Try(Surface({0, 0, 0}, 5)).ok());
  EXPECT_TRUE(world.Try(Surface({0, 0, 0}, 6)).ok());
}

TEST(BiasSurface, OtherHalfLivesKeepIt) {
  World world(40);
  world.Add(Surface({.1, -.3, .2}));
  Options options = world.options;
  options.rating_half_life_days = 3;
  world.Add(OptionsChanged{options});
  const auto& moments = world.learner->state().cells.at({ModelId{1}, ClusterId{1}}).patterns.at(2);
  World plain(40);
  plain.Add(OptionsChanged{options});
  const auto& bare = plain.learner->state().cells.at({ModelId{1}, ClusterId{1}}).patterns.at(2);
  EXPECT_NEAR(moments.residual[1] - bare.residual[1], -bare.weight * (.7 * -.3 + .3 * .2), 1e-9);
}

TEST(BiasSurface, WhatCannotBeFoldedIsRefusedAndChangesNothing) {
  World world(10);
  const auto before = world.Rows();
  EXPECT_FALSE(world.Try(Surface({0, 0})).ok()) << "not every cluster";
  EXPECT_FALSE(world.Try(Surface({0, 2, 0})).ok()) << "a bias beyond 1";
  EXPECT_FALSE(world.Try(Surface({0, std::nan(""), 0})).ok());
  BiasSurfaceInstalled surface = Surface({0, 0, 0});
  surface.channel = 2;
  EXPECT_FALSE(world.Try(surface).ok()) << "no such source";
  surface = Surface({0, 0, 0});
  surface.bundle = HashOf(9);
  EXPECT_FALSE(world.Try(surface).ok()) << "another bundle";
  surface = Surface({0, 0, 0});
  surface.fitted_to = LogSeq{1000};
  EXPECT_FALSE(world.Try(surface).ok()) << "events that are not there";
  surface = Surface({0, 0, 0});
  surface.models = {{ModelId{2}, 0}, {ModelId{1}, 0}};
  EXPECT_FALSE(world.Try(surface).ok()) << "models do not ascend";
  surface.models = {{ModelId{7}, 0}};
  EXPECT_FALSE(world.Try(surface).ok()) << "no such model";
  EXPECT_EQ(world.Rows(), before);
}

// A source that turns sour in cluster 1 looks like a change of the model that is played
// there; a surface that knows takes the alarm back.
TEST(BiasSurface, TakesBackAnAlarmThatItsBiasExplains) {
  Harness world;
  world.options.change_detection = true;
  world.Add(OptionsChanged{world.options});
  world.AddBundle(PlainBundle(2, {{"a", .6}, {"b", .6}}));
  world.AddModel("a");
  world.AddModel("b");
  world.Activate(1, 1);
  SplitMix64 random(3);
  for (std::uint32_t id = 1; id <= 800; ++id) {
    const std::uint32_t cluster = id <= 300 ? 2 : 1;
    world.Decide(id, 1, {{cluster, 1}}, .6);
    world.Context(id).predicted_quality = .6;
    world.Report(id, 1, random.Unit() < (cluster == 2 ? .6 : .2) ? 1 : 0, 0, id);
  }
  ASSERT_TRUE(world.learner->state().watches.at(ModelId{1}).changed);
  world.Add(Surface({0, -.4, 0}));
  EXPECT_FALSE(world.learner->state().watches.at(ModelId{1}).changed);
  EXPECT_TRUE(world.learner->state().discounts.empty());
  EXPECT_EQ(world.Rows(), Replayed(world));
}

}  // namespace
}  // namespace pointsman::policy
