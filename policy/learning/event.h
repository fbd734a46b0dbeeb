// The closed set of things that can happen. The log is a sequence of these and
// the state is their fold.
//
// Numbers are written by hand, stored for ever and never reused. An event
// carries all that it is folded with (DESIGN 5): the fold looks nothing up but
// bundles, which are immutable and named by hash.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/inline_vector.h"
#include "policy/world/options.h"
#include "policy/world/pool.h"
#include "policy/world/query.h"
#include "policy/world/rollout.h"

namespace pointsman::policy {

struct ClusterWeight {
  ClusterId cluster;
  double weight = 0;
  bool operator==(const ClusterWeight&) const = default;
};
struct AnchorWeight {
  std::uint32_t anchor = 0;
  double weight = 0;
  bool operator==(const AnchorWeight&) const = default;
};
struct TaskProbability {
  std::uint32_t task = 0;
  double probability = 0;
  bool operator==(const TaskProbability&) const = default;
};

// Up to 3 clusters and the background, ascending cluster, weights sum to 1.
using ClusterWeights = InlineVector<ClusterWeight, 4>;
// The three nearest anchors, nearest first, weights sum to 1; empty: none known.
using AnchorWeights = InlineVector<AnchorWeight, 3>;

// What a decision's row is folded with. Fixed when the decision is made.
struct DecisionContext {
  DecisionId decision;
  ModelId model;
  Generation generation;  // of the bundle that gave clusters, anchors and prior
  BundleHash bundle;
  std::int64_t decided_at_us = 0;  // event time: decay counts from here
  ClusterWeights clusters;
  AnchorWeights anchors;
  double prior = 0;          // f_m(q)
  double prior_centred = 0;  // x = f_m(q) - mean_prior_m
  double predicted_quality = 0;
  double predicted_variance = 0;
  double propensity = 1;
  bool audit = false;           // drawn from the audit set, gold asked
  double gold_probability = 0;  // with which gold was asked, exact
  bool operator==(const DecisionContext&) const = default;
};

// One eligible model as the decision saw it; for explain and off-policy value.
struct LoggedCandidate {
  ModelId model;
  float probability = 0;
  float quality = 0;
  float cost_usd = 0;
  float utility = 0;
  bool operator==(const LoggedCandidate&) const = default;
};
inline constexpr std::size_t kLoggedCandidatesMax = 8;

// 1. A route request was answered.
struct DecisionMade {
  DecisionContext context;
  Weights weights;
  double lambda = 0;  // the pacer's price of a dollar at that moment
  std::uint32_t tokens_in = 0;
  bool gold_wanted = false;
  bool forced = false;  // no model was eligible; the fallback answered
  bool no_explore = false;
  // The caller chose the model itself: context has that one, with propensity 1, and
  // `advised` is what this policy would have played. Probabilities are the policy's.
  bool observed = false;
  ModelId advised;
  // A rollout that is not full, with an incumbent that could answer: it was followed
  // with probability 1 - router_share, which all probabilities above take in.
  ModelId incumbent;        // number 0: none
  bool followed = false;    // the incumbent was followed
  double router_share = 1;  // [0,1]
  std::uint32_t owner_uid = 0;
  std::string tenant;
  std::int64_t expires_at_us = 0;
  std::uint32_t eligible = 0;                                      // how many models were
  InlineVector<LoggedCandidate, kLoggedCandidatesMax> candidates;  // best first
  InlineVector<TaskProbability, 3> tasks;
  bool operator==(const DecisionMade& other) const;
};

// 2. What the call cost.
enum class Verdict : std::uint8_t { kNone = 0, kTooWeak = 1, kTooCostly = 2, kFailed = 3 };
struct OutcomeReported {
  DecisionId decision;
  ModelId model;
  std::int64_t decided_at_us = 0;
  std::uint32_t tokens_in = 0;
  std::uint32_t tokens_out = 0;
  double latency_ms = 0;
  bool failed = false;
  Verdict verdict = Verdict::kNone;
  std::optional<double> cost_usd;  // measured by the caller
  std::uint32_t revision = 0;
  // The values that this revision replaces (revision > 0).
  std::optional<std::uint32_t> replaced_tokens_out;
  bool replaced_failed = false;
  std::string tenant{};  // whose budget settles it
  bool operator==(const OutcomeReported&) const = default;
};

// One observed channel of a decision's row.
struct ChannelValue {
  std::uint8_t channel = 0;  // 0 gold, 1.. sources
  double value = 0;          // in [0,1]; mean over subjects by arrival weight
  double offset = 0;         // b0: bias surface value when folded; subtracted from value
  bool operator==(const ChannelValue&) const = default;
};
using Channels = InlineVector<ChannelValue, kChannelsMax>;

// What a subject says of an answer that gold is given on; for learning whom to trust.
struct SubjectSaid {
  std::uint8_t channel = 1;
  SubjectHash subject;
  double value = 0;
  bool operator==(const SubjectSaid&) const = default;
};
inline constexpr std::size_t kComparedMax = 4;

// 3, 5 and 6 change one channel of one decision's row. `before` and `after` are
// the row's channels, ascending; the fold subtracts the row `before` and adds
// the row `after`, so late gold, revisions and retractions are one operation.
struct RowChanged {
  DecisionContext context;
  Channels before;
  Channels after;
  double weight_before = 1;  // arrival weight of the row as it was folded
  double weight_after = 1;
  LogSeq last_folded;  // where the row was last folded; 0: never
  // What the subject said; for export, audit and replay without a subject.
  std::uint8_t channel = 0;
  SubjectHash subject;
  std::uint32_t revision = 0;
  double value = 0;
  double arrival_weight = 1;  // of the subject's word, from its first one on (learning/subject_book.h)
  bool first_word = false;    // of this subject on this channel of this decision; false in logs before fold 7
  // With the first gold: named subjects' ratings of the same answer, at most kComparedMax.
  InlineVector<SubjectSaid, kComparedMax> compared{};
  bool operator==(const RowChanged&) const = default;
};
struct RatingGiven : RowChanged {};  // 3
struct GoldGiven : RowChanged {};    // 5
struct Retracted : RowChanged {};    // 6

// 4. One answer was preferred to another: two decisions' answers to one query.
struct PreferenceGiven {
  DecisionContext winner;  // of `outcome` = 1
  DecisionContext loser;
  double outcome = 1;  // 1 winner better, 0.5 tie
  std::uint8_t channel = 0;
  SubjectHash subject;
  std::uint32_t revision = 0;
  std::optional<double> replaced_outcome;  // as seen from `winner`
  LogSeq last_folded{};                    // of the preference that is replaced; 0: none, or logged before this was
  double arrival_weight = 1;               // as of RowChanged
  bool first_word = false;
  bool operator==(const PreferenceGiven&) const = default;
};

// 7. Decisions whose time for feedback is over, in log order.
struct DecisionExpired {
  std::uint64_t count = 0;
  LogSeq up_to;  // all decisions up to here are settled or expired
  bool operator==(const DecisionExpired&) const = default;
};
// 8. Time passed without traffic.
struct Tick {
  bool operator==(const Tick&) const = default;
};
// 9. A model joined the pool under the next number and the next epoch of its name.
struct ModelAdded {
  ModelId id;
  std::string name;
  Price price;
  std::uint32_t context_tokens = 0;
  // It joins on trial, as new (belief/newcomer.h): its level lies about the prior of the
  // models that it is like within `level_width`. Absent in logs before there were trials.
  bool on_trial = false;
  std::vector<std::string> like{};
  double level_width = 0;
  bool operator==(const ModelAdded&) const = default;
};
// 10.
struct ModelStateChanged {
  ModelId id;
  ModelState state = ModelState::kActive;
  bool operator==(const ModelStateChanged&) const = default;
};
// 11.
struct PriceChanged {
  ModelId id;
  Price price;
  bool operator==(const PriceChanged&) const = default;
};
// 12. The provider changed the model behind a name: mean kept, variance times 4.
struct EpochDeclared {
  ModelId id;
  bool operator==(const EpochDeclared&) const = default;
};
// 13.
struct OptionsChanged {
  Options options;
  bool operator==(const OptionsChanged&) const = default;
};
// 14. A bundle went live under the next generation; evidence is folded again.
struct GenerationActivated {
  Generation generation;
  BundleHash bundle;
  std::string reason;  // "bootstrap", "rollback to 3", ...
  bool operator==(const GenerationActivated&) const = default;
};
// 15. What a rating source is off by, as a function of cluster and model, from a re-fit over the log
// (Meta-Router's learners). From here on the fold takes it from that source's values, of all rows: those
// that the cells hold are folded again, so that no cell mixes two surfaces. The tree learns what is left.
// A surface names clusters of one bundle and ends with its generation.
struct ModelBias {
  ModelId model;
  double bias = 0;
  bool operator==(const ModelBias&) const = default;
};
struct BiasSurfaceInstalled {
  std::uint8_t channel = 1;   // of the source
  std::uint32_t version = 1;  // rises by source
  BundleHash bundle;          // whose clusters are meant: the live one
  LogSeq fitted_from;         // the events that it was fitted on
  LogSeq fitted_to;
  std::uint64_t ratings = 0;
  std::uint64_t gold = 0;
  double noise = 0;               // standard deviation of one value about it
  double error = 0;               // its own standard error, root of the mean square over rated rows
  std::string learner;            // "r ridge", ...; at most kSurfaceLearnerBytes
  std::vector<double> clusters;   // the bias by cluster, [0] the background, each in [-1,1]; empty: taken away
  std::vector<ModelBias> models;  // added to it; ascending, each in [-1,1]
  bool operator==(const BiasSurfaceInstalled&) const = default;
};
inline constexpr std::size_t kSurfaceLearnerBytes = 32;
inline constexpr std::size_t kSurfaceClustersMax = 4097;
inline constexpr std::size_t kSurfaceModelsMax = 4096;
// 16. A subject's feedback stopped counting from here on.
struct SubjectExcluded {
  SubjectHash subject;
  bool operator==(const SubjectExcluded&) const = default;
};
// 17.
struct LearningSwitched {
  bool frozen = false;
  bool operator==(const LearningSwitched&) const = default;
};
// 18. All evidence of one cell was thrown away by an operator.
struct CellReset {
  ClusterId cluster;
  ModelId model;
  bool operator==(const CellReset&) const = default;
};
// 19. Something for the audit trail that folds to nothing.
inline constexpr std::size_t kNoteBytesMax = 1024;
struct AdminNote {
  std::string text;  // at most kNoteBytesMax
  bool operator==(const AdminNote&) const = default;
};
struct PacerStart {
  std::string tenant;  // empty: the common budget
  double lambda = 0;
  bool operator==(const PacerStart&) const = default;
};
// 20. Values that the learner re-estimated because a count in the state was due.
struct Refitted {
  // Row-major (1 + sources)^2 within-cell covariance, gold first; empty: unchanged.
  std::vector<double> noise{};
  std::vector<double> response{};  // c1 per source; empty: unchanged
  double model_width = 0;          // tau_alpha; 0: unchanged
  double trust_width = 0;          // tau_rho; 0: unchanged
  // Pacers that begin, with the price of a dollar that the prior asks for.
  std::vector<PacerStart> pacers{};
  bool operator==(const Refitted&) const = default;
};

// 25. From here on another share of the decisions follows the router.
struct RolloutChanged {
  Rollout rollout;
  std::string reason;  // for people; at most kNoteBytesMax
  bool operator==(const RolloutChanged&) const = default;
};

// 26. Answers of a model to chosen queries, scored: evidence that does not come from traffic.
// A row counts as gold on a decision that nobody made; it is no random audit.
struct ProbeRow {
  DecisionContext context;  // of the query at that moment; no decision id
  double value = 0;         // score, [0,1]
  bool operator==(const ProbeRow&) const = default;
};
struct ModelProbed {
  ModelId id;
  std::vector<ProbeRow> rows;  // 1 to kProbeRowsMax
  bool operator==(const ModelProbed&) const = default;
};
inline constexpr std::size_t kProbeRowsMax = 400;

// 27. An exclusion was taken back: what the subject says from here on counts again. What it
// said in between stays out.
struct SubjectIncluded {
  SubjectHash subject;
  bool operator==(const SubjectIncluded&) const = default;
};

using Payload =
    std::variant<DecisionMade, OutcomeReported, RatingGiven, PreferenceGiven, GoldGiven, Retracted, DecisionExpired,
                 Tick, ModelAdded, ModelStateChanged, PriceChanged, EpochDeclared, OptionsChanged, GenerationActivated,
                 BiasSurfaceInstalled, SubjectExcluded, LearningSwitched, CellReset, AdminNote, Refitted,
                 RolloutChanged, ModelProbed, SubjectIncluded>;

// Who caused an event. Stored by number.
enum class Origin : std::uint8_t {
  kClient = 1,
  kOperator = 2,  // a verb
  kConfig = 3,    // the configuration file, at start or reload
  kLearner = 4,
  kStore = 5,
};

struct Event {
  LogSeq seq;              // dense from 1
  std::int64_t at_us = 0;  // stamped once by the commit thread, never decreasing
  Origin origin = Origin::kClient;
  std::uint32_t actor_uid = 0;  // the peer that caused it
  Payload payload;
};

// The number of the payload's type, as stored (1..20, 25, 26).
std::uint8_t EventType(const Payload& payload);
// Its name, for people ("RatingGiven").
std::string_view EventTypeName(std::uint8_t type);

}  // namespace pointsman::policy
