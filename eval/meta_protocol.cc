#include "eval/meta_protocol.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <span>

#include "base/unit_draw.h"
#include "bootstrap/fit/meta_router.h"
#include "bootstrap/fit/meta_router_curve.h"

namespace pointsman::eval {
namespace {

using nlohmann::json;

constexpr std::size_t kDimension = 50;
constexpr std::size_t kTrain = 4500;
constexpr std::size_t kTest = 500;
constexpr double kMeanGain = .04;
constexpr double kUnknownFigure = std::numeric_limits<double>::quiet_NaN();
constexpr std::array<const char*, 6> kRouters = {"meta_r", "meta_dr", "pooled", "ratings", "gold", "oracle"};

// Features like principal components. The primary model's gain bends, so that no ridge
// is right about it; the judge is off in the three leading components, by as much as
// leaves ratings ahead of gold alone, as published (at 1.4 times that they are level).
struct World {
  std::vector<float> features;
  std::vector<double> gain;    // expected, by gold
  std::vector<double> gold;    // kTrain
  std::vector<double> rating;  // kTrain
  std::vector<std::uint8_t> is_gold;

  World(std::uint64_t seed, const MetaProtocolOptions& options) {
    SplitMix64 random(seed);
    std::vector<double> slope(kDimension);
    for (double& s : slope) s = .07 * random.Normal();
    for (std::size_t i = 0; i < kTrain + kTest; ++i) {
      std::vector<double> x(kDimension);
      for (std::size_t j = 0; j < kDimension; ++j) {
        x[j] = random.Normal() / std::sqrt(1 + static_cast<double>(j) / 2);
        features.push_back(static_cast<float>(x[j]));
      }
      gain.push_back(std::inner_product(x.begin(), x.end(), slope.begin(), kMeanGain) +
                     .05 * std::tanh(2 * x[0] * x[1]));
      if (i >= kTrain) continue;
      const double lack = options.bias * (.042 - .105 * x[0] + .07 * x[1] + .035 * x[2]);
      gold.push_back(gain[i] + .3 * random.Normal());
      rating.push_back(gain[i] - lack + .35 * random.Normal());
      is_gold.push_back(i < options.gold ? 1 : 0);
    }
    Shuffle(is_gold, random);
  }
  bootstrap::Rows train() const { return {std::span(features).first(kTrain * kDimension), kDimension}; }
  bootstrap::Rows test() const { return {std::span(features).subspan(kTrain * kDimension), kDimension}; }
};

Result<bootstrap::RidgeHead> Train(const World& world, std::size_t router, bool published_clips) {
  std::vector<double> outcome = world.rating;
  for (std::size_t i = 0; i < kTrain; ++i) {
    if (world.is_gold[i] != 0) outcome[i] = world.gold[i];
  }
  if (router < 2) {
    bootstrap::MetaOptions options;
    options.learner = router == 0 ? bootstrap::MetaLearner::kR : bootstrap::MetaLearner::kDr;
    options.published_clips = published_clips;
    const bootstrap::UnpairedLog log{world.train(), outcome, world.is_gold, {}, {}};
    const Result<bootstrap::MetaFit> fit = bootstrap::FitUnpaired(log, options);
    if (!fit.ok()) return fit.error();
    return bootstrap::FitGain(log, *fit, options);
  }
  const bool oracle = router == 5;
  std::vector<double> weight;
  for (const std::uint8_t gold : world.is_gold) {
    const bool used = oracle || router == 2 || (gold != 0) == (router == 4);
    weight.push_back(used ? 1 : 0);
  }
  return bootstrap::FitPlain(world.train(), oracle ? world.gold : outcome, weight, 5);
}

struct Judged {
  std::vector<double> gain;
  double mean = 0;
  double squares = 0;
};

Judged Judge(const World& world, const bootstrap::RidgeHead& head) {
  const std::span<const double> truth = std::span(world.gain).subspan(kTrain);
  Judged judged;
  std::vector<double> predicted;
  for (std::size_t i = 0; i < kTest; ++i) {
    predicted.push_back(head.At(world.test().row(i), 0));
    judged.squares += (predicted[i] - truth[i]) * (predicted[i] - truth[i]) / kTest;
  }
  // The order alone counts; above 0 every row is followed.
  const double least = *std::min_element(predicted.begin(), predicted.end());
  for (double& p : predicted) p += 1 - least;
  judged.gain = bootstrap::EfficiencyGain(predicted, truth, MetaRatios(), kMeanGain * kTest);
  const std::vector<double> all =
      bootstrap::EfficiencyGain(predicted, truth, bootstrap::PublishedRatios(), kMeanGain * kTest);
  judged.mean = std::accumulate(all.begin(), all.end(), 0.0) / static_cast<double>(all.size());
  return judged;
}

MetaRouterCurve Summary(std::span<const Judged> runs, MetaRouterCurve curve) {
  const auto n = static_cast<double>(runs.size());
  curve.gain.assign(MetaRatios().size(), runs.empty() ? kUnknownFigure : 0);
  if (runs.empty()) {
    curve.mean_gain = curve.mean_gain_error = curve.rmse = kUnknownFigure;
    return curve;
  }
  double squares = 0;
  for (const Judged& run : runs) {
    for (std::size_t k = 0; k < run.gain.size(); ++k) curve.gain[k] += run.gain[k] / n;
    curve.mean_gain += run.mean / n;
    squares += run.squares / n;
  }
  double spread = 0;
  for (const Judged& run : runs) spread += (run.mean - curve.mean_gain) * (run.mean - curve.mean_gain);
  curve.mean_gain_error = n > 1 ? std::sqrt(spread / (n - 1) / n) : kUnknownFigure;
  curve.rmse = std::sqrt(squares);
  return curve;
}

json Number(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

}  // namespace

std::vector<double> MetaRatios() {
  std::vector<double> ratios;
  for (int i = 0; i <= 12; ++i) ratios.push_back(.2 + .05 * i);
  return ratios;
}

Result<std::vector<MetaRouterCurve>> RunMeta(const MetaProtocolOptions& options) {
  if (options.seeds < 1 || options.seeds > 1000 || options.gold < 2 || options.gold > kTrain - 2 ||
      !(options.bias >= 0 && options.bias <= 10)) {
    return MakeError(Code::kOutOfRange, "option_range", "seeds: 1 to 1000; gold: 2 to 4498; bias: 0 to 10");
  }
  std::vector<std::vector<Judged>> runs(kRouters.size());
  std::vector<MetaRouterCurve> curves(kRouters.size());
  for (std::uint32_t s = 0; s < options.seeds; ++s) {
    const World world(options.first_seed + s, options);
    for (std::size_t r = 0; r < kRouters.size(); ++r) {
      const Result<bootstrap::RidgeHead> head = Train(world, r, options.published_clips);
      if (head.ok()) {
        runs[r].push_back(Judge(world, *head));
      } else {
        ++curves[r].failed;
        curves[r].failure = head.error().message;
      }
    }
  }
  for (std::size_t r = 0; r < kRouters.size(); ++r) {
    curves[r].router = kRouters[r];
    curves[r] = Summary(runs[r], std::move(curves[r]));
  }
  return curves;
}

std::string ToJson(const std::vector<MetaRouterCurve>& curves, const MetaProtocolOptions& options) {
  json out = {{"protocol", "meta"},      {"seeds", options.seeds}, {"first_seed", options.first_seed},
              {"gold", options.gold},    {"bias", options.bias},   {"published_clips", options.published_clips},
              {"train_rows", kTrain},    {"test_rows", kTest},     {"ratios", MetaRatios()},
              {"routers", json::array()}};
  for (const MetaRouterCurve& curve : curves) {
    json gain = json::array();
    for (const double g : curve.gain) gain.push_back(Number(g));
    out["routers"].push_back({{"router", curve.router},
                              {"gain", gain},
                              {"mean_gain", Number(curve.mean_gain)},
                              {"mean_gain_se", Number(curve.mean_gain_error)},
                              {"rmse", Number(curve.rmse)},
                              {"failed_seeds", curve.failed},
                              {"failure", curve.failure}});
  }
  return out.dump();
}

std::string ToTable(const std::vector<MetaRouterCurve>& curves) {
  const auto cell = [](const char* format, double value) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), format, value);
    return std::string(text.data());
  };
  std::string out = "efficiency gain at the share of queries that the primary model gets\nrouter  ";
  for (const double ratio : MetaRatios()) out += cell("%5.2f", ratio);
  out += "   mean    se  rmse\n";
  for (const MetaRouterCurve& curve : curves) {
    out += curve.router + std::string(8 - std::min<std::size_t>(8, curve.router.size()), ' ');
    if (std::isnan(curve.mean_gain)) {
      out += " no fit: " + curve.failure + "\n";
      continue;
    }
    for (const double gain : curve.gain) out += cell("%5.2f", gain);
    out += cell("%7.3f", curve.mean_gain) + cell("%6.3f", curve.mean_gain_error) + cell("%6.3f", curve.rmse);
    if (curve.failed > 0) out += " " + std::to_string(curve.failed) + " seeds failed";
    out += "\n";
  }
  return out;
}

}  // namespace pointsman::eval
