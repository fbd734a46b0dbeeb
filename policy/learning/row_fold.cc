#include "policy/learning/row_fold.h"

#include <algorithm>

#include "policy/belief/state_codec.h"
#include "policy/learning/bias_surface.h"
#include "policy/learning/preference_fold.h"

namespace pointsman::policy {

namespace {

PatternMask MaskOf(const Channels& channels) {
  unsigned mask = 0;
  for (const ChannelValue& channel : channels) mask |= 1U << channel.channel;
  return static_cast<PatternMask>(mask);
}

const ChannelValue* FindChannel(const Channels& channels, std::uint8_t channel) {
  for (const ChannelValue& value : channels) {
    if (value.channel == channel) return &value;
  }
  return nullptr;
}

Channels Without(const Channels& channels, PatternMask hidden) {
  if (hidden == 0) return channels;
  Channels visible;
  for (const ChannelValue& value : channels) {
    if ((hidden >> value.channel & 1U) == 0) visible.push_back(value);
  }
  return visible;
}

// `after`, but channels that an excluded subject spoke on stay as they are held.
Channels Trusted(const Channels& held, const Channels& after, PatternMask refused) {
  if (refused == 0) return after;
  Channels trusted;
  for (std::uint8_t c = 0; c < kChannelsMax; ++c) {
    const ChannelValue* value = FindChannel((refused >> c & 1U) != 0 ? held : after, c);
    if (value != nullptr) trusted.push_back(*value);
  }
  return trusted;
}

// Of the channels hidden from a cell, those that have not been said anew.
PatternMask StillHidden(PatternMask hidden, const Channels& held, const Channels& after) {
  unsigned still = 0;
  for (const ChannelValue& value : after) {
    if ((hidden >> value.channel & 1U) == 0) continue;
    const ChannelValue* before = FindChannel(held, value.channel);
    if (before != nullptr && *before == value) still |= 1U << value.channel;
  }
  return static_cast<PatternMask>(still);
}

// Time weights of a row with and without gold, computed when first needed. The same
// row is taken out as it was put in, and put in as one that comes now.
class RowTimes {
 public:
  RowTimes(const State& state, const DecisionContext& context)
      : options_(state.options), at_us_(context.decided_at_us) {
    const auto found = state.discounts.find(context.model);
    if (found != state.discounts.end()) model_ = &found->second;
  }
  // `folded_at` 0: for putting the row in.
  TimeWeight For(bool gold, const Cell& cell, LogSeq folded_at) {
    const std::size_t i = gold ? 1 : 0;
    if (!known_[i]) {
      known_[i] = true;
      weights_[i] = MakeTimeWeight(at_us_, gold ? options_.gold_half_life_days : options_.rating_half_life_days);
    }
    TimeWeight time = weights_[i];
    if (model_ != nullptr) time.epoch -= HalvingsOf(*model_, at_us_, folded_at);
    if (!cell.discounts.empty()) time.epoch -= HalvingsOf(cell.discounts, at_us_, folded_at);
    return time;
  }

