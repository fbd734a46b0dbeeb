// Protocol "trouter": quality and cost predicted together, judged by utility.
//
// For each seed the usable rows (eval/table_world.h) are split; every router learns
// from the scores and costs of the training part and chooses argmax of
// mu_r r - mu_c c on the test part. Judged by the true utility with the published
// weights (spec trouter_bandits 1.1): cost first (.2,.8), balanced (.5,.5),
// performance first (.8,.2); `utility_sum` adds the three means. `top1` is the mean
// true score with weights (1,0).
//
// Costs are brought to [0,1] by the extremes of the training part, of the row's task
// where the training part has it, over all models (spec 1.4); what lies outside is
// cut. `prices` (US dollars per million tokens) times the query's length in tokens, a
// token being four characters, stand for the table's costs where they are given. Where
// there are neither, a model's price is its parameter count, read from its name:
// `costs` in the report says so.
//
// Routers: `trouter` (the bundle's prior: task types, clusters and head blended; the
// same for cost), `types` (its task tables or clusters alone), `direct` (ridge
// regression on the embedding), `size_rule` (place in the order of size, by price
// where sizes are missing, linear in mu_r), `knn` (40 nearest), `random`, `oracle`.
//
// Threads: none. Deterministic but for `seconds`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "bootstrap/data/table_reader.h"

namespace pointsman::eval {

// What recognises the task types.
enum class TaskRecognition {
  kLinear,     // softmax regression
  kDual,       // dual encoder (bootstrap/fit/trouter_dual.h)
  kPublished,  // the network of the paper (bootstrap/fit/trouter_network.h); it serves in no bundle
};

struct TrouterOptions {
  double train = 0.6;  // share of the rows, or of the tasks with `unseen_tasks`; (0,1)
  std::uint64_t first_seed = 1;
  std::uint32_t seeds = 10;   // 1 to 1,000
  bool task_types = true;     // routers may read the task names of the training part
  bool latent_types = false;  // without task_types: types found in the embeddings
  TaskRecognition recogniser = TaskRecognition::kLinear;
  std::vector<std::string> prices;  // "MODEL=USD"; none, or one for every model
  bool unseen_tasks = false;  // cold start: no test row's task is in the training part
};

struct TrouterFigure {
  double mean = 0;
  double se = 0;  // over seeds; NaN with one
};

struct TrouterArm {
  std::string name;
  std::array<TrouterFigure, 3> utility;  // cost first, balanced, performance first
  TrouterFigure utility_sum;
  TrouterFigure top1;
  TrouterFigure lead;  // utility_sum of "trouter" minus this arm's, by seed
};

struct TrouterReport {
  std::string table;
  std::string costs;           // "table", "prices" or "size"
  std::size_t train_rows = 0;  // of the first seed
  std::size_t test_rows = 0;
  std::vector<TrouterArm> arms;  // "trouter" first
  double seconds = 0;
};

using TrouterProgress = std::function<void(std::string_view, std::uint64_t, std::uint64_t)>;

// Errors: OUT_OF_RANGE for options; INVALID_ARGUMENT for fewer than 2 models, and
// price_missing naming model and row where there is neither cost nor size, or a model
// without one of the prices; price_not_valid naming the entry; published_needs_tasks;
// FAILED_PRECONDITION where `unseen_tasks` finds fewer than 2 tasks; those of
// TableWorld, SplitWorld and BuildBundle.
Result<TrouterReport> RunTrouter(const bootstrap::Table& table, const TrouterOptions& options, const Clock& clock,
                                 const TrouterProgress& progress = {});

// Parameters in billions as a model's name states them ("8x7B" is 56); NaN: it does not.
double SizeInName(std::string_view name);

// One line of JSON: {"protocol","utility_sum":{"mean","se"},"top1",...,"baselines":
// {name:{"utility_sum","top1","lead",...}}}; unknown numbers are null.
std::string ToJson(const TrouterReport& report, const TrouterOptions& options);
// For people, at most 100 columns.
std::string ToTable(const TrouterReport& report);

}  // namespace pointsman::eval
