#include "eval/e1.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <mutex>
#include <optional>
#include <span>
#include <thread>

#include "base/contract.h"
#include "base/unit_draw.h"
#include "bootstrap/job/bundle_builder.h"
#include "embed/embedder.h"
#include "eval/e1_tally.h"
#include "eval/learner_arm.h"

namespace pointsman::eval {

namespace {

// Independent streams of random numbers from one seed, by purpose.
enum class Purpose : std::uint64_t { kDecisions = 1, kOrder = 2, kRatings = 3, kRandomArm = 4 };

std::uint64_t SeedFor(std::uint64_t seed, Purpose purpose) {
  SplitMix64 mixer(seed * 8 + static_cast<std::uint64_t>(purpose));
  return mixer();
}

// Everything that the arms of one seed share.
struct SeedWorld {
  std::uint64_t seed = 0;
  Split split;
  std::shared_ptr<const policy::Bundle> bundle;
  std::vector<std::vector<float>> embeddings;  // by table row; empty where not in the stream
};

class Runner {
 public:
  Runner(const TableWorld& world, const E1Options& options, const E1Progress& progress)
      : world_(world), options_(options), progress_(progress) {
    arms_ = options.arms.empty() ? ArmNames() : options.arms;
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
    auto prepared = Prepare(options_.first_seed + index);
    if (!prepared.ok()) return prepared.error();
    const SeedWorld& seed = *prepared;
    if (index == 0) stream_rows_ = seed.split.stream.size();
    const std::string label = "seed " + std::to_string(seed.seed) + ": ";
    Tell(label + "bundle");
    for (std::size_t a = 0; a < arms_.size(); ++a) {
      auto arm = Make(arms_[a], seed);
      if (!arm.ok()) return arm.error();
      if (Status played = Play(seed, *arm.value(), runs_[a][index]); !played.ok()) return played;
      Tell(label + arms_[a]);
    }
    return {};
  }

  Result<SeedWorld> Prepare(std::uint64_t number) const {
    SeedWorld seed;
    seed.seed = number;
    auto split = SplitWorld(world_, number, options_.bootstrap_rows);
    if (!split.ok()) return split.error();
    seed.split = std::move(split).value();
    seed.embeddings.resize(world_.table().rows.size());
    if (options_.warm == Warm::kNone) return seed;
    bootstrap::BuildOptions build;
    build.labels = options_.warm == Warm::kScores ? bootstrap::Labels::kScores : bootstrap::Labels::kConsensus;
    build.seed = number;
    build.rows = seed.split.bootstrap;
    build.task_types = options_.task_types;
    auto bundle = bootstrap::BuildBundle(world_.table(), build);
    if (!bundle.ok()) return bundle.error();
    bundle->hash.bytes[0] = 1;  // a name inside this run; files get the content's hash
    seed.bundle = std::make_shared<const policy::Bundle>(std::move(bundle).value());
    auto embedder = embed::EmbedderFor(*seed.bundle);
    if (!embedder.ok()) return embedder.error();
    for (const std::size_t row : seed.split.stream) {
      auto vector = embedder.value()->Embed(world_.table().rows[row].query);
      if (!vector.ok()) return vector.error();
      seed.embeddings[row] = std::move(vector).value();
    }
    return seed;
  }

  policy::Options LearnerOptions() const {
    policy::Options options;
    if (!world_.source().empty()) options.sources = {world_.source()};
    options.gold_rate = options_.gold_rate;
    options.exploration = options_.exploration;
    return options;
  }

