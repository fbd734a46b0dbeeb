// The response slope of a source: how much a rating moves when quality does.
//
// y = c1 Q + bias + noise. The prior f is the instrument: the slope of gold on x and
// the slope of the rating on x have the same attenuation, so their ratio is c1 even
// where the prior is noisy; labels were chosen with known probability, so gold is
// weighted by its inverse. Source: spec online_learner 1.6.
//
// Not for the fold: the estimate travels in a Refitted event. Pure; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "policy/belief/state.h"

namespace pointsman::policy {

// Sums over the rows of one cell: weight, x, x^2, z and x z, z = value - f.
struct SlopeSums {
  double weight = 0;
  double prior = 0;
  double prior_squared = 0;
  double residual = 0;
  double prior_residual = 0;
};
struct SlopeCell {
  SlopeSums gold;    // by inverse probability of the label
  SlopeSums rating;  // all rows with the source
};
// Cells of each model, models and cells in ascending order.
using SlopeMoments = std::map<ModelId, std::vector<SlopeCell>>;

// Time weights are those of the patterns, read at the state's time.
SlopeMoments GatherResponseMoments(const State& state, std::uint8_t source);

struct ResponseEstimate {
  double gold_slope = 1;            // beta_r
  double gold_slope_deviation = 0;  // of it, clustered by cell
  double rating_slope = 1;          // beta_y
  double ratio = 1;                 // beta_y / beta_r
  double variance = 0;              // of the ratio, clustered by cell
  double response = 1;              // c1: shrunk to 1 and clipped to [.3, 2]; 1 where the prior says too little
};
ResponseEstimate EstimateResponse(const SlopeMoments& moments);

}  // namespace pointsman::policy
