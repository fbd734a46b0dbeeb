#include "bootstrap/fit/cross_fit.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "bootstrap/fit/forest.h"

namespace pointsman::bootstrap {
namespace {

// Candidates for lambda, in units of (sum of weights) * (mean variance of a feature).
constexpr std::array<double, 9> kLambdaGrid = {.001, .003, .01, .03, .1, .3, 1, 10, 100};

// The sum over features of their weighted variance, times the weights, over d.
double Spread(const Rows& rows, std::span<const double> weight) {
  double total = 0;
  double squares = 0;
  std::vector<double> sum(rows.dimension, 0);
  for (std::size_t i = 0; i < rows.count(); ++i) {
    if (!(weight[i] > 0)) continue;
    total += weight[i];
    for (std::size_t j = 0; j < rows.dimension; ++j) {
      const double x = rows.row(i)[j];
      sum[j] += weight[i] * x;
      squares += weight[i] * x * x;
    }
  }
  for (const double s : sum) squares -= total > 0 ? s * s / total : 0;
  return std::max(squares / static_cast<double>(rows.dimension), 1e-9 * std::max(total, 1.0));
}

}  // namespace

std::vector<std::uint32_t> FoldsByUnit(std::size_t rows, std::span<const std::uint64_t> unit, std::uint32_t folds) {
  std::vector<std::uint32_t> fold(rows);
  for (std::size_t i = 0; i < rows; ++i) fold[i] = static_cast<std::uint32_t>((unit.empty() ? i : unit[i]) % folds);
  return fold;
}

CrossFitted CrossFit(const Rows& rows, std::span<const double> target, std::span<const double> weight,
                     std::span<const std::uint32_t> fold, std::uint32_t folds, bool in_sample,
                     std::span<const double> lambdas) {
  const Scores scores{rows.count(), 1, {target.begin(), target.end()}};
  const RidgeMoments moments(rows, scores, fold, folds, weight);
  std::vector<double> grid(lambdas.begin(), lambdas.end());
  if (grid.empty()) {
    const double spread = Spread(rows, weight);
    for (const double share : kLambdaGrid) grid.push_back(share * spread);
  }
  CrossFitted best;
  double least = std::numeric_limits<double>::infinity();
  for (const double lambda : grid) {
    std::vector<RidgeHead> heads;
    for (std::uint32_t f = 0; f < folds; ++f) heads.push_back(moments.Fit(lambda, f));
    std::vector<double> prediction(rows.count());
    std::vector<double> residual(rows.count());
    double loss = 0;
    for (std::size_t i = 0; i < rows.count(); ++i) {
      prediction[i] = heads[fold[i]].At(rows.row(i), 0);
      residual[i] = target[i] - prediction[i];
      loss += weight[i] * residual[i] * residual[i];
    }
    if (!(loss < least)) continue;
    least = loss;
    best.prediction = std::move(prediction);
    best.residual = std::move(residual);
    best.all.lambda = lambda;
  }
  best.all.head = moments.Fit(best.all.lambda, folds);
  for (std::size_t i = 0; in_sample && i < rows.count(); ++i) best.prediction[i] = best.all.head.At(rows.row(i), 0);
  return best;
}

std::vector<double> CrossFitForest(const Rows& rows, std::span<const double> target, std::span<const double> weight,
                                   std::span<const std::uint32_t> fold, std::uint32_t folds) {
  std::vector<double> prediction(rows.count());
  std::vector<double> kept(weight.begin(), weight.end());
  for (std::uint32_t f = 0; f < std::max(folds, 1U); ++f) {
    const auto left_out = [&](std::size_t i) { return folds > 0 && fold[i] == f; };
    for (std::size_t i = 0; i < kept.size(); ++i) kept[i] = left_out(i) ? 0 : weight[i];
    const Forest forest(rows, target, kept, ForestOptions{});
    for (std::size_t i = 0; i < kept.size(); ++i) {
      if (folds == 0 || left_out(i)) prediction[i] = forest.At(rows.row(i));
    }
  }
  return prediction;
}

}  // namespace pointsman::bootstrap
