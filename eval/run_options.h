// Options of a protocol's run: what is played, on which part of a table, with
// which feedback.
//
//   E1      cold start: the bootstrap set has answers but no scores. A rating comes
//           with probability .5, gold where the arm's own rule asks for it. One
//           pass is E1, five are E1L.
//   stream  the bootstrap set has scores; every decision's score is revealed.
//   E2      as stream, 500 bootstrap rows and 3 passes, with a budget a decision.
//
// All choose by quality alone; cost counts through the budget.
// Source: docs/ALGORITHMS.md, "Protocols".
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "eval/arm.h"
#include "eval/outcomes.h"
#include "eval/table_world.h"
#include "policy/world/bundle.h"
#include "policy/world/options.h"

namespace pointsman::eval {

enum class Protocol { kE1, kStream, kE2 };
// "e1" ("e1l" with more than one pass), "stream", "e2".
std::string_view ProtocolName(Protocol protocol, std::uint32_t passes);

enum class Warm { kAnswers, kScores, kNone };
// "answers", "scores", "none". Errors: INVALID_ARGUMENT listing them.
Result<Warm> WarmFromName(std::string_view name);
std::string_view WarmName(Warm warm);

// Arms by name, in the order of reports:
//   pointsman   shipped defaults          static      its warm start, never updated
//   gold_only   it without ratings        naive       it with every bias term at 0
//   undetected  it without change detection
//   without     it without the model that joins; with the variants newcomer, newcomer-worst only, in which no
//               arm but the learner's plays
//   refit       it with re-fits of the source's bias every 500 reports (bootstrap/fit/bias_refit.h), by the
//               R-learner on ridge; refit_dr, refit_forest: by the DR-learner, on a forest
//   cold        it with a flat prior and wide widths, the clusters kept
//   clusters, linucb_warm, linucb_cold, neighbours, random, best_single, oracle
//               eval/baselines.h, eval/linucb.h
//   single:MODEL                          one model always
// All of them for a table with these models.
std::vector<std::string> ArmNames(const std::vector<std::string>& models);
// Those of protocol E1 alone, as the demonstration shows them.
const std::vector<std::string>& CoreArms();

// What a seed's arms are made from. Everything outlives the arm.
struct ArmSetup {
  const TableWorld* world = nullptr;
  const Split* split = nullptr;
  std::shared_ptr<const policy::Bundle> bundle;  // null with Warm::kNone
  policy::Options options;
  std::uint64_t seed = 0;
};
// What is known of the model that joins (variants newcomer, newcomer-worst).
enum class NewcomerStart { kNothing, kFacts, kProbe };
// "nothing", "facts" (family by its name, public score: its mean over the bootstrap rows to
// 0.05), "probe" (6 scored bootstrap rows a cluster). Errors: INVALID_ARGUMENT listing them.
Result<NewcomerStart> NewcomerStartFromName(std::string_view name);
std::string_view NewcomerStartName(NewcomerStart start);

using ArmFactory = std::function<Result<std::unique_ptr<Arm>>(const ArmSetup&)>;

struct RunOptions {
  Protocol protocol = Protocol::kE1;
  std::string source;       // of ratings, see table_world.h; empty: the file's first (E1), none (others)
  double gold_rate = 0.02;  // [0,1]
  std::uint64_t first_seed = 1;
  std::uint32_t seeds = 10;          // 1 to 1,000
  std::uint32_t passes = 1;          // 1 to 1,000
  std::uint64_t bootstrap_rows = 0;  // 0: see SplitWorld
  RowOrder row_order = RowOrder::kShuffled;
  Warm warm = Warm::kAnswers;
  bool task_types = true;  // the bundle may use the task names of the bootstrap set
  policy::Exploration exploration = policy::Exploration::kGreedyAudits;
  std::string models;             // see eval/model_choice.h; empty: all
  std::vector<std::string> arms;  // of ArmNames(); empty: all
  bool planned_gold = false;      // the learner's arms ask for gold where it is worth most, at the same rate
  double budget_usd = 0;          // a decision; 0: none
  Variant variant = Variant::kNone;
  NewcomerStart newcomer = NewcomerStart::kNothing;
  double rating_probability = 0.5;  // [0,1]
  bool coverage = false;            // judge the intervals of arms with a belief, eval/coverage.h
  std::uint32_t threads = 1;        // seeds in parallel, 1 to 256
  // When set, makes the arm "pointsman" (for example over the daemon's socket).
  ArmFactory pointsman_factory;
};

// The defaults of a protocol: E1 as above; stream: gold 1, 1,000 rows warm with
// scores; E2: gold 1, 500 rows warm with scores, 3 passes, budget 6.6e-4.
RunOptions DefaultsOf(Protocol protocol);

// Errors: OUT_OF_RANGE naming every fault.
Status ValidateRunOptions(const RunOptions& options);

// 16 hexadecimal digits over the table, its models and every option that can
// change a figure (threads cannot). A factory counts as one that is set.
std::string ConfigurationHash(const TableWorld& world, const RunOptions& options, const std::vector<std::string>& arms);

}  // namespace pointsman::eval
