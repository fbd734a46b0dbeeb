// LinUCB with ParetoBandit's constants: contextual bandit with geometric
// forgetting, a warm start inside the design matrix, a pacer and a price ceiling.
//
// Source: spec trouter_bandits 2.7 (arXiv 2604.00136). Context: 25 principal
// components and a constant (eval/features.h). With dt decisions since the arm was
// last updated (for v: last updated or played):
//   score   theta.x + alpha sqrt(v) - (cost_weight + lambda) c~,  v = x A^-1 x / max(gamma^dt, 1/200)
//   c~      (ln price - ln 1e-4) / (ln 0.1 - ln 1e-4), price per 1,000 tokens, clipped to [0,1]
//   update  A <- gamma^dt A + x x', b <- gamma^dt b + r x
//   pacer   c <- .95 c + .05 cost; lambda <- clip(lambda + .05 (c / B - 1), 0, 5)
//   ceiling with lambda > 0 only models with price <= max price / (1 + lambda)
//   warm    A = s A_off + I, b = s b_off + theta_off, s = n_eff / rows
//   cold    A = I, b = 0, and 20 forced pulls of each model in turn
// A table knows costs, not prices: a request counts as 500 tokens.
//
// Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "eval/arm.h"
#include "eval/features.h"

namespace pointsman::eval {

struct LinUcbOptions {
  double alpha = 0.01;
  double gamma = 0.997;
  double n_eff = 1164;
  double cost_weight = 0;  // lambda_c
  double budget_usd = 0;   // 0: no pacer
  std::uint32_t forced_pulls = 20;
  std::vector<double> mean_costs;  // US dollars a request, by model; empty: no prices
};

// One offline row for the warm start: its context and the reward of each model.
struct OfflineRow {
  std::size_t row = 0;          // of the table
  std::vector<double> rewards;  // by model
};

// `offline` empty: cold. `features` must outlive the arm.
std::unique_ptr<Arm> MakeLinUcbArm(Features& features, std::size_t models, const LinUcbOptions& options,
                                   const std::vector<OfflineRow>& offline);

}  // namespace pointsman::eval
