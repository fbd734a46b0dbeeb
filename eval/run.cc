#include "eval/run.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/contract.h"
#include "base/unit_draw.h"
#include "eval/arm_factory.h"
#include "eval/coverage.h"
#include "eval/model_choice.h"
#include "eval/tally.h"

namespace pointsman::eval {

namespace {

// The arms asked for, or all that this run can have. Re-fits take longer than all others
// together and say something only where the bias has something to find.
Result<std::vector<std::string>> ArmsOf(const TableWorld& world, const RunOptions& options) {
  std::vector<std::string> all = ArmNames(world.models());
  if (options.warm == Warm::kNone) std::erase(all, "linucb_warm");
  if (HasNewcomer(options.variant)) all = {"pointsman", "gold_only", "naive", "undetected", "without"};
  if (options.arms.empty()) {
    if (options.variant != Variant::kTaskBias) {
      std::erase_if(all, [](const std::string& name) { return name.starts_with("refit"); });
    }
    return all;
  }
  for (const std::string& arm : options.arms) {
    if (std::find(all.begin(), all.end(), arm) != all.end()) continue;
    std::string names;
    for (const std::string& name : all) names += (names.empty() ? "" : ", ") + name;
    return MakeError(Code::kInvalidArgument, "unknown_arm", "no arm " + arm + " in this run; there are " + names);
  }
  return options.arms;
}

// Coins of one decision, the same for every arm.
struct Coins {
  bool rated = false;
  double rating = 0;  // uniform: what Outcomes::Said draws with
  bool gold = false;  // for arms without a rule of their own
};

class Runner {
 public:
  Runner(const TableWorld& world, const RunOptions& options, std::vector<std::string> arms, const RunProgress& progress)
      : world_(world), options_(options), progress_(progress), arms_(std::move(arms)) {
    runs_.assign(arms_.size(), std::vector<ArmRun>(options.seeds));
  }

  Status Run() {
    std::vector<std::thread> threads;
    const std::uint32_t count = std::min(options_.threads, options_.seeds);
    for (std::uint32_t t = 1; t < count; ++t) threads.emplace_back([this] { Work(); });
    Work();
    for (std::thread& thread : threads) thread.join();
    if (failure_.has_value()) return *failure_;
    return {};
  }

  const std::vector<std::string>& arms() const { return arms_; }
  std::span<const ArmRun> runs(std::size_t arm) const { return runs_[arm]; }
  std::size_t stream_rows() const { return stream_rows_; }

 private:
  void Work() {
    for (;;) {
      const std::uint32_t index = next_seed_.fetch_add(1);
      if (index >= options_.seeds || stop_.load()) return;
      if (Status status = RunSeed(index); !status.ok()) {
        const std::lock_guard lock(mutex_);
        if (!failure_.has_value()) failure_ = status.error();
        stop_ = true;
        return;
      }
    }
  }

  void Tell(const std::string& what) {
    if (!progress_) return;
    const std::lock_guard lock(mutex_);
    progress_(what, ++done_, static_cast<std::uint64_t>(options_.seeds) * (arms_.size() + 1));
  }

  Status RunSeed(std::uint32_t index) {
    auto prepared = PrepareSeed(world_, options_, options_.first_seed + index);
    if (!prepared.ok()) return prepared.error();
    SeedWorld& seed = *prepared;
    if (index == 0) stream_rows_ = seed.split.stream.size();
    const std::string label = "seed " + std::to_string(seed.seed) + ": ";
    Tell(label + "bundle");
    double reference = kUnknown;
    if (const auto& loss = seed.outcomes->loss(); loss.has_value()) {
      reference = BestMixture(*seed.outcomes, seed.split.stream, loss->from, options_.budget_usd);
    }
    for (std::size_t a = 0; a < arms_.size(); ++a) {
      auto arm = MakeArm(arms_[a], world_, options_, seed);
      if (!arm.ok()) return arm.error();
      ArmRun& run = runs_[a][index];
      if (Status played = Play(seed, HasGoldRule(arms_[a]), *arm.value(), run); !played.ok()) return played;
      run.alarms = arm.value()->alarms();
      run.loss = seed.outcomes->loss();
      run.joins = seed.outcomes->joins();
      run.reference_after_loss = reference;
      if (options_.coverage) run.coverage = CoverageOf(seed, *arm.value(), run.steps.size());
      Tell(label + arms_[a]);
    }
    return {};
  }

  Coverage CoverageOf(const SeedWorld& seed, const Arm& arm, std::uint64_t number) const {
    const auto snapshot = arm.snapshot();
    if (snapshot == nullptr || snapshot->bundle == nullptr) return {};
    std::map<std::string, std::size_t> columns;
    for (std::size_t m = 0; m < world_.models().size(); ++m) columns[world_.models()[m]] = m;
    return JudgeIntervals(*snapshot, *seed.features, seed.split.stream, [&](std::size_t row, const std::string& model) {
      return seed.outcomes->Score(number, row, columns.at(model));
    });
  }

