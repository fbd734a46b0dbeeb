// What administration may ask of the daemon: the seam between admin/ (HTTP, CLI)
// and daemon/ (which implements it). Plain values, no JSON, no HTTP.
//
// Threads: every method from any thread; none blocks the routing threads.
// Mutating methods take the caller, write an audited event and return when it is
// synced (activation: when the new generation routes).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "admin/client_requests.h"
#include "base/result.h"
#include "policy/judgement/off_policy.h"
#include "policy/world/newcomer_prior.h"
#include "policy/world/pool.h"
#include "policy/world/rollout.h"

namespace pointsman::admin {

struct Caller {
  std::uint32_t uid = 0;
};

// The rollout in force (policy/world/rollout.h) and how an apprentice does.
struct RolloutReport {
  std::string mode = "full";
  double share = 1;
  std::string incumbent;
  std::uint64_t since_sequence = 0;  // 0: nobody ever set one
  std::int64_t since_us = 0;
  std::string set_by;  // config, operator, learner
  std::string reason;
  std::uint64_t routed = 0;            // decisions since then that followed the router
  std::uint64_t followed = 0;          // ... and the incumbent
  std::uint64_t labels = 0;            // gold labels since then
  std::uint64_t next_look_labels = 0;  // at which an apprentice is judged next; 0: no apprentice
  struct Look {
    std::uint64_t number = 0;  // from 1; 0: there was none
    std::uint64_t labels = 0;
    std::uint64_t decisions = 0;      // that were judged
    double gain = 0, gain_error = 0;  // of the router's choices against the incumbent's, in utility
    double quality_gain = 0;
    double chance = 1;  // of such a gain where there is none
    double level = 0;   // which the chance must not exceed
    std::string verdict;
  };
  Look look;  // the last one of this process
};

struct StatusReport {
  std::string version;
  std::uint32_t generation = 0;
  std::string bundle;  // hash, hexadecimal; empty in generation 0
  std::string bundle_made_from;
  std::string embedder;
  std::uint32_t dimension = 0;
  std::uint64_t last_sequence = 0;
  std::uint64_t synced_sequence = 0;
  std::uint64_t learned_sequence = 0;
  std::uint64_t checkpoint_sequence = 0;
  std::uint64_t base_sequence = 0;
  std::uint64_t state_hash = 0;  // at learned_sequence
  std::uint64_t open_decisions = 0;
  std::uint64_t disk_bytes = 0;
  struct Memory {                  // bytes
    std::uint64_t resident = 0;    // of the process, with its program and libraries
    std::uint64_t allocated = 0;   // of it, what malloc has handed out
    std::uint64_t memtables = 0;   // of that, rows not in a table file yet: up and down
    std::uint64_t read_cache = 0;  // of that, blocks of table files: fills up to its bound
  };
  Memory memory;
  std::uint64_t decisions = 0, audits = 0, outcomes = 0, ratings = 0, gold = 0, preferences = 0;
  std::uint64_t retractions = 0, expired = 0, not_folded = 0, quarantined_cells = 0, lost_unsynced = 0;
  std::uint64_t refused = 0;  // requests answered with an error since the start
  std::uint64_t commit_waiting = 0, commit_refused = 0;
  std::uint64_t connections = 0;
  bool frozen = false;
  // Live calibration on random-audit gold, scored before it was learnt.
  std::uint64_t audited_gold = 0;
  double audited_rmse = 0;
  double audited_z_squared = 0;  // mean; 1 is honest
  double uptime_seconds = 0;
  struct Source {
    std::string name;
    std::uint64_t reports = 0;
    double bias = 0;  // root of the bias tree
    double bias_deviation = 0;
    std::string quarantine;               // why it is not read: "stuck", "contrary"; empty: it is
    std::uint64_t quarantined_since = 0;  // sequence
    double pairs = 0;                     // answers with gold too, the latest 500 or so
  };
  std::vector<Source> sources;
  // The guard on the learner's own confidence: random-audit gold against predictions.
  double guard_z_squared = 1;    // of late; 1 is honest
  double guard_bias_factor = 1;  // on the variances of biases in force
  std::uint64_t guard_steps = 0;
  // Change detection: models, cells, judges or traffic.
  std::uint64_t alarms = 0, cell_alarms = 0, judge_alarms = 0;
  double model_width = 0;  // in force; widened when the evidence asks for it
  double trust_width = 0;
  struct Budget {
    std::string tenant;  // empty: the common one
    double usd_per_request = 0;
    double mean_cost_usd = 0;  // of settled requests, lately
    double lambda = 0;         // price of a dollar, in utility per budget
    double spent_usd = 0;
    std::uint64_t settled = 0;
  };
  std::vector<Budget> budgets;
  // Who rates, where ratings name a subject (policy/learning/subject_book.h).
  struct Subjects {
    bool capped = true;          // learning.subject_cap
    std::uint64_t reports = 0;   // that named a subject
    std::uint64_t lessened = 0;  // of them, with a weight below 1
    double withheld = 0;         // what was missing to 1, in all
    std::uint64_t watched = 0;
    std::uint64_t distrusted = 0;  // of the watched: gold contradicts them
    std::uint64_t excluded = 0;    // by operators
    double likeness = 0;           // of a subject's ratings among themselves, above that with others'
    bool group_alarm = false;      // a group rates all alike
    std::uint64_t group_since = 0;
    std::uint64_t group_alarms = 0;
    struct Subject {
      std::string subject;  // hash, hexadecimal
      std::uint64_t reports = 0;
      double mean_weight = 1;
      double trust = 1;
      double pairs = 0;      // answers with gold too
      double deviation = 0;  // of its ratings from what was predicted, in standard errors
    };
    // The most conspicuous first, at most 8: distrusted ones, those held back, those who
    // deviate most.
    std::vector<Subject> conspicuous;
  };
  Subjects subjects;
  RolloutReport rollout;
  std::vector<std::string> warnings;  // for people: "ratings stand on prior bias only", ...
};

// What a model on trial may cost and has cost so far (policy/belief/newcomer.h).
struct TrialReport {
  std::string prior;              // again, facts, nothing: what it started from
  std::vector<std::string> like;  // with facts: the models whose mean that is
  std::uint64_t reports = 0, reports_needed = 0;
  std::uint64_t plays = 0;                  // draws although another model was the best guess
  double spent = 0, allowance = 0;          // utility given up in them
  double spent_usd = 0, allowance_usd = 0;  // dollars more; allowance 0: no budget, no bound
  std::uint64_t gold_asked = 0, probes = 0;
};

// A model that joins the pool.
struct NewModel {
  std::string name;
  policy::Price price;
  std::uint32_t context_tokens = 0;
  policy::NewcomerFacts facts;
};

// One scored answer of a model: the query as text or as embedding.
struct ProbeAsk {
  std::string text;
  std::vector<float> embedding;
  double score = 0;
};

struct ModelReport {
  std::uint32_t id = 0;
  std::string name;
  std::uint32_t epoch = 1;
  std::string state;                 // active, draining, retired, new, probation
  std::optional<TrialReport> trial;  // of a model that is new or on probation
  policy::Price price;
  std::uint32_t context_tokens = 0;
  bool in_bundle = false;
  double prior_quality = 0;  // mean over the bootstrap queries
  double level = 0;          // alpha: learned shift, and its deviation
  double level_deviation = 0;
  double latency_median_ms = 0, latency_high_ms = 0;  // high: 95 % quantile; 0: not known
  double expected_tokens_out = 0;
  std::uint64_t decisions = 0, outcomes = 0, failures = 0, ratings = 0, gold = 0;
  struct Bias {
    std::string source;
    double bias = 0;  // of this model's ratings: rating less gold, as far as it is known
    double deviation = 0;
  };
  std::vector<Bias> biases;  // one a source; empty for a model that is not routed to
};

struct ProbeReport {
  ModelReport model;
  std::uint64_t probes = 0;       // taken in now
  std::vector<std::string> thin;  // clusters of some mass with fewer than five of them
};

struct ClusterReport {
  std::uint32_t number = 0;
  std::string name;
  std::uint32_t size = 0;  // bootstrap queries
  std::string leader;      // best predicted model
  double leader_quality = 0;
  double x = 0, y = 0;     // place on a map, in [-1,1]: the first two principal axes
  double gold_weight = 0;  // evidence now, after decay
  double rating_weight = 0;
};
struct CellReport {
  std::string model;
  double prior = 0;
  double quality = 0;
  double quality_deviation = 0;
  double gold_weight = 0;
  double rating_weight = 0;
  bool conflict = false;
};
struct ClusterDetail {
  ClusterReport summary;
  std::vector<CellReport> cells;  // best first
};

struct GenerationReport {
  std::uint32_t number = 0;
  std::string bundle;
  std::string made_from;
  std::string labels;
  std::uint32_t clusters = 0, models = 0;
  std::uint64_t rows = 0;
  std::uint64_t activated_sequence = 0;
  std::int64_t activated_at_us = 0;
  std::string reason;
  bool live = false;
};

// Two bundles compared (daemon/job_diff.h has the rules).
struct GenerationDiff {
  struct Cluster {
    std::string kind;          // same, moved, merged, born, gone
    std::uint32_t number = 0;  // in the second; 0: gone
    std::string name;
    std::uint32_t size = 0;
    std::vector<std::string> from;  // of the first
    double cosine = 0;              // to the nearest of the other
  };
  struct Model {
    std::string name;
    double prior_from = -1, prior_to = -1;  // mean prior; -1: not in that bundle
    double share_from = 0, share_to = 0;    // of decisions that the prior alone would give it
  };
  bool comparable = false;  // one embedder: clusters can be set side by side
  std::vector<Cluster> clusters;
  std::vector<Model> models;
  std::uint64_t decisions = 0;  // of the log that were looked at
  // Off-policy value of either prior's choices, and its error; -1: no gold tells.
  double value_from = -1, value_from_error = 0, value_to = -1, value_to_error = 0;
};

struct BootstrapRequest {
  std::string table_path;             // absolute; readable by the daemon; or
  std::string plan_path;              // the same: queries and answers are bought by it
  std::string labels = "consensus";   // consensus, scores
  std::string method = "shared";      // of the clusters: shared, scaled, cascal
  std::string filter = "none";        // rows that the consensus leaves out: bootstrap/job/build_choices.h
  std::string recogniser = "linear";  // of task types: linear, dual
  std::uint32_t clusters_max = 32;
  std::uint64_t seed = 0;
  bool refit_embedder = false;   // default: keep the live embedder
  std::string embedder = "lsa";  // of the first bundle, or with refit_embedder: lsa,
                                 // static:FILE, http:URL|MODEL|KEY_ENV
  bool activate = true;          // else: stored, not live
  bool force = false;            // activate although the gate refuses
};
struct BootstrapReport {
  std::string state;             // none, running, done, failed, cancelled
  std::string stage;             // what it does now
  double progress = 0;           // [0,1]
  std::string message;           // why it failed, or what it made
  std::string bundle;            // hash when done
  std::uint32_t generation = 0;  // when activated
  std::int64_t started_at_us = 0, ended_at_us = 0;
  double cost_usd = 0;       // of a plan: so far, with its earlier runs
  std::uint64_t asked = 0;   // answers bought in this run
  std::uint64_t reused = 0;  // answers that an earlier run had bought
  std::string gate;          // verdict and its numbers, when it was reached
};

struct RefitRequest {
  std::string learner = "r";   // r, dr
  std::string base = "ridge";  // ridge, forest
  bool dry_run = false;        // fit and tell; install nothing
};
struct RefitReport {
  struct Bias {
    std::uint32_t number = 0;
    std::string name;
    double bias = 0, error = 0;
  };
  struct Source {
    std::string source;
    std::string outcome;        // installed, fitted (a dry run), refused
    std::string message;        // why it was refused
    std::uint32_t version = 0;  // of the surface in force
    std::string learner;
    std::uint64_t ratings = 0, gold = 0, paired = 0;
    std::uint64_t fitted_from = 0, fitted_to = 0;
    double scale = 1, noise = 0, error = 0, correction = 0;
    std::vector<Bias> clusters;  // 0 is the background
  };
  std::vector<Source> sources;
};

struct Explanation {
  std::string token_id;  // hexadecimal decision id
  std::uint64_t sequence = 0;
  std::int64_t decided_at_us = 0;
  std::uint32_t generation = 0;
  std::string chosen;
  double propensity = 0;
  bool audit = false, forced = false, gold_wanted = false;
  std::string incumbent;  // who could have been followed; empty: nobody
  bool followed = false;  // and was
  double router_share = 1;
  bool observed = false;  // the caller chose
  std::string advised;    // what would have been played then
  double prior = 0, predicted_quality = 0, predicted_deviation = 0;
  struct Named {
    std::uint32_t number = 0;
    std::string name;
    double weight = 0;
  };
  std::vector<Named> clusters;
  std::vector<Named> tasks;
  struct Candidate {
    std::string model;
    double probability = 0, quality = 0, cost_usd = 0, utility = 0;
  };
  std::vector<Candidate> candidates;
  struct Channel {
    std::string source;
    double value = 0;
    std::uint32_t revision = 0;
    bool retracted = false;
  };
  std::vector<Channel> channels;
  bool outcome_known = false;
  std::uint32_t tokens_out = 0;
  double latency_ms = 0;
  bool failed = false;
  bool open = false;  // feedback is still taken
};

// The last decisions of the log, and what they would have cost with one model alone.
// Quality and cost are those predicted when each decision was made; gold and
// ratings are what came back.
struct TrafficReport {
  std::int64_t from_us = 0, to_us = 0;  // of the decisions counted; 0: none
  std::uint64_t decisions = 0, audits = 0, forced = 0;
  double quality = 0;  // means over the decisions
  double cost_usd = 0;
  struct Point {  // of equally long stretches of time
    std::int64_t at_us = 0;
    std::uint64_t decisions = 0;
    double quality = 0, cost_usd = 0;
  };
  std::vector<Point> points;
  struct Share {
    std::string model;
    std::uint64_t decisions = 0;       // that chose it
    std::uint64_t candidates = 0;      // in which it was among the best eight
    double quality = 0, cost_usd = 0;  // means over those
  };
  std::vector<Share> models;
  struct ClusterCount {
    std::uint32_t number = 0;
    double decisions = 0;  // by membership weight
  };
  std::vector<ClusterCount> clusters;
  struct Channel {
    std::string source;  // "gold" or a rating source
    std::uint64_t reports = 0;
    double mean = 0;
  };
  std::vector<Channel> channels;
  // Against one model for everything: dollars saved per request and quality gained,
  // over the decisions in which it was a candidate. Empty names: no decisions.
  struct Alone {
    std::string model;
    double saved_usd = 0;
    double saved_share = 0;  // of what it would have cost
    double quality_gained = 0;
  };
  Alone dearest, best;
  // Decisions that the callers made themselves and let be observed, and what the router
  // would have played there, as predicted.
  struct Observed {
    std::uint64_t decisions = 0;
    std::uint64_t agreed = 0;          // the router would have played the same
    double quality = 0, cost_usd = 0;  // means of what was played
    double advised_quality = 0, advised_cost_usd = 0;
  };
  Observed observed;
};

// A decision that asked for gold, still takes it and has none yet. No text is stored:
// whoever labels finds query and answer in the service's own log, by the decision.
struct GoldTask {
  std::string decision;  // hexadecimal id; POST /v1/gold takes it
  std::uint64_t sequence = 0;
  std::int64_t decided_at_us = 0, expires_at_us = 0;
  std::string tenant;
  std::string model;
  bool audit = false;           // drawn at random: keeps the estimates testable
  double worth = 0;             // utility that a label gains the next like choice, as the decision saw it
  double gold_probability = 0;  // with which it was asked for
  double predicted_quality = 0, predicted_deviation = 0;
  std::vector<RouteAnswer::Named> clusters;
};
// What `undo` did: an event of its own, that another undo reverses.
struct UndoReport {
  std::string undone;  // what was reversed: "price of m changed", ...
  std::uint64_t undone_sequence = 0;
  std::string now;  // what is in force again
};

// What `compact` came to.
struct CompactReport {
  std::uint64_t bytes_before = 0;  // of all files of the store
  std::uint64_t bytes_after = 0;
  double seconds = 0;
};

// A subject whose feedback counts no more. What it said before stays in the state.
struct ExclusionReport {
  std::string subject;        // hash, hexadecimal
  std::uint64_t reports = 0;  // ratings and preferences of it in the log
  bool before = false;        // it was excluded already; nothing was written
};
// A subject whose feedback counts again. What it said while it was excluded stays out.
struct InclusionReport {
  std::string subject;       // hash, hexadecimal
  std::uint64_t missed = 0;  // ratings and preferences of it since the exclusion
};

inline constexpr std::uint64_t kWhatIfEventsMax = 5'000'000;
inline constexpr std::uint64_t kWhatIfEvents = 1'000'000;  // where the caller does not say

class Ports {
 public:
  virtual ~Ports() = default;

