#include "policy/belief/posterior.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include "policy/belief/leaf.h"
#include "policy/belief/prior.h"
#include "policy/belief/token_cost.h"
#include "policy/belief/tree.h"

namespace pointsman::policy {

namespace {

// Standard errors between gold and ratings that make a conflict. The specification's 1
// finds one in a third of the cells by chance (decisions/0016).
constexpr double kConflictErrors = 2;

// Reading times are whole multiples of the shorter half-life / 2000, so that a
// snapshot depends on the state alone and not on when others were published.
std::int64_t ReadingTime(const State& state) {
  const double days = std::min(state.options.rating_half_life_days, state.options.gold_half_life_days);
  const auto step = std::max<std::int64_t>(1, static_cast<std::int64_t>(days * (86'400'000'000.0 / 2000)));
  std::int64_t steps = state.now_us / step;
  if (state.now_us % step < 0) --steps;
  return steps * step;
}

Widths BaseWidths(const State& state, const Bundle& bundle) {
  return UsableWidths(state.options.widths_overridden ? state.options.widths : bundle.widths);
}

Widths WidthsInForce(const State& state, const Widths& base) {
  Widths widths = base;
  if (state.model_width > 0) widths.model = state.model_width;
  if (state.trust_width > 0) widths.trust = state.trust_width;
  widths.source_model *= std::sqrt(state.guard.bias_factor);
  widths.source_cell *= std::sqrt(state.guard.bias_factor);
  widths = UsableWidths(widths);
  if (PriorDoubted(widths, base)) widths.common *= kShiftInDoubt;
  return widths;
}

// All that every leaf depends on besides its own cell.
struct Inputs {
  std::shared_ptr<const Bundle> bundle;
  Generation generation;
  TreeLayout layout{0};
  Widths widths;
  Widths base;  // before the evidence
  NoiseModel noise;
  std::int64_t reading_time = 0;
  double rating_half_life_days = 0;
  double gold_half_life_days = 0;
  bool operator==(const Inputs&) const = default;
};

Inputs MakeInputs(const State& state, const std::shared_ptr<const Bundle>& bundle) {
  return {bundle,
          state.generation,
          {state.options.sources.size(), !state.preferences.empty()},
          WidthsInForce(state, BaseWidths(state, *bundle)),
          BaseWidths(state, *bundle),
          state.noise,
          ReadingTime(state),
          state.options.rating_half_life_days,
          state.options.gold_half_life_days};
}

// Of one model, which an alarm may have freed, or which joined with a width of its own: what
// ratings are off by for a stranger is known no better than its level (decisions/0040).
Widths WidthsOf(bool changed, double level_width, const Widths& all) {
  Widths widths = all;
  if (changed) widths.model = std::max(2 * widths.model, kChangedWidth);
  widths.model = std::max(widths.model, level_width);
  widths.source_model = std::max(widths.source_model, level_width);
  return widths;
}

void AddMessage(const LeafMessage& message, std::size_t n, LeafMessage* sum) {
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) sum->precision(i, j) += message.precision(i, j);
    sum->score[i] += message.score[i];
  }
}

struct CellEntry {
  Leaf leaf;
  std::unique_ptr<LeafSums> sums;  // only when gold may contradict a bias prior here
  std::optional<Leaf> conflict;    // the leaf with the raised width, when it does
  BiasVariances raised{};          // of `conflict`
  std::optional<Leaf> preferred;   // the leaf with what preferences tell, when there are any
  bool bad = false;                // evidence that must not be read
};

// The solutions of a cell, each on top of the one before.
enum class Stage { kPlain, kConflicts, kPreferences };

const Leaf& LeafAt(const CellEntry& cell, Stage stage) {
  if (stage == Stage::kPreferences && cell.preferred.has_value()) return *cell.preferred;
  if (stage != Stage::kPlain && cell.conflict.has_value()) return *cell.conflict;
  return cell.leaf;
}

struct ModelEntry {
  PriorColumns prior{-1};
  double mean_prior = 0.5;
  double above = 0;                      // of its mean prior, over that of all
  bool changed = false;                  // an alarm: its level may move by kChangedWidth
  double level_width = 0;                // of a newcomer's level; 0: the pool's
  std::map<ClusterId, CellEntry> cells;  // ascending: the order of the model's sums
  LeafMessage sum;                       // of the leaves in force, after the conflict rule
  ModelSystem first;                     // before the conflict rule
  ModelSystem second;                    // after it; equal to `first` without conflicts
  ModelPosterior posterior;
};

}  // namespace

struct Publisher::Impl {
  bool started = false;
  Inputs inputs;
  NoiseTables noise;
  ReadTime now;
  std::map<ModelId, ModelEntry> models;
  std::vector<ModelId> order;  // by (name, epoch), as of the last publication
  std::vector<std::shared_ptr<const ClusterBlock>> blocks;
  std::map<ClusterId, std::vector<ModelId>> dirty_cells;  // read-outs to put into their blocks
  std::set<ModelId> dirty_models;
  std::uint64_t bad_cells = 0;
  std::uint64_t bad_preferences = 0;
  std::set<CellKey> preferred_cells;  // with what preferences tell, as of the last publication
  Root root;

