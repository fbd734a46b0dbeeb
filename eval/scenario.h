// A scenario: a made-up world, what goes wrong in it, and what a router must still do.
//
// The world is eval/simulated_world.h (its pool of eight models, its texts, its soft
// boundaries) with deviations that no warm start can contain, drawn by seed after the
// bootstrap rows: `cell_deviation` logits of quality by (query node, model), and biases
// of the ratings by model and by (node, model). Files: admin/cli/app_scenario.h.
//
// Plain values. Decisions are counted from 0; a window is [from, until), until 0: to
// the end. Threads: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/world/query.h"

namespace pointsman::eval {

enum class FaultKind : std::uint8_t {
  kDrift,       // `model` loses `by` logits, evenly over the window, and keeps that
  kSilentLoss,  // `model` loses `by` logits within the window, at once
  kPrice,       // `model` costs `factor` times its price from `from` on; the router is told
  kLate,        // `share` of the decisions: all reports come `delay` decisions later
  kMissing,     // `share` of the decisions: no report ever comes
  kDuplicated,  // `share` of the decisions: every report comes again `delay` decisions later
  kRevised,     // `share` of the decisions: the rating first says the opposite, and is revised
                // `delay` decisions later
  kSparse,      // ratings and gold come `factor` times as often
  kBiased,      // thumbs of `model` (empty: all) go up with `by` more probability
  kCensored,    // `share` of the ratings that are not `keep` (low: 0, high: 1) are not given
  kHostile,     // `share` of the ratings come from `subjects` users who praise `model` and damn others
  kRestart,     // the router is killed and started before decision `from`
};
inline constexpr std::string_view kFaultNames[] = {"drift",   "silent_loss", "price",   "late",
                                                   "missing", "duplicated",  "revised", "sparse",
                                                   "biased",  "censored",    "hostile", "restart"};

struct Fault {
  FaultKind kind = FaultKind::kMissing;
  std::uint64_t from = 0;
  std::uint64_t until = 0;
  std::string model{};
  double by = 0;
  double factor = 1;
  double share = 0;
  std::uint64_t delay = 0;
  bool keep_high = false;
  std::uint64_t subjects = 1;

  bool Covers(std::uint64_t decision) const { return decision >= from && (until == 0 || decision < until); }
};

// What is measured in a window. Quality is the true probability of a right answer.
enum class Measure : std::uint8_t {
  kGapShare,     // (quality - random choice's) / (best single model's of the window - random choice's)
  kQuality,      // mean quality of what was chosen
  kShare,        // of `model` among the choices
  kShareExcess,  // that, minus its share in as long a stretch just before the window (from the start at the most)
  kCost,         // mean dollars a decision
  kLost,         // acknowledged feedback that a restarted router did not know any more, or knew differently
  kStateEqual,   // 1: the state after every restart is the one before; 0: it is not
  kStateBytes,   // of state at the end
  kStateGrowth,  // bytes of state at the end / at `from` - 1
  kRefused,      // share of reports that the router refused
  kGroupAlarm,   // 1: the router raised an alarm about raters who say the same whatever the answer; 0: it did not
};
inline constexpr std::string_view kMeasureNames[] = {"gap_share",    "quality", "share",       "share_excess",
                                                     "cost",         "lost",    "state_equal", "state_bytes",
                                                     "state_growth", "refused", "group_alarm"};

struct Acceptance {
  std::string line;  // of the acceptance list: "cold start", "drift", ...
  Measure measure = Measure::kGapShare;
  std::uint64_t from = 0;
  std::uint64_t until = 0;
  std::string model{};
  std::optional<double> at_least{};
  std::optional<double> at_most{};
};

struct Scenario {
  std::string name;
  std::string about;
  std::uint64_t seed = 1;
  std::uint32_t seeds = 1;              // seed, seed + 1, ...; [1, 100]
  std::uint64_t decisions = 3000;       // [100, 100,000]
  std::uint64_t bootstrap_rows = 1500;  // unlabelled answers to start from; 0: none; [0, 20,000]
  policy::Weights weights{1, 0};
  // [truth]
  double mixed_share = 0.30;     // of queries between two nodes, [0,1]
  double plain_share = 0.18;     // of queries of laypeople, [0,1]
  double cell_deviation = 0.40;  // logits, [0, 3]
  double bias_by_model = 0.08;   // standard deviations of probabilities, [0, 0.5]
  double bias_by_cell = 0.08;
  // [feedback]
  double rating_rate = 0.5;      // of decisions, [0,1]
  double gold_rate = 0.02;       // asked, by routers with a rule of their own; given, for others; [0,1]
  double gold_answered = 1;      // of asked gold, [0,1]
  std::uint64_t subjects = 200;  // honest users, [1, 10^6]
  std::vector<Fault> faults;
  std::vector<Acceptance> accept;
  // The scenario is played once for each, as the share of its hostile faults; empty: once, as it stands.
  std::vector<double> hostile_shares{};
};

// One scenario for each of its hostile_shares, named after it; itself where there are none.
std::vector<Scenario> Expand(const Scenario& scenario);

// Errors: INVALID_ARGUMENT bad_scenario, all faults in one message: ranges, unknown
// models, windows outside the run, bars that are missing.
Status ValidateScenario(const Scenario& scenario);

}  // namespace pointsman::eval
