#include "policy/learning/response_slope.h"

#include <algorithm>
#include <cmath>

namespace pointsman::policy {

namespace {

constexpr double kPriorDeviation = 0.25;  // tau_c of c1 around 1
constexpr double kLeast = 0.3;
constexpr double kMost = 2;
// The slope of gold must stand this many deviations away from 0.
constexpr double kInstrument = 3;

SlopeSums Total(const std::vector<SlopeCell>& cells, SlopeSums SlopeCell::*side) {
  SlopeSums total;
  for (const SlopeCell& cell : cells) {
    const SlopeSums& sums = cell.*side;
    total.weight += sums.weight;
    total.prior += sums.prior;
    total.prior_squared += sums.prior_squared;
    total.residual += sums.residual;
    total.prior_residual += sums.prior_residual;
  }
  return total;
}

// beta and T_k of one side.
struct Slope {
  double beta = 1;
  std::vector<double> influence;  // of each cell, models ascending
};

Slope Regress(const SlopeMoments& moments, SlopeSums SlopeCell::*side) {
  Slope slope;
  double covered = 0;
  double spread = 0;
  for (const auto& [model, cells] : moments) {
    const SlopeSums total = Total(cells, side);
    if (!(total.weight > 0)) continue;
    const double mean = total.prior / total.weight;
    covered += total.prior_residual - mean * total.residual;
    spread += total.prior_squared - mean * total.prior;
  }
  if (!(spread > 0)) return slope;
  slope.beta = 1 + covered / spread;
  for (const auto& [model, cells] : moments) {
    const SlopeSums total = Total(cells, side);
    const double x = total.weight > 0 ? total.prior / total.weight : 0;
    const double z = total.weight > 0 ? total.residual / total.weight : 0;
    for (const SlopeCell& cell : cells) {
      const SlopeSums& c = cell.*side;
      const double bent = c.prior_squared - 2 * x * c.prior + x * x * c.weight;
      slope.influence.push_back(
          (c.prior_residual - x * c.residual - z * (c.prior - x * c.weight) - (slope.beta - 1) * bent) / spread);
    }
  }
  return slope;
}

void Add(SlopeSums& sums, double unit, double weight, double prior, double prior_squared, double residual,
         double prior_residual) {
  sums.weight += unit * weight;
  sums.prior += unit * prior;
  sums.prior_squared += unit * prior_squared;
  sums.residual += unit * residual;
  sums.prior_residual += unit * prior_residual;
}

}  // namespace

SlopeMoments GatherResponseMoments(const State& state, std::uint8_t source) {
  SlopeMoments moments;
  const TimeWeight rating = MakeTimeWeight(state.now_us, state.options.rating_half_life_days);
  const TimeWeight gold = MakeTimeWeight(state.now_us, state.options.gold_half_life_days);
  for (const auto& [key, cell] : state.cells) {
    if (cell.quarantined) continue;
    SlopeCell sums;
    for (const auto& [mask, pattern] : cell.patterns) {
      if ((mask >> source & 1U) == 0) continue;
      const DecayedMoments m = Decay(pattern, (mask & 1U) != 0 ? gold : rating);
      if (!m.valid) continue;
      Add(sums.rating, 1, m.weight, m.prior, m.prior_squared, m.residual[source], m.prior_residual[source]);
    }
    if (cell.audits.rows > 0) {
      const AuditMoments& a = cell.audits;
      const double unit = std::ldexp(1 / gold.fraction, a.base - gold.epoch);
      Add(sums.gold, unit, a.weight, a.prior, a.prior_squared, a.residual, a.prior_residual);
    }
    moments[key.model].push_back(sums);
  }
  return moments;
}

ResponseEstimate EstimateResponse(const SlopeMoments& moments) {
  ResponseEstimate estimate;
  const Slope gold = Regress(moments, &SlopeCell::gold);
  const Slope rating = Regress(moments, &SlopeCell::rating);
  estimate.gold_slope = gold.beta;
  estimate.rating_slope = rating.beta;
  if (gold.influence.empty() || rating.influence.empty()) return estimate;
  double squares = 0;
  for (const double influence : gold.influence) squares += influence * influence;
  estimate.gold_slope_deviation = std::sqrt(squares);
  if (!(std::abs(gold.beta) >= kInstrument * estimate.gold_slope_deviation) || gold.beta == 0) return estimate;
  estimate.ratio = rating.beta / gold.beta;
  for (std::size_t k = 0; k < gold.influence.size(); ++k) {
    const double part = rating.influence[k] - estimate.ratio * gold.influence[k];
    estimate.variance += part * part;
  }
  estimate.variance /= gold.beta * gold.beta;
  const double prior = kPriorDeviation * kPriorDeviation;
  const double shrunk = 1 + (estimate.ratio - 1) * prior / (prior + estimate.variance);
  if (std::isfinite(shrunk)) estimate.response = std::clamp(shrunk, kLeast, kMost);
  return estimate;
}

}  // namespace pointsman::policy