  Status Play(const SeedWorld& seed, bool own_gold_rule, Arm& arm, ArmRun& run) const {
    SplitMix64 order_random(SeedFor(seed.seed, Purpose::kOrder));
    SplitMix64 rating_random(SeedFor(seed.seed, Purpose::kRatings));
    SplitMix64 gold_random(SeedFor(seed.seed, Purpose::kGold));
    SplitMix64 said_random(SeedFor(seed.seed, Purpose::kSaid));
    const auto& price_fall = seed.outcomes->price_fall();
    const auto& joins = seed.outcomes->joins();
    std::vector<std::size_t> order = seed.split.stream;
    run.steps.reserve(order.size() * options_.passes);
    for (std::uint32_t pass = 0; pass < options_.passes; ++pass) {
      if (pass > 0) Shuffle(order, order_random);
      for (const std::size_t row : order) {
        StreamItem item;
        item.number = run.steps.size();
        item.row = row;
        item.text = world_.table().rows[row].query;
        if (seed.bundle != nullptr) item.embedding = seed.features->Embedding(row);
        if (price_fall.has_value() && price_fall->from == item.number) {
          if (Status told = arm.PriceChanged(price_fall->model, kPriceFall); !told.ok()) return told;
        }
        if (joins.has_value() && joins->from == item.number) {
          if (Status joined = arm.ModelJoins(joins->model); !joined.ok()) return joined;
        }
        const Coins coins{.rated = rating_random.Unit() < options_.rating_probability,
                          .rating = said_random.Unit(),
                          .gold = !own_gold_rule && gold_random.Unit() < options_.gold_rate};
        if (Status step = PlayOne(*seed.outcomes, item, coins, arm, run); !step.ok()) return step;
      }
    }
    return {};
  }

  Status PlayOne(const Outcomes& outcomes, const StreamItem& item, const Coins& coins, Arm& arm, ArmRun& run) const {
    auto choice = arm.Route(item);
    if (!choice.ok()) return choice.error();
    REQUIRE(choice->model < world_.models().size(), "an arm chooses a column of the table");
    const bootstrap::TableCell& cell = world_.table().rows[item.row].models[choice->model];
    const double score = outcomes.Score(item.number, item.row, choice->model);
    ArmFeedback feedback;
    if (coins.rated) feedback.rating = world_.Rating(item.row, choice->model);
    if (feedback.rating.has_value()) feedback.rating = outcomes.Said(item.row, *feedback.rating, coins.rating);
    if (choice->gold_wanted || coins.gold) feedback.gold = score;
    feedback.cost_usd = outcomes.Cost(item.number, item.row, choice->model);
    feedback.tokens_in = cell.tokens_in;
    feedback.tokens_out = cell.tokens_out;
    const bool tried = outcomes.joins().has_value() && outcomes.joins()->model == choice->model;
    const double lost = tried ? outcomes.Score(item.number, item.row, choice->best) - score : 0;
    run.steps.push_back({.score = static_cast<float>(score),
                         .predicted = static_cast<float>(choice->predicted),
                         .cost_usd = static_cast<float>(feedback.cost_usd),
                         .model = static_cast<std::uint32_t>(choice->model),
                         .lost = static_cast<float>(lost),
                         .explored = tried && choice->best != choice->model,
                         .gold = feedback.gold.has_value()});
    run.audits += choice->audit ? 1 : 0;
    run.gold += feedback.gold.has_value() ? 1 : 0;
    run.ratings += feedback.rating.has_value() ? 1 : 0;
    return arm.Report(*choice, feedback);
  }

  const TableWorld& world_;
  const RunOptions& options_;
  const RunProgress& progress_;
  std::vector<std::string> arms_;
  std::vector<std::vector<ArmRun>> runs_;  // [arm][seed]; each written by one thread
  std::size_t stream_rows_ = 0;
  std::atomic<std::uint32_t> next_seed_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::uint64_t done_ = 0;        // guarded by mutex_
  std::optional<Error> failure_;  // guarded by mutex_
};

RunReport MakeReport(const TableWorld& world, const RunOptions& options, const Runner& runner) {
  RunReport report;
  report.protocol = ProtocolName(options.protocol, options.passes);
  report.configuration_hash = ConfigurationHash(world, options, runner.arms());
  report.table = world.table().name;
  report.source = world.source();
  report.variant = VariantName(options.variant);
  report.models = world.models().size();
  report.stream_rows = runner.stream_rows();
  report.budget_usd = options.budget_usd;
  for (std::size_t a = 0; a < runner.arms().size(); ++a) {
    const auto runs = runner.runs(a);
    report.arms.push_back(Summarise(runner.arms()[a], runs, options.passes, world.models(), options.budget_usd));
    if (runner.arms()[a] != "pointsman") continue;
    report.calibration_error = CalibrationError(report.arms.back().calibration);
    report.detection = JudgeAlarms(runs);
  }
  return report;
}

}  // namespace

Result<RunReport> RunProtocol(const bootstrap::Table& table, const RunOptions& options, const Clock& clock,
                              const RunProgress& progress) {
  const std::int64_t started = clock.MonotonicNanos();
  if (Status valid = ValidateRunOptions(options); !valid.ok()) return valid.error();
  // Ratings of the file are for E1; elsewhere they are taken only when named.
  const bool no_source = options.source.empty() && options.protocol != Protocol::kE1;
  auto whole = TableWorld::Create(table, no_source ? std::string(kNoSource) : options.source);
  if (!whole.ok()) return whole.error();
  auto columns = ChooseModels(*whole, options.models, options.first_seed);
  if (!columns.ok()) return columns.error();
  const bootstrap::Table kept = KeepModels(*whole, *columns);
  auto world = TableWorld::Create(kept, whole->source().empty() ? std::string(kNoSource) : whole->source());
  if (!world.ok()) return world.error();
  auto arms = ArmsOf(*world, options);
  if (!arms.ok()) return arms.error();
  Runner runner(*world, options, *arms, progress);
  if (Status run = runner.Run(); !run.ok()) return run.error();
  RunReport report = MakeReport(*world, options, runner);
  report.seconds = static_cast<double>(clock.MonotonicNanos() - started) * 1e-9;
  return report;
}

}  // namespace pointsman::eval
