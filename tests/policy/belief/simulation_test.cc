// The simulation of online_learner 1.8: 20 clusters, 10 models, 1,000 ratings a cell, a
// few labels; the tree against the same tree without ratings. Twenty seeds.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdio>

#include "base/unit_draw.h"
#include "policy/belief/posterior.h"
#include "tests/policy/belief/harness.h"

namespace pointsman::policy {
namespace {

constexpr std::size_t kClusters = 20;
constexpr std::size_t kModels = 10;
constexpr int kRatings = 1000;
constexpr double kPrior = .5;
// Noise of gold and rating: C.4's start values.
constexpr double kGoldVariance = .05;
constexpr double kRatingVariance = .08;
constexpr double kCovariance = .032;

struct Plan {
  double gold_per_cell = 10;
  bool low_first = false;  // low ratings are audited five times as often
};

struct World {
  double quality[kModels][kClusters] = {};
  State with;     // ratings and gold
  State without;  // gold alone
};

void AddTo(Cell& cell, PatternMask mask, double gold, double rating) {
  PatternMoments& m = cell.patterns[mask];
  ++m.rows;
  m.weight += 1;
  m.overlap += 1;
  if ((mask & 1U) != 0) m.residual[0] += gold - kPrior;
  if ((mask & 2U) != 0) m.residual[1] += rating - kPrior;
}

World Simulate(const Plan& plan, const State& empty, std::uint64_t seed) {
  SplitMix64 random(seed);
  World world;
  world.with = empty;
  world.without = empty;
  const double slope = kCovariance / kGoldVariance;
  const double rest = std::sqrt(kRatingVariance - slope * kCovariance);
  for (std::uint32_t m = 0; m < kModels; ++m) {
    const double model_bias = .10 + .10 * random.Normal();
    const double level = .05 * random.Normal();
    for (std::uint32_t k = 0; k < kClusters; ++k) {
      const double quality = kPrior + level + .10 * random.Normal();
      const double bias = model_bias + .05 * random.Normal();
      world.quality[m][k] = quality;
      Cell& with = world.with.cells[{ModelId{m + 1}, ClusterId{k + 1}}];
      Cell& without = world.without.cells[{ModelId{m + 1}, ClusterId{k + 1}}];
      const double share = plan.gold_per_cell / kRatings;
      for (int i = 0; i < kRatings; ++i) {
        const double noise = std::sqrt(kGoldVariance) * random.Normal();
        const double gold = quality + noise;
        const double rating = quality + bias + slope * noise + rest * random.Normal();
        const double asked = !plan.low_first ? share : rating < quality + bias ? share * 5 / 3 : share / 3;
        const bool audited = random.Unit() < asked;
        AddTo(with, audited ? 3 : 2, gold, rating);
        if (audited) AddTo(without, 1, gold, rating);
      }
    }
  }
  return world;
}

struct Score {
  double squares = 0;
  double covered = 0;
  double cells = 0;
  double rmse() const { return std::sqrt(squares / cells); }
  double coverage() const { return covered / cells; }
};

void Add(Score& score, State& state, const std::shared_ptr<const Bundle>& bundle, const World& world) {
  state.republish_all = true;
  Publisher publisher;
  const auto snapshot = publisher.Publish(state, bundle);
  for (std::uint32_t m = 0; m < kModels; ++m) {
    for (std::uint32_t k = 0; k < kClusters; ++k) {
      const Estimate read = Read(*snapshot, "m" + std::to_string(m), {{k + 1, 1}}, kPrior);
      const double error = read.mean - world.quality[m][k];
      score.squares += error * error;
      score.covered += std::abs(error) <= 1.96 * std::sqrt(read.variance) ? 1 : 0;
      score.cells += 1;
    }
  }
}

struct Scores {
  Score with;
  Score without;
};

Scores Play(const Plan& plan) {
  Harness base;
  std::vector<std::pair<std::string, double>> named;
  for (std::size_t m = 0; m < kModels; ++m) named.emplace_back("m" + std::to_string(m), kPrior);
  base.AddBundle(PlainBundle(kClusters, named));
  for (const auto& [name, prior] : named) base.AddModel(name);
  base.Activate(1, 1);
  base.Add(Refitted{.noise = {kGoldVariance, kCovariance, kCovariance, kRatingVariance}});
  Scores scores;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    World world = Simulate(plan, base.learner->state(), seed);
    Add(scores.with, world.with, base.learner->bundle(), world);
    Add(scores.without, world.without, base.learner->bundle(), world);
  }
  std::printf("%4.1f gold a cell%s: rmse %.4f coverage %.3f, gold alone %.4f %.3f, ratio %.3f\n", plan.gold_per_cell,
              plan.low_first ? ", low ratings first" : "", scores.with.rmse(), scores.with.coverage(),
              scores.without.rmse(), scores.without.coverage(), scores.with.rmse() / scores.without.rmse());
  return scores;
}

TEST(Simulation, RatingsWithALittleGoldHaveTheErrorsOfTheSpecification) {
  // Gold a cell, the specification's error, and how far it may be exceeded. The conflict
  // rule, which that simulation had not, frees biases needlessly where a cell has about
  // ten labels: without it the error there is .0375.
  const std::array<double, 3> expected[] = {{2.5, .0519, 1.05}, {10, .0403, 1.08}, {30, .0300, 1.05}};
  for (const auto& [gold, rmse, slack] : expected) {
    const Scores scores = Play({.gold_per_cell = gold});
    EXPECT_LT(scores.with.rmse(), slack * rmse) << gold;
    EXPECT_LE(scores.with.rmse() / scores.without.rmse(), gold <= 10 ? .75 : .85) << gold;
    EXPECT_GE(scores.with.coverage(), .93) << gold;
    EXPECT_LE(scores.with.coverage(), .97) << gold;
  }
}

TEST(Simulation, AuditsThatPreferLowRatingsDoNotBiasIt) {
  const std::pair<double, double> expected[] = {{10, .0444}, {30, .0328}};
  for (const auto& [gold, rmse] : expected) {
    const Scores scores = Play({.gold_per_cell = gold, .low_first = true});
    EXPECT_LT(scores.with.rmse(), 1.05 * rmse) << gold;
    EXPECT_LE(scores.with.rmse() / scores.without.rmse(), gold <= 10 ? .75 : .85) << gold;
    EXPECT_GE(scores.with.coverage(), .93) << gold;
    EXPECT_LE(scores.with.coverage(), .97) << gold;
    EXPECT_LT(scores.without.coverage(), .9) << "gold alone is deceived by the choice of audits";
  }
}

}  // namespace
}  // namespace pointsman::policy
