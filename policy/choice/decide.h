// Decide: the only entry for routing.
//
// Pure: equal snapshot, query and draws give an equal decision. There is always
// an answer (promise 6): with no eligible model the fallback answers, flagged;
// with an empty pool the result is FAILED_PRECONDITION.
//
// Steps: membership -> task types -> prior -> posterior -> cost -> eligibility ->
// utility -> distribution -> draw -> audit and gold. Sources: online_learner 1.5,
// 4b and 6.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "policy/belief/membership.h"
#include "policy/belief/search_index.h"
#include "policy/belief/snapshot.h"
#include "policy/belief/task_recogniser.h"
#include "policy/world/query.h"

namespace pointsman::policy {

// Purposes of UnitDraw(query.id, ...), fixed: a logged decision is drawn again with them.
inline constexpr std::uint64_t kDrawArm = 1;
inline constexpr std::uint64_t kDrawAudit = 2;
inline constexpr std::uint64_t kDrawGold = 3;
inline constexpr std::uint64_t kDrawQueue = 4;    // place in the queue of labels
inline constexpr std::uint64_t kDrawRollout = 5;  // whether the incumbent is followed
inline constexpr std::uint64_t kDrawTrial = 6;    // whether a model on trial is played, and which

struct Candidate {
  ModelId model;
  std::string name;
  double quality = 0;            // predicted, clipped to [0,1]
  double quality_deviation = 0;  // standard deviation of the expected quality
  double cost_usd = 0;           // expected
  double utility = 0;
  double probability = 0;  // of being chosen
  double prior = 0;        // f_m(q)
  double prior_centred = 0;
  double predicted_mean = 0;      // not clipped
  double predicted_variance = 0;  // against other models' (Estimate::variance)
};

struct Decision {
  std::vector<Candidate> ranked;  // eligible ones, best utility first; [0] is the greedy choice
  std::size_t chosen = 0;         // index into ranked
  double propensity = 1;
  bool audit = false;
  bool gold_wanted = false;
  // P(gold asked | chosen model, query), exact: audits always ask, the rest with the
  // probability that makes it gold_rate together.
  double gold_probability = 0;
  double audit_rate = 0;  // with which this decision could have been an audit
  double not_audit = 1;   // P(this is no audit | chosen model, query)
  bool forced = false;    // the fallback answered
  // The caller chose (Query::observed): `chosen` is its model, with propensity 1;
  // `advised` indexes what would have been drawn.
  bool observed = false;
  std::size_t advised = 0;
  // A rollout that is not full (world/rollout.h): the incumbent, where it is eligible,
  // is followed with probability 1 - router_share, else the router draws as ever. Every
  // probability here is that of the mixture.
  std::optional<std::size_t> incumbent;  // index into ranked
  bool followed = false;
  double router_share = 1;
  Membership membership;
  TaskProbabilities tasks;
  Generation generation;
  LogSeq snapshot_seq;
};

// Gold labels and reports after which audits may become rare before
// options.audit_start_decisions have been made: when their evidence asks for no wider
// prior (learning/refit.h looks at 250 reports first). While it does, audits stay as
// frequent as in the beginning, however late.
inline constexpr std::uint64_t kTrustGold = 20;
inline constexpr std::uint64_t kTrustReports = 250;

// Draws are taken from UnitDraw(query.id, ...): 1 arm, 2 audit, 3 gold, 5 rollout, 6 trial. With
// audits the mixture is drawn as: audit or not (2), then uniformly over the
// eligible models (1), or a model on trial (6, choice/trial.h), or the greedy one.
// Fallback: options.fallback_model where it is active and allowed, else the
// cheapest allowed one. The context records the unclipped prediction.
// A model that the caller observes and that is not eligible ranks last, with
// probability 0.
// Errors: FAILED_PRECONDITION empty_pool; NOT_FOUND unknown_model when `allowed`
// names only models that the pool lacks; OUT_OF_RANGE weights.
Result<Decision> Decide(const Snapshot& snapshot, const Query& query);
// The same decision, faster. An index of another bundle, or none, is not used.
Result<Decision> Decide(const Snapshot& snapshot, const Query& query, const SearchIndex* index);

// The event that logs a decision; seq and time are the commit thread's to give,
// decided_at_us is the caller's. Weights of clusters and anchors, prior, prediction and
// task probabilities are rounded to floats; propensity and gold_probability are exact.
DecisionMade ToEvent(const Snapshot& snapshot, const Query& query, const Decision& decision,
                     std::int64_t decided_at_us);
// The same but for its anchors, the part that no reply waits for; AddAnchors, with the
// same bundle and embedding, makes it whole before it is logged.
DecisionMade ToEventWithoutAnchors(const Snapshot& snapshot, const Query& query, const Decision& decision,
                                   std::int64_t decided_at_us);
void AddAnchors(const Bundle& bundle, std::span<const float> embedding, DecisionContext& context);
// The same answer through the index, faster; `embedding` is not empty.
void AddAnchors(const SearchIndex& index, std::span<const float> embedding, DecisionContext& context);

}  // namespace pointsman::policy