  void Restart(const State& state, Inputs fresh);
  void TouchCell(const State& state, const CellKey& key);
  LeafMessage SumLeaves(const ModelEntry& entry, Stage stage) const;
  ModelSystem SumModel(ModelEntry& entry, Stage stage) const;
  void SolveUpperLevels(const Pool& pool, bool with_conflicts);
  bool ApplyConflictRule();
  void ForgetPreferences();
  ComparedSide Compared(const ModelEntry& entry, ClusterId cluster) const;
  std::map<CellKey, PreferenceEvidence> GatherPreferences(const State& state);
  void ApplyPreferences(const State& state);
  void RebuildBlocks();
  ModelEntry& Entry(const State& state, const Model& model);
  std::shared_ptr<const Snapshot> MakeSnapshot(const State& state);
};

ModelEntry& Publisher::Impl::Entry(const State& state, const Model& model) {
  const auto [at, inserted] = models.try_emplace(model.id);
  ModelEntry& entry = at->second;
  if (inserted) {
    entry.prior = PriorColumns(*inputs.bundle, model);
    entry.mean_prior = MeanPrior(*inputs.bundle, entry.prior);
    entry.above = AboveAll(*inputs.bundle, entry.mean_prior);
    const auto newcomer = state.newcomers.find(model.id);
    if (newcomer != state.newcomers.end()) {
      const bool described = entry.prior.own >= 0 && newcomer->second.generation != state.generation;
      entry.level_width = described ? 0 : newcomer->second.level_width;
    }
    dirty_models.insert(model.id);
  }
  return entry;
}

void Publisher::Impl::Restart(const State& state, Inputs fresh) {
  started = true;
  inputs = std::move(fresh);
  noise = MakeNoiseTables(inputs.noise, inputs.layout.sources);
  now.rating = MakeTimeWeight(inputs.reading_time, inputs.rating_half_life_days);
  now.gold = MakeTimeWeight(inputs.reading_time, inputs.gold_half_life_days);
  models.clear();
  dirty_models.clear();
  dirty_cells.clear();
  preferred_cells.clear();
  bad_cells = 0;
  blocks.assign(inputs.bundle->cluster_count() + 1, nullptr);
  for (const auto& [key, cell] : state.cells) TouchCell(state, key);
}

void Publisher::Impl::TouchCell(const State& state, const CellKey& key) {
  const Model* model = state.pool.Find(key.model);
  if (model == nullptr || key.cluster.value >= blocks.size()) return;
  ModelEntry& entry = Entry(state, *model);
  dirty_models.insert(key.model);
  dirty_cells[key.cluster].push_back(key.model);
  const auto found = state.cells.find(key);
  if (const auto old = entry.cells.find(key.cluster); old != entry.cells.end()) {
    bad_cells -= old->second.bad ? 1 : 0;
    old->second = CellEntry{};
  }
  if (found == state.cells.end() || (found->second.patterns.empty() && !found->second.quarantined)) {
    entry.cells.erase(key.cluster);
    return;
  }
  CellEntry& cell = entry.cells[key.cluster];
  if (found->second.quarantined) {
    cell.bad = true;
    ++bad_cells;
    return;
  }
  LeafSums sums = SumLeaf(found->second, noise, now, entry.mean_prior);
  cell.leaf =
      SolveLeaf(sums, inputs.layout, inputs.widths.cell, CellBiasVariances(inputs.layout, inputs.widths.source_cell));
  cell.leaf.readout.model = key.model;
  cell.bad = !cell.leaf.usable && (!sums.valid || sums.weight > 0);
  bad_cells += cell.bad ? 1 : 0;
  const bool comparable = std::any_of(sums.difference_variance.begin(), sums.difference_variance.end(),
                                      [](double variance) { return variance >= 0; });
  if (cell.leaf.usable && comparable) cell.sums = std::make_unique<LeafSums>(std::move(sums));
}

LeafMessage Publisher::Impl::SumLeaves(const ModelEntry& entry, Stage stage) const {
  const std::size_t n = inputs.layout.model_size();
  LeafMessage sum;
  for (const auto& [cluster, cell] : entry.cells) {
    const Leaf& leaf = LeafAt(cell, stage);
    if (leaf.usable) AddMessage(leaf.message, n, &sum);
  }
  return sum;
}

ModelSystem Publisher::Impl::SumModel(ModelEntry& entry, Stage stage) const {
  entry.sum = SumLeaves(entry, stage);
  return SolveModel(entry.sum, inputs.layout, WidthsOf(entry.changed, entry.level_width, inputs.widths),
                    {entry.above, SharedTrust(inputs.widths.trust, inputs.base.trust)});
}

void Publisher::Impl::SolveUpperLevels(const Pool& pool, bool with_conflicts) {
  RootSums sums;
  for (const Model& model : pool.models()) {
    const auto at = models.find(model.id);
    if (at == models.end()) continue;
    AddToRoot(sums, with_conflicts ? at->second.second : at->second.first, inputs.layout);
  }
  const double shared_trust = SharedTrust(inputs.widths.trust, inputs.base.trust);
  root = SolveRoot(sums, inputs.layout, inputs.widths, shared_trust);
  for (auto& [id, entry] : models) {
    entry.posterior =
        FinishModel(with_conflicts ? entry.second : entry.first, root, inputs.layout,
                    WidthsOf(entry.changed, entry.level_width, inputs.widths), {entry.above, shared_trust});
  }
}

// Raises tau_2 of a source where gold lies further from its ratings than the
// prior of the bias allows. True when any cell is affected.
bool Publisher::Impl::ApplyConflictRule() {
  const double prior_variance = inputs.widths.source_cell * inputs.widths.source_cell;
  bool any = false;
  for (auto& [id, entry] : models) {
    bool here = false;
    bool was = false;  // the sums in force still hold a conflict
    for (auto& [cluster, cell] : entry.cells) {
      if (cell.sums == nullptr) continue;
      const bool before = cell.conflict.has_value();
      was = was || before;
      cell.conflict.reset();
      BiasVariances variances = CellBiasVariances(inputs.layout, inputs.widths.source_cell);
      bool raised = false;
      for (std::size_t s = 0; s < inputs.layout.sources; ++s) {
        if (!(cell.sums->difference_variance[s] >= 0)) continue;
        const double gap = cell.sums->difference[s] - entry.posterior.mean[s + 1];
        const double known = entry.posterior.covariance(s + 1, s + 1) + cell.sums->difference_variance[s];
        if (!(gap * gap > kConflictErrors * kConflictErrors * (prior_variance + known))) continue;
        variances[s] = gap * gap - known;
        raised = true;
      }
      if (raised) {
        Leaf leaf = SolveLeaf(*cell.sums, inputs.layout, inputs.widths.cell, variances);
        leaf.readout.model = id;
        leaf.readout.conflict = true;
        if (leaf.usable) {
          cell.conflict = leaf;
          cell.raised = variances;
        }
      }
      here = here || cell.conflict.has_value();
      if (before || cell.conflict.has_value()) dirty_cells[cluster].push_back(id);
    }
    if (here) {
      entry.second = SumModel(entry, Stage::kConflicts);
    } else {
      if (was) entry.first = SumModel(entry, Stage::kPlain);
      entry.second = entry.first;
    }
    any = any || here;
  }
  return any;
}

void Publisher::Impl::ForgetPreferences() {
  for (const CellKey& key : preferred_cells) {
    auto& cells = models.at(key.model).cells;
    const auto at = cells.find(key.cluster);
    if (at == cells.end()) continue;
    at->second.preferred.reset();
    if (!at->second.leaf.usable && !at->second.bad) cells.erase(at);
    dirty_cells[key.cluster].push_back(key.model);
  }
  preferred_cells.clear();
  bad_preferences = 0;
}

// D of a cell as ratings and gold know it.
ComparedSide Publisher::Impl::Compared(const ModelEntry& entry, ClusterId cluster) const {
  const std::size_t n = inputs.layout.model_size();
  ComparedSide side;
  side.cell_variance = inputs.widths.cell * inputs.widths.cell;
  side.trust = entry.posterior.mean[inputs.layout.trust()];
  std::array<double, kModelStateMax> load{1};
  const auto at = entry.cells.find(cluster);
  if (at != entry.cells.end()) {
    if (const Leaf& leaf = LeafAt(at->second, Stage::kConflicts); leaf.usable) {
      side.level = leaf.readout.shift;
      side.cell_variance = leaf.readout.variance;
      load = leaf.readout.gain;
    }
  }
  side.level += Dot(load, entry.posterior.mean, n);
  side.model_variance = Dot(load, Multiply(entry.posterior.covariance, load, n), n);
  return side;
}

std::map<CellKey, PreferenceEvidence> Publisher::Impl::GatherPreferences(const State& state) {
  std::map<CellKey, PreferenceEvidence> evidence;
  std::vector<std::pair<ClusterId, PreferenceMoments>> pair;  // of two models, by one channel
  for (auto at = state.preferences.begin(); at != state.preferences.end();) {
    const PreferenceKey key = at->first;
    const bool gold = key.channel == 0;
    double information = 0;
    pair.clear();
    for (; at != state.preferences.end() && at->first.model == key.model && at->first.other == key.other &&
           at->first.channel == key.channel;
         ++at) {
      PreferenceMoments decayed;
      const bool readable = DecayPreference(at->second, gold ? now.gold : now.rating, &decayed);
      bad_preferences += readable ? 0 : 1;
      const bool believed = (inputs.noise.quarantined >> key.channel & 1U) == 0;
      if (!readable || !believed || !(decayed.information > 0) || at->first.cluster.value >= blocks.size()) continue;
      information += decayed.information;
      pair.emplace_back(at->first.cluster, decayed);
    }
    const auto model = models.find(key.model);
    const auto other = models.find(key.other);
    if (model == models.end() || other == models.end()) continue;
    for (const auto& [cluster, decayed] : pair) {
      AddPreferenceEvidence(decayed, information, gold, Compared(model->second, cluster),
                            Compared(other->second, cluster), &evidence[{key.model, cluster}],
                            &evidence[{key.other, cluster}]);
    }
  }
  return evidence;
}

// The last stage: what pairs tell, given what ratings and gold know of both sides. The
// root keeps what ratings and gold say of the sources.
void Publisher::Impl::ApplyPreferences(const State& state) {
  ForgetPreferences();
  if (!inputs.layout.preferences) return;
  std::set<ModelId> compared;
  for (const auto& [key, told] : GatherPreferences(state)) {
    ModelEntry& entry = models.at(key.model);
    LeafSums sums;
    if (const auto cell = state.cells.find(key); cell != state.cells.end() && !cell->second.quarantined) {
      sums = SumLeaf(cell->second, noise, now, entry.mean_prior);
    }
    if (!sums.valid) continue;
    AddPreferences(sums, inputs.layout, told);
    CellEntry& cell = entry.cells[key.cluster];
    Leaf leaf = SolveLeaf(
        sums, inputs.layout, inputs.widths.cell,
        cell.conflict.has_value() ? cell.raised : CellBiasVariances(inputs.layout, inputs.widths.source_cell));
    leaf.readout.model = key.model;
    leaf.readout.conflict = cell.conflict.has_value();
    if (leaf.usable && !cell.bad) cell.preferred = leaf;
    preferred_cells.insert(key);
    dirty_cells[key.cluster].push_back(key.model);
    compared.insert(key.model);
  }
  for (const ModelId id : compared) {
    ModelEntry& entry = models.at(id);
    const Widths widths = WidthsOf(entry.changed, entry.level_width, inputs.widths);
    const Standing standing{entry.above, SharedTrust(inputs.widths.trust, inputs.base.trust)};
    const ModelSystem system = SolveModel(SumLeaves(entry, Stage::kPreferences), inputs.layout, widths, standing);
    entry.posterior = FinishModel(system, root, inputs.layout, widths, standing);
  }
}

void Publisher::Impl::RebuildBlocks() {
  for (const auto& [cluster, touched] : dirty_cells) {
    auto block = std::make_shared<ClusterBlock>();
    if (blocks[cluster.value] != nullptr) *block = *blocks[cluster.value];
    for (const ModelId id : touched) {
      const auto& cells = models.at(id).cells;
      const auto cell = cells.find(cluster);
      const auto before = [](const CellReadout& readout, ModelId wanted) { return readout.model < wanted; };
      const auto at = std::lower_bound(block->cells.begin(), block->cells.end(), id, before);
      const bool held = at != block->cells.end() && at->model == id;
      if (cell == cells.end() || !LeafAt(cell->second, Stage::kPreferences).usable) {
        if (held) block->cells.erase(at);
        continue;
      }
      const CellReadout& readout = LeafAt(cell->second, Stage::kPreferences).readout;
      if (held) {
        *at = readout;
      } else {
        block->cells.insert(at, readout);
      }
    }
    blocks[cluster.value] = block->cells.empty() ? nullptr : std::move(block);
  }
  dirty_cells.clear();
}

std::shared_ptr<const Snapshot> Publisher::Impl::MakeSnapshot(const State& state) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->seq = state.last_seq;
  snapshot->at_us = state.now_us;
  snapshot->generation = state.generation;
  snapshot->bundle = inputs.bundle;
  snapshot->options = state.options;
  snapshot->widths = inputs.widths;
  snapshot->shared_cell = kSharedCell * inputs.base.common;
  snapshot->layout = inputs.layout;
  snapshot->clusters = blocks;
  snapshot->counters = state.counters;
  snapshot->frozen = state.frozen;
  snapshot->pacers = state.pacers;
  snapshot->guard = state.guard;
  snapshot->source_watches = state.source_watches;
  snapshot->rollout = state.rollout;
  for (std::size_t s = 0; s < inputs.layout.sources; ++s) {
    snapshot->source_bias[s] = root.mean[s];
    snapshot->source_variance[s] = root.covariance(s, s);
  }
  snapshot->quarantined_cells = bad_cells + bad_preferences;
  snapshot->models.reserve(state.pool.models().size());
  for (const Model& model : state.pool.models()) {
    if (model.state == ModelState::kRetired) continue;
    const ModelEntry& entry = models.at(model.id);
    ModelView& view = snapshot->models.emplace_back();
    view.model = model;
    view.column = entry.prior.own;
    view.like = entry.prior.like;
    view.mean_prior = entry.mean_prior;
    view.changed = entry.changed;
    static_assert(kModelStateMax == kSmallMax);
    view.mean = entry.posterior.mean;
    view.covariance = entry.posterior.covariance.values;
    if (const auto health = state.health.find(model.id); health != state.health.end()) {
      view.healthy = state.now_us >= health->second.retry_at_us;
    }
    if (const auto tally = state.tallies.find(model.id); tally != state.tallies.end()) view.tally = tally->second;
    if (const auto newcomer = state.newcomers.find(model.id); newcomer != state.newcomers.end()) {
      view.newcomer = newcomer->second;
    }
    if (OnTrial(model.state) || view.changed) snapshot->trials.push_back(snapshot->models.size() - 1);
    const TokenStatistics offline =
        view.column >= 0 ? inputs.bundle->tokens[static_cast<std::size_t>(view.column)] : TokenStatistics{};
    TokenPosterior(offline, view.tally, &view.token_mean_log, &view.token_variance_log);
    const Latency latency = LearntLatency(view.tally);
    view.latency_median_ms = latency.median_ms;
    view.latency_high_ms = latency.high_ms;
  }
  return snapshot;
}

Publisher::Publisher() : impl_(std::make_unique<Impl>()) {}
Publisher::~Publisher() = default;

std::shared_ptr<const Snapshot> Publisher::Publish(State& state, const std::shared_ptr<const Bundle>& bundle) {
  REQUIRE(bundle != nullptr, "a snapshot needs a bundle");
  Impl& impl = *impl_;
  Inputs fresh = MakeInputs(state, bundle);
  if (!impl.started || state.republish_all || !(fresh == impl.inputs)) {
    impl.Restart(state, std::move(fresh));
  } else {
    for (const CellKey& key : state.unpublished) impl.TouchCell(state, key);
  }
  impl.order.clear();
  for (const Model& model : state.pool.models()) {
    ModelEntry& entry = impl.Entry(state, model);
    impl.order.push_back(model.id);
    const auto watch = state.watches.find(model.id);
    const bool changed = watch != state.watches.end() && watch->second.changed;
    if (changed != entry.changed) impl.dirty_models.insert(model.id);
    entry.changed = changed;
  }
  for (const ModelId id : impl.dirty_models) {
    ModelEntry& entry = impl.models.at(id);
    entry.first = impl.SumModel(entry, Stage::kPlain);
  }
  impl.dirty_models.clear();
  impl.SolveUpperLevels(state.pool, false);
  if (impl.ApplyConflictRule()) impl.SolveUpperLevels(state.pool, true);
  impl.ApplyPreferences(state);
  impl.RebuildBlocks();
  state.unpublished.clear();
  state.republish_all = false;
  return impl.MakeSnapshot(state);
}

std::vector<Publisher::GoldMessage> Publisher::GoldMessages(const State& state) const {
  const Impl& impl = *impl_;
  NoiseModel gold_only = impl.inputs.noise;
  for (std::size_t s = 1; s <= impl.inputs.layout.sources; ++s) {
    gold_only.quarantined = static_cast<PatternMask>(gold_only.quarantined | 1U << s);
  }
  const NoiseTables tables = MakeNoiseTables(gold_only, impl.inputs.layout.sources);
  const BiasVariances biases = CellBiasVariances(impl.inputs.layout, impl.inputs.widths.source_cell);
  const std::size_t n = impl.inputs.layout.model_size();
  std::vector<GoldMessage> messages;
  for (const ModelId id : impl.order) {
    const ModelEntry& entry = impl.models.at(id);
    GoldMessage message;
    message.changed = entry.changed;
    message.above = entry.above;
    message.level_width = entry.level_width;
    for (const auto& [cluster, published] : entry.cells) {
      const auto cell = state.cells.find({id, cluster});
      if (published.bad || cell == state.cells.end()) continue;
      const LeafSums sums = SumLeaf(cell->second, tables, impl.now, entry.mean_prior);
      const Leaf leaf = SolveLeaf(sums, impl.inputs.layout, impl.inputs.widths.cell, biases);
      if (leaf.usable) AddMessage(leaf.message, n, &message.sum);
    }
    messages.push_back(message);
  }
  return messages;
}

double Publisher::WidthEvidence(const std::vector<GoldMessage>& gold, double model_width, double trust_width) const {
  const Impl& impl = *impl_;
  Widths all = impl.inputs.widths;
  all.model = model_width;
  all.trust = trust_width;
  all.common = kShiftInDoubt * impl.inputs.base.common;
  const double shared_trust = SharedTrust(trust_width, impl.inputs.base.trust);
  double evidence = 0;
  RootSums sums;
  for (const GoldMessage& message : gold) {
    const Widths widths = WidthsOf(message.changed, message.level_width, all);
    evidence += ModelEvidence(message.sum, impl.inputs.layout, widths);
    AddToRoot(sums, SolveModel(message.sum, impl.inputs.layout, widths, {message.above, shared_trust}),
              impl.inputs.layout);
  }
  return evidence + RootEvidence(sums, impl.inputs.layout, all, shared_trust);
}

}  // namespace pointsman::policy
