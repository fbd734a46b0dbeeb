// TRouter's training: kernels, optimiser, both recognisers.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/unit_draw.h"
#include "bootstrap/fit/adamw.h"
#include "bootstrap/fit/trouter_dual.h"
#include "bootstrap/fit/trouter_network.h"

namespace pointsman::bootstrap {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Queries scatter about the text of their task; each task has its own good model.
struct World {
  std::size_t tasks = 4;
  std::size_t dimension = 6;
  std::vector<float> texts;
  std::vector<float> queries;
  std::vector<std::uint32_t> task;
  Scores effect;
  Scores cost;

  Rows text_rows() const { return Rows(texts, dimension); }
  TrouterRows rows() const { return {Rows(queries, dimension), task, {&effect, &cost}}; }
};

World MakeWorld(std::size_t items, std::size_t models, std::uint64_t seed, double scatter = .3) {
  World world;
  SplitMix64 random(seed);
  for (std::size_t i = 0; i < world.tasks * world.dimension; ++i) {
    world.texts.push_back(static_cast<float>(random.Normal()));
  }
  world.effect = world.cost = {items, models, {}};
  for (std::size_t i = 0; i < items; ++i) {
    const auto t = static_cast<std::uint32_t>(random.Below(world.tasks));
    world.task.push_back(t);
    for (std::size_t j = 0; j < world.dimension; ++j) {
      world.queries.push_back(world.texts[t * world.dimension + j] + static_cast<float>(scatter * random.Normal()));
    }
    for (std::size_t m = 0; m < models; ++m) {
      world.effect.value.push_back(m == t % models ? .9 : .2);
      world.cost.value.push_back(static_cast<double>(m + 1) / static_cast<double>(models + 1));
    }
  }
  return world;
}

std::vector<std::size_t> AllRows(const World& world) {
  std::vector<std::size_t> all(world.task.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  return all;
}

TrouterShape SmallShape(const World& world) {
  TrouterShape shape;
  shape.tasks = world.tasks;
  shape.models = world.effect.models;
  shape.dimension = world.dimension;
  shape.hidden = 5;
  shape.temperature = .7;
  shape.drop = .25;
  return shape;
}

// Every parameter's derivative against central differences; `loss` is deterministic.
template <typename Loss>
void ExpectGradient(std::span<double> parameters, std::span<const double> gradient, Loss loss) {
  ASSERT_EQ(parameters.size(), gradient.size());
  double largest = 0;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const double kept = parameters[i];
    constexpr double kStep = 1e-6;
    parameters[i] = kept + kStep;
    const double above = loss();
    parameters[i] = kept - kStep;
    const double below = loss();
    parameters[i] = kept;
    const double slope = (above - below) / (2 * kStep);
    ASSERT_NEAR(gradient[i], slope, 1e-6 + 1e-5 * std::abs(slope)) << "parameter " << i;
    largest = std::max(largest, std::abs(slope));
  }
  EXPECT_GT(largest, 1e-3) << "a gradient of zeros would prove nothing";
}

TEST(TrouterShapes, CountsOfParametersAndProductsAreThePublishedOnes) {
  TrouterShape shape;
  shape.tasks = 447;
  shape.models = 11;
  EXPECT_EQ(shape.AdapterParameters(), 197'248U);
  EXPECT_EQ(shape.ScorerParameters(), 262'913U);
  EXPECT_EQ(shape.RecogniserParameters(), 657'409U);
  EXPECT_EQ(shape.HeadParameters(), 164'609U);
  EXPECT_EQ(shape.ProductMacs(), 29'294'592U);
  EXPECT_EQ(shape.QueryMacs(), 29'703'936U);
  std::vector<float> texts(447 * 384, 0);
  TrouterNetwork<float> network(shape, Rows(texts, 384), BestKernels<float>());
  EXPECT_EQ(network.parameters().size(), 657'409U + 22 * 164'609U);
}

TEST(TrouterKernels, BothSetsOfInstructionsAgreeWithPlainSums) {
  constexpr std::size_t m = 7, n = 9, k = 13;
  SplitMix64 random(1);
  std::vector<float> a(m * k), b(k * n);
  for (float& x : a) x = static_cast<float>(random.Normal());
  for (float& x : b) x = static_cast<float>(random.Normal());
  for (const Instructions set : {Instructions::kBaseline, Instructions::kAvx2}) {
    if (!Supports(set)) continue;
    for (int kind = 0; kind < 4; ++kind) {
      const bool ta = (kind & 1) != 0, tb = (kind & 2) != 0;
      std::vector<float> c(m * n, 1);
      KernelsFor<float>(set).product(ta, tb, m, n, k, a.data(), b.data(), true, c.data());
      for (std::size_t i = 0; i < m; ++i) {
        for (std::size_t j = 0; j < n; ++j) {
          double sum = 1;
          for (std::size_t r = 0; r < k; ++r) {
            sum += static_cast<double>(ta ? a[r * m + i] : a[i * k + r]) *
                   static_cast<double>(tb ? b[j * k + r] : b[r * n + j]);
          }
          ASSERT_NEAR(c[i * n + j], sum, 1e-4) << "kind " << kind;
        }
      }
    }
  }
}

TEST(TrouterKernels, DroppedShareAndScaleKeepTheMean) {
  std::vector<float> base(400 * 25, 1), shift(25, 1), hidden(base.size());
  BestKernels<float>().hidden(400, 25, base.data(), shift.data(), .1, 77, hidden.data());
  double mean = 0, dropped = 0;
  for (const float x : hidden) {
    mean += static_cast<double>(x) / 10'000;
    dropped += x == 0 ? 1e-4 : 0;
  }
  EXPECT_NEAR(dropped, .1, .01);
  EXPECT_NEAR(mean, 2, .02);
}

TEST(AdamWStep, FollowsThePublishedFormulaWithDecayOutsideTheGradient) {
  AdamW<double> adam(1, .1, .01, KernelsFor<double>(Instructions::kBaseline));
  double x = 2, m = 0, v = 0;
  std::vector<double> value{2};
  for (int step = 1; step <= 3; ++step) {
    const std::vector<double> gradient{.5 * step};
    adam.Step(gradient, value);
    m = .9 * m + .1 * gradient[0];
    v = .999 * v + .001 * gradient[0] * gradient[0];
    x = x - .1 * .01 * x - .1 * (m / (1 - std::pow(.9, step))) / (std::sqrt(v / (1 - std::pow(.999, step))) + 1e-8);
    EXPECT_NEAR(value[0], x, 1e-12);
  }
  value = {3};
  AdamW<double>(1, .1, .01, KernelsFor<double>(Instructions::kBaseline)).Step(std::vector<double>{0}, value);
  EXPECT_NEAR(value[0], 3 * (1 - .001), 1e-15) << "without a gradient only the decay acts";
}

TEST(BestWeightsSeen, AreACopyThatLaterEpochsDoNotOverwrite) {
  BestWeights<float> best(2);
  std::vector<float> weights{1, 2};
  EXPECT_FALSE(best.Seen(1.0, weights));
  weights = {7, 8};
  EXPECT_FALSE(best.Seen(kNan, weights));
  EXPECT_EQ(best.weights(), (std::vector<float>{1, 2}));
  EXPECT_TRUE(best.Seen(1.5, weights)) << "two in a row were no better";
}

TEST(TaxonomyPriors, SmoothOverSiblingsDomainAndAll) {
  const std::vector<TaskPlace> places{{0, 0}, {0, 0}, {0, 1}, {1, 2}};
  const auto prior = TaxonomyPrior(4, places, .1);
  EXPECT_NEAR(prior[1], .1 * (.6 + .3 / 3 + .1 / 4), 1e-12);
  EXPECT_NEAR(prior[2], .1 * (.3 / 3 + .1 / 4), 1e-12);
  EXPECT_NEAR(prior[3], .1 * .1 / 4, 1e-12);
  EXPECT_NEAR(prior[15], .9 + .1 * (.9 + .1 / 4), 1e-12) << "alone in its domain";
  for (std::size_t t = 0; t < 4; ++t) {
    EXPECT_NEAR(prior[t * 4] + prior[t * 4 + 1] + prior[t * 4 + 2] + prior[t * 4 + 3], 1, 1e-12);
  }
  EXPECT_EQ(TaxonomyPrior(2, {}, 0), (std::vector<double>{1, 0, 0, 1})) << "as published";
}

TEST(CostScales, AreInvertedToDollarsByTaskAndOverAll) {
  const Scores dollars{3, 2, {1, 3, 10, 10, 5, 9}};
  const std::vector<std::uint32_t> task{0, 1, kNoGroup};
  const auto scale = CostScale::Fit(dollars, task, 2);
  ASSERT_TRUE(scale.ok());
  EXPECT_NEAR(scale->ToUnit(0, 2), .5, 1e-12);
  EXPECT_NEAR(scale->ToUnit(1, 10), 1, 1e-12) << "a task without a span uses that of all";
  EXPECT_NEAR(scale->ToDollars(0, scale->ToUnit(0, 1.7)), 1.7, 1e-12);
  EXPECT_NEAR(scale->ToDollars(kNoGroup, scale->ToUnit(kNoGroup, 4.2)), 4.2, 1e-12);
  EXPECT_EQ(scale->ToUnit(0, 99), 1);
  const auto equal = CostScale::Fit({1, 2, {4, 4}}, std::vector<std::uint32_t>{0}, 1);
  EXPECT_EQ(equal->ToUnit(0, 4), 0);
  EXPECT_EQ(equal->ToDollars(0, .5), 4);
  const auto missing = CostScale::Fit({2, 2, {1, 2, 3, kNan}}, std::vector<std::uint32_t>{0, 0}, 1);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().reason, "price_missing");
  EXPECT_NE(missing.error().message.find("row 1, model 1"), std::string::npos) << missing.error().message;
}

TEST(TrouterNetworks, GradientOfEveryLayerIsTheSlopeOfTheLoss) {
  World world = MakeWorld(9, 3, 5);
  world.effect.value[4] = kNan;
  world.task[2] = kNoGroup;
  const auto prior = TaxonomyPrior(world.tasks, {}, .1);
  for (const Instructions set : {Instructions::kBaseline, Instructions::kAvx2}) {
    if (!Supports(set)) continue;
    for (const std::uint64_t drop_seed : {0U, 3U}) {
      TrouterNetwork<double> network(SmallShape(world), world.text_rows(), KernelsFor<double>(set));
      network.Initialise(11);
      const auto use = AllRows(world);
      std::vector<double> gradient(network.parameters().size(), 0);
      network.Batch(world.rows(), use, prior, drop_seed, 2, gradient);
      ExpectGradient(network.parameters(), gradient,
                     [&] { return network.Batch(world.rows(), use, prior, drop_seed, 1, {}); });
    }
  }
}

TEST(TrouterNetworks, ThreadsDoNotChangeAByte) {
  const World world = MakeWorld(33, 3, 5);
  const auto prior = TaxonomyPrior(world.tasks, {}, 0);
  std::vector<float> gradients[2];
  for (const std::size_t threads : {1U, 2U}) {
    TrouterNetwork<float> network(SmallShape(world), world.text_rows(), BestKernels<float>());
    network.Initialise(11);
    auto& gradient = gradients[threads - 1];
    gradient.assign(network.parameters().size(), 0);
    network.Batch(world.rows(), AllRows(world), prior, 9, threads, gradient);
  }
  EXPECT_EQ(gradients[0], gradients[1]);
}

TEST(TrouterNetworks, ServingThroughTheSplitLayerIsTheLossItsTrainingSaw) {
  const World world = MakeWorld(1, 3, 5);
  TrouterNetwork<double> network(SmallShape(world), world.text_rows(), BestKernels<double>());
  network.Initialise(2);
  const double loss = network.Batch(world.rows(), AllRows(world), TaxonomyPrior(world.tasks, {}, 0), 0, 1, {});
  TrouterServing<double> serving(std::move(network));
  const auto p = serving.Probabilities(world.queries);
  double expected = -std::log(p[world.task[0]]);
  for (std::size_t h = 0; h < 2; ++h) {
    const auto table = serving.Table(h);
    for (std::size_t m = 0; m < 3; ++m) {
      double forecast = 0;
      for (std::size_t t = 0; t < world.tasks; ++t) forecast += p[t] * table[t * 3 + m];
      const double gap = forecast - (h == 0 ? world.effect : world.cost).value[m];
      expected += gap * gap / 3;
    }
  }
  EXPECT_NEAR(loss, expected, 1e-12);
}

TEST(TrouterNetworks, LearnASmallSetByHeartWithTheSameBytesForTheSameSeed) {
  const World world = MakeWorld(120, 3, 8);
  TrouterTraining training;
  training.hidden = 24;
  training.rate = 3e-3;
  training.epochs_max = 400;
  training.patience = 400;
  auto fit = FitTrouterNetwork(world.rows(), world.tasks, world.text_rows(), training);
  ASSERT_TRUE(fit.ok()) << fit.error().message;
  auto again = FitTrouterNetwork(world.rows(), world.tasks, world.text_rows(), training);
  EXPECT_EQ(fit->serving.Table(0), again->serving.Table(0));
  int right = 0;
  for (std::size_t i = 0; i < 120; ++i) {
    const auto p = fit->serving.Probabilities(world.rows().queries.row(i));
    right += static_cast<std::size_t>(std::max_element(p.begin(), p.end()) - p.begin()) == world.task[i] ? 1 : 0;
  }
  EXPECT_GE(right, 114);
  const auto quality = fit->serving.Table(0);
  for (std::size_t t = 0; t < world.tasks; ++t) {
    EXPECT_NEAR(quality[t * 3 + t % 3], .9, .1);
    EXPECT_NEAR(quality[t * 3 + (t + 1) % 3], .2, .1);
  }
}

TEST(DualEncoders, GradientOfEveryPartIsTheSlopeOfTheLoss) {
  World world = MakeWorld(9, 3, 6);
  world.cost.value[5] = kNan;
  world.task[1] = kNoGroup;
  const auto prior = TaxonomyPrior(world.tasks, {}, .1);
  DualEncoder<double> model(world.tasks, world.dimension, 3, 2, world.text_rows(), .9, BestKernels<double>());
  SplitMix64 random(4);
  for (double& x : model.parameters()) x = .3 * random.Normal();
  std::vector<double> gradient(model.parameters().size(), 0);
  const auto use = AllRows(world);
  model.Batch(world.rows(), use, prior, .7, gradient);
  ExpectGradient(model.parameters(), gradient, [&] { return model.Batch(world.rows(), use, prior, .7, {}); });
}

TEST(DualEncoders, TheServedLayerIsTheTrainedSoftmaxAndLearnsASmallSetByHeart) {
  const World world = MakeWorld(120, 3, 8);
  DualOptions options;
  options.rate = 1e-2;
  const auto fit = FitDualEncoder(world.rows(), world.tasks, {}, {}, {}, options);
  ASSERT_TRUE(fit.ok()) << fit.error().message;
  int right = 0;
  for (std::size_t i = 0; i < 120; ++i) {
    const auto p = fit->recogniser.Probabilities(world.rows().queries.row(i));
    right += static_cast<std::size_t>(std::max_element(p.begin(), p.end()) - p.begin()) == world.task[i] ? 1 : 0;
  }
  EXPECT_GE(right, 114);
  const auto again = FitDualEncoder(world.rows(), world.tasks, {}, {}, {}, options);
  EXPECT_EQ(fit->recogniser.weights, again->recogniser.weights);
  EXPECT_EQ(fit->tables, again->tables);
}

TEST(TrouterInput, IsRefusedWithTheRowOrModelNamed) {
  const auto reason = [](const World& world, std::size_t tasks) {
    const auto status = CheckTrouterRows(world.rows(), tasks);
    return status.ok() ? std::string() : status.error().reason + ": " + status.error().message;
  };
  const World good = MakeWorld(20, 3, 1);
  EXPECT_EQ(reason(good, 4), "");
  EXPECT_EQ(reason(MakeWorld(0, 3, 1), 4).substr(0, 8), "no_rows:");
  EXPECT_EQ(reason(MakeWorld(20, 0, 1), 4).substr(0, 10), "no_models:");
  EXPECT_EQ(reason(good, 1).substr(0, 14), "no_task_types:");
  World bad = good;
  bad.queries[13] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_NE(reason(bad, 4).find("row 2, column 1"), std::string::npos) << reason(bad, 4);
  bad = good;
  bad.effect.value[7] = 1.5;
  EXPECT_NE(reason(bad, 4).find("row 2, model 1: the score"), std::string::npos) << reason(bad, 4);
  bad = good;
  for (std::size_t i = 0; i < 20; ++i) bad.cost.value[i * 3 + 2] = kNan;
  EXPECT_NE(reason(bad, 4).find("model 2 has no cost"), std::string::npos) << reason(bad, 4);
  bad = good;
  bad.task.assign(20, kNoGroup);
  EXPECT_EQ(reason(bad, 4).substr(0, 15), "too_few_labels:");
  EXPECT_EQ(FitTrouterNetwork(good.rows(), 4, {}, {}).error().reason, "texts_missing");
}

TEST(TrouterInput, OneModelOrAllEqualColumnsAreNoHazard) {
  World world = MakeWorld(60, 1, 3);
  for (double& x : world.effect.value) x = .25;
  std::fill(world.queries.begin(), world.queries.end(), .5F);
  const auto dual = FitDualEncoder(world.rows(), world.tasks, {}, {}, {}, {});
  ASSERT_TRUE(dual.ok());
  for (const double value : dual->tables[0]) EXPECT_NEAR(value, .25, .05);
  TrouterTraining training;
  training.hidden = 8;
  training.epochs_max = 2;
  auto network = FitTrouterNetwork(world.rows(), world.tasks, world.text_rows(), training);
  ASSERT_TRUE(network.ok());
  for (const double p : network->serving.Probabilities(world.rows().queries.row(0))) EXPECT_TRUE(std::isfinite(p));
}

}  // namespace
}  // namespace pointsman::bootstrap
