#include "policy/learning/change_detector.h"

#include <algorithm>
#include <cmath>

#include "policy/belief/noise.h"
#include "policy/belief/state_codec.h"
#include "policy/learning/bias_surface.h"
#include "policy/learning/row_fold.h"

namespace pointsman::policy {

namespace {

const ChannelValue* FindChannel(const Channels& channels, std::uint8_t channel) {
  for (const ChannelValue& value : channels) {
    if (value.channel == channel) return &value;
  }
  return nullptr;
}

double Clip(double value, double low, double high) { return value < low ? low : value > high ? high : value; }

std::uint64_t Reports(const State& state) {
  std::uint64_t reports = 0;
  for (const std::uint64_t count : state.counters.feedback) reports += count;
  return reports;
}

// What the value is compared with, but for what is usual. Gold: the prediction. A source:
// the prior, with its surface where it has one. That stands still, while a prediction
// follows the ratings, by half of a loss and more, and hides it from them.
double Expected(const State& state, const DecisionContext& context, std::uint8_t channel, const LiveRow& row) {
  if (channel == 0) return context.predicted_quality;
  const auto at = state.surfaces.find(channel);
  if (at == state.surfaces.end() || at->second.clusters.empty()) return row.prior;
  return row.prior + BiasAt(at->second, context.model, row.clusters);
}

// Standard deviation of the channel's value around `expected`.
double Deviation(const State& state, const DecisionContext& context, std::uint8_t channel, double expected) {
  if (state.noise.graded[channel]) {
    return std::sqrt(GradedVariance(state.counters, channel) + context.predicted_variance);
  }
  const double mean = Clip(expected, 0.02, 0.98);
  return std::sqrt(mean * (1 - mean) + context.predicted_variance);
}

void Remember(State& state, Alarm alarm) {
  if (state.alarms.size() >= kAlarmsMax) state.alarms.erase(state.alarms.begin());
  state.alarms.push_back(alarm);
  state.dirty_rows.insert(kAlarmsRow);
  state.dirty_rows.insert_once(state.counters.dirty, [] { return std::string(kCountersRow); });
}

// Half of the models with enough rows (and at least two) alarmed in this direction
// within the window, the one that alarms now counted.
bool JudgeChanged(const State& state, const Alarm& now) {
  std::size_t known = 0;
  std::size_t alarmed = 0;
  for (const auto& [model, watch] : state.watches) {
    if (watch.rows < kModelRows) continue;
    ++known;
    bool same = model == now.model;
    for (const Alarm& past : state.alarms) {
      same = same || (past.model == model && !past.cell && past.direction == now.direction &&
                      past.reports + kJudgeWindow >= now.reports);
    }
    alarmed += same ? 1 : 0;
  }
  return alarmed >= 2 && 2 * alarmed >= known;
}

void AddBounded(Cusum& cusum, double zeta, double allowance, double most) {
  cusum.up = Clip(cusum.up + zeta - allowance, 0, most);
  cusum.down = Clip(cusum.down - zeta - allowance, 0, most);
}

int DirectionOf(const Cusum& cusum, double threshold) {
  return cusum.up > threshold ? 1 : cusum.down > threshold ? -1 : 0;
}

void ForgetSums(ModelWatch& watch) {
  for (ChannelWatch& channel : watch.channels) {
    channel.cusum = Cusum{};
    channel.slow = Cusum{};
    channel.witness = Cusum{};
  }
}

void RaiseModelAlarm(State& state, Alarm alarm, std::uint8_t channel) {
  alarm.judge = JudgeChanged(state, alarm);
  if (alarm.judge) {
    ++state.counters.judge_alarms;
    for (auto& [model, watch] : state.watches) {
      ForgetSums(watch);
      ChannelWatch& changed = watch.channels[channel];
      changed.rows = 0;
      changed.sum = 0;
      changed.centred = true;
      state.dirty_rows.insert_once(watch.dirty, [model = model] { return WatchRow(model); });
    }
  } else {
    ++state.counters.alarms;
    ModelWatch& watch = state.watches[alarm.model];
    // What is usual and what is predicted are of the model as it was.
    for (ChannelWatch& forgotten : watch.channels) {
      const bool centred = forgotten.centred;
      forgotten = ChannelWatch{};
      forgotten.centred = centred;
    }
    watch.changed = true;
    DiscountModel(state, alarm.model, {alarm.seq, alarm.at_us, kModelAlarmHalvings});
  }
  Remember(state, alarm);
}

// The further a source has moved, the less gold must have followed it.
bool Witnessed(double source, double gold) {
  return source >= kRestless && gold >= kWitnessAgrees && gold + kSourceShare * source >= kWitnessThreshold;
}

// A direction in which a source has begun to move and gold has followed it since; where
// nobody gives gold, the source's own fast sum.
int SourceAlarm(const State& state, const ChannelWatch& source) {
  if (state.counters.feedback[0] == 0) return DirectionOf(source.cusum, kCusumThreshold);
  if (Witnessed(source.cusum.up, source.witness.up)) return 1;
  if (Witnessed(source.cusum.down, source.witness.down)) return -1;
  return 0;
}

// A label of the model, for each source that has begun to move, against what was predicted
// before it did. `surplus`: of the value over the prior.
void Witness(const State& state, const DecisionContext& context, double prior, double surplus, ModelWatch& watch) {
  const auto follow = [&](double standing, double sign, double& witness) {
    const double zeta = sign * (surplus - standing) / Deviation(state, context, 0, prior + standing);
    witness = Clip(witness + zeta - kCusumAllowance, kWitnessLeast, kWitnessMost);
  };
  for (std::size_t c = 1; c < watch.channels.size(); ++c) {
    ChannelWatch& source = watch.channels[c];
    if (source.slow.up > 0) follow(source.standing.up, 1, source.witness.up);
    if (source.slow.down > 0) follow(source.standing.down, -1, source.witness.down);
  }
}

// Follows what is predicted, in the directions in which the source does not move.
void Stand(ChannelWatch& source, double above_prior) {
  const double share = 1 / static_cast<double>(std::clamp<std::uint64_t>(source.rows, 1, kStandingRows));
  if (source.slow.up == 0) {
    source.standing.up += (above_prior - source.standing.up) * share;
    source.witness.up = 0;
  }
  if (source.slow.down == 0) {
    source.standing.down += (above_prior - source.standing.down) * share;
    source.witness.down = 0;
  }
}

// Gold's own, or with what a source has said before.
int GoldAlarm(const State& state, const ModelWatch& watch, int alone) {
  if (alone != 0) return alone;
  for (std::size_t c = 1; c < watch.channels.size(); ++c) {
    if (const int direction = SourceAlarm(state, watch.channels[c]); direction != 0) return direction;
  }
  return 0;
}

void WatchCells(State& state, const Alarm& model_alarm, double zeta, const ClusterWeights& clusters) {
  for (const ClusterWeight& membership : clusters) {
    if (membership.cluster == kBackground || membership.weight < 0.5) continue;
    const CellKey key{model_alarm.model, membership.cluster};
    Cell& cell = state.cells[key];
    if (cell.quarantined) continue;
    const int direction = AddToCusum(cell.cusum, membership.weight * zeta);
    MarkCell(state, key, cell);
    if (direction == 0) continue;
    Alarm alarm = model_alarm;
    alarm.cell = true;
    alarm.cluster = membership.cluster;
    alarm.direction = static_cast<std::int8_t>(direction);
    ++state.counters.cell_alarms;
    DiscountCell(state, key, {alarm.seq, alarm.at_us, kCellAlarmHalvings});
    Remember(state, alarm);
  }
}

}  // namespace

int AddToCusum(Cusum& cusum, double zeta, double allowance, double threshold) {
  const double up = cusum.up + zeta - allowance;
  const double down = cusum.down - zeta - allowance;
  cusum.up = up > 0 ? up : 0;
  cusum.down = down > 0 ? down : 0;
  const int direction = cusum.up > threshold ? 1 : cusum.down > threshold ? -1 : 0;
  if (direction != 0) cusum = Cusum{};
  return direction;
}

void BeginGeneration(ModelWatch& watch) {
  watch.changed = false;
  for (std::size_t c = 1; c < watch.channels.size(); ++c) watch.channels[c] = ChannelWatch{};
}

void WatchForChange(State& state, const RowChanged& change, const LiveRow& row, LogSeq seq, std::int64_t at_us) {
  const std::uint8_t channel = change.channel;
  const ChannelValue* now = FindChannel(change.after, channel);
  if (now == nullptr || FindChannel(change.before, channel) != nullptr) return;
  const ModelId model = change.context.model;
  ModelWatch& watch = state.watches[model];
  state.dirty_rows.insert_once(watch.dirty, [model] { return WatchRow(model); });
  if (change.before.empty()) ++watch.rows;
  ChannelWatch& seen = watch.channels[channel];
  const double expected = Expected(state, change.context, channel, row);
  const double residual = now->value - now->offset - expected;
  const bool centred = channel != 0 || seen.centred;
  const bool known = !centred || seen.rows >= kUsualRows;
  const double usual = centred && seen.rows > 0 ? seen.sum / static_cast<double>(seen.rows) : 0;
  // What is usual stands still in the end: else it follows a lasting change, and the
  // slow sum never gets there.
  if (centred && seen.rows < kUsualRowsMost) {
    ++seen.rows;
    seen.sum += residual;
  }
  if (channel != 0) Stand(seen, change.context.predicted_quality - change.context.prior);
  if (!known) return;
  const double deviation = Deviation(state, change.context, channel, expected + usual);
  ++state.counters.residual_rows[channel];
  state.counters.residual_squares[channel] += (residual - usual) * (residual - usual);
  const double zeta = (residual - usual) / deviation;
  Alarm alarm;
  alarm.model = model;
  alarm.seq = seq;
  alarm.at_us = at_us;
  alarm.reports = Reports(state);
  if (const auto tally = state.tallies.find(model); tally != state.tallies.end()) alarm.uses = tally->second.decisions;
  int direction = 0;
  if (channel == 0) {
    const int fast = AddToCusum(seen.cusum, zeta);
    const int slow = AddToCusum(seen.slow, zeta, kSlowCusumAllowance, kSlowCusumThreshold);
    Witness(state, change.context, row.prior, now->value - now->offset - usual - row.prior, watch);
    direction = GoldAlarm(state, watch, fast != 0 ? fast : slow);
  } else {
    // The sums wait at their bounds for gold.
    AddBounded(seen.cusum, zeta, kCusumAllowance, 2 * kCusumThreshold);
    AddBounded(seen.slow, zeta, kSlowCusumAllowance, kSlowCusumThreshold);
    direction = SourceAlarm(state, seen);
  }
  if (direction != 0) {
    alarm.direction = static_cast<std::int8_t>(direction);
    RaiseModelAlarm(state, alarm, channel);
    return;
  }
  if (channel == 0) WatchCells(state, alarm, zeta, row.clusters);
}

}  // namespace pointsman::policy
