// The crowd model: what unlabelled answers say about quality.
//
// Source: spec consensus_prior. Each item has a latent difficulty class, a truth
// and one popular wrong answer; each model a profile of (right, distracted) by
// class; models that share errors beyond chance are weighed down. Everything in
// double: a float E-step loses the difference that this is about.
// Pure and deterministic.
#pragma once

#include <cstddef>
#include <vector>

#include "bootstrap/fit/votes.h"

namespace pointsman::bootstrap {

struct CrowdOptions {
  std::size_t classes = 3;           // H >= 1
  int iterations = 20;               // early stopping is part of the method
  bool shared_error_weights = true;  // set before the M-step of iteration 10
};

struct CrowdFit {
  std::vector<double> scores;      // items x models: posterior that the own answer is right; 0 without a vote
  std::vector<double> share;       // H: pi
  std::vector<double> right;       // H x models: p
  std::vector<double> distracted;  // H x models: d
  std::vector<double> weight;      // models: phi
};

// REQUIREs at least 3 options (right, popular wrong, other), one item and one model.
// Cost: iterations * items * H * (models + options^2).
CrowdFit FitCrowd(const Votes& votes, const CrowdOptions& options);

// The mean of the scores with 3 and with 4 classes: the default prior.
std::vector<double> CrowdConsensus(const Votes& votes);

}  // namespace pointsman::bootstrap
