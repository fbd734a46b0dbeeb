// Newcomers in the fold: what they start from, what is booked, how trials end, and that a
// log folds again to the same bytes.
#include <gtest/gtest.h>

#include <cmath>

#include "policy/learning/life_cycle.h"
#include "policy/world/newcomer_prior.h"
#include "tests/policy/belief/harness.h"

namespace pointsman::policy {
namespace {

struct House : Harness {
  House() {
    Bundle bundle = PlainBundle(2, {{"acme-large", .8}, {"acme-small", .6}, {"brand-x", .4}});
    const double skills[3] = {.8, .6, .4};
    for (std::size_t i = 0; i < bundle.skills.size(); ++i) bundle.skills[i] = skills[i % 3];
    AddBundle(bundle);
    for (const char* name : {"acme-large", "acme-small", "brand-x"}) AddModel(name);
    Activate(1, 1);
  }
  const Model& model(std::uint32_t id) const { return *learner->state().pool.Find(ModelId{id}); }
  const Newcomer& newcomer(std::uint32_t id) const { return learner->state().newcomers.at(ModelId{id}); }
  std::shared_ptr<const Bundle> live() const { return learner->bundle(); }

  void Join(const std::string& name, const NewcomerFacts& facts = {}) {
    const auto prior = PriorOfNewcomer(live().get(), live()->widths.model, learner->state().pool, name, {1, 2}, facts);
    ASSERT_TRUE(prior.ok()) << prior.error().message;
    Add(ModelAdded{.id = learner->state().pool.NextId(),
                   .name = name,
                   .price = {1, 2},
                   .context_tokens = 0,
                   .on_trial = prior->on_trial,
                   .like = prior->like,
                   .level_width = prior->level_width});
  }
  // A decision for model `id` although model 1 was `gap` better.
  DecisionMade Made(std::uint32_t id, float gap, float extra_usd = 0) {
    DecisionMade made;
    made.context.model = ModelId{id};
    made.context.clusters.push_back({ClusterId{1}, 1.0});
    made.context.prior = .5;
    made.candidates.push_back({.model = ModelId{1}, .probability = .9F, .quality = .8F, .cost_usd = 0, .utility = .8F});
    made.candidates.push_back(
        {.model = ModelId{id}, .probability = .1F, .quality = .5F, .cost_usd = extra_usd, .utility = .8F - gap});
    return made;
  }
  void Probe(std::uint32_t id, std::size_t count, double value) {
    ModelProbed probed{.id = ModelId{id}, .rows = {}};
    for (std::size_t i = 0; i < count; ++i) {
      ProbeRow& row = probed.rows.emplace_back();
      row.context = Made(id, 0).context;
      row.context.generation = learner->state().generation;
      row.context.bundle = learner->state().bundle;
      row.context.clusters.clear();
      row.context.clusters.push_back({ClusterId{static_cast<std::uint32_t>(1 + i % 2)}, 1.0});
      row.value = value;
    }
    Add(probed);
  }
};

TEST(NewcomerPriors, AKnownModelJoinsAsActiveAndAnUnknownOneOnTrial) {
  House house;
  EXPECT_EQ(house.model(1).state, ModelState::kActive) << "in generation 0 nobody is known better";
  house.Join("stranger");
  EXPECT_EQ(house.model(4).state, ModelState::kNew);
  const auto snapshot = house.Publish();
  const ModelView& view = *snapshot->FindLive("stranger");
  EXPECT_NEAR(view.mean_prior, .6 - .05, 1e-12) << "the mean over all, less .05";
  EXPECT_NEAR(view.covariance[0], kUnknownLevelWidth * kUnknownLevelWidth, 1e-4);
  ASSERT_EQ(snapshot->trials.size(), 1U);
}

TEST(NewcomerPriors, FactsChooseTheNearestModels) {
  House house;
  house.Join("acme-huge", {.family = "ACME", .strength = .9});
  EXPECT_EQ(house.model(4).like, (std::vector<std::string>{"acme-large", "acme-small", "brand-x"}));
  const double between = (.64 + .36 + .16) / 3 - .36;
  EXPECT_NEAR(house.newcomer(4).level_width, std::sqrt(between + .02), 1e-12);
  EXPECT_NEAR(house.Publish()->FindLive("acme-huge")->mean_prior, .6, 1e-12) << "no .05 less";
}

TEST(NewcomerPriors, BadFactsAreRefusedWithWhatToDo) {
  House house;
  const auto prior = [&](NewcomerFacts facts) {
    return PriorOfNewcomer(house.live().get(), .05, house.learner->state().pool, "new", {}, facts);
  };
  EXPECT_EQ(prior({.family = "", .strength = 1.5}).error().code, Code::kOutOfRange);
  EXPECT_EQ(prior({.family = "", .strength = std::nan("")}).error().code, Code::kOutOfRange);
  EXPECT_EQ(prior({.family = "nobody", .strength = {}}).error().reason, "unknown_family");
}

TEST(NewcomerPriors, AKnownNameThatComesBackIsOnTrialAboutItsOldPrior) {
  House house;
  house.Add(ModelStateChanged{ModelId{2}, ModelState::kRetired});
  house.Join("acme-small");
  EXPECT_EQ(house.model(4).epoch, 2U);
  EXPECT_EQ(house.model(4).state, ModelState::kNew);
  EXPECT_EQ(house.newcomer(4).level_width, 2 * house.live()->widths.model) << "variance times 4";
  EXPECT_NEAR(house.Publish()->FindLive("acme-small")->mean_prior, .6, 1e-12);
}

// As where a source likes a pool and dislikes who joins: gold must not wait for ratings to be outvoted.
TEST(NewcomerPriors, RatingsOfAStrangerDoNotOutvoteItsFirstLabels) {
  House house;
  std::uint32_t id = 0;
  const auto rated = [&](std::uint32_t model, double rating, std::optional<double> gold) {
    house.Decide(++id, model, {{1, .5}, {2, .5}}, .5);
    ASSERT_EQ(house.Report(id, 1, rating), Code::kOk);
    if (gold.has_value()) {
      ASSERT_EQ(house.Report(id, 0, *gold), Code::kOk);
    }
  };
  for (int i = 0; i < 300; ++i) {
    const double value = i % 10 < 6 ? 1 : 0;
    for (const std::uint32_t model : {1U, 2U, 3U}) rated(model, value, value);
  }
  house.Join("stranger");
  for (int i = 0; i < 40; ++i) house.Probe(4, 1, i % 10 < 7 ? 1 : 0);
  for (int i = 0; i < 300; ++i) rated(4, i % 10 < 4 ? 1 : 0, std::nullopt);
  const auto snapshot = house.Publish();
  const ModelView& view = *snapshot->FindLive("stranger");
  EXPECT_NEAR(view.mean_prior + view.mean[0], .7, .03);
  EXPECT_LT(view.covariance[0], .1 * .1);
}

TEST(TrialBooks, OnlyDrawsOfTheTrialAreBooked) {
  House house;
  house.Join("stranger");
  DecisionMade made = house.Made(4, .25F, .5F);
  made.gold_wanted = true;
  house.Add(made);
  EXPECT_EQ(house.newcomer(4).plays, 1U);
  EXPECT_NEAR(house.newcomer(4).spent, .25, 1e-6);
  EXPECT_NEAR(house.newcomer(4).spent_usd, .5, 1e-6);
  EXPECT_EQ(house.newcomer(4).gold_asked, 1U);
  for (int kind = 0; kind < 4; ++kind) {
    DecisionMade other = house.Made(4, .25F);
    other.context.audit = kind == 0;
    other.observed = kind == 1;
    other.forced = kind == 2;
    if (kind == 3) {
      other.followed = true;
      other.incumbent = ModelId{4};
    }
    house.Add(other);
  }
  house.Add(house.Made(2, .25F));
  EXPECT_EQ(house.newcomer(4).plays, 1U);
  EXPECT_NEAR(house.newcomer(4).spent, .25, 1e-6);
}

TEST(TrialEnds, EvidenceMakesAGoodOneActiveAndABadOneGoesOnProbation) {
  House house;
  house.Join("good");
  house.Join("bad");
  house.Probe(4, kTrialReports - 1, 1);
  EXPECT_FALSE(DueStateChange(*house.Publish(), {1, 0}).has_value()) << "too early";
  for (int i = 0; i < 3; ++i) house.Probe(4, 100, .9);
  house.Probe(5, 100, 0);
  const auto first = DueStateChange(*house.Publish(), {1, 0});
  ASSERT_TRUE(first.has_value());
  house.Add(*first);
  const auto second = DueStateChange(*house.Publish(), {1, 0});
  ASSERT_TRUE(second.has_value());
  house.Add(*second);
  EXPECT_EQ(house.model(4).state, ModelState::kActive);
  EXPECT_EQ(house.model(5).state, ModelState::kProbation);
  EXPECT_FALSE(DueStateChange(*house.Publish(), {1, 0}).has_value());
}

TEST(TrialEnds, WhatTheLearnerFoundIsVoidAfterAnOperatorsWord) {
  House house;
  house.Join("stranger");
  house.Add(ModelStateChanged{ModelId{4}, ModelState::kDraining});
  Event event;
  event.seq = LogSeq{house.learner->state().last_seq.value + 1};
  event.origin = Origin::kLearner;
  event.payload = ModelStateChanged{ModelId{4}, ModelState::kActive};
  ASSERT_TRUE(house.learner->Learn(event).ok());
  EXPECT_EQ(house.model(4).state, ModelState::kDraining);
  EXPECT_FALSE(house.Try(ModelStateChanged{ModelId{1}, ModelState::kNew}).ok()) << "it never was on trial";
}

TEST(TrialEnds, ABundleThatKnowsTheModelEndsIt) {
  House house;
  house.Join("stranger");
  Bundle next = PlainBundle(2, {{"acme-large", .8}, {"stranger", .7}});
  next.hash = HashOf(2);
  house.AddBundle(next);
  house.Activate(2, 2);
  EXPECT_EQ(house.model(4).state, ModelState::kActive);
  EXPECT_NE(house.newcomer(4).ended.value, 0U);
  EXPECT_NEAR(house.Publish()->FindLive("stranger")->covariance[0], std::pow(next.widths.model, 2), 1e-4);
}

TEST(FoldedProbes, TeachLikeGoldAndFollowAGeneration) {
  House house;
  house.Join("stranger");
  const double before = Read(*house.Publish(), "stranger", {{1, 1}}, .55).mean;
  house.Probe(4, 40, 1);
  EXPECT_EQ(house.newcomer(4).probes, 40U);
  EXPECT_GT(Read(*house.Publish(), "stranger", {{1, 1}}, .55).mean, before + .3);
  EXPECT_EQ(house.learner->state().counters.feedback[0], 0U) << "no label of traffic";
  Bundle next = PlainBundle(2, {{"acme-large", .8}});
  next.hash = HashOf(2);
  house.AddBundle(next);
  house.Activate(2, 2);
  EXPECT_GT(Read(*house.Publish(), "stranger", {{0, 1}}, .75).mean, .9) << "the rows are folded again";
}

TEST(FoldedProbes, BadOnesAreRefusedAndFrozenOnesOnlyCounted) {
  House house;
  house.Join("stranger");
  EXPECT_FALSE(house.Try(ModelProbed{.id = ModelId{4}, .rows = {}}).ok());
  ModelProbed probed{.id = ModelId{4}, .rows = {{.context = house.Made(4, 0).context, .value = .5}}};
  probed.rows[0].context.bundle = house.learner->state().bundle;
  for (const double value : {-.1, 1.1, std::nan("")}) {
    probed.rows[0].value = value;
    EXPECT_FALSE(house.Try(probed).ok());
  }
  probed.rows[0].value = .5;
  probed.rows[0].context.model = ModelId{1};
  EXPECT_FALSE(house.Try(probed).ok());
  probed.rows[0].context.model = ModelId{4};
  house.Add(LearningSwitched{true});
  house.Add(probed);
  EXPECT_EQ(house.newcomer(4).probes, 0U);
  EXPECT_EQ(house.learner->state().counters.not_folded, 1U);
}

// The log of a whole life, folded anew, and the rows written and read.
TEST(Newcomers, ALogFoldsAgainToTheSameBytes) {
  House house;
  house.Join("stranger", {.family = "acme", .strength = .7});
  house.Probe(4, 30, .9);
  house.Add(house.Made(4, .125F));
  house.Add(ModelStateChanged{ModelId{4}, ModelState::kProbation});
  house.Add(ModelStateChanged{ModelId{4}, ModelState::kActive});
  auto again = Learner::Create(house.bundles, house.history, State{}).value();
  for (const Event& event : house.history.events) ASSERT_TRUE(again->Learn(event).ok());
  const auto rows = house.Rows();
  EXPECT_EQ(Harness::RowsOf(again->state()), rows);
  State loaded;
  for (const auto& [key, value] : rows) ASSERT_TRUE(LoadStateRow(loaded, key, value).ok());
  EXPECT_EQ(Harness::RowsOf(loaded), rows);
  EXPECT_EQ(loaded.pool.Find(ModelId{4})->like, house.model(4).like);
  EXPECT_EQ(loaded.newcomers.at(ModelId{4}), house.newcomer(4));
}

}  // namespace
}  // namespace pointsman::policy
