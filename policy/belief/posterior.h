// The posterior: moments and prior to mean and variance, exactly.
//
// The Gaussian tree source -> model -> cell of spec online_learner 1.4, solved by
// sending messages up and reading down; equal to the dense joint Gaussian
// (tests/policy has it as the reference). Saturation (1.8): however many ratings a
// source sends, what it tells about quality is bounded by what gold has said
// about its bias.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "policy/belief/leaf.h"
#include "policy/belief/snapshot.h"
#include "policy/belief/state.h"
#include "policy/learning/event.h"

namespace pointsman::policy {

// Turns states into snapshots, keeping the leaf messages of cells that did not
// change. A snapshot depends only on (state, bundle), never on which snapshots
// were published before, but for the decay of untouched cells, which is refreshed
// when the state's time has moved by half-life / 2000.
//
// Threads: one at a time (the learner thread).
class Publisher {
 public:
  Publisher();
  ~Publisher();
  // Solves what changed since the last call and clears state.unpublished and
  // state.republish_all. `bundle` is the live generation's.
  // Cost: touched cells * p^3 + models * p^3, p = 2 + sources.
  std::shared_ptr<const Snapshot> Publish(State& state, const std::shared_ptr<const Bundle>& bundle);

  // What gold alone tells of a model: the sum of its leaves' messages.
  struct GoldMessage {
    bool changed = false;    // an alarm has freed its level already
    double level_width = 0;  // it joined on trial: at least so wide
    double above = 0;        // Standing::above
    LeafMessage sum;
  };
  // In the order of the models' sums. Ratings are left out: where the slope of a source's
  // answer is not 1, they would be evidence that the prior is wrong. `state` is the one
  // published last. Cost: cells * p^3.
  std::vector<GoldMessage> GoldMessages(const State& state) const;
  // What gold says about widths.model and widths.trust (> 0): a log marginal likelihood up
  // to a constant (tree.h, ModelEvidence), the common shift kept to kShiftInDoubt of its
  // width. Only after a publication. Not for the fold.
  // Cost: models * p^3.
  double WidthEvidence(const std::vector<GoldMessage>& gold, double model_width, double trust_width) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Predicted gold quality of one answer.
struct Estimate {
  double mean = 0;  // not clipped
  // Of the expected quality as it is compared with other models'; noise of one answer is not in it.
  double variance = 0;
  // What comes on top where the quality itself is meant: variance of what all models share
  // in the query's clusters, as far as evidence of the cell has not told it.
  double shared = 0;
  // Of the expected quality.
  double Deviation() const;
};

// Reads r-hat and v of online_learner 1.5 for a model at a query.
//   prior, prior_centred: f and x. clusters: weights summing to 1.
// Pure; any thread. Cost: about 40 multiply-adds for two sources.
Estimate ReadPosterior(const Snapshot& snapshot, const ModelView& model, std::span<const ClusterWeight> clusters,
                       double prior, double prior_centred);

}  // namespace pointsman::policy