  // Requests of clients; the same checks and the same log as through frames. The
  // caller's uid owns the decision. Errors: docs/WIRE.md; DEADLINE_EXCEEDED when the
  // log does not answer in time (the request may have been stored: repeat it).
  virtual Result<RouteAnswer> Route(const Caller& caller, const RouteAsk& ask) = 0;
  virtual Result<std::vector<Result<RouteAnswer>>> RouteBatch(const Caller& caller,
                                                              const std::vector<RouteAsk>& asks) = 0;
  virtual Result<Acknowledgement> ReportOutcome(const Caller& caller, const OutcomeAsk& ask) = 0;
  virtual Result<Acknowledgement> GiveFeedback(const Caller& caller, const FeedbackAsk& ask) = 0;
  virtual Result<Acknowledgement> Prefer(const Caller& caller, const PreferenceAsk& ask) = 0;
  virtual Result<Acknowledgement> Retract(const Caller& caller, const RetractAsk& ask) = 0;
  virtual Result<VoteAnswer> Vote(const Caller& caller, const VoteAsk& ask) = 0;

  // Over the last 50,000 events of the log.
  virtual Result<TrafficReport> Traffic() const = 0;
  // In an order drawn once for each decision: what is labelled from the start is then a
  // random part of what was asked for, whoever stops where (policy/judgement/gold_planner.h).
  // At most `limit`, from the last 50,000 events of the log.
  virtual Result<std::vector<GoldTask>> GoldQueue(std::size_t limit) const = 0;
  // Gold by an administrator, by decision instead of token.
  // Errors: INVALID_ARGUMENT, OUT_OF_RANGE, NOT_FOUND, EXPIRED, CONFLICT.
  virtual Result<Acknowledgement> GiveGold(const Caller& caller, const std::string& decision, double value,
                                           std::uint32_t revision) = 0;
  // Reverses the last change an operator made, by an event of its own.
  // Errors: FAILED_PRECONDITION nothing_to_undo or not_reversible.
  virtual Result<UndoReport> Undo(const Caller& caller) = 0;

