// The width of the levels and of the trust in the prior, as gold chooses them.
#include <gtest/gtest.h>

#include <optional>

#include "base/unit_draw.h"
#include "policy/learning/refit.h"
#include "tests/policy/belief/harness.h"

namespace pointsman::policy {
namespace {

std::optional<Refitted> Due(Harness& world) {
  Publisher publisher;
  const auto snapshot = publisher.Publish(world.learner->mutable_state(), world.learner->bundle());
  return DueRefit(world.learner->state(), *snapshot, publisher, {1, 0});
}

// Eight models, the first of which the prior likes best by far.
class Favoured : public Harness {
 public:
  Favoured() {
    Bundle bundle = PlainBundle(1, priors_);
    bundle.widths = {.model = .03, .trust = .1, .cell = .02, .source = .2, .source_model = .15, .source_cell = .05};
    bundle.widths.common = .15;
    AddBundle(bundle);
    for (const auto& [name, prior] : priors_) AddModel(name);
    Activate(1, 1);
  }
  // Ten answers of the favourite, of which `right` were right.
  void TenLabels(int right) {
    for (int i = 0; i < 10; ++i) {
      now_us += 1'000'000;
      Decide(++next_, 1, {{1, 1}}, .75);
      Report(next_, 0, i < right ? 1 : 0);
    }
  }
  double Quality(std::size_t model) {
    const auto& [name, prior] = priors_[model];
    return Read(*Publish(), name, {{1, 1}}, prior).mean;
  }

 private:
  const std::vector<std::pair<std::string, double>> priors_{{"model1", .75}, {"model2", .70}, {"model3", .65},
                                                            {"model4", .60}, {"model5", .55}, {"model6", .50},
                                                            {"model7", .45}, {"model8", .40}};
  std::uint32_t next_ = 0;
};

TEST(Widths, StayWhereTheEvidenceAgreesWithThePriorAndWidenWhereItDoesNot) {
  for (const double truth : {.5, .9}) {
    Harness world;
    Bundle bundle = PlainBundle(1, {{"model1", .5}, {"model2", .5}});
    bundle.widths.model = .04;
    bundle.widths.trust = .2;
    world.AddBundle(bundle);
    world.AddModel("model1");
    world.AddModel("model2");
    world.Activate(1, 1);
    SplitMix64 random(11);
    for (std::uint32_t i = 1; i <= 250; ++i) {
      world.now_us += 1'000'000;
      world.Decide(i, 1 + i % 2, {{1, 1}}, .5);
      world.Report(i, 0, random.Unit() < (i % 2 == 0 ? truth : 1 - truth) ? 1 : 0);
    }
    Publisher publisher;
    auto live = world.learner->bundle();
    const auto snapshot = publisher.Publish(world.learner->mutable_state(), live);
    ASSERT_TRUE(RefitDue(world.learner->state()));
    const auto refitted = DueRefit(world.learner->state(), *snapshot, publisher, {1, 0});
    ASSERT_TRUE(refitted.has_value());
    if (truth == .5) {
      EXPECT_DOUBLE_EQ(refitted->model_width, .04);
      EXPECT_DOUBLE_EQ(refitted->trust_width, .2);
    } else {
      EXPECT_GE(refitted->model_width, .16);
      EXPECT_GE(refitted->trust_width, 1.2) << "levels so far off mean that the ranking is, too";
    }
    world.Add(*refitted);
    EXPECT_FALSE(RefitDue(world.learner->state()));
  }
}

// decisions/0027: labels on a few models tell how all of them stand.
TEST(CommonTrust, APriorUpsideDownIsTurnedRoundForModelsThatNobodyPlayed) {
  std::vector<std::pair<std::string, double>> priors;
  for (int m = 0; m < 8; ++m) priors.emplace_back("model" + std::to_string(m + 1), .15 + .1 * m);
  for (const bool reversed : {false, true}) {
    Harness world;
    Bundle bundle = PlainBundle(1, priors);
    bundle.widths.model = .03;
    bundle.widths.trust = .1;
    bundle.widths.common = .15;
    world.AddBundle(bundle);
    for (const auto& [name, prior] : priors) world.AddModel(name);
    world.Activate(1, 1);
    world.Add(Refitted{.model_width = .03, .trust_width = .6});  // as gold would choose
    SplitMix64 random(5);
    for (std::uint32_t i = 1; i <= 120; ++i) {
      const std::uint32_t model = 2 + i % 6;  // the first and the last are never played
      const double prior = priors[model - 1].second;
      world.now_us += 1'000'000;
      world.Decide(i, model, {{1, 1}}, prior);
      world.Report(i, 0, random.Unit() < (reversed ? 1 - prior : prior) ? 1 : 0);
    }
    const auto snapshot = world.Publish();
    const double lowest = Read(*snapshot, "model1", {{1, 1}}, .15).mean;
    const double highest = Read(*snapshot, "model8", {{1, 1}}, .85).mean;
    if (reversed) {
      EXPECT_GT(lowest, highest + .2);
    } else {
      EXPECT_GT(highest, lowest + .4);
    }
  }
}

TEST(Widths, AreLookedAtAfterSixtyReportsAndThenAfterEveryEighthMore) {
  Favoured world;
  std::vector<std::uint64_t> looks;
  for (std::uint64_t reports = 10; reports <= 120; reports += 10) {
    world.TenLabels(reports % 20 == 0 ? 8 : 7);
    if (!RefitDue(world.learner->state())) continue;
    const auto refitted = Due(world);
    ASSERT_TRUE(refitted.has_value());
    if (refitted->model_width == 0) {  // the noise alone, after a hundred labels
      world.Add(*refitted);
      continue;
    }
    looks.push_back(reports);
    EXPECT_DOUBLE_EQ(refitted->model_width, .03) << reports;
    EXPECT_DOUBLE_EQ(refitted->trust_width, .1) << reports;
    world.Add(*refitted);
  }
  EXPECT_EQ(looks, (std::vector<std::uint64_t>{60, 70, 80, 90, 110}));
}

// decisions/0030: a shift that lowers everybody would explain it as well, and nobody else
// would ever be tried.
TEST(Widths, AFavouriteThatFailsIsDoubtedThoughAShiftOfAllWouldExplainIt) {
  Favoured world;
  world.TenLabels(2);
  world.TenLabels(2);
  Publisher publisher;
  publisher.Publish(world.learner->mutable_state(), world.learner->bundle());
  EXPECT_GT(ChooseWidths(publisher, world.learner->state(), .03, .1).trust, .1) << "after twenty labels";
  for (int i = 0; i < 4; ++i) world.TenLabels(2);
  EXPECT_GT(world.Quality(0), world.Quality(1)) << "everybody fell with it";
  const auto refitted = Due(world);
  ASSERT_TRUE(refitted.has_value());
  EXPECT_GT(refitted->trust_width, .1);
  world.Add(*refitted);
  EXPECT_GT(world.Quality(1), world.Quality(0) + .05);
  EXPECT_GT(world.Quality(1), .5) << "the shift is kept small while the prior is doubted";
}

TEST(Widths, AFavouriteThatIsALittleOffIsNoDoubt) {
  Favoured world;
  for (int i = 0; i < 6; ++i) world.TenLabels(i == 0 ? 5 : 7);  // .67 where .75 was predicted
  const auto refitted = Due(world);
  ASSERT_TRUE(refitted.has_value());
  EXPECT_DOUBLE_EQ(refitted->model_width, .03);
  EXPECT_DOUBLE_EQ(refitted->trust_width, .1);
}

}  // namespace
}  // namespace pointsman::policy
