// Protocol E1: cold start with consensus, biased ratings, sparse gold.
//
// For each seed: split the table (eval/table_world.h), build a bundle from the
// bootstrap set, play every arm over the stream, `passes` times (reshuffled after
// the first). Only the chosen model's outcome is revealed: its rating with
// probability .5, independently of gold; its score as gold when the arm's own gold
// rule asks for it (audits always; otherwise (g - a) / (1 - a)). All arms of a seed
// see the same queries in the same order and the same rating coins.
//
// One pass is E1, five are E1L.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "bootstrap/data/table_reader.h"
#include "eval/arm.h"
#include "eval/table_world.h"
#include "policy/world/bundle.h"
#include "policy/world/options.h"

namespace pointsman::eval {

enum class Warm { kAnswers, kScores, kNone };
// "answers", "scores", "none". Errors: INVALID_ARGUMENT listing them.
Result<Warm> WarmFromName(std::string_view name);
std::string_view WarmName(Warm warm);

// All arms, in the order of reports.
const std::vector<std::string>& ArmNames();

// What a seed's arms are made from. Everything outlives the arm.
struct ArmSetup {
  const TableWorld* world = nullptr;
  const Split* split = nullptr;
  std::shared_ptr<const policy::Bundle> bundle;  // null with Warm::kNone
  policy::Options options;
  std::uint64_t seed = 0;
};
using ArmFactory = std::function<Result<std::unique_ptr<Arm>>(const ArmSetup&)>;

struct E1Options {
  std::string source;       // see table_world.h; empty: the file's first
  double gold_rate = 0.02;  // [0,1]
  std::uint64_t first_seed = 1;
  std::uint32_t seeds = 10;        // 1 to 1,000
  std::uint32_t passes = 1;        // 1 to 1,000
  std::size_t bootstrap_rows = 0;  // 0: see SplitWorld
  Warm warm = Warm::kAnswers;
  bool task_types = true;          // the bundle may use the task names of the bootstrap set
  policy::Exploration exploration = policy::Exploration::kGreedyAudits;
  std::vector<std::string> arms;    // of ArmNames(); empty: all
  std::uint32_t threads = 1;        // seeds in parallel, 1 to 256
  double rating_probability = 0.5;  // [0,1]
  // When set, makes the arm "pointsman" (for example over the daemon's socket).
  ArmFactory pointsman_factory;
};

// Mean over seeds and its standard error; with one seed the error is over
// decisions. `least`: the lowest seed.
struct Figure {
  double mean = 0;
  double se = 0;
  double least = 0;
};

// How one model fared under one arm; all seeds together.
struct ModelUse {
  std::string model;
  double share = 0;             // of decisions
  double predicted = kUnknown;  // mean prediction where chosen
  double quality = 0;           // mean true score where chosen
  double cost_usd = kUnknown;
};

struct ArmReport {
  std::string name;
  Figure total;
  Figure second_half;
  Figure last_pass;
  double cost_mean_usd = kUnknown;  // per decision; NaN where the table has no costs
  std::uint64_t decisions = 0;
  std::uint64_t audits = 0;
  std::uint64_t gold = 0;
  std::uint64_t ratings = 0;
  std::vector<double> over_time;  // mean score in 20 equal stretches of the run
  std::vector<ModelUse> models;   // by falling share; unused ones left out
};

struct E1Report {
  std::string protocol;            // "e1", or "e1l" with more than one pass
  std::string configuration_hash;  // 16 hexadecimal digits over table and options
  std::string table;
  std::string source;
  std::size_t stream_rows = 0;  // of the first seed
  std::vector<ArmReport> arms;
  // Of the arm "pointsman": predictions against true scores of the chosen models,
  // second half, all seeds, 15 bins of equal mass; NaN without that arm.
  double calibration_error = kUnknown;
  double seconds = 0;
};

// (what, done, total); called from any of the run's threads, one at a time.
using E1Progress = std::function<void(std::string_view, std::uint64_t, std::uint64_t)>;

// Deterministic but for `seconds`. `progress` may be empty.
// Errors: OUT_OF_RANGE and INVALID_ARGUMENT for options, all that TableWorld,
// SplitWorld, BuildBundle and the arms return.
Result<E1Report> RunE1(const bootstrap::Table& table, const E1Options& options, const Clock& clock,
                       const E1Progress& progress = {});

// One line of JSON: {"protocol","configuration_hash","arms":{name:{"total",
// "second_half","last_pass":{"mean","se","min"},"cost":{"mean"}}},
// "calibration_error","seconds"}; unknown numbers are null.
std::string ToJson(const E1Report& report);
// For people, at most 100 columns.
std::string ToTable(const E1Report& report);

}  // namespace pointsman::eval