 private:
  const Options& options_;
  std::int64_t at_us_;
  const std::vector<Discount>* model_ = nullptr;
  std::array<bool, 2> known_{};
  std::array<TimeWeight, 2> weights_{};
};

// Subtracts the visible part of a row that was put in at `folded_at`, or adds it
// (`folded_at` 0) in one cell; false: a number went bad.
bool ApplyToCell(Cell& cell, int sign, const Channels& channels, RowTerms terms, RowTimes& times, LogSeq folded_at,
                 double gold_probability) {
  if (channels.empty()) return true;
  const PatternMask mask = MaskOf(channels);
  const bool gold = (mask & 1U) != 0;
  terms.time = times.For(gold, cell, folded_at);
  auto pattern = cell.patterns.find(mask);
  if (pattern == cell.patterns.end()) {
    if (sign < 0) return true;
    pattern = cell.patterns.try_emplace(mask).first;
  }
  bool finite = AddRow(pattern->second, sign, terms, channels);
  if (pattern->second.rows == 0) cell.patterns.erase(pattern);
  if (gold && gold_probability > 0) {
    const ChannelValue& label = channels[0];  // channels ascend and gold is the first
    finite = AddAudit(cell.audits, sign, terms, label.value - label.offset, gold_probability) && finite;
  }
  return finite;
}

void PutInQuarantine(Cell& cell) {
  cell.patterns.clear();
  cell.audits = AuditMoments{};
  cell.quarantined = true;
}

bool IsBlank(const Cell& cell) {
  return cell.patterns.empty() && cell.audits.rows == 0 && cell.reset_at.value == 0 && !cell.quarantined &&
         cell.cusum == Cusum{} && cell.discounts.empty();
}

void Remember(State& state, const DecisionId& decision, const IrregularRow& row) {
  state.irregular[decision] = row;
  state.dirty_rows.insert(IrregularRowKey(decision));
  if (state.irregular.size() <= kIrregularRowsMax) return;
  state.dirty_rows.insert(IrregularRowKey(state.irregular.begin()->first));
  state.irregular.erase(state.irregular.begin());
}

}  // namespace

void MarkCell(State& state, const CellKey& key, Cell& cell) {
  state.unpublished.insert_once(cell.unpublished, [&key] { return key; });
  state.dirty_rows.insert_once(cell.dirty, [&key] { return CellRow(key); });
}

bool FoldRow(State& state, const RowChanged& change, const LiveRow& row, LogSeq seq) {
  const bool refused = state.excluded.contains(change.subject);
  if (change.before == change.after && change.weight_before == change.weight_after) return !refused && !state.frozen;
  const DecisionId& decision = change.context.decision;
  const auto known = state.irregular.find(decision);
  const IrregularRow held = known != state.irregular.end()
                                ? known->second
                                : IrregularRow{change.before, change.weight_before, change.last_folded, 0, {}};
  IrregularRow next = held;
  if (refused) next.refused = static_cast<PatternMask>(next.refused | 1U << change.channel);
  if (state.frozen) {
    Remember(state, decision, next);
    return false;
  }
  next.folded = Trusted(held.folded, change.after, next.refused);
  next.weight = refused ? held.weight : change.weight_after;
  next.folded_at = seq;
  next.hidden = {};

  RowTimes times(state, change.context);
  const double gold_probability = change.context.gold_probability;
  const SurfaceBiases biases = BiasesAt(state, change.context.model, row.clusters);
  const bool plain = state.surfaces.empty();
  const Channels before = plain ? held.folded : Shifted(held.folded, biases);
  const Channels after = plain ? next.folded : Shifted(next.folded, biases);
  std::size_t index = 0;
  for (const ClusterWeight& membership : row.clusters) {
    const CellKey key{change.context.model, membership.cluster};
    const auto at = state.cells.try_emplace(key).first;
    Cell& cell = at->second;
    PatternMask hidden = held.hidden[index];
    if (held.folded_at < cell.reset_at) hidden = MaskOf(held.folded);
    next.hidden[index] = StillHidden(hidden, held.folded, next.folded);
    if (!cell.quarantined) {
      RowTerms terms{{}, held.weight, membership.weight, row.prior, row.prior_centred};
      bool finite = ApplyToCell(cell, -1, Without(before, hidden), terms, times, held.folded_at, gold_probability);
      terms.arrival_weight = next.weight;
      const Channels visible = Without(after, next.hidden[index]);
      finite = ApplyToCell(cell, +1, visible, terms, times, LogSeq{}, gold_probability) && finite;
      if (!finite) PutInQuarantine(cell);
    }
    MarkCell(state, key, cell);
    if (IsBlank(cell)) state.cells.erase(at);
    ++index;
  }

  const bool any_hidden = std::any_of(next.hidden.begin(), next.hidden.end(), [](PatternMask m) { return m != 0; });
  if (next.refused != 0 || any_hidden) {
    Remember(state, decision, next);
  } else if (known != state.irregular.end()) {
    state.irregular.erase(known);
    state.dirty_rows.insert(IrregularRowKey(decision));
  }
  return !refused;
}

void ResetCell(State& state, const CellKey& key, LogSeq seq) {
  Cell& cell = state.cells[key];
  cell = Cell{};
  cell.reset_at = seq;
  MarkCell(state, key, cell);
  ResetPreferences(state, key);
}

namespace {

void Halve(Cell& cell, std::uint8_t times) {
  for (auto& [mask, moments] : cell.patterns) moments.base -= times;
  if (cell.audits.rows > 0) cell.audits.base -= times;
}

}  // namespace

void DiscountModel(State& state, ModelId model, const Discount& discount) {
  AddDiscount(state.discounts[model], discount, kDiscountsMax);
  state.dirty_rows.insert(DiscountsRow(model));
  for (auto at = state.cells.lower_bound({model, kBackground}); at != state.cells.end() && at->first.model == model;
       ++at) {
    Halve(at->second, discount.halvings);
    MarkCell(state, at->first, at->second);
  }
  DiscountPreferences(state, model, discount.halvings);
}

void DiscountCell(State& state, const CellKey& key, const Discount& discount) {
  Cell& cell = state.cells[key];
  AddDiscount(cell.discounts, discount, kCellDiscountsMax);
  Halve(cell, discount.halvings);
  MarkCell(state, key, cell);
  DiscountPreferences(state, key, discount.halvings);
}

}  // namespace pointsman::policy
