#include "policy/learning/source_watch.h"

#include <cmath>
#include <string>

#include "base/exact_math.h"
#include "policy/belief/state_codec.h"

namespace pointsman::policy {

namespace {

constexpr double kPairMemory = 1 - 1.0 / 512;
constexpr double kGuardMemory = 1 - 1.0 / 200;
constexpr double kGuardMost = 16;

const ChannelValue* FindChannel(const Channels& channels, std::uint8_t channel) {
  for (const ChannelValue& value : channels) {
    if (value.channel == channel) return &value;
  }
  return nullptr;
}

void Follow(SourceWatch& watch, double value, double predicted, bool graded) {
  if (watch.run > 0 && value == watch.last) {
    ++watch.run;
  } else if (watch.quarantine != Quarantine::kStuck) {
    watch.last = value;
    watch.run = 1;
    watch.surprise = 0;
  } else {
    ++watch.others;  // of the stuck value; the run stays what it was
    return;
  }
  if (graded) return;
  const double p = predicted < .02 ? .02 : predicted > .98 ? .98 : predicted;
  watch.surprise -= exact::Log(value == 1 ? p : 1 - p);
}

void Compare(SourceWatch& watch, double gold, double rating) {
  for (double* sum :
       {&watch.pairs, &watch.gold, &watch.rating, &watch.gold_squares, &watch.rating_squares, &watch.products}) {
    *sum *= kPairMemory;
  }
  watch.pairs += 1;
  watch.gold += gold;
  watch.rating += rating;
  watch.gold_squares += gold * gold;
  watch.rating_squares += rating * rating;
  watch.products += gold * rating;
}

// t of the correlation of gold and rating; 0 where either does not vary.
double Agreement(const SourceWatch& watch) {
  const double n = watch.pairs;
  if (n < 3) return 0;
  const double gg = watch.gold_squares - watch.gold * watch.gold / n;
  const double rr = watch.rating_squares - watch.rating * watch.rating / n;
  const double gr = watch.products - watch.gold * watch.rating / n;
  if (!(gg > 1e-9 && rr > 1e-9)) return 0;
  const double squared = gr * gr / (gg * rr);
  const double rest = squared < .999 ? 1 - squared : .001;
  const double t = std::sqrt(squared * (n - 2) / rest);
  return gr < 0 ? -t : t;
}

Quarantine Judge(const SourceWatch& watch, bool graded) {
  const double agreement = watch.pairs >= kContraryPairs ? Agreement(watch) : 0;
  switch (watch.quarantine) {
    case Quarantine::kStuck:
      if (watch.others < kFreed) return Quarantine::kStuck;
      break;
    case Quarantine::kContrary:
      if (agreement < -1) return Quarantine::kContrary;
      break;
    case Quarantine::kNone:
      if (graded ? watch.run >= kGradedRun : watch.run >= kStuckRun && watch.surprise >= kStuckSurprise) {
        return Quarantine::kStuck;
      }
      break;
  }
  return agreement < -kContrary ? Quarantine::kContrary : Quarantine::kNone;
}

void Settle(State& state, std::uint8_t channel, LogSeq seq) {
  SourceWatch& watch = state.source_watches[channel - 1U];
  const Quarantine now = Judge(watch, state.noise.graded[channel]);
  if (now == watch.quarantine) return;
  if (watch.quarantine == Quarantine::kStuck) {  // free: the run begins anew
    watch.run = 0;
    watch.surprise = 0;
  }
  watch.others = 0;
  watch.quarantine = now;
  watch.since = seq;
  const unsigned bit = 1U << channel;
  const unsigned mask = state.noise.quarantined;
  state.noise.quarantined = static_cast<PatternMask>(now == Quarantine::kNone ? mask & ~bit : mask | bit);
  state.republish_all = true;
  state.dirty_rows.insert(kNoiseRow);
}

void MarkSources(State& state) {
  state.dirty_rows.insert_once(state.sources_dirty, [] { return std::string(kSourcesRow); });
}

}  // namespace

void WatchSources(State& state, const RowChanged& change, LogSeq seq) {
  const ChannelValue* said = FindChannel(change.after, change.channel);
  if (said == nullptr || FindChannel(change.before, change.channel) != nullptr) return;
  const double predicted = change.context.predicted_quality;
  if (change.channel > 0) {
    Follow(state.source_watches[change.channel - 1U], said->value, predicted, state.noise.graded[change.channel]);
  }
  const ChannelValue* gold = FindChannel(change.after, 0);
  for (const ChannelValue& rating : change.after) {
    if (rating.channel == 0 || (change.channel != 0 && rating.channel != change.channel)) continue;
    if (gold != nullptr) {
      Compare(state.source_watches[rating.channel - 1U], gold->value - predicted, rating.value - predicted);
    }
    Settle(state, rating.channel, seq);
  }
  MarkSources(state);
}

void GuardCalibration(State& state, double z_squared) {
  CalibrationGuard& guard = state.guard;
  guard.z_squared = kGuardMemory * guard.z_squared + (1 - kGuardMemory) * z_squared;
  ++guard.labels;
  MarkSources(state);
  if (guard.labels < kGuardLabels) return;
  double factor = guard.bias_factor;
  if (guard.z_squared > 1.5) factor = factor * 1.3 < kGuardMost ? factor * 1.3 : kGuardMost;
  if (guard.z_squared < .7) factor = factor * .95 > 1 ? factor * .95 : 1;
  if (factor == guard.bias_factor) return;
  guard.bias_factor = factor;
  guard.z_squared = 1;
  guard.labels = 0;
  ++guard.steps;
  state.republish_all = true;
}

}  // namespace pointsman::policy
