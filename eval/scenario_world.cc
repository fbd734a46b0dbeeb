#include "eval/scenario_world.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "base/contract.h"
#include "base/exact_math.h"
#include "base/unit_draw.h"
#include "bootstrap/data/starter_set.h"
#include "eval/arm_factory.h"
#include "eval/simulated_models.h"
#include "eval/simulated_world.h"

namespace pointsman::eval {
namespace {

constexpr std::uint64_t kRightPurpose = 1;
constexpr double kMillisPerToken = 10;

using ByModel = std::array<double, kSimulatedModels>;

}  // namespace

struct ScenarioWorld::Impl {
  Impl(const Scenario& given, std::uint64_t with) : scenario(given), seed(with) {}

  // Deviations of a node are soft: a mixed query has its share of both nodes'.
  double Mixed(const std::vector<ByModel>& by_node, const HiddenRow& hidden, std::size_t model) const {
    const double first = by_node[starter.queries[hidden.query].node][model];
    const double second = by_node[starter.queries[hidden.other].node][model];
    return hidden.share * first + (1 - hidden.share) * second;
  }

  const HiddenRow& Hidden(std::uint64_t decision) const {
    REQUIRE(decision < scenario.decisions, "a decision of the run");
    return simulated.hidden[scenario.bootstrap_rows + decision];
  }
  const bootstrap::TableRow& Row(std::uint64_t decision) const {
    return simulated.table.rows[scenario.bootstrap_rows + decision];
  }

  double Lost(std::uint64_t decision, const std::string& model) const {
    double lost = 0;
    for (const Fault& fault : scenario.faults) {
      if (fault.model != model) continue;
      if (fault.kind == FaultKind::kSilentLoss && fault.Covers(decision)) lost += fault.by;
      if (fault.kind != FaultKind::kDrift || decision < fault.from) continue;
      const std::uint64_t end = fault.until == 0 ? scenario.decisions : fault.until;
      lost += fault.by *
              std::min(1.0, static_cast<double>(decision - fault.from + 1) / static_cast<double>(end - fault.from));
    }
    return lost;
  }

  void DrawDeviations() {
    SplitMix64 random(seed ^ 0x5ce7a210d15eaULL);
    for (double& bias : model_bias) bias = scenario.bias_by_model * random.Normal();
    deviation.resize(starter.nodes.size());
    cell_bias.resize(starter.nodes.size());
    for (std::size_t node = 0; node < starter.nodes.size(); ++node) {
      for (std::size_t m = 0; m < kSimulatedModels; ++m) {
        deviation[node][m] = scenario.cell_deviation * random.Normal();
        cell_bias[node][m] = scenario.bias_by_cell * random.Normal();
      }
    }
  }

