// The crowd model: what unlabelled answers say about quality.
//
// Source: spec consensus_prior. Each item has a latent difficulty class, a truth
// and one popular wrong answer; each model a profile of (right, distracted) by
// class; models that share errors beyond chance are weighed down. Everything in
// double: a float E-step loses the difference that this is about.
// Pure and deterministic.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "bootstrap/fit/votes.h"

namespace pointsman::bootstrap {

struct CrowdOptions {
  std::size_t classes = 3;           // H >= 1
  int iterations = 20;               // early stopping is part of the method
  bool shared_error_weights = true;  // set before the M-step of iteration 10
  // Weight of each vote beside its model's, as Confidence gives it; empty: 1 each.
  std::span<const double> confidence = {};
};

struct CrowdFit {
  std::vector<double> scores;      // items x models: posterior that the own answer is right; 0 without a vote
  std::vector<double> share;       // H: pi
  std::vector<double> right;       // H x models: p
  std::vector<double> distracted;  // H x models: d
  std::vector<double> weight;      // models: phi
};

// An item of K options has K - 2 that are neither the truth nor the popular wrong
// answer; of two options one is the truth and the other the popular wrong answer;
// an item with one option tells nothing about models. The profiles' lines over the
// models use the mean of K - 2, at least 1.
// REQUIREs one item, one model and one option.
// Cost: iterations * items * H * (models + options^2).
CrowdFit FitCrowd(const Votes& votes, const CrowdOptions& options);

// The mean of the scores with 3 and with 4 classes: the default prior.
std::vector<double> CrowdConsensus(const Votes& votes, std::span<const double> confidence = {});

}  // namespace pointsman::bootstrap