  Result<std::unique_ptr<Arm>> Make(const std::string& name, const SeedWorld& seed) const {
    if (name == "random") return MakeRandomArm(world_.models().size(), SeedFor(seed.seed, Purpose::kRandomArm));
    if (name == "oracle") return MakeOracleArm(world_);
    if (name == "best_single") return MakeFixedArm(BestSingle(world_, seed.split.stream));
    LearnerArmOptions options;
    options.options = LearnerOptions();
    options.models = world_.models();
    options.bundle = seed.bundle;
    options.seed = SeedFor(seed.seed, Purpose::kDecisions);
    if (name == "pointsman" && options_.pointsman_factory) {
      return options_.pointsman_factory({.world = &world_,
                                         .split = &seed.split,
                                         .bundle = seed.bundle,
                                         .options = options.options,
                                         .seed = options.seed});
    }
    if (name == "static") {
      options.learn = false;
      options.options.gold_rate = 0;  // and so no audits
      options.options.exploration = policy::Exploration::kGreedyAudits;
    }
    if (name == "gold_only") options.ratings = false;
    if (name == "naive") {
      options.options.widths_overridden = true;
      options.options.widths = seed.bundle != nullptr ? seed.bundle->widths : policy::Widths{};
      options.options.widths.source = 0;
      options.options.widths.source_model = 0;
      options.options.widths.source_cell = 0;
    }
    auto made = LearnerArm::Create(options);
    if (!made.ok()) return made.error();
    return std::unique_ptr<Arm>(std::move(made).value());
  }

  Status Play(const SeedWorld& seed, Arm& arm, ArmRun& run) const {
    SplitMix64 order_random(SeedFor(seed.seed, Purpose::kOrder));
    SplitMix64 rating_random(SeedFor(seed.seed, Purpose::kRatings));
    std::vector<std::size_t> order = seed.split.stream;
    run.steps.reserve(order.size() * options_.passes);
    for (std::uint32_t pass = 0; pass < options_.passes; ++pass) {
      if (pass > 0) Shuffle(order, order_random);
      for (const std::size_t row : order) {
        StreamItem item;
        item.number = run.steps.size();
        item.row = row;
        item.text = world_.table().rows[row].query;
        item.embedding = seed.embeddings[row];
        const bool rated = rating_random.Unit() < options_.rating_probability;
        if (Status step = PlayOne(item, rated, arm, run); !step.ok()) return step;
      }
    }
    return {};
  }

  Status PlayOne(const StreamItem& item, bool rated, Arm& arm, ArmRun& run) const {
    auto choice = arm.Route(item);
    if (!choice.ok()) return choice.error();
    REQUIRE(choice->model < world_.models().size(), "an arm chooses a column of the table");
    const bootstrap::TableCell& cell = world_.table().rows[item.row].models[choice->model];
    ArmFeedback feedback;
    if (rated) feedback.rating = world_.Rating(item.row, choice->model);
    if (choice->gold_wanted) feedback.gold = cell.score;
    feedback.cost_usd = cell.cost_usd;
    feedback.tokens_in = cell.tokens_in;
    feedback.tokens_out = cell.tokens_out;
    run.steps.push_back({.score = static_cast<float>(cell.score),
                         .predicted = static_cast<float>(choice->predicted),
                         .cost_usd = static_cast<float>(cell.cost_usd),
                         .model = static_cast<std::uint32_t>(choice->model)});
    run.audits += choice->audit ? 1 : 0;
    run.gold += feedback.gold.has_value() ? 1 : 0;
    run.ratings += feedback.rating.has_value() ? 1 : 0;
    return arm.Report(*choice, feedback);
  }

