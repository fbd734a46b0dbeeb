// All that the fold carries, and its canonical bytes.
//
// The state is persisted as rows (key, value). Its hash is the XOR over all rows
// of a 64-bit hash of (key, value), computed in store/. Canonical: equal states
// give equal bytes; -0 is written as +0. Format: docs/RECORDS.md, "State rows".
//
// Threads: not synchronised; owned by the learner thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "policy/belief/evidence.h"
#include "policy/belief/newcomer.h"
#include "policy/belief/preference.h"
#include "policy/belief/row_list.h"
#include "policy/learning/event.h"
#include "policy/learning/subject_book.h"
#include "policy/world/options.h"
#include "policy/world/pool.h"

namespace pointsman::policy {

struct PairKey {  // preferences counted for people: model < other
  ModelId model;
  ModelId other;
  std::uint8_t channel = 0;
  auto operator<=>(const PairKey&) const = default;
};
struct PairTally {
  double wins = 0;  // of `model`; a tie counts one half
  std::uint64_t count = 0;
  bool operator==(const PairTally&) const = default;
};

struct GenerationRecord {
  Generation generation;
  BundleHash bundle;
  LogSeq activated_at;
  std::int64_t activated_at_us = 0;
  std::string reason;
  bool operator==(const GenerationRecord&) const = default;
};

// Per model, across clusters.
struct ModelTally {
  std::uint64_t decisions = 0;
  std::uint64_t outcomes = 0;
  std::uint64_t failures = 0;
  std::uint64_t ratings = 0;
  std::uint64_t gold = 0;
  // Moments of z = ln(1 + tokens_out): count, sum, sum of squares.
  double token_rows = 0;
  double token_sum = 0;
  double token_squares = 0;
  // Moments of ln(1 + latency in ms) of calls that succeeded; the latest 256 or so count.
  double latency_rows = 0;
  double latency_sum = 0;
  double latency_squares = 0;
  RowMark dirty;
  bool operator==(const ModelTally&) const = default;
};

struct Counters {
  std::uint64_t decisions = 0;
  std::uint64_t audits = 0;
  std::uint64_t outcomes = 0;
  std::array<std::uint64_t, kChannelsMax> feedback{};  // per channel, each accepted report
  std::uint64_t retractions = 0;
  std::uint64_t preferences = 0;
  std::uint64_t expired = 0;
  std::uint64_t alarms = 0;  // of models
  std::uint64_t cell_alarms = 0;
  std::uint64_t judge_alarms = 0;  // of judges or traffic
  std::uint64_t not_folded = 0;    // accepted while frozen, excluded or after a quarantine
  // Live calibration: random-audit gold scored before it is learnt.
  std::uint64_t audited_gold = 0;
  double audited_squared_error = 0;
  // Values against what was predicted, all models: how many and the sum of squares, a
  // source's about what is usual for the model. For graded channels it is their noise.
  std::array<std::uint64_t, kChannelsMax> residual_rows{};
  std::array<double, kChannelsMax> residual_squares{};
  double audited_z_squared = 0;  // sum of (r - mu)^2 / (v + s_rr)
  RowMark dirty;
  bool operator==(const Counters&) const = default;
};

// Noise within cells and response slopes: installed by Refitted, never computed
// in the fold. Empty noise: the cold start of online_learner section 1.
struct NoiseModel {
  std::vector<double> covariance;                        // (1+S)^2 row-major, or empty
  std::array<double, kSourcesMax> response{1, 1, 1, 1};  // c1 per source
  std::array<bool, kChannelsMax> graded{};               // a value other than 0 and 1 was seen
  PatternMask quarantined = 0;                           // channels that are not read (learning/source_watch.h)
  bool operator==(const NoiseModel&) const = default;
};

// A decision whose row the cells hold otherwise than its last event says: it came
// while learning was frozen, partly from an excluded subject, or a cell was reset
// under it. `folded` is what the cells hold, so that the next change subtracts
// exactly that.
struct IrregularRow {
  Channels folded;
  double weight = 1;        // arrival weight with which it was folded
  LogSeq folded_at;         // 0: never
  PatternMask refused = 0;  // channels whose last word came from an excluded subject
  // Per cluster of the row (in the live bundle): channels that a reset threw away.
  std::array<PatternMask, 4> hidden{};
  bool operator==(const IrregularRow&) const = default;
};
// A preference that the moments hold otherwise than its last event says: it came while
// learning was frozen. `outcome` is as the smaller decision id sees it.
struct PreferenceId {
  DecisionId first;  // < second
  DecisionId second;
  std::uint8_t channel = 0;
  SubjectHash subject;
  auto operator<=>(const PreferenceId&) const = default;
};
struct HeldPreference {
  bool folded = false;  // false: the moments hold nothing of it
  double outcome = 0;
  LogSeq folded_at;
  bool operator==(const HeldPreference&) const = default;
};
// More than this are not remembered, of rows and of preferences: the oldest decision is dropped from the list,
// and later changes of its row are folded as if it were regular.
inline constexpr std::size_t kIrregularRowsMax = std::size_t{1} << 17;

// A number for either direction of a change.
struct BothWays {
  double up = 0;
  double down = 0;
  bool operator==(const BothWays&) const = default;
};
// What the change detector knows of one channel of one model
// (learning/change_detector.h).
struct ChannelWatch {
  Cusum cusum;
  Cusum slow;
  Cusum witness;           // of a source: gold's sums since its slow ones left zero
  BothWays standing;       // of a source: predictions over the prior before its slow sums left zero
  std::uint64_t rows = 0;  // residuals in `sum`
  double sum = 0;          // of residuals: what is usual for a biased source
  bool centred = false;    // gold too is compared with what is usual: its judge changed
  bool operator==(const ChannelWatch&) const = default;
};
// Standard deviation of a model's level about its prior after it changed: twice what all
// models may share (.15 where nothing was labelled), so that a fall is the model's own
// although nobody else is being played (decisions/0031).
inline constexpr double kChangedWidth = 0.3;
struct ModelWatch {
  std::array<ChannelWatch, kChannelsMax> channels{};
  std::uint64_t rows = 0;  // that had any channel
  bool changed = false;    // an alarm in this generation: its level is no longer known
  RowMark dirty;
  bool operator==(const ModelWatch&) const = default;
};

// Whether a source can be believed (learning/source_watch.h).
enum class Quarantine : std::uint8_t { kNone = 0, kStuck = 1, kContrary = 2 };
struct SourceWatch {
  double last = 0;           // its latest value
  std::uint64_t run = 0;     // how often it said that in a row
  double surprise = 0;       // -ln of the chance of such a run if values followed quality
  std::uint64_t others = 0;  // while stuck: values unlike the stuck one
  // Rows with gold and this source: weight, and moments of value - prediction of both.
  double pairs = 0;
  double gold = 0;
  double rating = 0;
  double gold_squares = 0;
  double rating_squares = 0;
  double products = 0;
  Quarantine quarantine = Quarantine::kNone;
  LogSeq since;  // of the quarantine
  bool operator==(const SourceWatch&) const = default;
};

// Predictions of random-audit gold against what came (cascal_meta_router C.6).
struct CalibrationGuard {
  double z_squared = 1;      // exponentially weighted over 200 labels; 1 is honest
  std::uint64_t labels = 0;  // since the last step
  double bias_factor = 1;    // on the variances of biases in force, 1 to 16
  std::uint64_t steps = 0;
  bool operator==(const CalibrationGuard&) const = default;
};

// What the pacer of one budget knows (choice/pacing.h).
struct Pacer {
  double lambda = 0;
  double mean_cost_usd = 0;  // of settled requests, exponentially weighted
  double bucket_usd = 0;     // may be negative after dear answers
  double spent_usd = 0;      // in all
  std::uint64_t decisions = 0;
  std::uint64_t settled = 0;
  bool operator==(const Pacer&) const = default;
};

// Whether calls to a model succeed. After kFailuresInRow failed calls in a row it
// leaves the eligible set until `retry_at_us`; each failed probe doubles the pause,
// a success ends it.
struct ModelHealth {
  std::uint32_t failures_in_row = 0;
  std::uint32_t pauses = 0;
  std::int64_t retry_at_us = 0;  // 0: healthy
  bool operator==(const ModelHealth&) const = default;
};
inline constexpr std::uint32_t kFailuresInRow = 5;
inline constexpr std::int64_t kFirstPauseUs = 30'000'000;
inline constexpr std::uint32_t kPauseDoublingsMax = 6;

// The rollout in force, and what was decided under it.
struct RolloutRecord {
  Rollout rollout;
  LogSeq since;  // of the event that set it; 0: none ever did
  std::int64_t since_us = 0;
  Origin set_by = Origin::kConfig;
  std::uint64_t gold_before = 0;  // accepted gold labels when it was set
  std::uint64_t routed = 0;       // decisions with an incumbent that followed the router
  std::uint64_t followed = 0;     // ... that followed the incumbent
  std::string reason;
  bool operator==(const RolloutRecord&) const = default;
};

// The last change that an operator made, and what was in force before it: what an undo
// puts back. Of `before` only what the kind of change touches means anything.
struct LastChange {
  LogSeq seq;             // 0: there was none
  std::uint8_t type = 0;  // EventType: 9 to 14, 16 to 18, 25 or 26
  ModelId model;          // of 9 to 12
  Price price;
  ModelState state = ModelState::kActive;
  bool frozen = false;
  Rollout rollout;
  bool operator==(const LastChange&) const = default;
};

// An alarm of the change detector, for people and instruments.
struct Alarm {
  ModelId model;
  bool cell = false;          // of one cell only
  ClusterId cluster;          // of that cell
  std::int8_t direction = 0;  // +1 better than predicted, -1 worse
  bool judge = false;         // many models at once: nothing was discounted
  LogSeq seq;
  std::int64_t at_us = 0;
  std::uint64_t uses = 0;     // of the model, so far
  std::uint64_t reports = 0;  // of all models, so far
  bool operator==(const Alarm&) const = default;
};

struct State {
  LogSeq last_seq;
  std::int64_t now_us = 0;  // stamp of the last event
  Options options;
  Pool pool;
  Generation generation;
  BundleHash bundle;                          // zero in generation 0
  std::vector<GenerationRecord> generations;  // ascending, all that ever were
  NoiseModel noise;
  double model_width = 0;                  // tau_alpha from Refitted; 0: the bundle's
  double trust_width = 0;                  // tau_rho, likewise
  std::uint64_t width_refitted_at = 0;     // accepted reports when it was last chosen in this generation
  std::uint64_t response_refitted_at = 0;  // gold labels when noise and slopes were last estimated
  bool frozen = false;
  std::set<SubjectHash> excluded;
  Counters counters;
  std::map<ModelId, ModelTally> tallies;
  std::map<CellKey, Cell> cells;
  SubjectBook subjects;  // who rated how often
  std::map<PairKey, PairTally> pairs;
  PreferenceCells preferences;
  std::map<PreferenceId, HeldPreference> irregular_preferences;
  std::map<DecisionId, IrregularRow> irregular;
  std::map<ModelId, std::vector<Discount>> discounts;  // ascending
  std::map<ModelId, ModelWatch> watches;
  std::array<SourceWatch, kSourcesMax> source_watches{};
  CalibrationGuard guard;
  RowMark sources_dirty;
  // By channel: the surface in force, or an empty one that keeps the version.
  std::map<std::uint8_t, BiasSurfaceInstalled> surfaces;
  std::vector<Alarm> alarms;              // the latest, ascending
  std::map<std::string, Pacer> pacers;    // by tenant; "" is the common one
  std::map<ModelId, ModelHealth> health;  // models with failures in a row
  Newcomers newcomers;                    // models that joined on trial
  RolloutRecord rollout;
  LastChange last_change;

  // Cells whose posterior must be solved again, and rows that a checkpoint must
  // write; both outside the canonical bytes.
  RowList<std::set<CellKey>> unpublished;
  bool republish_all = true;
  RowList<std::unordered_set<std::string>> dirty_rows;
  RowMark dirty;  // of the row of the log position
};

// Version of the fold and of the rows it leaves. It grows with every change by
// which the same log gives other bytes: a checkpoint of another version is no
// prefix of what the fold does now, so a store folds its log anew instead.
inline constexpr std::uint8_t kFoldVersion = 12;

// Visits every persisted row in ascending key order.
void ForEachStateRow(const State& state,
                     const std::function<void(std::string_view key, std::string_view value)>& visit);
// The bytes of the row `key`; empty when the state has no such row any more (a
// checkpoint deletes it then).
std::string StateRow(const State& state, std::string_view key);
// Puts one row back. Errors: DATA_LOSS for an unknown key or malformed bytes.
Status LoadStateRow(State& state, std::string_view key, std::string_view value);

}  // namespace pointsman::policy
