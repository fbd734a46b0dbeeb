// Meta-Router's learners: formulas, clips, intervals, both kinds of log, bad logs.
#include "bootstrap/fit/meta_router.h"

#include <gtest/gtest.h>

#include <cmath>
#include <iostream>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "base/unit_draw.h"
#include "bootstrap/fit/meta_router_curve.h"

namespace pointsman::bootstrap {
namespace {

constexpr std::size_t kDimension = 50;
constexpr std::size_t kRows = 4500;
constexpr std::size_t kGold = 100;
constexpr int kSeeds = 5;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Two models and one judge. The features are like principal components; the primary
// model's gain bends, so that no ridge is right about it; the judge is off by a plane
// in the leading components (spread: in all), and noisier than gold.
struct World {
  std::vector<float> features;  // kRows x kDimension
  std::vector<double> psi;      // expected gold gain
  std::vector<double> delta;    // what a rating lacks
  std::vector<double> outcome;  // kRows
  std::vector<std::uint8_t> is_gold;

  explicit World(std::uint64_t seed, std::size_t gold = kGold, bool spread = false) {
    SplitMix64 random(seed);
    std::vector<double> slope(kDimension);
    for (std::size_t j = 0; j < kDimension; ++j) slope[j] = .07 * random.Normal();
    std::vector<double> lack(kDimension, 0);
    lack[0] = -.15;
    lack[1] = .1;
    lack[2] = .05;
    for (std::size_t j = 0; spread && j < kDimension; ++j) lack[j] = .07 * random.Normal();
    for (std::size_t i = 0; i < kRows; ++i) {
      std::vector<double> x(kDimension);
      double linear = .04;
      for (std::size_t j = 0; j < kDimension; ++j) {
        x[j] = random.Normal() / std::sqrt(1 + static_cast<double>(j) / 2);
        linear += slope[j] * x[j];
        features.push_back(static_cast<float>(x[j]));
      }
      psi.push_back(linear + .05 * std::tanh(2 * x[0] * x[1]));
      delta.push_back(std::inner_product(x.begin(), x.end(), lack.begin(), .06));
    }
    is_gold.assign(kRows, 0);
    for (std::size_t i = 0; i < kRows; ++i) is_gold[i] = i < gold ? 1 : 0;
    Shuffle(is_gold, random);
    for (std::size_t i = 0; i < kRows; ++i) {
      outcome.push_back(is_gold[i] != 0 ? psi[i] + .3 * random.Normal() : psi[i] - delta[i] + .35 * random.Normal());
    }
  }
  Rows train() const { return Rows(std::span(features).first(kRows * kDimension), kDimension); }
  UnpairedLog log() const { return {train(), outcome, is_gold, {}, {}}; }
};

TEST(MetaRouterFormulas, TheRLearnersTargetIsTheResidualOverTheTreatmentsResidual) {
  EXPECT_DOUBLE_EQ(RTarget(.8, .5, true, .25), .4);     // .3 / .75
  EXPECT_DOUBLE_EQ(RTarget(.8, .5, false, .25), -1.2);  // .3 / -.25
}

TEST(MetaRouterFormulas, TheDrLearnersTargetCorrectsTheOwnArmOnly) {
  EXPECT_NEAR(DrTarget(.8, .6, .5, true, .25), .1 + .2 / .25, 1e-12);
  EXPECT_NEAR(DrTarget(.8, .6, .5, false, .25), .1 - .3 / .75, 1e-12);
}

TEST(MetaRouterFormulas, GoldIsBroughtToTheScaleOfTheRatings) {
  const std::vector<double> gold = {1, 2, 3, 4};
  const std::vector<double> ratings = {2, 4, 6, 8};
  EXPECT_DOUBLE_EQ(MatchScale(gold, ratings, ScaleMatch::kVariance), 2);
  EXPECT_DOUBLE_EQ(MatchScale(gold, ratings, ScaleMatch::kWasserstein), 2);
  EXPECT_DOUBLE_EQ(MatchScale(gold, ratings, ScaleMatch::kNone), 1);
  // Fewer gold rows than ratings: the ratings' quantiles are interpolated. 1*1.5 + 3*3.5 over 10.
  EXPECT_DOUBLE_EQ(MatchScale(std::vector<double>{3, 1}, std::vector<double>{4, 1, 3, 2}, ScaleMatch::kWasserstein),
                   1.2);
}

TEST(MetaRouterFormulas, TheCurveIsTheGoldOfTheFirstRowsOverWhatRandomRoutingGets) {
  const std::vector<double> gain =
      EfficiencyGain(std::vector<double>{.1, .9, .4, -.2}, std::vector<double>{1, 3, -1, 1},
                     std::vector<double>{0, .25, .375, .75, .8}, 4);
  EXPECT_DOUBLE_EQ(gain[0], 0);
  EXPECT_DOUBLE_EQ(gain[1], (3 - 1.0) / 4);
  EXPECT_DOUBLE_EQ(gain[2], (2.5 - 1.5) / 4);
  EXPECT_DOUBLE_EQ(gain[3], 0);
  EXPECT_TRUE(std::isnan(gain[4])) << "the last row is not predicted to gain";
  EXPECT_EQ(PublishedRatios().size(), 61U);
  // The published unit: 0.03523782 * 500 = 17.61891. Half of the rows have all the gain, and go first.
  std::vector<double> half(500, 0);
  for (std::size_t k = 0; k < 250; ++k) half[k] = 2 * 0.03523782;
  std::vector<double> above = half;
  for (double& p : above) p += 1;
  EXPECT_NEAR(EfficiencyGain(above, half, std::vector<double>{.5}, 17.61891)[0], .5, 1e-7);
}

// The slope of the fitted correction on the true one: 1 if it is right on average.
double Slope(const World& world, const MetaFit& fit) {
  double cross = 0;
  double square = 0;
  for (std::size_t i = 0; i < kRows; ++i) {
    const double truth = world.delta[i] - .06;
    cross += truth * fit.surface.At(world.train().row(i)).value;
    square += truth * truth;
  }
  return cross / square;
}

TEST(MetaRouterClips, ThePublishedOnesLeaveTheDrLearnerNothingAndShrinkTheRLearnerAtTwoPercentGold) {
  EXPECT_NEAR(static_cast<double>(kGold) / kRows, .022, .0005);
  double published_slope = 0;
  double relative_slope = 0;
  for (std::uint64_t seed = 42; seed < 42 + kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    const World world(seed);
    // What each row's true propensity is, so that only the clip differs.
    const std::vector<double> p(kRows, static_cast<double>(kGold) / kRows);
    UnpairedLog log = world.log();
    log.propensity = p;
    MetaOptions options;
    options.scale = ScaleMatch::kNone;
    options.published_clips = true;
    options.learner = MetaLearner::kDr;
    const Result<MetaFit> dr = FitUnpaired(log, options);
    ASSERT_FALSE(dr.ok());
    EXPECT_EQ(dr.error().reason, "no_overlap");
    options.learner = MetaLearner::kR;
    const Result<MetaFit> r = FitUnpaired(log, options);
    ASSERT_TRUE(r.ok());
    EXPECT_EQ(r->clipped, kRows);
    published_slope += Slope(world, *r) / kSeeds;
    options.published_clips = false;
    const Result<MetaFit> ours = FitUnpaired(log, options);
    ASSERT_TRUE(ours.ok());
    EXPECT_EQ(ours->clipped, 0U);
    relative_slope += Slope(world, *ours) / kSeeds;
    options.learner = MetaLearner::kDr;
    EXPECT_TRUE(FitUnpaired(log, options).ok());
  }
  std::cout << "slope on the truth: published " << published_slope << ", relative " << relative_slope << "\n";
  EXPECT_LT(published_slope, .75 * relative_slope);
  EXPECT_GT(relative_slope, .5) << "what the ridge leaves at 100 gold labels";
  EXPECT_LT(relative_slope, 1.1);
}

TEST(MetaRouterClips, ThePublishedOnesWorkWhereHalfOfTheRowsAreGold) {
  const World world(42, kRows / 2);
  for (const MetaLearner learner : {MetaLearner::kR, MetaLearner::kDr}) {
    MetaOptions options;
    options.learner = learner;
    options.scale = ScaleMatch::kNone;
    options.published_clips = true;
    options.folds = 0;
    const Result<MetaFit> fit = FitUnpaired(world.log(), options);
    ASSERT_TRUE(fit.ok());
    EXPECT_NEAR(Slope(world, *fit), 1, .2);
  }
}

TEST(MetaRouterClips, TheDrLearnerCountsRowsByTheirOverlap) {
  // Two kinds of rows that no feature tells apart: 20 with propensity .5 and a
  // correction of 1, 200 with propensity .05 and none.
  std::vector<double> outcome;
  std::vector<double> propensity;
  std::vector<std::uint8_t> is_gold;
  for (std::size_t i = 0; i < 220; ++i) {
    const bool even = i < 20;
    is_gold.push_back(even ? i / 5 % 2 : i / 5 % 20 == 5);
    propensity.push_back(even ? .5 : .05);
    outcome.push_back(even && is_gold[i] != 0 ? 1 : 0);
  }
  const std::vector<float> features(220, 1);
  MetaOptions options;
  options.learner = MetaLearner::kDr;
  options.scale = ScaleMatch::kNone;
  const Result<MetaFit> fit = FitUnpaired({Rows(features, 1), outcome, is_gold, propensity, {}}, options);
  ASSERT_TRUE(fit.ok());
  EXPECT_EQ(fit->clipped, 0U);
  const double expected = 20 * .25 / (20 * .25 + 200 * .05 * .95);  // alike: 20 / 220
  EXPECT_NEAR(fit->surface.At(std::span(features).first(1)).value, expected, .03);
}

// Of 8 octants of the leading features in 10 worlds: how many means are within 1.96 standard errors.
double Coverage(bool spread) {
  int covered = 0;
  for (std::uint64_t seed = 100; seed < 110; ++seed) {
    const World world(seed, kGold, spread);
    MetaOptions options;
    options.scale = ScaleMatch::kNone;
    const Result<MetaFit> fit = FitUnpaired(world.log(), options);
    std::vector<std::vector<std::size_t>> octants(8);
    for (std::size_t i = 0; i < kRows; ++i) {
      std::size_t octant = 0;
      for (std::size_t j = 0; j < 3; ++j) octant += (world.train().row(i)[j] > 0 ? 1U : 0U) << j;
      octants[octant].push_back(i);
    }
    for (const std::vector<std::size_t>& chosen : octants) {
      double truth = 0;
      for (const std::size_t i : chosen) truth += world.delta[i] / static_cast<double>(chosen.size());
      const Estimate mean = fit.value().surface.MeanOver(world.train(), chosen);
      covered += std::abs(mean.value - truth) <= 1.96 * mean.standard_error ? 1 : 0;
    }
  }
  return covered / 80.0;
}

TEST(MetaRouterSurface, ItsIntervalsCoverTheTruthOfGroupsWhereAllFeaturesMatterAlike) {
  const double alike = Coverage(true);
  const double few = Coverage(false);
  std::cout << "seeds 100..109, coverage of 95 %: all features alike " << alike << ", three features alone " << few
            << "\n";
  // Below nominal: the propensities and means are taken as given, and the ridge shrinks
  // what three of fifty features carry. Both figures are stated in docs/ALGORITHMS.md.
  EXPECT_GE(alike, .85);
  EXPECT_GE(few, .7);
}

// Ratings of every row, gold of some: audits go to bad ratings. Gold and rating share noise.
struct Audited {
  World world;
  std::vector<double> rating;
  std::vector<double> gold;
  std::vector<double> propensity;
  explicit Audited(std::uint64_t seed) : world(seed) {
    SplitMix64 random(seed + 1000);
    for (std::size_t i = 0; i < kRows; ++i) {
      const double shared = .2 * random.Normal();
      rating.push_back(world.psi[i] - world.delta[i] + shared + .3 * random.Normal());
      propensity.push_back(rating[i] < -.1 ? .2 : .02);
      gold.push_back(random.Unit() < propensity[i] ? world.psi[i] + shared + .1 * random.Normal() : kNan);
    }
  }
  PairedLog log() const { return {world.train(), rating, gold, propensity, {}}; }
};

TEST(MetaRouterPaired, AuditsOfBadRatingsDoNotBendTheSurface) {
  double ours = 0;
  double naive = 0;
  double estimated = 0;
  int covered = 0;
  for (std::uint64_t seed = 7; seed < 7 + kSeeds; ++seed) {
    const Audited audited(seed);
    std::vector<std::size_t> all(kRows);
    std::iota(all.begin(), all.end(), 0U);
    const double truth = std::accumulate(audited.world.delta.begin(), audited.world.delta.begin() + kRows, 0.0) / kRows;
    PairedLog log = audited.log();
    const Result<MetaFit> fit = FitPaired(log, {});
    ASSERT_TRUE(fit.ok()) << fit.error().message;
    const Estimate mean = fit->surface.MeanOver(audited.world.train(), all);
    ours += (mean.value - truth) / kSeeds;
    covered += std::abs(mean.value - truth) <= 1.96 * mean.standard_error ? 1 : 0;
    log.propensity = {};
    const Result<MetaFit> guessed = FitPaired(log, {});
    ASSERT_TRUE(guessed.ok()) << guessed.error().message;
    estimated += (guessed->surface.MeanOver(audited.world.train(), all).value - truth) / kSeeds;
    // What conditioning on the query alone gives.
    std::vector<double> difference(kRows, 0);
    std::vector<double> weight(kRows, 0);
    for (std::size_t i = 0; i < kRows; ++i) {
      if (std::isnan(audited.gold[i])) continue;
      difference[i] = audited.gold[i] - audited.rating[i];
      weight[i] = 1;
    }
    const RidgeHead head = FitPlain(audited.world.train(), difference, weight, 5);
    for (std::size_t i = 0; i < kRows; ++i)
      naive += (head.At(audited.world.train().row(i), 0) - truth) / kRows / kSeeds;
  }
  std::cout << "seeds 7..11, error of the mean correction: ours " << ours << ", unknown audit rule " << estimated
            << ", by the query alone " << naive << "; covered " << covered << "\n";
  EXPECT_NEAR(ours, 0, .02);
  EXPECT_NEAR(estimated, 0, .04);
  EXPECT_GT(std::abs(naive), .06) << "the selection is strong enough to matter";
  EXPECT_GE(covered, kSeeds - 1);
}

// ---------------------------------------------------------------- bad input

struct Small {
  std::vector<float> features;
  std::vector<double> outcome;
  std::vector<std::uint8_t> is_gold;
  explicit Small(std::size_t rows = 60) {
    SplitMix64 random(3);
    for (std::size_t i = 0; i < rows; ++i) {
      features.push_back(static_cast<float>(random.Normal()));
      features.push_back(static_cast<float>(random.Normal()));
      outcome.push_back(random.Normal());
      is_gold.push_back(i % 4 == 0 ? 1 : 0);
    }
  }
  UnpairedLog log() const { return {Rows(features, 2), outcome, is_gold, {}, {}}; }
};

std::string Reason(const Result<MetaFit>& fit) { return fit.ok() ? "fitted" : fit.error().reason; }

TEST(MetaRouterBadLogs, AnEmptyLogIsRefused) {
  EXPECT_EQ(Reason(FitUnpaired({}, {})), "empty_log");
  EXPECT_EQ(Reason(FitPaired({}, {})), "empty_log");
}

TEST(MetaRouterBadLogs, GoldAloneAndRatingsAloneAreRefused) {
  Small small;
  small.is_gold.assign(small.is_gold.size(), 1);
  EXPECT_EQ(Reason(FitUnpaired(small.log(), {})), "no_ratings");
  small.is_gold.assign(small.is_gold.size(), 0);
  EXPECT_EQ(Reason(FitUnpaired(small.log(), {})), "no_gold");
  const std::vector<double> none(small.outcome.size(), kNan);
  EXPECT_EQ(Reason(FitPaired({Rows(small.features, 2), small.outcome, none, {}, {}}, {})), "no_gold");
}

TEST(MetaRouterBadLogs, OneGoldRowIsTooFew) {
  Small small;
  small.is_gold.assign(small.is_gold.size(), 0);
  small.is_gold[8] = 1;
  MetaOptions options;
  options.scale = ScaleMatch::kNone;
  EXPECT_EQ(Reason(FitUnpaired(small.log(), options)), "too_few_gold");
  EXPECT_EQ(Reason(FitUnpaired(small.log(), {})), "constant_gold");
}

TEST(MetaRouterBadLogs, ConstantRatingsHaveNoScaleButHaveACorrection) {
  Small small;
  for (std::size_t i = 0; i < small.outcome.size(); ++i) {
    if (small.is_gold[i] == 0) small.outcome[i] = .5;
  }
  EXPECT_EQ(Reason(FitUnpaired(small.log(), {})), "constant_ratings");
  for (const MetaLearner learner : {MetaLearner::kR, MetaLearner::kDr}) {
    MetaOptions options;
    options.learner = learner;
    options.scale = ScaleMatch::kNone;
    EXPECT_EQ(Reason(FitUnpaired(small.log(), options)), "fitted");
  }
}

TEST(MetaRouterBadLogs, PropensitiesOfZeroAndOneAreClippedAndCounted) {
  const Small small;
  std::vector<double> p(small.outcome.size());
  for (std::size_t i = 0; i < p.size(); ++i) p[i] = i % 2 == 0 ? 0 : 1;
  for (const MetaLearner learner : {MetaLearner::kR, MetaLearner::kDr}) {
    UnpairedLog log = small.log();
    log.propensity = p;
    MetaOptions options;
    options.learner = learner;
    const Result<MetaFit> fit = FitUnpaired(log, options);
    ASSERT_TRUE(fit.ok());
    EXPECT_EQ(fit->clipped, p.size());
    EXPECT_TRUE(std::isfinite(fit->surface.At(log.features.row(0)).value));
  }
  p[3] = 1.5;
  UnpairedLog log = small.log();
  log.propensity = p;
  EXPECT_EQ(Reason(FitUnpaired(log, {})), "bad_propensity");
  p[3] = kNan;
  EXPECT_EQ(Reason(FitUnpaired(log, {})), "bad_propensity");
}

TEST(MetaRouterBadLogs, AnAuditOfPropensityZeroIsRefusedAndRowsThatCouldNotBeAuditedAreCounted) {
  const Small small;
  std::vector<double> gold(small.outcome.size(), kNan);
  std::vector<double> p(small.outcome.size(), 0);
  for (std::size_t i = 0; i < gold.size(); i += 3) {
    gold[i] = small.outcome[i] + .2;
    p[i] = 1;
  }
  PairedLog log{Rows(small.features, 2), small.outcome, gold, p, {}};
  const Result<MetaFit> fit = FitPaired(log, {});
  ASSERT_TRUE(fit.ok());
  EXPECT_EQ(fit->without_support, 40U);
  EXPECT_NEAR(fit->surface.At(log.features.row(0)).value, .2, 1e-6);
  p[0] = 0;
  EXPECT_EQ(Reason(FitPaired(log, {})), "bad_propensity");
}

TEST(MetaRouterBadLogs, OneModelNeedsNoFeatureThatTellsModelsApart) {
  Small small;
  for (float& x : small.features) x = 1;  // one model, one kind of query: only a mean can be learnt
  for (std::size_t i = 0; i < small.outcome.size(); ++i) small.outcome[i] += small.is_gold[i] != 0 ? 3 : 0;
  for (const MetaLearner learner : {MetaLearner::kR, MetaLearner::kDr}) {
    MetaOptions options;
    options.learner = learner;
    options.scale = ScaleMatch::kNone;
    const Result<MetaFit> fit = FitUnpaired(small.log(), options);
    ASSERT_TRUE(fit.ok());
    const Estimate at = fit->surface.At(small.log().features.row(0));
    EXPECT_NEAR(at.value, 3, 4 * at.standard_error);
    EXPECT_LT(at.standard_error, 1);
  }
}

TEST(MetaRouterBadLogs, NumbersThatAreNotFiniteAndShapesThatDoNotFitAreRefused) {
  Small small;
  small.outcome[5] = kNan;
  EXPECT_EQ(Reason(FitUnpaired(small.log(), {})), "bad_log");
  Small wide;
  wide.features[7] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(Reason(FitUnpaired(wide.log(), {})), "bad_log");
  Small few;
  few.outcome.pop_back();
  EXPECT_EQ(Reason(FitUnpaired(few.log(), {})), "bad_log");
}

TEST(MetaRouterSurface, RowsOfOneUserAreOneWitness) {
  Small small;
  UnpairedLog log = small.log();
  MetaOptions options;
  options.scale = ScaleMatch::kNone;
  std::vector<float> features;
  std::vector<double> outcome;
  std::vector<std::uint8_t> is_gold;
  std::vector<std::uint64_t> unit;
  for (std::size_t i = 0; i < small.outcome.size(); ++i) {
    for (int copy = 0; copy < 4; ++copy) {
      features.insert(features.end(), log.features.row(i).begin(), log.features.row(i).end());
      outcome.push_back(small.outcome[i]);
      is_gold.push_back(small.is_gold[i]);
      unit.push_back(i);
    }
  }
  const std::vector<float> zero(2, 0);
  const UnpairedLog many{Rows(features, 2), outcome, is_gold, {}, unit};
  const Result<MetaFit> one = FitUnpaired(log, options);
  const Result<MetaFit> grouped = FitUnpaired(many, options);
  ASSERT_TRUE(one.ok() && grouped.ok());
  EXPECT_NEAR(grouped->surface.At(zero).value, one->surface.At(zero).value, 1e-9);
  EXPECT_NEAR(grouped->surface.At(zero).standard_error, one->surface.At(zero).standard_error, .02);
}

}  // namespace
}  // namespace pointsman::bootstrap
