#include "eval/arm_factory.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "base/contract.h"
#include "base/unit_draw.h"
#include "bootstrap/job/bundle_builder.h"
#include "embed/embedder.h"
#include "eval/baselines.h"
#include "eval/linucb.h"
#include "eval/model_choice.h"
#include "policy/belief/membership.h"
#include "policy/belief/prior.h"
#include "policy/belief/task_recogniser.h"

namespace pointsman::eval {

namespace {

constexpr std::string_view kSingle = "single:";

// f_m of every model of the table for one row, by column of the table.
std::vector<double> PriorOf(const policy::Bundle& bundle, const std::vector<std::string>& models,
                            std::span<const float> embedding) {
  const auto clusters = policy::FindMembership(bundle, embedding).clusters;
  const auto tasks = policy::RecogniseTasks(bundle, embedding);
  const auto head = policy::ProjectHead(bundle, embedding);
  std::vector<double> priors;
  for (const std::string& model : models) {
    priors.push_back(policy::PriorQuality(bundle, bundle.Column(model), clusters, tasks, head));
  }
  return priors;
}

// Mean cost of each model over the bootstrap rows; empty where the table has none.
std::vector<double> MeanCosts(const TableWorld& world, const Split& split) {
  std::vector<double> costs(world.models().size(), 0);
  for (std::size_t m = 0; m < costs.size(); ++m) {
    double rows = 0;
    for (const std::size_t row : split.bootstrap) {
      if (!std::isfinite(world.Cost(row, m))) continue;
      costs[m] += world.Cost(row, m);
      rows += 1;
    }
    if (rows == 0) return {};
    costs[m] /= rows;
  }
  return costs;
}

std::vector<OfflineRow> OfflineRows(const TableWorld& world, const RunOptions& options, const SeedWorld& seed) {
  std::vector<OfflineRow> offline;
  for (const std::size_t row : seed.split.bootstrap) {
    OfflineRow one{.row = row, .rewards = {}};
    if (options.warm == Warm::kScores) {
      for (std::size_t m = 0; m < world.models().size(); ++m) one.rewards.push_back(world.Score(row, m));
    } else {
      one.rewards = PriorOf(*seed.bundle, world.models(), seed.features->Embedding(row));
    }
    offline.push_back(std::move(one));
  }
  return offline;
}

policy::Options PolicyOptions(const TableWorld& world, const RunOptions& options) {
  policy::Options made;
  if (!world.source().empty()) made.sources = {world.source()};
  made.gold_rate = options.gold_rate;
  made.exploration = options.exploration;
  made.budget_usd = options.budget_usd;
  return made;
}

// The learner, as it is shipped or with a part of it taken away.
Result<std::unique_ptr<Arm>> MakeLearner(const std::string& name, const TableWorld& world, const RunOptions& options,
                                         const SeedWorld& seed) {
  LearnerArmOptions learner;
  learner.options = PolicyOptions(world, options);
  learner.models = world.models();
  for (const double price : OutputPrices(world)) {
    learner.prices.push_back({.input_usd_per_million = 0, .output_usd_per_million = price});
  }
  learner.bundle = seed.bundle;
  learner.seed = SeedFor(seed.seed, Purpose::kDecisions);
  learner.planned_gold = options.planned_gold;
  if (name == "pointsman" && options.pointsman_factory) {
    return options.pointsman_factory({.world = &world,
                                      .split = &seed.split,
                                      .bundle = seed.bundle,
                                      .options = learner.options,
                                      .seed = learner.seed});
  }
  if (name == "static") {
    learner.learn = false;
    learner.options.gold_rate = 0;  // and so no audits
    learner.options.exploration = policy::Exploration::kGreedyAudits;
  }
  if (seed.joiner) {
    learner.joiner = seed.joiner;
    learner.joiner->welcome = name != "without";
  }
  if (name == "gold_only") learner.ratings = false;
  if (name == "undetected") learner.options.change_detection = false;
  if (name.starts_with("refit")) learner.refit_every = 500;
  if (name == "refit_dr") learner.refit.learner = bootstrap::MetaLearner::kDr;
  if (name == "refit_forest") learner.refit.base = bootstrap::BaseLearner::kForest;
  if (name == "naive") {
    learner.options.widths_overridden = true;
    learner.options.widths = seed.bundle != nullptr ? seed.bundle->widths : policy::Widths{};
    learner.options.widths.source = 0;
    learner.options.widths.source_model = 0;
    learner.options.widths.source_cell = 0;
  }
  if (name == "cold" && seed.bundle != nullptr) {
    learner.bundle = std::make_shared<const policy::Bundle>(FlattenPrior(*seed.bundle));
  }
  auto made = LearnerArm::Create(learner);
  if (!made.ok()) return made.error();
  return std::unique_ptr<Arm>(std::move(made).value());
}

// Up to the first character that is neither letter nor digit; empty where no other model
// has it in its name.
std::string FamilyOf(const std::vector<std::string>& models, std::size_t model) {
  const std::string& name = models[model];
  const auto end = std::find_if(name.begin(), name.end(), [](char c) {
    return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'));
  });
  const std::string family(name.begin(), end);
  for (std::size_t m = 0; m < models.size(); ++m) {
    if (m != model && models[m].find(family) != std::string::npos) return family;
  }
  return {};
}

// Six bootstrap rows a cluster, with their scores.
std::vector<policy::Probe> ProbesOf(const TableWorld& world, const SeedWorld& seed, std::size_t model) {
  constexpr std::size_t kProbesACluster = 6;
  std::vector<std::size_t> counts(seed.bundle->cluster_count() + 1, 0);
  std::vector<policy::Probe> probes;
  for (const std::size_t row : seed.split.bootstrap) {
    const auto embedding = seed.features->Embedding(row);
    if (embedding.empty() || probes.size() >= policy::kProbeRowsMax) continue;
    const auto clusters = policy::FindMembership(*seed.bundle, embedding).clusters;
    const auto lighter = [](const auto& a, const auto& b) { return a.weight < b.weight; };
    std::size_t& count = counts[std::max_element(clusters.begin(), clusters.end(), lighter)->cluster.value];
    if (count >= kProbesACluster) continue;
    ++count;
    probes.push_back({{embedding.begin(), embedding.end()}, world.Score(row, model)});
  }
  return probes;
}

Joiner JoinerOf(const TableWorld& world, const RunOptions& options, const SeedWorld& seed) {
  Joiner joiner;
  joiner.model = seed.outcomes->joins()->model;
  if (options.newcomer == NewcomerStart::kFacts) {
    double mean = 0;
    for (const std::size_t row : seed.split.bootstrap) mean += world.Score(row, joiner.model);
    mean /= static_cast<double>(seed.split.bootstrap.size());
    joiner.facts.family = FamilyOf(world.models(), joiner.model);
    joiner.facts.strength = std::round(mean * 20) / 20;
  }
  if (options.newcomer == NewcomerStart::kProbe) joiner.probes = ProbesOf(world, seed, joiner.model);
  return joiner;
}

double Reversed(double value, double least, double most) { return std::clamp(most + least - value, 0.0, 1.0); }

void ReverseRows(std::vector<double>& table, std::size_t models) {
  for (std::size_t begin = 0; begin + models <= table.size(); begin += models) {
    const auto first = table.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto last = first + static_cast<std::ptrdiff_t>(models);
    const auto [low, high] = std::minmax_element(first, last);
    const double least = *low;
    const double most = *high;
    std::transform(first, last, first, [&](double value) { return Reversed(value, least, most); });
  }
}

}  // namespace

std::uint64_t SeedFor(std::uint64_t seed, Purpose purpose) {
  SplitMix64 mixer(seed * 8 + static_cast<std::uint64_t>(purpose));
  return mixer();
}

Result<SeedWorld> PrepareSeed(const TableWorld& world, const RunOptions& options, std::uint64_t seed) {
  SeedWorld made;
  made.seed = seed;
  auto split = SplitWorld(world, seed, options.bootstrap_rows, options.row_order);
  if (!split.ok()) return split.error();
  made.split = std::move(split).value();
  made.outcomes.emplace(world, made.split.stream, made.split.stream.size() * options.passes, options.variant,
                        options.budget_usd);
  std::shared_ptr<const embed::Embedder> embedder;
  std::optional<policy::Bundle> bundle;
  if (options.warm != Warm::kNone) {
    bootstrap::BuildOptions build;
    build.labels = options.warm == Warm::kScores ? bootstrap::Labels::kScores : bootstrap::Labels::kConsensus;
    build.seed = seed;
    build.rows = made.split.bootstrap;
    build.task_types = options.task_types;
    std::vector<std::size_t> columns;
    for (std::size_t m = 0; m < world.models().size(); ++m) {
      if (!made.outcomes->joins() || made.outcomes->joins()->model != m) columns.push_back(m);
    }
    const bool all = columns.size() == world.models().size();
    const bootstrap::Table kept = all ? bootstrap::Table{} : KeepModels(world, columns);
    auto built = bootstrap::BuildBundle(all ? world.table() : kept, build);
    if (!built.ok()) return built.error();
    auto loaded = embed::EmbedderFor(*built);
    if (!loaded.ok()) return loaded.error();
    embedder = *loaded;
    bundle = std::move(built).value();
  }
  auto features = Features::Create(world, made.split, embedder, seed);
  if (!features.ok()) return features.error();
  made.features.emplace(std::move(features).value());
  if (!bundle.has_value()) return made;
  if (options.variant == Variant::kInvertedPrior) {
    bundle = InvertPrior(*bundle, *made.features, made.split.bootstrap);
  }
  bundle->hash.bytes[0] = 1;  // a name inside this run; files get the content's hash
  made.bundle = std::make_shared<const policy::Bundle>(std::move(*bundle));
  if (made.outcomes->joins()) made.joiner = JoinerOf(world, options, made);
  return made;
}

bool HasGoldRule(const std::string& name) {
  return name == "pointsman" || name == "static" || name == "gold_only" || name == "naive" || name == "undetected" ||
         name == "without" || name.starts_with("refit") || name == "cold";
}

Result<std::unique_ptr<Arm>> MakeArm(const std::string& name, const TableWorld& world, const RunOptions& options,
                                     SeedWorld& seed) {
  const std::size_t models = world.models().size();
  if (HasGoldRule(name)) return MakeLearner(name, world, options, seed);
  if (name == "random") return MakeRandomArm(models, SeedFor(seed.seed, Purpose::kArm));
  if (name == "oracle") return MakeOracleArm(*seed.outcomes);
  if (name == "best_single") return MakeFixedArm(BestSingle(world, seed.split.stream));
  if (name == "clusters") return MakeClusterMeansArm(*seed.features, models, SeedFor(seed.seed, Purpose::kArm));
  if (name == "neighbours") return MakeNeighboursArm(*seed.features, *seed.outcomes, seed.split);
  if (name == "linucb_warm" || name == "linucb_cold") {
    LinUcbOptions linucb;
    linucb.budget_usd = options.budget_usd;
    linucb.mean_costs = MeanCosts(world, seed.split);
    const bool warm = name == "linucb_warm";
    if (warm && seed.bundle == nullptr) {
      return MakeError(Code::kInvalidArgument, "unknown_arm", "the arm linucb_warm needs a warm start");
    }
    return MakeLinUcbArm(*seed.features, models, linucb,
                         warm ? OfflineRows(world, options, seed) : std::vector<OfflineRow>{});
  }
  if (name.starts_with(kSingle)) {
    const auto found = std::find(world.models().begin(), world.models().end(), name.substr(kSingle.size()));
    if (found != world.models().end()) return MakeFixedArm(static_cast<std::size_t>(found - world.models().begin()));
  }
  return MakeError(Code::kInvalidArgument, "unknown_arm", "no arm " + name);
}

policy::Bundle InvertPrior(const policy::Bundle& bundle, const Features& features,
                           const std::vector<std::size_t>& bootstrap_rows) {
  policy::Bundle inverted = bundle;
  const std::size_t models = bundle.models.size();
  ReverseRows(inverted.skills, models);
  ReverseRows(inverted.task_quality, models);
  if (!inverted.head_bias.empty()) {
    // Around the mean priors: a row of the head has no fixed models to range over.
    const auto [low, high] = std::minmax_element(bundle.mean_prior.begin(), bundle.mean_prior.end());
    for (double& bias : inverted.head_bias) bias = *high + *low - bias;
    for (float& loading : inverted.head_loadings) loading = -loading;
  }
  std::fill(inverted.mean_prior.begin(), inverted.mean_prior.end(), 0.0);
  double rows = 0;
  for (const std::size_t row : bootstrap_rows) {
    const auto embedding = features.Embedding(row);
    if (embedding.empty()) continue;
    const std::vector<double> priors = PriorOf(inverted, inverted.models, embedding);
    for (std::size_t m = 0; m < models; ++m) inverted.mean_prior[m] += priors[m];
    rows += 1;
  }
  for (double& mean : inverted.mean_prior) mean /= std::max(rows, 1.0);
  return inverted;
}

policy::Bundle FlattenPrior(const policy::Bundle& bundle) {
  policy::Bundle flat = bundle;
  double mean = 0;
  for (const double prior : bundle.mean_prior) mean += prior / static_cast<double>(bundle.mean_prior.size());
  std::fill(flat.skills.begin(), flat.skills.end(), mean);
  std::fill(flat.task_quality.begin(), flat.task_quality.end(), mean);
  std::fill(flat.head_bias.begin(), flat.head_bias.end(), mean);
  std::fill(flat.head_loadings.begin(), flat.head_loadings.end(), 0.0F);
  std::fill(flat.mean_prior.begin(), flat.mean_prior.end(), mean);
  flat.widths = policy::Widths{};
  flat.widths.common = bundle.widths.common;
  return flat;
}

}  // namespace pointsman::eval
