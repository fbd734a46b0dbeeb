#include "policy/learning/preference_fold.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include "policy/belief/state_codec.h"

namespace pointsman::policy {

namespace {

PreferenceId IdOf(const PreferenceGiven& preference) {
  const DecisionId& a = preference.winner.decision;
  const DecisionId& b = preference.loser.decision;
  return {std::min(a, b), std::max(a, b), preference.channel, preference.subject};
}

// What the moments hold of it before this event: the outcome as seen from `winner`.
std::optional<HeldPreference> HeldBefore(const State& state, const PreferenceGiven& preference) {
  if (const auto known = state.irregular_preferences.find(IdOf(preference));
      known != state.irregular_preferences.end()) {
    HeldPreference held = known->second;
    if (!held.folded) return std::nullopt;
    if (preference.loser.decision < preference.winner.decision) held.outcome = 1 - held.outcome;
    return held;
  }
  if (!preference.replaced_outcome.has_value()) return std::nullopt;
  return HeldPreference{true, *preference.replaced_outcome, preference.last_folded};
}

void Remember(State& state, const PreferenceGiven& preference, std::optional<HeldPreference> held) {
  const PreferenceId id = IdOf(preference);
  HeldPreference kept = held.value_or(HeldPreference{});
  if (preference.loser.decision < preference.winner.decision) kept.outcome = 1 - kept.outcome;
  state.irregular_preferences[id] = kept;
  state.dirty_rows.insert(IrregularPreferenceRow(id));
  if (state.irregular_preferences.size() <= kIrregularRowsMax) return;
  state.dirty_rows.insert(IrregularPreferenceRow(state.irregular_preferences.begin()->first));
  state.irregular_preferences.erase(state.irregular_preferences.begin());
}

struct Halves {
  ClusterId cluster;
  double weight = 0;
};

// Clusters of both, ascending, each with the mean of its two weights.
InlineVector<Halves, 8> Place(const ClusterWeights& a, const ClusterWeights& b) {
  InlineVector<Halves, 8> place;
  auto x = a.begin();
  auto y = b.begin();
  while (x != a.end() || y != b.end()) {
    const bool from_a = x != a.end() && (y == b.end() || x->cluster <= y->cluster);
    const bool from_b = y != b.end() && (x == a.end() || y->cluster <= x->cluster);
    Halves next;
    next.cluster = from_a ? x->cluster : y->cluster;
    if (from_a) next.weight += 0.5 * (x++)->weight;
    if (from_b) next.weight += 0.5 * (y++)->weight;
    place.push_back(next);
  }
  return place;
}

// The two sides in the order of the pair's key.
struct Sides {
  const DecisionContext* context[2];
  const LiveRow* row[2];
  bool turned = false;  // the loser comes first
  double Outcome(double of_winner) const { return turned ? 1 - of_winner : of_winner; }
};

std::int32_t Halvings(const State& state, const Sides& sides, ClusterId cluster, std::int64_t at_us, LogSeq folded_at) {
  std::int32_t halvings = 0;
  for (const DecisionContext* context : sides.context) {
    if (const auto at = state.discounts.find(context->model); at != state.discounts.end()) {
      halvings += HalvingsOf(at->second, at_us, folded_at);
    }
    if (const auto at = state.cells.find({context->model, cluster}); at != state.cells.end()) {
      halvings += HalvingsOf(at->second.discounts, at_us, folded_at);
    }
  }
  return halvings;
}

// A cell of either side was reset after `folded_at`.
bool WasReset(const State& state, const Sides& sides, ClusterId cluster, LogSeq folded_at) {
  return std::any_of(std::begin(sides.context), std::end(sides.context), [&](const DecisionContext* context) {
    const auto at = state.cells.find({context->model, cluster});
    return at != state.cells.end() && folded_at < at->second.reset_at;
  });
}

// False: there is no room for another pair.
bool Apply(State& state, const PreferenceKey& key, int sign, const PreferenceTerms& terms) {
  auto at = state.preferences.find(key);
  if (at == state.preferences.end()) {
    if (sign < 0) return true;
    if (state.preferences.size() >= kPreferenceCellsMax) return false;
    at = state.preferences.try_emplace(key).first;
  }
  const bool finite = AddPreference(at->second, sign, terms);
  if (!finite || at->second.rows == 0) state.preferences.erase(at);
  state.dirty_rows.insert(PreferenceRow(key));
  return finite;
}

void Halve(State& state, PreferenceCells::iterator at, std::uint8_t halvings) {
  at->second.base -= halvings;
  state.dirty_rows.insert(PreferenceRow(at->first));
}

}  // namespace

bool FoldPreference(State& state, const PreferenceGiven& preference, const LiveRow& winner, const LiveRow& loser) {
  if (state.excluded.contains(preference.subject)) return false;
  const std::optional<HeldPreference> held = HeldBefore(state, preference);
  if (state.frozen) {
    Remember(state, preference, held);
    return false;
  }
  Sides sides{{&preference.winner, &preference.loser}, {&winner, &loser}};
  if (preference.loser.model < preference.winner.model) {
    std::swap(sides.context[0], sides.context[1]);
    std::swap(sides.row[0], sides.row[1]);
    sides.turned = true;
  }
  const DecisionContext& first = *sides.context[0];
  const DecisionContext& second = *sides.context[1];
  const std::int64_t at_us = std::max(first.decided_at_us, second.decided_at_us);
  const double half_life =
      preference.channel == 0 ? state.options.gold_half_life_days : state.options.rating_half_life_days;
  const TimeWeight time = MakeTimeWeight(at_us, half_life);
  const double difference = first.predicted_quality - second.predicted_quality;
  const double variance = first.predicted_variance + second.predicted_variance;
  PreferenceTerms terms;
  terms.arrival_weight = preference.arrival_weight;  // of both the one that goes and the one that comes
  terms.prior_difference = sides.row[0]->prior - sides.row[1]->prior;
  terms.trust_model = sides.row[0]->prior_centred;
  terms.trust_other = sides.row[1]->prior_centred;
  bool room = true;
  for (const Halves& half : Place(winner.clusters, loser.clusters)) {
    const PreferenceKey key{first.model, second.model, preference.channel, half.cluster};
    terms.cluster_weight = half.weight;
    if (held.has_value() && !WasReset(state, sides, half.cluster, held->folded_at)) {
      terms.time = time;
      terms.time.epoch -= Halvings(state, sides, half.cluster, at_us, held->folded_at);
      terms.working = Linearise(difference, variance, sides.Outcome(held->outcome));
      room = Apply(state, key, -1, terms) && room;
    }
    terms.time = time;
    terms.time.epoch -= Halvings(state, sides, half.cluster, at_us, LogSeq{});
    terms.working = Linearise(difference, variance, sides.Outcome(preference.outcome));
    room = Apply(state, key, +1, terms) && room;
  }
  if (const auto known = state.irregular_preferences.find(IdOf(preference));
      known != state.irregular_preferences.end()) {
    state.dirty_rows.insert(IrregularPreferenceRow(known->first));
    state.irregular_preferences.erase(known);
  }
  return room;
}

void ResetPreferences(State& state, const CellKey& key) {
  for (auto at = state.preferences.begin(); at != state.preferences.end();) {
    const bool meant =
        at->first.cluster == key.cluster && (at->first.model == key.model || at->first.other == key.model);
    if (meant) state.dirty_rows.insert(PreferenceRow(at->first));
    at = meant ? state.preferences.erase(at) : std::next(at);
  }
}

void DiscountPreferences(State& state, ModelId model, std::uint8_t halvings) {
  for (auto at = state.preferences.begin(); at != state.preferences.end(); ++at) {
    if (at->first.model == model || at->first.other == model) Halve(state, at, halvings);
  }
}

void DiscountPreferences(State& state, const CellKey& key, std::uint8_t halvings) {
  for (auto at = state.preferences.begin(); at != state.preferences.end(); ++at) {
    if (at->first.cluster != key.cluster) continue;
    if (at->first.model == key.model || at->first.other == key.model) Halve(state, at, halvings);
  }
}

}  // namespace pointsman::policy
