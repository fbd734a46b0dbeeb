#include "policy/choice/decide.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "policy/choice/utility.h"
#include "tests/policy/choice/small_world.h"

namespace pointsman::policy {
namespace {

using testing::FreshSnapshot;
using testing::IdOf;
using testing::RandomBundle;
using testing::UnitRows;

class DecideTest : public ::testing::Test {
 protected:
  DecideTest() {
    snapshot_.options.gold_rate = .02;
    query_.embedding = embedding_;
    query_.weights = {.quality = 1, .cost = 0};
    query_.tokens_in = 100;
    query_.id = IdOf(1);
  }

  Decision Must(const Query& query) const {
    auto decision = Decide(snapshot_, query);
    EXPECT_TRUE(decision.ok());
    return std::move(decision).value();
  }
  const Candidate& Of(const Decision& decision, const std::string& name) const {
    for (const Candidate& candidate : decision.ranked) {
      if (candidate.name == name) return candidate;
    }
    ADD_FAILURE() << name << " is not ranked";
    return decision.ranked[0];
  }

  std::shared_ptr<Bundle> bundle_ = RandomBundle({}, 3);
  Snapshot snapshot_ = FreshSnapshot(bundle_);
  std::vector<float> embedding_ = UnitRows(1, 24, 77);
  Query query_;
};

TEST_F(DecideTest, EqualInputsGiveEqualDecisions) {
  const auto a = Must(query_);
  const auto b = Must(query_);
  EXPECT_EQ(a.chosen, b.chosen);
  EXPECT_EQ(ToEvent(snapshot_, query_, a, 5), ToEvent(snapshot_, query_, b, 5));
}

TEST_F(DecideTest, RanksByUtilityAndPredictsThePriorBeforeAnyFeedback) {
  const auto decision = Must(query_);
  ASSERT_EQ(decision.ranked.size(), 4U);
  for (std::size_t i = 1; i < 4; ++i) EXPECT_GE(decision.ranked[i - 1].utility, decision.ranked[i].utility);
  for (const auto& candidate : decision.ranked) {
    EXPECT_NEAR(candidate.quality, candidate.prior, 1e-12);
    EXPECT_NEAR(candidate.utility, candidate.predicted_mean, 1e-12) << "weights (1, 0)";
    EXPECT_GT(candidate.cost_usd, 0);
  }
}

TEST_F(DecideTest, WeightsTradeQualityForCost) {
  query_.weights = {.quality = 0, .cost = 1};
  EXPECT_EQ(Must(query_).ranked[0].name, bundle_->models[0]) << "the cheapest";
  for (const char* preset : {"cost", "balanced", "quality"}) {
    const auto weights = PresetWeights(preset);
    ASSERT_TRUE(weights.ok());
    query_.weights = *weights;
    const auto decision = Must(query_);
    const double dearest = Of(decision, bundle_->models[3]).cost_usd;
    for (const auto& candidate : decision.ranked) {
      EXPECT_NEAR(candidate.utility, Utility(*weights, candidate.predicted_mean, candidate.cost_usd, dearest), 1e-12);
    }
  }
  query_.weights = {.quality = 2, .cost = -1};
  EXPECT_EQ(Decide(snapshot_, query_).error().code, Code::kOutOfRange);
}

// decisions/0016.
TEST_F(DecideTest, AuditsBecomeRareOnceGoldHasFoundNothingWrongWithThePrior) {
  snapshot_.options.gold_rate = .3;
  snapshot_.options.audit_rate_start = .2;
  snapshot_.options.audit_rate = .01;
  snapshot_.options.widths_overridden = true;
  snapshot_.widths = snapshot_.options.widths;
  EXPECT_EQ(Must(query_).audit_rate, .2);
  snapshot_.counters.feedback[0] = kTrustGold;
  EXPECT_EQ(Must(query_).audit_rate, .2) << "too few reports";
  snapshot_.counters.feedback[1] = kTrustReports;
  EXPECT_EQ(Must(query_).audit_rate, .01);
  snapshot_.widths.model = 2 * snapshot_.options.widths.model;
  EXPECT_EQ(Must(query_).audit_rate, .2) << "gold asks for wider levels";
  snapshot_.counters.decisions = 1'000'000;
  EXPECT_EQ(Must(query_).audit_rate, .2) << "and for audits for as long as it does";
  snapshot_.widths.model = snapshot_.options.widths.model;
  EXPECT_EQ(Must(query_).audit_rate, .01);
}

TEST_F(DecideTest, AuditsFollowTheLoggedPropensities) {
  snapshot_.options.gold_rate = .3;
  snapshot_.options.audit_rate_start = .2;
  constexpr int kDraws = 1'000'000;
  std::map<std::string, int> seen;
  std::map<std::string, int> gold;
  std::map<std::string, double> probability;
  std::map<std::string, double> gold_probability;
  int audits = 0;
  for (int i = 0; i < kDraws; ++i) {
    query_.id = IdOf(static_cast<std::uint64_t>(i));
    const auto decision = Must(query_);
    const auto& chosen = decision.ranked[decision.chosen];
    EXPECT_EQ(decision.propensity, chosen.probability);
    ++seen[chosen.name];
    gold[chosen.name] += decision.gold_wanted ? 1 : 0;
    gold_probability[chosen.name] = decision.gold_probability;
    for (const auto& candidate : decision.ranked) probability[candidate.name] = candidate.probability;
    audits += decision.audit ? 1 : 0;
    if (decision.audit) {
      EXPECT_TRUE(decision.gold_wanted) << "an audit always asks for gold";
    }
    if (decision.chosen != 0) {
      EXPECT_TRUE(decision.audit) << "only an audit leaves the greedy model";
    }
  }
  EXPECT_NEAR(audits, .2 * kDraws, 5 * std::sqrt(.16 * kDraws));
  double chi_square = 0;
  int asked = 0;
  for (const auto& [name, p] : probability) {
    chi_square += (seen[name] - kDraws * p) * (seen[name] - kDraws * p) / (kDraws * p);
    const double e = gold_probability[name];
    EXPECT_NEAR(gold[name], e * seen[name], 5 * std::sqrt(e * (1 - e) * seen[name]) + 1e-6) << name;
    asked += gold[name];
  }
  EXPECT_LT(chi_square, 16.27) << "99.9 % quantile at 3 degrees of freedom";
  EXPECT_NEAR(asked, .3 * kDraws, 5 * std::sqrt(.21 * kDraws)) << "gold in all is the configured rate";
}

TEST_F(DecideTest, ThompsonDrawsFollowTheLoggedPropensities) {
  snapshot_.options.exploration = Exploration::kThompson;
  for (auto& view : snapshot_.models) view.covariance[0] = .04;
  constexpr int kDraws = 100'000;
  std::map<std::string, int> seen;
  Decision decision;
  for (int i = 0; i < kDraws; ++i) {
    query_.id = IdOf(static_cast<std::uint64_t>(i));
    decision = Must(query_);
    ++seen[decision.ranked[decision.chosen].name];
    EXPECT_FALSE(decision.audit);
    EXPECT_EQ(decision.gold_probability, .02);
  }
  double chi_square = 0;
  for (const auto& candidate : decision.ranked) {
    if (candidate.probability == 0) {
      EXPECT_EQ(seen[candidate.name], 0);
      continue;
    }
    const double expected = kDraws * candidate.probability;
    chi_square += (seen[candidate.name] - expected) * (seen[candidate.name] - expected) / expected;
  }
  EXPECT_LT(chi_square, 16.27);
}

// It is the same for all of them, so it says how sure a quality is and nothing of who is better.
TEST_F(DecideTest, WhatAllModelsShareInAClusterWidensQualitiesAndMovesNoDraw) {
  for (const auto policy : {Exploration::kGreedyAudits, Exploration::kThompson}) {
    snapshot_.options.exploration = policy;
    for (auto& view : snapshot_.models) view.covariance[0] = .04;
    bundle_->cluster_sizes[0] = 120;  // of twelve clusters of ten
    snapshot_.shared_cell = 0;
    const Decision without = Must(query_);
    snapshot_.shared_cell = .5;
    const Decision with = Must(query_);
    ASSERT_EQ(with.ranked.size(), without.ranked.size());
    for (std::size_t i = 0; i < with.ranked.size(); ++i) {
      EXPECT_EQ(with.ranked[i].probability, without.ranked[i].probability);
      EXPECT_EQ(with.ranked[i].predicted_variance, without.ranked[i].predicted_variance);
      EXPECT_GT(with.ranked[i].quality_deviation, without.ranked[i].quality_deviation + .01);
    }
  }
}

TEST_F(DecideTest, AuditsThinOutAfterTheStartAndEndWithoutGold) {
  for (auto& view : snapshot_.models) view.covariance[0] = 1e12;  // audits are shared out evenly
  EXPECT_NEAR(Must(query_).ranked[3].probability, .01 / 4, 1e-12);
  snapshot_.counters.decisions = 4000;
  EXPECT_NEAR(Must(query_).ranked[3].probability, .003 / 4, 1e-12);
  EXPECT_NEAR(Must(query_).ranked[0].probability, 1 - .003 + .003 / 4, 1e-12);
  snapshot_.options.gold_rate = .001;
  EXPECT_NEAR(Must(query_).ranked[3].probability, .001 / 4, 1e-12);
  snapshot_.options.gold_rate = 0;
  EXPECT_EQ(Must(query_).ranked[0].probability, 1);
  EXPECT_EQ(Must(query_).gold_probability, 0);
}

TEST_F(DecideTest, FullGoldIsAskedForEveryDecision) {
  snapshot_.options.gold_rate = 1;
  for (std::uint64_t i = 0; i < 500; ++i) {
    query_.id = IdOf(i);
    EXPECT_TRUE(Must(query_).gold_wanted);
    EXPECT_NEAR(Must(query_).gold_probability, 1, 1e-12);
  }
}

TEST_F(DecideTest, NoExploreIsGreedyUnderEveryPolicy) {
  query_.no_explore = true;
  for (const auto policy : {Exploration::kGreedyAudits, Exploration::kThompson}) {
    snapshot_.options.exploration = policy;
    for (std::uint64_t i = 0; i < 2000; ++i) {
      query_.id = IdOf(i);
      const auto decision = Must(query_);
      ASSERT_EQ(decision.chosen, 0U);
      ASSERT_EQ(decision.propensity, 1);
      ASSERT_FALSE(decision.audit);
    }
  }
}

TEST_F(DecideTest, TheQualityFloorNeverEmptiesTheSet) {
  const auto all = Must(query_);
  query_.quality_floor = (all.ranked[1].quality + all.ranked[2].quality) / 2;
  EXPECT_EQ(Must(query_).ranked.size(), 2U);
  query_.quality_floor = 1;
  const auto decision = Must(query_);
  EXPECT_EQ(decision.ranked.size(), 4U);
  EXPECT_FALSE(decision.forced);
}

TEST_F(DecideTest, ConstraintsLeaveOnlyThoseThatMayAnswer) {
  snapshot_.models[0].model.state = ModelState::kDraining;
  snapshot_.models[1].model.context_tokens = 99;
  const auto decision = Must(query_);
  ASSERT_EQ(decision.ranked.size(), 2U);
  query_.cost_cap_usd = (decision.ranked[0].cost_usd + decision.ranked[1].cost_usd) / 2;
  EXPECT_EQ(Must(query_).ranked.size(), 1U);
  query_.cost_cap_usd = 0;
  query_.allowed = {bundle_->models[3], "nobody"};
  ASSERT_EQ(Must(query_).ranked.size(), 1U);
  EXPECT_EQ(Must(query_).ranked[0].name, bundle_->models[3]);
}

TEST_F(DecideTest, WithNobodyEligibleTheFallbackAnswersFlagged) {
  query_.cost_cap_usd = 1e-12;
  auto decision = Must(query_);
  EXPECT_TRUE(decision.forced);
  ASSERT_EQ(decision.ranked.size(), 1U);
  EXPECT_EQ(decision.ranked[0].name, bundle_->models[0]) << "the cheapest";
  EXPECT_EQ(decision.propensity, 1);
  EXPECT_FALSE(decision.audit);
  EXPECT_TRUE(ToEvent(snapshot_, query_, decision, 1).forced);

  snapshot_.options.fallback_model = bundle_->models[2];
  EXPECT_EQ(Must(query_).ranked[0].name, bundle_->models[2]);
  query_.allowed = {bundle_->models[1], bundle_->models[3]};
  EXPECT_EQ(Must(query_).ranked[0].name, bundle_->models[1]) << "a fallback that may not answer is passed over";
  for (auto& view : snapshot_.models) view.model.state = ModelState::kDraining;
  EXPECT_EQ(Must(query_).ranked[0].name, bundle_->models[1]) << "there is always an answer";
}

TEST_F(DecideTest, AnEmptyPoolAndUnknownNamesAreRefusedWithAReason) {
  query_.allowed = {"nobody", "no one"};
  const auto unknown = Decide(snapshot_, query_);
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code, Code::kNotFound);
  EXPECT_EQ(unknown.error().reason, "unknown_model");
  snapshot_.models.clear();
  const auto empty = Decide(snapshot_, query_);
  ASSERT_FALSE(empty.ok());
  EXPECT_EQ(empty.error().code, Code::kFailedPrecondition);
  EXPECT_EQ(empty.error().reason, "empty_pool");
}

TEST_F(DecideTest, RoutesInTheColdBundleWithoutAnEmbedding) {
  snapshot_.bundle = ColdBundle();
  snapshot_.clusters.assign(1, nullptr);
  for (auto& view : snapshot_.models) {
    view.column = -1;
    view.mean_prior = .5;
  }
  query_.embedding = {};
  const auto decision = Must(query_);
  EXPECT_EQ(decision.ranked.size(), 4U);
  EXPECT_EQ(decision.ranked[0].quality, .5);
  EXPECT_TRUE(decision.tasks.empty());
}

TEST_F(DecideTest, TheEventCarriesWhatTheFoldNeedsAndTheChosenCandidate) {
  bundle_ = RandomBundle({.models = 12}, 5);
  snapshot_ = FreshSnapshot(bundle_);
  snapshot_.options.gold_rate = 1;
  snapshot_.options.audit_rate_start = 1;
  for (auto& view : snapshot_.models) view.covariance[0] = 1e12;  // audits are shared out evenly
  bool worst_was_drawn = false;
  for (std::uint64_t i = 0; i < 200; ++i) {
    query_.id = IdOf(i);
    const auto decision = Must(query_);
    const auto event = ToEvent(snapshot_, query_, decision, 42);
    const auto& chosen = decision.ranked[decision.chosen];
    EXPECT_EQ(event.context.decision, query_.id);
    EXPECT_EQ(event.context.model, chosen.model);
    EXPECT_EQ(event.context.bundle, bundle_->hash);
    EXPECT_EQ(event.context.decided_at_us, 42);
    // Rounded to floats, and by no more.
    ASSERT_EQ(event.context.clusters.size(), decision.membership.clusters.size());
    for (std::size_t c = 0; c < event.context.clusters.size(); ++c) {
      EXPECT_EQ(event.context.clusters[c].cluster, decision.membership.clusters[c].cluster);
      EXPECT_EQ(event.context.clusters[c].weight,
                static_cast<double>(static_cast<float>(decision.membership.clusters[c].weight)));
    }
    EXPECT_EQ(event.context.prior_centred, static_cast<double>(static_cast<float>(chosen.prior - .5)));
    EXPECT_EQ(event.context.propensity, decision.propensity) << "exact";
    EXPECT_NEAR(event.context.propensity, 1.0 / 12, 1e-12);
    EXPECT_EQ(event.eligible, 12U);
    ASSERT_EQ(event.candidates.size(), kLoggedCandidatesMax);
    EXPECT_EQ(event.tasks.size(), 3U);
    EXPECT_TRUE(std::any_of(event.candidates.begin(), event.candidates.end(),
                            [&](const auto& candidate) { return candidate.model == chosen.model; }));
    worst_was_drawn = worst_was_drawn || decision.chosen == 11;
  }
  EXPECT_TRUE(worst_was_drawn);
}

}  // namespace
}  // namespace pointsman::policy