  const TableWorld& world_;
  const E1Options& options_;
  const E1Progress& progress_;
  std::vector<std::string> arms_;
  std::vector<std::vector<ArmRun>> runs_;  // [arm][seed]; each written by one thread
  std::size_t stream_rows_ = 0;
  std::atomic<std::uint32_t> next_seed_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::uint64_t done_ = 0;        // guarded by mutex_
  std::optional<Error> failure_;  // guarded by mutex_
};

Status CheckOptions(const E1Options& options) {
  std::string faults;
  const auto check = [&](bool fine, const std::string& fault) {
    if (!fine) faults += (faults.empty() ? "" : "; ") + fault;
  };
  check(options.gold_rate >= 0 && options.gold_rate <= 1, "gold must be in [0, 1]");
  check(options.rating_probability >= 0 && options.rating_probability <= 1, "rating probability must be in [0, 1]");
  check(options.seeds >= 1 && options.seeds <= 1000, "seeds must be 1 to 1,000");
  check(options.passes >= 1 && options.passes <= 1000, "passes must be 1 to 1,000");
  check(options.threads >= 1 && options.threads <= 256, "threads must be 1 to 256");
  if (!faults.empty()) return MakeError(Code::kOutOfRange, "eval_options", faults);
  for (const std::string& arm : options.arms) {
    if (std::find(ArmNames().begin(), ArmNames().end(), arm) == ArmNames().end()) {
      std::string names;
      for (const std::string& name : ArmNames()) names += (names.empty() ? "" : ", ") + name;
      return MakeError(Code::kInvalidArgument, "unknown_arm", "no arm " + arm + "; there are " + names);
    }
  }
  return {};
}

std::string ConfigurationHash(const TableWorld& world, const E1Options& options, const std::vector<std::string>& arms) {
  std::string text = world.table().name + "|" + std::to_string(world.usable_rows().size()) + "|" + world.source() +
                     "|" + std::to_string(options.gold_rate) + "|" + std::to_string(options.first_seed) + "|" +
                     std::to_string(options.seeds) + "|" + std::to_string(options.passes) + "|" +
                     std::to_string(options.bootstrap_rows) + "|" + std::string(WarmName(options.warm)) + "|" +
                     std::to_string(static_cast<int>(options.exploration)) + "|" +
                     std::to_string(options.task_types ? 1 : 0) + "|" +
                     std::to_string(options.rating_probability);
  for (const std::string& arm : arms) text += "|" + arm;
  const std::vector<std::uint8_t> bytes(text.begin(), text.end());
  char hash[17];
  std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(Mix(bytes, 1)));
  return hash;
}

}  // namespace

Result<Warm> WarmFromName(std::string_view name) {
  for (const Warm warm : {Warm::kAnswers, Warm::kScores, Warm::kNone}) {
    if (name == WarmName(warm)) return warm;
  }
  return MakeError(Code::kInvalidArgument, "unknown_warm", "warm start is one of answers, scores, none");
}

std::string_view WarmName(Warm warm) {
  switch (warm) {
    case Warm::kAnswers: return "answers";
    case Warm::kScores: return "scores";
    case Warm::kNone: return "none";
  }
  Unreachable("a warm start");
}

const std::vector<std::string>& ArmNames() {
  static const std::vector<std::string> names = {"pointsman",   "static", "gold_only", "naive",
                                                 "best_single", "random", "oracle"};
  return names;
}

Result<E1Report> RunE1(const bootstrap::Table& table, const E1Options& options, const Clock& clock,
                       const E1Progress& progress) {
  const std::int64_t started = clock.MonotonicNanos();
  if (Status valid = CheckOptions(options); !valid.ok()) return valid.error();
  auto world = TableWorld::Create(table, options.source);
  if (!world.ok()) return world.error();
  Runner runner(*world, options, progress);
  if (Status run = runner.Run(); !run.ok()) return run.error();
  E1Report report;
  report.protocol = options.passes > 1 ? "e1l" : "e1";
  report.configuration_hash = ConfigurationHash(*world, options, runner.arms());
  report.table = table.name;
  report.source = world->source();
  report.stream_rows = runner.stream_rows();
  for (std::size_t a = 0; a < runner.arms().size(); ++a) {
    report.arms.push_back(Summarise(runner.arms()[a], runner.runs(a), options.passes, world->models()));
    if (runner.arms()[a] == "pointsman") report.calibration_error = CalibrationError(runner.runs(a));
  }
  report.seconds = static_cast<double>(clock.MonotonicNanos() - started) * 1e-9;
  return report;
}

}  // namespace pointsman::eval