  // From here on what a subject says is stored and does not count, until it is included again.
  // `subject`: a name with its tenant, or its hash, "0x" and 16 digits, without one.
  // Errors: INVALID_ARGUMENT no_tenant; NOT_FOUND unknown_subject: it never said anything.
  virtual Result<ExclusionReport> ExcludeSubject(const Caller& caller, const std::string& subject,
                                                 const std::string& tenant) = 0;
  // From here on what an excluded subject says counts again.
  // Errors: INVALID_ARGUMENT no_tenant; FAILED_PRECONDITION not_excluded.
  virtual Result<InclusionReport> IncludeSubject(const Caller& caller, const std::string& subject,
                                                 const std::string& tenant) = 0;

  virtual bool Alive() const = 0;    // /health
  virtual Status Ready() const = 0;  // /ready; UNAVAILABLE with the reason, also where no model can be chosen
  virtual StatusReport GetStatus() const = 0;
  virtual std::string MetricsText() const = 0;  // Prometheus text format

  virtual std::vector<ModelReport> Models() const = 0;
  // Errors: those of Mutations::AddModel.
  virtual Result<ModelReport> AddModel(const Caller& caller, const NewModel& model) = 0;
  // Takes in scored answers. Errors: those of policy::MakeProbes, and for a query those of
  // Route, naming the probe.
  virtual Result<ProbeReport> ProbeModel(const Caller& caller, const std::string& name,
                                         const std::vector<ProbeAsk>& probes) = 0;
  virtual Result<ModelReport> SetPrice(const Caller& caller, const std::string& name, const policy::Price& price) = 0;
  // state: "active", "draining" or "retired".
  // Active ends a trial, too.
  virtual Result<ModelReport> SetModelState(const Caller& caller, const std::string& name,
                                            const std::string& state) = 0;

