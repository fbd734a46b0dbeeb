// Every logged propensity is the true probability of the draw (promise 4): replayed
// draws against the distribution, by every way of choosing, and the inverse-propensity
// value of a known policy against the truth.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "base/unit_draw.h"
#include "policy/choice/decide.h"
#include "tests/policy/choice/small_world.h"

namespace pointsman::policy {
namespace {

using testing::FreshSnapshot;
using testing::IdOf;
using testing::RandomBundle;

constexpr std::uint64_t kSeed = 20'261'122;

// Snapshot in which three models are close and one is far, with every kind in turn.
Snapshot WorldOf(Exploration exploration) {
  Snapshot snapshot = FreshSnapshot(RandomBundle({.models = 4}, 3));
  snapshot.options.exploration = exploration;
  snapshot.options.gold_rate = .1;
  snapshot.options.audit_rate_start = .05;
  snapshot.options.epsilon = .2;
  snapshot.options.squarecb_gamma = 100;
  snapshot.options.probability_floor = .02;
  snapshot.options.thompson_scale = 1;
  testing::SetLevels(snapshot, {.5, .51, .52, .3});
  for (std::size_t m = 0; m < 4; ++m) snapshot.models[m].covariance[0] = .0009 + .0004 * static_cast<double>(m);
  return snapshot;
}

DecisionId RandomId(SplitMix64& random) {
  DecisionId id;
  for (std::size_t i = 0; i < id.bytes.size(); i += 8) {
    const std::uint64_t word = random();
    std::memcpy(id.bytes.data() + i, &word, 8);
  }
  return id;
}

// Sum of (seen - expected)^2 / expected over cells that expect at least 5, and their number.
struct ChiSquare {
  double sum = 0;
  int cells = 0;
  void Add(double seen, double expected) {
    if (expected < 5) return;
    sum += (seen - expected) * (seen - expected) / expected;
    ++cells;
  }
  // Five standard deviations of the statistic, for one seed of many.
  bool Fits() const { return sum < cells + 5 * std::sqrt(2.0 * cells); }
};

class Propensity : public ::testing::TestWithParam<Exploration> {};

TEST_P(Propensity, AMillionReplayedDrawsFollowTheLoggedDistribution) {
  const Snapshot snapshot = WorldOf(GetParam());
  SplitMix64 random(kSeed);
  Query query;
  query.weights = {.quality = 1, .cost = 0};
  query.id = RandomId(random);
  const Decision first = Decide(snapshot, query).value();
  constexpr int kDraws = 1'000'000;
  std::vector<double> drawn(first.ranked.size());
  std::vector<double> asked(first.ranked.size());
  std::vector<double> gold_probability(first.ranked.size(), -1);
  double audits = 0;
  for (int i = 0; i < kDraws; ++i) {
    query.id = RandomId(random);
    const Decision decision = Decide(snapshot, query).value();
    const std::size_t arm = decision.chosen;
    ASSERT_EQ(decision.ranked[arm].model, first.ranked[arm].model);
    ASSERT_EQ(decision.propensity, first.ranked[arm].probability);
    drawn[arm] += 1;
    asked[arm] += decision.gold_wanted ? 1 : 0;
    audits += decision.audit ? 1 : 0;
    if (gold_probability[arm] < 0) gold_probability[arm] = decision.gold_probability;
    ASSERT_EQ(decision.gold_probability, gold_probability[arm]);
  }
  ChiSquare draws;
  ChiSquare gold;
  for (std::size_t arm = 0; arm < drawn.size(); ++arm) {
    const double expected = first.ranked[arm].probability * kDraws;
    if (expected == 0) {
      EXPECT_EQ(drawn[arm], 0);
    }
    draws.Add(drawn[arm], expected);
    if (drawn[arm] == 0) continue;
    gold.Add(asked[arm], gold_probability[arm] * drawn[arm]);
    gold.Add(drawn[arm] - asked[arm], (1 - gold_probability[arm]) * drawn[arm]);
  }
  EXPECT_TRUE(draws.Fits()) << "seed " << kSeed << ": chi-square " << draws.sum << " over " << draws.cells;
  EXPECT_TRUE(gold.Fits()) << "seed " << kSeed << ": chi-square " << gold.sum << " over " << gold.cells;
  EXPECT_GE(draws.cells, 3) << "the world must be one in which draws differ";
  const double expected_audits = GetParam() == Exploration::kGreedyAudits ? .05 * kDraws : 0;
  EXPECT_NEAR(audits, expected_audits, 5 * std::sqrt(expected_audits));
}

// Logged by each kind; the value of "always model m" and of the uniform policy from the
// log alone, against the truth that only the simulator knows.
TEST_P(Propensity, TheInversePropensityValueOfAKnownPolicyIsItsTruth) {
  const Snapshot snapshot = WorldOf(GetParam());
  SplitMix64 random(kSeed + 1);
  const double truth[] = {.62, .55, .71, .3};
  constexpr int kDecisions = 100'000;
  Query query;
  query.weights = {.quality = 1, .cost = 0};
  std::vector<double> sums(4);
  std::vector<double> squares(4);
  bool reachable[4] = {};
  for (int i = 0; i < kDecisions; ++i) {
    query.id = RandomId(random);
    const Decision decision = Decide(snapshot, query).value();
    if (i == 0) {
      for (const Candidate& one : decision.ranked) reachable[one.model.value - 1] = one.probability > 0;
    }
    const std::size_t model = decision.ranked[decision.chosen].model.value - 1;
    const double reward = random.Unit() < truth[model] ? 1 : 0;
    const double term = reward / decision.propensity;
    sums[model] += term;
    squares[model] += term * term;
  }
  double uniform = 0;
  double uniform_variance = 0;
  double uniform_truth = 0;
  for (std::size_t m = 0; m < 4; ++m) {
    if (!reachable[m]) continue;
    const double mean = sums[m] / kDecisions;
    const double variance = (squares[m] / kDecisions - mean * mean) / kDecisions;
    EXPECT_NEAR(mean, truth[m], 3 * std::sqrt(variance)) << "always model " << m << ", seed " << kSeed + 1;
    uniform += mean / 4;
    uniform_truth += truth[m] / 4;
    uniform_variance += variance / 16;
  }
  EXPECT_NEAR(uniform, uniform_truth, 3 * std::sqrt(uniform_variance));
}

INSTANTIATE_TEST_SUITE_P(Kinds, Propensity,
                         ::testing::Values(Exploration::kGreedyAudits, Exploration::kThompson, Exploration::kEpsilon,
                                           Exploration::kSquareCb),
                         [](const auto& kind) {
                           switch (kind.param) {
                             case Exploration::kGreedyAudits: return "GreedyAudits";
                             case Exploration::kThompson: return "Thompson";
                             case Exploration::kEpsilon: return "Epsilon";
                             case Exploration::kSquareCb: return "SquareCb";
                           }
                           return "unknown";
                         });

}  // namespace
}  // namespace pointsman::policy
