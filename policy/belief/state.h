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
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "policy/belief/evidence.h"
#include "policy/learning/event.h"
#include "policy/world/options.h"
#include "policy/world/pool.h"

namespace pointsman::policy {

struct CellKey {
  ModelId model;
  ClusterId cluster;
  auto operator<=>(const CellKey&) const = default;
};

struct PairKey {  // for preferences: model < other
  ModelId model;
  ModelId other;
  std::uint8_t channel = 0;
  auto operator<=>(const PairKey&) const = default;
};
struct PairTally {
  double wins = 0;    // of `model`; a tie counts one half
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
  std::uint64_t not_folded = 0;  // accepted while frozen, excluded or after a quarantine
  // Live calibration: random-audit gold scored before it is learnt.
  std::uint64_t audited_gold = 0;
  double audited_squared_error = 0;
  double audited_z_squared = 0;  // sum of (r - mu)^2 / (v + s_rr)
  bool operator==(const Counters&) const = default;
};

// Noise within cells and response slopes: installed by Refitted, never computed
// in the fold. Empty noise: the cold start of online_learner section 1.
struct NoiseModel {
  std::vector<double> covariance;           // (1+S)^2 row-major, or empty
  std::array<double, kSourcesMax> response{1, 1, 1, 1};  // c1 per source
  std::array<bool, kChannelsMax> graded{};  // a value other than 0 and 1 was seen
  bool operator==(const NoiseModel&) const = default;
};

// A decision whose row the cells hold otherwise than its last event says: it came
// while learning was frozen, partly from an excluded subject, or a cell was reset
// under it. `folded` is what the cells hold, so that the next change subtracts
// exactly that.
struct IrregularRow {
  Channels folded;
  double weight = 1;     // arrival weight with which it was folded
  LogSeq folded_at;      // 0: never
  PatternMask refused = 0;  // channels whose last word came from an excluded subject
  // Per cluster of the row (in the live bundle): channels that a reset threw away.
  std::array<PatternMask, 4> hidden{};
  bool operator==(const IrregularRow&) const = default;
};
// More than this are not remembered: the oldest decision is dropped from the list,
// and later changes of its row are folded as if it were regular.
inline constexpr std::size_t kIrregularRowsMax = std::size_t{1} << 17;
// Declared epochs of one model that the fold takes into account.
inline constexpr std::size_t kEpochsMax = 64;

struct State {
  LogSeq last_seq;
  std::int64_t now_us = 0;  // stamp of the last event
  Options options;
  Pool pool;
  Generation generation;
  BundleHash bundle;  // zero in generation 0
  std::vector<GenerationRecord> generations;  // ascending, all that ever were
  NoiseModel noise;
  double model_width = 0;  // tau_alpha from Refitted; 0: the bundle's
  std::uint64_t width_refitted_at = 0;  // accepted reports when it was last chosen in this generation
  bool frozen = false;
  std::set<SubjectHash> excluded;
  Counters counters;
  std::map<ModelId, ModelTally> tallies;
  std::map<CellKey, Cell> cells;
  std::map<PairKey, PairTally> pairs;
  std::map<DecisionId, IrregularRow> irregular;
  // Stamps of EpochDeclared per model, ascending. Rows decided until then weigh a
  // quarter for each (variance times 4).
  std::map<ModelId, std::vector<std::int64_t>> epochs;

  // Cells whose posterior must be solved again, and rows that a checkpoint must
  // write; both outside the canonical bytes.
  std::set<CellKey> unpublished;
  bool republish_all = true;
  std::set<std::string> dirty_rows;
};

// Visits every persisted row in ascending key order.
void ForEachStateRow(const State& state,
                     const std::function<void(std::string_view key, std::string_view value)>& visit);
// The bytes of the row `key`; empty when the state has no such row any more (a
// checkpoint deletes it then).
std::string StateRow(const State& state, std::string_view key);
// Puts one row back. Errors: DATA_LOSS for an unknown key or malformed bytes.
Status LoadStateRow(State& state, std::string_view key, std::string_view value);

}  // namespace pointsman::policy
