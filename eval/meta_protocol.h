// Protocol "meta": Meta-Router's published experiment (spec cascal_meta_router B.9) on
// a simulated judge.
//
// Per seed 5,000 queries of 50 features and two models. 500 are the test; of the other
// 4,500 some have gold, all others a rating of a judge that is off by a plane in the
// features. Each router predicts the gain of the primary model; it is judged by the
// efficiency gain (bootstrap/fit/meta_router_curve.h) with true gains, in units of what
// the primary model brings on average. All predictions are followed, also those below
// 0: the published curve ends there, which compares runs at different ratios.
//
// Threads: none. Deterministic.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace pointsman::eval {

struct MetaProtocolOptions {
  std::uint64_t first_seed = 42;
  std::uint32_t seeds = 10;      // 1 to 1,000
  std::uint32_t gold = 100;      // 2 to 4,498 of the 4,500
  double bias = 1;               // [0,10]: the judge's error, times that of the default world
  bool published_clips = false;  // of the learners
};

struct MetaRouterCurve {
  std::string router;          // meta_r, meta_dr, pooled, ratings, gold, oracle
  std::uint32_t failed = 0;    // seeds without a fit
  std::string failure;         // why, of the last one
  std::vector<double> gain;    // at MetaRatios(), mean over the other seeds; NaN without any
  double mean_gain = 0;        // over the published 61 ratios
  double mean_gain_error = 0;  // standard error over seeds; NaN with one
  double rmse = 0;             // of the predicted gain
};

// .20, .25, ... .80, as the published curve is tabulated.
std::vector<double> MetaRatios();

// Errors: OUT_OF_RANGE for options.
Result<std::vector<MetaRouterCurve>> RunMeta(const MetaProtocolOptions& options);

// One line of JSON; unknown numbers are null.
std::string ToJson(const std::vector<MetaRouterCurve>& curves, const MetaProtocolOptions& options);
// For people, at most 100 columns.
std::string ToTable(const std::vector<MetaRouterCurve>& curves);

}  // namespace pointsman::eval
