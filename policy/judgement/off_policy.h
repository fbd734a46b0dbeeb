// What another policy would have earned on the decisions of the log.
//
// Reward: gold in [0,1]. A decision's gold was asked with a known probability e
// after its model was drawn with a known probability p, so a row whose gold came
// weighs W = pi / (p e h), where h is the share of asked gold that was answered
// (taken as missing at random) and pi what the judged policy gives the model:
//   IPS    mean(W r)            over all decisions; r counts as 0 where there is none
//   SNIPS  sum(W r) / sum(W)
//   DR     mean(sum_m pi(m) q(m) + W (r - q(a))), q the quality predicted and
//          logged when the decision was made, which corrected ratings went into
// Gold that nobody asked for has no known probability and is left out, as are
// decisions made while gold was never asked. Weights are not clipped: that would
// bias what the interval is about; too few effective labels are refused instead.
// Source: trouter_bandits 3.10, with e and h; intervals are normal over clusters.
//
// The log keeps the best 8 candidates and the chosen one. Of a decision with more,
// the first 7 do not depend on the draw and only these carry their own q; the
// others share the mean of the 7. With other weights such a decision cannot be
// ranked anew and counts as without support.
//
// Pure; one thread; holds about 60 bytes a decision and as many a label or rating.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "policy/learning/event.h"

namespace pointsman::policy {

// The policy that is judged. The empty one: greedy on the utilities as they were.
struct TargetPolicy {
  std::string model{};               // always this one; excludes the rest
  std::optional<Weights> weights{};  // other weights than the requests', without the budget's price
  double epsilon = 0;                // share of decisions that are drawn uniformly, [0,1]
};

struct ValueEstimate {
  double value = 0;
  double error = 0;  // standard error
  double low = 0;    // 95 %
  double high = 0;
};

struct Judgement {
  std::uint64_t decisions = 0;           // that were judged
  std::uint64_t without_gold_asked = 0;  // left out: gold could not have been asked
  std::uint64_t without_candidates = 0;  // left out: nothing is known of the others
  std::uint64_t observed = 0;            // left out: the caller chose, by a rule that nobody knows
  std::uint64_t forced = 0;              // of `decisions`: the fallback answered
  std::uint64_t asked = 0;               // gold was asked
  std::uint64_t answered = 0;            // and came
  std::uint64_t subjects = 0;            // clusters of the intervals
  double effective_labels = 0;           // (sum W)^2 / sum W^2
  double largest_weight = 0;
  double support_gap = 0;  // mean probability of what the log never could have done
  ValueEstimate ips;
  ValueEstimate snips;
  ValueEstimate dr;
  ValueEstimate logged;      // DR of the log's own policy
  ValueEstimate difference;  // dr - logged
  // The same difference in utility, with each request's own weights: cost as expected
  // when decided, and the budget's price in it.
  ValueEstimate utility_difference;
  double cost_usd = 0;         // mean expected cost of a decision
  double logged_cost_usd = 0;  // of the log's own policy
};

// Below these a value is refused. Source: trouter_bandits 3.10; subjects: ours.
inline constexpr double kEffectiveLabelsMin = 200;
inline constexpr double kSupportGapMax = 0.02;
inline constexpr double kForcedMax = 0.20;
inline constexpr double kSubjectsMin = 30;  // in effect: (sum n)^2 / sum n^2

// Reads the log twice: all events through Learn, then all again through Add.
class OffPolicyJudge {
 public:
  explicit OffPolicyJudge(TargetPolicy target);

  // Collects gold, who rated a decision, and the pool's names.
  void Learn(const Event& event);
  // Judges the decisions among them. Errors: NOT_FOUND unknown_model;
  // DATA_LOSS impossible_propensity (a choice of probability 0).
  Status Add(const Event& event);
  // Errors, all FAILED_PRECONDITION: no_decisions, no_gold, mostly_forced,
  // support_missing, too_few_labels, too_few_subjects.
  Result<Judgement> Judge() const;

 private:
  // Sums over one cluster's decisions.
  struct Sums {
    double rows = 0;
    double direct = 0;      // sum_m pi(m) q(m)
    double correction = 0;  // sum W (r - q(a)), still without h; likewise below
    double logged_direct = 0;
    double logged_correction = 0;
    double utility = 0;             // sum_m (pi(m) - p(m)) u(m)
    double utility_correction = 0;  // sum (W - W of the log's own policy) w (r - mu(a))
    double weight = 0;
    double weighted_reward = 0;
  };
  struct Gold {
    double value = 0;
    SubjectHash subject;
  };
  struct Choice;  // what the target would do in one decision

  Choice Choose(const DecisionMade& made) const;
  const Gold* GoldOf(const DecisionMade& made) const;
  Sums& ClusterOf(const DecisionId& decision);
  void AddCost(const DecisionMade& made, const Choice& choice);
  Status Refusal(const Judgement& judgement) const;
  // Standard error of sum(part) / sum(per); part is taken linearly.
  template <typename Part, typename Per>
  ValueEstimate Estimate(Part part, Per per) const;

  TargetPolicy target_;
  std::vector<ModelId> target_ids_;  // every epoch of target_.model
  std::map<ModelId, std::string> names_;
  std::unordered_map<DecisionId, Gold> gold_;
  std::unordered_map<DecisionId, SubjectHash> raters_;
  std::map<SubjectHash, bool> excluded_;
  std::unordered_map<std::uint64_t, std::size_t> cluster_by_subject_;
  std::vector<Sums> clusters_;
  Judgement counts_;
  double squared_weights_ = 0;
  double ratio_ = 0;  // sum pi/p, whether or not there is gold
  double squared_ratio_ = 0;
  double hidden_ = 0;  // mass on models that were not logged, whose support is not known
};

}  // namespace pointsman::policy