  virtual std::vector<ClusterReport> Clusters() const = 0;
  virtual Result<ClusterDetail> Cluster(std::uint32_t number) const = 0;

  virtual std::vector<GenerationReport> Generations() const = 0;
  // Targets as for Activate.
  virtual Result<GenerationReport> Generation(const std::string& target) const = 0;
  virtual Result<GenerationDiff> DiffGenerations(const std::string& from, const std::string& to) const = 0;
  // `target`: a generation number, or a bundle hash (prefix of at least 8 digits).
  virtual Result<GenerationReport> Activate(const Caller& caller, const std::string& target) = 0;
  // Back to the bundle of the generation before the live one, under a new number.
  virtual Result<GenerationReport> Rollback(const Caller& caller) = 0;

  // Starts the job process. Errors: BUSY when one runs.
  virtual Result<BootstrapReport> StartBootstrap(const Caller& caller, const BootstrapRequest& request) = 0;
  virtual BootstrapReport BootstrapStatus() const = 0;
  // What a plan would ask for, as a JSON object; asks nobody.
  virtual Result<std::string> PlanBootstrap(const std::string& plan_path) const = 0;
  virtual Result<BootstrapReport> CancelBootstrap(const Caller& caller) = 0;

  // Fits what each source is off by over the log, in the job process, and installs it; waits
  // for it. Errors: BUSY refit_running; FAILED_PRECONDITION no_generation.
  virtual Result<RefitReport> Refit(const Caller& caller, const RefitRequest& request) = 0;

  // `decision`: hexadecimal id, or a token's text form (only its id part is used).
  virtual Result<Explanation> Explain(const std::string& decision) const = 0;

  // Writes the store's files anew while everything goes on; waits for it.
  // Errors: BUSY compaction_running; those of store::Store::Compact.
  virtual Result<CompactReport> Compact(const Caller& caller) = 0;

  virtual Status SetFrozen(const Caller& caller, bool frozen) = 0;

  // Errors: of policy::ValidateRollout; NOT_FOUND when the incumbent is no live model.
  virtual Result<RolloutReport> SetRollout(const Caller& caller, const policy::Rollout& rollout) = 0;
  virtual RolloutReport GetRollout() const = 0;

  // What another policy would have earned on the last `events_max` events of the log, at
  // most kWhatIfEventsMax. Reads the log, one caller at a time.
  // Errors: BUSY whatif_running; OUT_OF_RANGE; those of policy::OffPolicyJudge.
  virtual Result<policy::Judgement> WhatIf(const policy::TargetPolicy& target, std::uint64_t events_max) const = 0;
};

}  // namespace pointsman::admin