  const Scenario& scenario;
  const std::uint64_t seed;
  bootstrap::StarterSet starter;
  SimulatedWorld simulated;
  std::optional<TableWorld> table;  // of simulated.table
  SeedWorld prepared;               // empty when cold
  RunOptions options;
  std::vector<ByModel> deviation;  // logits, by node
  std::vector<ByModel> cell_bias;
  ByModel model_bias{};
};

ScenarioWorld::ScenarioWorld(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ScenarioWorld::~ScenarioWorld() = default;

Result<std::unique_ptr<ScenarioWorld>> ScenarioWorld::Create(const Scenario& scenario, std::uint64_t seed,
                                                             const std::string& starter_directory) {
  auto impl = std::make_unique<Impl>(scenario, seed);
  auto starter = bootstrap::ReadStarterSet(starter_directory);
  if (!starter.ok()) return starter.error();
  impl->starter = std::move(starter).value();
  auto simulated = SimulateWorld(starter_directory, {.seed = seed,
                                                     .rows = scenario.bootstrap_rows + scenario.decisions,
                                                     .mixed_share = scenario.mixed_share,
                                                     .plain_share = scenario.plain_share});
  if (!simulated.ok()) return simulated.error();
  impl->simulated = std::move(simulated).value();
  impl->DrawDeviations();
  if (scenario.bootstrap_rows > 0) {
    auto table = TableWorld::Create(impl->simulated.table, "");
    if (!table.ok()) return table.error();
    impl->table.emplace(std::move(table).value());
    impl->options.bootstrap_rows = scenario.bootstrap_rows;
    impl->options.row_order = RowOrder::kAsInTable;
    auto prepared = PrepareSeed(*impl->table, impl->options, seed);
    if (!prepared.ok()) return prepared.error();
    impl->prepared = std::move(prepared).value();
  }
  return std::unique_ptr<ScenarioWorld>(new ScenarioWorld(std::move(impl)));
}

TargetSetup ScenarioWorld::Setup() const {
  TargetSetup setup;
  for (const SimulatedModel& model : SimulatedPool()) {
    setup.models.push_back(model.name);
    setup.prices.push_back({.input_usd_per_million = model.price_in, .output_usd_per_million = model.price_out});
  }
  setup.bundle = impl_->prepared.bundle;
  setup.weights = impl_->scenario.weights;
  setup.gold_rate = impl_->scenario.gold_rate;
  setup.seed = SeedFor(impl_->seed, Purpose::kDecisions);
  return setup;
}

std::size_t ScenarioWorld::models() const { return kSimulatedModels; }

std::size_t ScenarioWorld::Column(const std::string& model) const {
  const auto& pool = SimulatedPool();
  const auto at = std::find_if(pool.begin(), pool.end(), [&](const auto& one) { return one.name == model; });
  REQUIRE(at != pool.end(), "ValidateScenario knows the pool");
  return static_cast<std::size_t>(at - pool.begin());
}

RouterQuery ScenarioWorld::Query(std::uint64_t decision) const {
  RouterQuery query;
  query.text = impl_->Row(decision).query;
  query.weights = impl_->scenario.weights;
  if (impl_->prepared.bundle != nullptr) {
    query.embedding = impl_->prepared.features->Embedding(impl_->scenario.bootstrap_rows + decision);
  }
  return query;
}

double ScenarioWorld::Quality(std::uint64_t decision, std::size_t model) const {
  const HiddenRow& hidden = impl_->Hidden(decision);
  const double before = std::clamp(hidden.quality[model], 1e-9, 1 - 1e-9);
  const double logit = exact::Log(before / (1 - before)) + impl_->Mixed(impl_->deviation, hidden, model) -
                       impl_->Lost(decision, SimulatedPool()[model].name);
  return 1 / (1 + exact::Exp(-logit));
}

bool ScenarioWorld::Right(std::uint64_t decision, std::size_t model) const {
  return Coin(decision * kSimulatedModels + model, kRightPurpose) < Quality(decision, model);
}

RouterOutcome ScenarioWorld::Outcome(std::uint64_t decision, std::size_t model) const {
  const bootstrap::TableCell& cell = impl_->Row(decision).models[model];
  RouterOutcome outcome;
  outcome.tokens_in = static_cast<std::uint32_t>(cell.tokens_in);
  outcome.tokens_out = static_cast<std::uint32_t>(cell.tokens_out);
  outcome.latency_ms = kMillisPerToken * cell.tokens_out;
  outcome.cost_usd = cell.cost_usd;
  for (const Fault& fault : impl_->scenario.faults) {
    if (fault.kind == FaultKind::kPrice && decision >= fault.from && fault.model == SimulatedPool()[model].name) {
      outcome.cost_usd = cell.cost_usd * fault.factor;
    }
  }
  return outcome;
}

double ScenarioWorld::ThumbsUp(std::uint64_t decision, std::size_t model) const {
  const HiddenRow& hidden = impl_->Hidden(decision);
  double probability = ThumbsUpProbability(Right(decision, model) ? 1 : 0, hidden.length[model], hidden.level) +
                       impl_->model_bias[model] + impl_->Mixed(impl_->cell_bias, hidden, model);
  for (const Fault& fault : impl_->scenario.faults) {
    const bool touches = fault.model.empty() || fault.model == SimulatedPool()[model].name;
    if (fault.kind == FaultKind::kBiased && touches && fault.Covers(decision)) probability += fault.by;
  }
  return std::clamp(probability, 0.02, 0.98);
}

double ScenarioWorld::Coin(std::uint64_t decision, std::uint64_t purpose) const {
  SplitMix64 mixer(impl_->seed * 0x9e3779b97f4a7c15ULL + purpose);
  SplitMix64 coin(mixer() ^ (decision * 0xbf58476d1ce4e5b9ULL));
  coin();
  return coin.Unit();
}

}  // namespace pointsman::eval
