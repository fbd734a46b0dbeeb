// Models on trial: how often they are drawn, that the logged probabilities are the true
// ones, and that a trial costs no more than it may.
#include "policy/choice/trial.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "base/unit_draw.h"
#include "policy/choice/exploration.h"
#include "policy/choice/pacing.h"
#include "policy/choice/probe.h"
#include "policy/world/newcomer_prior.h"
#include "tests/policy/choice/small_world.h"

namespace pointsman::policy {
namespace {

using testing::FreshSnapshot;
using testing::IdOf;
using testing::RandomBundle;

// Four models of which the last is on trial, its level known to a quarter.
Snapshot World(ModelState state = ModelState::kNew) {
  Snapshot snapshot = FreshSnapshot(RandomBundle({.models = 4}, 3));
  testing::SetLevels(snapshot, {.6, .5, .4, .45});
  ModelView& newcomer = snapshot.models[3];
  newcomer.model.state = state;
  newcomer.covariance[0] = kUnknownLevelWidth * kUnknownLevelWidth;
  snapshot.trials = {3};
  snapshot.options.gold_rate = .1;
  snapshot.options.audit_rate_start = .05;
  return snapshot;
}

Query QualityQuery() {
  Query query;
  query.weights = {.quality = 1, .cost = 0};
  return query;
}

const Candidate& Of(const Decision& decision, std::uint32_t model) {
  for (const Candidate& candidate : decision.ranked) {
    if (candidate.model.value == model) return candidate;
  }
  ADD_FAILURE() << "model " << model << " is not eligible";
  return decision.ranked[0];
}

// The part of `model`'s probability that audits are, at a rate of .05.
double Audited(const Decision& decision, std::uint32_t model, double quality_weight = 1) {
  const Widths widths = World().widths;
  const double own_width = std::sqrt(widths.model * widths.model + widths.cell * widths.cell);
  std::vector<Score> scores;
  for (const Candidate& one : decision.ranked) {
    scores.push_back({one.utility, quality_weight * AuditReach(std::sqrt(one.predicted_variance), own_width)});
  }
  const std::array<bool, 4> all = {true, true, true, true};
  const std::vector<double> shares = AuditShares(scores, all);
  for (std::size_t i = 0; i < shares.size(); ++i) {
    if (decision.ranked[i].model.value == model) return .05 * shares[i];
  }
  ADD_FAILURE() << "model " << model << " is not eligible";
  return 0;
}

double AuditedBest(const Decision& decision) { return Audited(decision, decision.ranked[0].model.value); }

TEST(Trials, ANewModelIsDrawnWithTheProbabilityThatItIsTheBetterOne) {
  const Snapshot snapshot = World();
  const Decision decision = Decide(snapshot, QualityQuery()).value();
  const Candidate& best = decision.ranked[0];
  const Candidate& newcomer = Of(decision, 4);
  const double deviation = std::sqrt(newcomer.predicted_variance + best.predicted_variance);
  const double better = .5 * std::erfc((best.utility - newcomer.utility) / deviation / std::sqrt(2.0));
  ASSERT_GT(better, kTrialFloor);
  EXPECT_NEAR(newcomer.probability, .95 * better + Audited(decision, 4), 1e-12);
  EXPECT_NEAR(best.probability, .95 * (1 - better) + AuditedBest(decision), 1e-12);
  EXPECT_NEAR(Of(decision, 2).probability, Audited(decision, 2), 1e-12) << "the others are audited only";
}

TEST(Trials, WithoutThemNothingChangesByABit) {
  Snapshot snapshot = World();
  snapshot.models[3].model.state = ModelState::kActive;
  snapshot.trials.clear();
  const Decision decision = Decide(snapshot, QualityQuery()).value();
  EXPECT_EQ(decision.ranked[0].probability, .95 + AuditedBest(decision));
  EXPECT_EQ(Of(decision, 4).probability, Audited(decision, 4));
}

TEST(Trials, AHopelessNewModelKeepsTheFloorUntilItHasReports) {
  Snapshot snapshot = World();
  testing::SetLevels(snapshot, {.6, .5, .4, .05});
  snapshot.models[3].covariance[0] = 1e-6;
  const Decision fresh = Decide(snapshot, QualityQuery()).value();
  EXPECT_NEAR(Of(fresh, 4).probability, .95 * kTrialFloor + Audited(fresh, 4), 1e-12);
  snapshot.models[3].tally.ratings = 12;
  snapshot.models[3].newcomer.probes = kTrialReports - 12;
  EXPECT_LT(Of(Decide(snapshot, QualityQuery()).value(), 4).probability, .95 * 1e-2 + Audited(fresh, 4));
}

TEST(Trials, OnProbationHardlyAnyDecisionPlaysIt) {
  const Decision decision = Decide(World(ModelState::kProbation), QualityQuery()).value();
  EXPECT_NEAR(Of(decision, 4).probability, .95 * kProbationShare + Audited(decision, 4), 1e-12);
}

TEST(Trials, TheBestGuessNeedsNone) {
  Snapshot snapshot = World();
  testing::SetLevels(snapshot, {.6, .5, .4, .7});
  const Decision decision = Decide(snapshot, QualityQuery()).value();
  EXPECT_EQ(decision.ranked[0].model.value, 4U);
  EXPECT_NEAR(decision.ranked[0].probability, .95 + AuditedBest(decision), 1e-15);
}

TEST(Trials, ADrawThatTheAllowanceDoesNotPayForIsNotMade) {
  Snapshot snapshot = World();
  Newcomer& newcomer = snapshot.models[3].newcomer;
  newcomer.joined_at = 100;
  snapshot.counters.decisions = 1100;
  const double allowance = TrialAllowance(newcomer, 1100);
  EXPECT_NEAR(allowance, .02 * 1000 + .002 * 1000, 1e-12);
  const Decision before = Decide(snapshot, QualityQuery()).value();
  const double gap = before.ranked[0].utility - Of(before, 4).utility;
  newcomer.spent = allowance - gap - 1e-9;
  EXPECT_GT(Of(Decide(snapshot, QualityQuery()).value(), 4).probability, .05);
  newcomer.spent = allowance - gap + 1e-9;
  EXPECT_NEAR(Of(Decide(snapshot, QualityQuery()).value(), 4).probability, Audited(before, 4), 1e-12);
}

TEST(Trials, WithABudgetDollarsAreBoundedToo) {
  Snapshot snapshot = World();
  snapshot.options.budget_usd = 1;  // far above every cost
  const Decision before = Decide(snapshot, QualityQuery()).value();
  const double extra = Of(before, 4).cost_usd - before.ranked[0].cost_usd;
  ASSERT_GT(extra, 0);
  Newcomer& newcomer = snapshot.models[3].newcomer;
  newcomer.spent_usd = TrialAllowance(newcomer, 0) - extra / 2;
  EXPECT_NEAR(Of(Decide(snapshot, QualityQuery()).value(), 4).probability, Audited(before, 4), 1e-12);
}

TEST(Trials, RequestsThatMustNotExploreGetNone) {
  const Snapshot snapshot = World();
  Query query = QualityQuery();
  query.no_explore = true;
  EXPECT_EQ(Of(Decide(snapshot, query).value(), 4).probability, 0);
  query = QualityQuery();
  query.incumbent = "model-1000";
  query.switch_cost = .01;
  EXPECT_EQ(Of(Decide(snapshot, query).value(), 4).probability, 0);
  query = QualityQuery();
  query.weights = {.quality = 0, .cost = 1};
  const Decision cheap = Decide(snapshot, query).value();
  EXPECT_NEAR(Of(cheap, 4).probability, Audited(cheap, 4, 0), 1e-12) << "quality does not count";
}

TEST(Trials, SeveralShareHalfOfTheDecisions) {
  Snapshot snapshot = World();
  for (std::size_t m = 1; m < 4; ++m) {
    snapshot.models[m].model.state = ModelState::kNew;
    snapshot.models[m].covariance[0] = 4;
  }
  snapshot.trials = {1, 2, 3};
  const Decision decision = Decide(snapshot, QualityQuery()).value();
  EXPECT_NEAR(decision.ranked[0].probability, .95 * (1 - kTrialsMost) + AuditedBest(decision), 1e-12);
  double sum = 0;
  for (const Candidate& candidate : decision.ranked) sum += candidate.probability;
  EXPECT_NEAR(sum, 1, 1e-12);
}

TEST(Trials, OtherPoliciesStopWhereTheAllowanceIsUsedUp) {
  Snapshot snapshot = World();
  snapshot.options.exploration = Exploration::kThompson;
  EXPECT_GT(Of(Decide(snapshot, QualityQuery()).value(), 4).probability, .02);
  snapshot.models[3].newcomer.spent = 1e6;
  const Decision decision = Decide(snapshot, QualityQuery()).value();
  EXPECT_EQ(Of(decision, 4).probability, 0);
  double sum = 0;
  for (const Candidate& candidate : decision.ranked) sum += candidate.probability;
  EXPECT_NEAR(sum, 1, 1e-12);
}

// An alarm has freed the last model.
Snapshot Changed(double variance) {
  Snapshot snapshot = World(ModelState::kActive);
  snapshot.models[3].changed = true;
  snapshot.models[3].covariance[0] = variance;
  return snapshot;
}

TEST(Trials, AModelThatChangedIsPlayedAsItMayBeTheBetterOneForWhatIsKnownOfItAlone) {
  const Snapshot snapshot = Changed(.05);
  const Decision decision = Decide(snapshot, QualityQuery()).value();
  const Candidate& best = decision.ranked[0];
  const Candidate& changed = Of(decision, 4);
  const double beyond = changed.predicted_variance - best.predicted_variance;
  ASSERT_GT(beyond, 0);
  const double better = .5 * std::erfc((best.utility - changed.utility) / std::sqrt(2 * beyond));
  ASSERT_LT(better, kChangedMost);
  ASSERT_GT(better, .01);
  EXPECT_NEAR(changed.probability, .95 * better + Audited(decision, 4), 1e-12);
  EXPECT_NEAR(best.probability, .95 * (1 - better) + AuditedBest(decision), 1e-12);
  Query observed = QualityQuery();
  observed.observed = "model-1003";
  EXPECT_NEAR(Decide(snapshot, observed).value().gold_probability, .1, 1e-12) << "no gold beyond the rate";
}

TEST(Trials, AModelThatChangedHasAQuarterOfTheDecisionsAtMost) {
  const Decision decision = Decide(Changed(100), QualityQuery()).value();
  EXPECT_NEAR(Of(decision, 4).probability, .95 * kChangedMost + Audited(decision, 4), 1e-12);
}

TEST(Trials, AModelThatChangedIsPlayedNoMoreOnceItIsKnownAsWellAsTheBest) {
  Snapshot snapshot = Changed(.05);
  snapshot.models[3].covariance = snapshot.models[0].covariance;
  const Decision decision = Decide(snapshot, QualityQuery()).value();
  EXPECT_NEAR(Of(decision, 4).probability, Audited(decision, 4), 1e-12);
}

TEST(Trials, AModelThatChangedCostsNoMoreThanAnAuditMay) {
  Snapshot snapshot = Changed(.05);
  const double most = Of(Decide(snapshot, QualityQuery()).value(), 4).cost_usd;
  snapshot.options.budget_usd = most / kAuditBudgets * 1.01;
  EXPECT_GT(Of(Decide(snapshot, QualityQuery()).value(), 4).probability, .01);
  snapshot.options.budget_usd = most / kAuditBudgets * .99;
  const Decision dear = Decide(snapshot, QualityQuery()).value();
  EXPECT_NEAR(Of(dear, 4).probability, Audited(dear, 4), 1e-12);
}

TEST(Trials, OtherPoliciesPlayAModelThatChangedAsTheyWould) {
  Snapshot snapshot = Changed(.05);
  snapshot.options.exploration = Exploration::kThompson;
  const Decision with = Decide(snapshot, QualityQuery()).value();
  snapshot.trials.clear();
  const Decision without = Decide(snapshot, QualityQuery()).value();
  EXPECT_EQ(Of(with, 4).probability, Of(without, 4).probability);
  EXPECT_GT(Of(with, 4).probability, 0);
}

// 200,000 draws with audits and a canary beside the trial: counts of arms by chi-square,
// and gold by arm against the logged probability.
TEST(Trials, LoggedProbabilitiesAreTheTrueOnes) {
  Snapshot snapshot = World();
  snapshot.models[3].newcomer.gold_asked = kTrialGold;  // gold by chance alone
  snapshot.rollout.rollout = {RolloutMode::kCanary, .7, "model-1002"};
  constexpr std::uint64_t kDraws = 200'000;
  std::vector<double> drawn(4), asked(4), gold(4), probability(4);
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    Query query = QualityQuery();
    SplitMix64 mixer(i);
    query.id = IdOf(mixer());
    const Decision decision = Decide(snapshot, query).value();
    const Candidate& chosen = decision.ranked[decision.chosen];
    const std::size_t m = chosen.model.value - 1;
    ASSERT_EQ(decision.propensity, chosen.probability);
    drawn[m] += 1;
    asked[m] += decision.gold_wanted ? 1 : 0;
    gold[m] = decision.gold_probability;
    for (const Candidate& candidate : decision.ranked) probability[candidate.model.value - 1] = candidate.probability;
  }
  double chi_square = 0;
  for (std::size_t m = 0; m < 4; ++m) {
    const double expected = probability[m] * kDraws;
    ASSERT_GT(expected, 5) << m;
    chi_square += (drawn[m] - expected) * (drawn[m] - expected) / expected;
    const double spread = std::sqrt(drawn[m] * gold[m] * (1 - gold[m]));
    EXPECT_NEAR(asked[m], drawn[m] * gold[m], 5 * spread + 1) << m;
  }
  EXPECT_LT(chi_square, 16.3) << "three degrees of freedom, one in a thousand";
}

TEST(Trials, TheFirstLabelsAreAskedOnEachDecisionForIt) {
  Snapshot snapshot = World();
  Query query = QualityQuery();
  query.observed = "model-1003";
  EXPECT_EQ(Decide(snapshot, query).value().gold_probability, 1);
  snapshot.models[3].newcomer.gold_asked = 15;
  EXPECT_EQ(Decide(snapshot, query).value().gold_probability, 1) << "a score is not known by fifteen";
  snapshot.models[3].newcomer.probes = kTrialGold - 15;
  EXPECT_NEAR(Decide(snapshot, query).value().gold_probability, .1, 1e-12) << "probes count as labels";
  snapshot.models[3].newcomer = Newcomer{};
  snapshot.options.gold_rate = 0;
  EXPECT_EQ(Decide(snapshot, query).value().gold_probability, 0) << "where no gold is given, none is asked";
}

TEST(Trials, TheBestGuessIsLabelledAsOften) {
  const Snapshot snapshot = World();
  double of_best = 0, of_newcomer = 0;
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    Query query = QualityQuery();
    SplitMix64 mixer(i);
    query.id = IdOf(mixer());
    const Decision decision = Decide(snapshot, query).value();
    if (!decision.gold_wanted || decision.audit) continue;
    of_best += decision.chosen == 0 ? 1 : 0;
    of_newcomer += decision.ranked[decision.chosen].model.value == 4 ? 1 : 0;
  }
  // Asked with the probability of the draw, on the decisions that are left.
  const Decision decision = Decide(snapshot, QualityQuery()).value();
  const double drawn = (Of(decision, 4).probability - Audited(decision, 4)) / .95;
  EXPECT_NEAR(of_newcomer / 20'000, .95 * drawn, .02);
  EXPECT_NEAR(of_best / 20'000, .95 * (1 - drawn) * drawn, .02);
}

Snapshot ProbeWorld() {
  Snapshot snapshot = World();
  snapshot.models[3].model.name = "newcomer";
  return snapshot;
}

std::vector<Probe> ProbesFor(const Snapshot& snapshot, std::size_t each) {
  std::vector<Probe> probes;
  const Bundle& bundle = *snapshot.bundle;
  for (std::size_t k = 0; k < bundle.cluster_count(); ++k) {
    const float* row = bundle.centroids.data() + k * bundle.dimension();
    for (std::size_t i = 0; i < each; ++i) probes.push_back({{row, row + bundle.dimension()}, .5});
  }
  return probes;
}

TEST(Probes, LieWhereADecisionForTheirQueryWouldLie) {
  const Snapshot snapshot = ProbeWorld();
  const auto probes = ProbesFor(snapshot, 5);
  const auto made = MakeProbes(snapshot, "newcomer", probes, 17);
  ASSERT_TRUE(made.ok()) << made.error().message;
  ASSERT_EQ(made->event.rows.size(), probes.size());
  EXPECT_EQ(made->event.id.value, 4U);
  Query query;
  query.embedding = probes[0].embedding;
  query.observed = "newcomer";
  const DecisionContext decided = ToEvent(snapshot, query, Decide(snapshot, query).value(), 17).context;
  const DecisionContext& row = made->event.rows[0].context;
  EXPECT_EQ(row.clusters, decided.clusters);
  EXPECT_EQ(row.anchors, decided.anchors);
  EXPECT_EQ(row.prior, decided.prior);
  EXPECT_EQ(row.decided_at_us, 17);
  EXPECT_EQ(row.gold_probability, 0) << "a probe is no random audit";
  EXPECT_TRUE(made->thin.empty());
}

TEST(Probes, AreRefusedWithWhatToDo) {
  const Snapshot snapshot = ProbeWorld();
  const auto error = [&](const std::string& model, std::vector<Probe> probes) {
    const auto made = MakeProbes(snapshot, model, probes, 0);
    EXPECT_FALSE(made.ok());
    return made.ok() ? Error{} : made.error();
  };
  EXPECT_EQ(error("nobody", ProbesFor(snapshot, 5)).reason, "unknown_model");
  auto probes = ProbesFor(snapshot, 5);
  probes.resize(10);
  const Error few = error("newcomer", probes);
  EXPECT_EQ(few.reason, "too_few_probes");
  EXPECT_NE(few.message.find("at least 60"), std::string::npos) << few.message;
  EXPECT_EQ(error("newcomer", ProbesFor(snapshot, 40)).reason, "too_many_probes");
  probes = ProbesFor(snapshot, 5);
  probes[7].score = std::nan("");
  const Error bad = error("newcomer", probes);
  EXPECT_EQ(bad.code, Code::kOutOfRange);
  EXPECT_NE(bad.message.find("probe 8"), std::string::npos) << bad.message;
}

TEST(Probes, ClustersWithFewerThanFiveAreNamed) {
  const Snapshot snapshot = ProbeWorld();
  auto probes = ProbesFor(snapshot, 6);
  probes.erase(probes.begin(), probes.begin() + 3);
  const auto made = MakeProbes(snapshot, "newcomer", probes, 0);
  ASSERT_TRUE(made.ok());
  ASSERT_EQ(made->thin.size(), 1U);
  EXPECT_EQ(made->thin[0].value, 1U);
}

}  // namespace
}  // namespace pointsman::policy
