#include "policy/belief/state_values.h"

namespace pointsman::policy {

ByteWriter Begin() {
  ByteWriter out;
  out.U8(kFoldVersion);
  return out;
}

std::string EncodeMeta(const State& state) {
  ByteWriter out = Begin();
  out.U64(state.last_seq.value);
  out.I64(state.now_us);
  out.U32(state.generation.value);
  out.Bytes(state.bundle.bytes);
  out.F64(state.model_width);
  out.F64(state.trust_width);
  out.U64(state.width_refitted_at);
  out.U64(state.response_refitted_at);
  out.Bool(state.frozen);
  return out.Take();
}

void DecodeMeta(ByteReader& in, State& state) {
  state.last_seq.value = in.U64();
  state.now_us = in.I64();
  state.generation.value = in.U32();
  in.Bytes(state.bundle.bytes);
  state.model_width = in.F64();
  state.trust_width = in.F64();
  state.width_refitted_at = in.U64();
  state.response_refitted_at = in.U64();
  state.frozen = in.Bool();
}

namespace {

template <typename Visit>
void ForEachWidth(Visit visit, auto& widths) {
  for (auto* width : {&widths.model, &widths.trust, &widths.cell, &widths.source, &widths.source_model,
                      &widths.source_cell, &widths.common}) {
    visit(*width);
  }
}

}  // namespace

std::string EncodeOptions(const Options& options) {
  ByteWriter out = Begin();
  out.U8(static_cast<std::uint8_t>(options.sources.size()));
  for (const std::string& source : options.sources) out.Text(source);
  for (const double value : {options.rating_half_life_days, options.gold_half_life_days, options.gold_rate,
                             options.audit_rate_start, options.audit_rate}) {
    out.F64(value);
  }
  out.U64(options.audit_start_decisions);
  out.U8(static_cast<std::uint8_t>(options.exploration));
  out.F64(options.thompson_scale);
  out.F64(options.probability_floor);
  for (const double value :
       {options.epsilon, options.squarecb_gamma, options.budget_usd, options.pacing_step, options.lambda_max}) {
    out.F64(value);
  }
  out.Bool(options.change_detection);
  out.Bool(options.subject_cap);
  out.U8(static_cast<std::uint8_t>(options.tenant_budgets.size()));
  for (const TenantBudget& budget : options.tenant_budgets) {
    out.Text(budget.tenant);
    out.F64(budget.usd);
  }
  out.Bool(options.widths_overridden);
  ForEachWidth([&](double width) { out.F64(width); }, options.widths);
  out.Text(options.fallback_model);
  return out.Take();
}

void DecodeOptions(ByteReader& in, Options& options) {
  options = Options{};
  const std::uint8_t sources = in.U8();
  for (std::uint8_t i = 0; i < sources && in.ok(); ++i) options.sources.push_back(in.Text());
  for (double* value : {&options.rating_half_life_days, &options.gold_half_life_days, &options.gold_rate,
                        &options.audit_rate_start, &options.audit_rate}) {
    *value = in.F64();
  }
  options.audit_start_decisions = in.U64();
  options.exploration = static_cast<Exploration>(in.U8());
  options.thompson_scale = in.F64();
  options.probability_floor = in.F64();
  for (double* value :
       {&options.epsilon, &options.squarecb_gamma, &options.budget_usd, &options.pacing_step, &options.lambda_max}) {
    *value = in.F64();
  }
  options.change_detection = in.Bool();
  options.subject_cap = in.Bool();
  options.tenant_budgets.assign(in.U8(), TenantBudget{});
  for (TenantBudget& budget : options.tenant_budgets) {
    budget.tenant = in.Text();
    budget.usd = in.F64();
  }
  options.widths_overridden = in.Bool();
  ForEachWidth([&](double& width) { width = in.F64(); }, options.widths);
  options.fallback_model = in.Text();
}

namespace {

void PutDiscounts(const std::vector<Discount>& discounts, ByteWriter& out) {
  out.U8(static_cast<std::uint8_t>(discounts.size()));
  for (const Discount& discount : discounts) {
    out.U64(discount.seq.value);
    out.I64(discount.at_us);
    out.U8(discount.halvings);
  }
}

std::vector<Discount> GetDiscounts(ByteReader& in) {
  std::vector<Discount> discounts(in.U8());
  for (Discount& discount : discounts) {
    discount.seq.value = in.U64();
    discount.at_us = in.I64();
    discount.halvings = in.U8();
  }
  return discounts;
}

}  // namespace

std::string EncodeCell(const Cell& cell) {
  ByteWriter out = Begin();
  out.Bool(cell.quarantined);
  out.U64(cell.reset_at.value);
  out.F64(cell.cusum.up);
  out.F64(cell.cusum.down);
  PutDiscounts(cell.discounts, out);
  out.U32(cell.audits.rows);
  out.I32(cell.audits.base);
  for (const double sum : {cell.audits.weight, cell.audits.prior, cell.audits.prior_squared, cell.audits.residual,
                           cell.audits.prior_residual}) {
    out.F64(sum);
  }
  out.U8(static_cast<std::uint8_t>(cell.patterns.size()));
  for (const auto& [mask, m] : cell.patterns) {
    out.U8(mask);
    out.U32(m.rows);
    out.I32(m.base);
    for (const double sum : {m.weight, m.overlap, m.prior, m.prior_squared}) out.F64(sum);
    for (std::size_t c = 0; c < kChannelsMax; ++c) {
      if ((mask >> c & 1U) == 0) continue;
      out.F64(m.residual[c]);
      out.F64(m.prior_residual[c]);
    }
  }
  return out.Take();
}

void DecodeCell(ByteReader& in, Cell& cell) {
  cell = Cell{};
  cell.quarantined = in.Bool();
  cell.reset_at.value = in.U64();
  cell.cusum.up = in.F64();
  cell.cusum.down = in.F64();
  cell.discounts = GetDiscounts(in);
  cell.audits.rows = in.U32();
  cell.audits.base = in.I32();
  for (double* sum : {&cell.audits.weight, &cell.audits.prior, &cell.audits.prior_squared, &cell.audits.residual,
                      &cell.audits.prior_residual}) {
    *sum = in.F64();
  }
  const std::uint8_t patterns = in.U8();
  for (std::uint8_t i = 0; i < patterns && in.ok(); ++i) {
    const std::uint8_t mask = in.U8();
    PatternMoments& m = cell.patterns[mask];
    m.rows = in.U32();
    m.base = in.I32();
    for (double* sum : {&m.weight, &m.overlap, &m.prior, &m.prior_squared}) *sum = in.F64();
    for (std::size_t c = 0; c < kChannelsMax; ++c) {
      if ((mask >> c & 1U) == 0) continue;
      m.residual[c] = in.F64();
      m.prior_residual[c] = in.F64();
    }
  }
}

std::string EncodeCounters(const Counters& counters) {
  ByteWriter out = Begin();
  for (const std::uint64_t count : {counters.decisions, counters.audits, counters.outcomes}) out.U64(count);
  for (const std::uint64_t count : counters.feedback) out.U64(count);
  for (const std::uint64_t count :
       {counters.retractions, counters.preferences, counters.expired, counters.alarms, counters.cell_alarms,
        counters.judge_alarms, counters.not_folded, counters.audited_gold}) {
    out.U64(count);
  }
  for (std::size_t c = 0; c < kChannelsMax; ++c) {
    out.U64(counters.residual_rows[c]);
    out.F64(counters.residual_squares[c]);
  }
  out.F64(counters.audited_squared_error);
  out.F64(counters.audited_z_squared);
  return out.Take();
}

void DecodeCounters(ByteReader& in, Counters& counters) {
  for (std::uint64_t* count : {&counters.decisions, &counters.audits, &counters.outcomes}) *count = in.U64();
  for (std::uint64_t& count : counters.feedback) count = in.U64();
  for (std::uint64_t* count :
       {&counters.retractions, &counters.preferences, &counters.expired, &counters.alarms, &counters.cell_alarms,
        &counters.judge_alarms, &counters.not_folded, &counters.audited_gold}) {
    *count = in.U64();
  }
  for (std::size_t c = 0; c < kChannelsMax; ++c) {
    counters.residual_rows[c] = in.U64();
    counters.residual_squares[c] = in.F64();
  }
  counters.audited_squared_error = in.F64();
  counters.audited_z_squared = in.F64();
}

std::string EncodeGeneration(const GenerationRecord& record) {
  ByteWriter out = Begin();
  out.Bytes(record.bundle.bytes);
  out.U64(record.activated_at.value);
  out.I64(record.activated_at_us);
  out.Text(record.reason);
  return out.Take();
}

std::string EncodeIrregular(const IrregularRow& row) {
  ByteWriter out = Begin();
  out.U8(static_cast<std::uint8_t>(row.folded.size()));
  for (const ChannelValue& channel : row.folded) {
    out.U8(channel.channel);
    out.F64(channel.value);
    out.F64(channel.offset);
  }
  out.F64(row.weight);
  out.U64(row.folded_at.value);
  out.U8(row.refused);
  for (const PatternMask mask : row.hidden) out.U8(mask);
  return out.Take();
}

bool DecodeIrregular(ByteReader& in, IrregularRow& row) {
  row = IrregularRow{};
  const std::uint8_t channels = in.U8();
  if (channels > kChannelsMax) return false;
  for (std::uint8_t i = 0; i < channels; ++i) {
    ChannelValue channel;
    channel.channel = in.U8();
    channel.value = in.F64();
    channel.offset = in.F64();
    if (channel.channel >= kChannelsMax) return false;
    row.folded.push_back(channel);
  }
  row.weight = in.F64();
  row.folded_at.value = in.U64();
  row.refused = in.U8();
  for (PatternMask& mask : row.hidden) mask = in.U8();
  return true;
}

std::string EncodeModel(const Model& model) {
  ByteWriter out = Begin();
  out.Text(model.name);
  out.U32(model.epoch);
  out.U8(static_cast<std::uint8_t>(model.state));
  out.F64(model.price.input_usd_per_million);
  out.F64(model.price.output_usd_per_million);
  out.U32(model.context_tokens);
  return out.Take();
}

std::string EncodeNoise(const NoiseModel& noise) {
  ByteWriter out = Begin();
  out.U8(static_cast<std::uint8_t>(noise.covariance.size()));
  for (const double value : noise.covariance) out.F64(value);
  for (const double value : noise.response) out.F64(value);
  for (const bool value : noise.graded) out.Bool(value);
  out.U8(noise.quarantined);
  return out.Take();
}

void DecodeNoise(ByteReader& in, NoiseModel& noise) {
  noise = NoiseModel{};
  const std::uint8_t size = in.U8();
  for (std::uint8_t i = 0; i < size; ++i) noise.covariance.push_back(in.F64());
  for (double& value : noise.response) value = in.F64();
  for (bool& value : noise.graded) value = in.Bool();
  noise.quarantined = in.U8();
}

std::string EncodeSurface(const BiasSurfaceInstalled& surface) {
  ByteWriter out = Begin();
  out.U32(surface.version);
  out.Bytes(surface.bundle.bytes);
  for (const std::uint64_t number :
       {surface.fitted_from.value, surface.fitted_to.value, surface.ratings, surface.gold}) {
    out.U64(number);
  }
  out.F64(surface.noise);
  out.F64(surface.error);
  out.Text(surface.learner);
  out.U32(static_cast<std::uint32_t>(surface.clusters.size()));
  for (const double bias : surface.clusters) out.F64(bias);
  out.U32(static_cast<std::uint32_t>(surface.models.size()));
  for (const ModelBias& model : surface.models) {
    out.U32(model.model.value);
    out.F64(model.bias);
  }
  return out.Take();
}

bool DecodeSurface(ByteReader& in, std::uint32_t channel, State& state) {
  if (channel < 1 || channel >= kChannelsMax) return false;
  BiasSurfaceInstalled& surface = state.surfaces[static_cast<std::uint8_t>(channel)];
  surface.channel = static_cast<std::uint8_t>(channel);
  surface.version = in.U32();
  in.Bytes(surface.bundle.bytes);
  for (std::uint64_t* number :
       {&surface.fitted_from.value, &surface.fitted_to.value, &surface.ratings, &surface.gold}) {
    *number = in.U64();
  }
  surface.noise = in.F64();
  surface.error = in.F64();
  surface.learner = in.Text();
  const std::uint32_t clusters = in.U32();
  if (clusters > kSurfaceClustersMax) return false;
  for (std::uint32_t k = 0; k < clusters && in.ok(); ++k) surface.clusters.push_back(in.F64());
  const std::uint32_t models = in.U32();
  if (models > kSurfaceModelsMax) return false;
  for (std::uint32_t m = 0; m < models && in.ok(); ++m) {
    ModelBias& model = surface.models.emplace_back();
    model.model.value = in.U32();
    model.bias = in.F64();
  }
  return true;
}

std::string EncodePair(const PairTally& tally) {
  ByteWriter out = Begin();
  out.F64(tally.wins);
  out.U64(tally.count);
  return out.Take();
}

std::string EncodePreference(const PreferenceMoments& moments) {
  ByteWriter out = Begin();
  out.U32(moments.rows);
  out.I32(moments.base);
  for (const double sum :
       {moments.information, moments.score, moments.prior, moments.trust_model, moments.trust_other}) {
    out.F64(sum);
  }
  return out.Take();
}

void DecodePreference(ByteReader& in, PreferenceMoments& moments) {
  moments.rows = in.U32();
  moments.base = in.I32();
  for (double* sum :
       {&moments.information, &moments.score, &moments.prior, &moments.trust_model, &moments.trust_other}) {
    *sum = in.F64();
  }
}

std::string EncodeHeld(const HeldPreference& held) {
  ByteWriter out = Begin();
  out.Bool(held.folded);
  out.F64(held.outcome);
  out.U64(held.folded_at.value);
  return out.Take();
}

void DecodeHeld(ByteReader& in, HeldPreference& held) {
  held.folded = in.Bool();
  held.outcome = in.F64();
  held.folded_at.value = in.U64();
}

std::string EncodeSources(const State& state) {
  ByteWriter out = Begin();
  for (const SourceWatch& watch : state.source_watches) {
    out.F64(watch.last);
    out.U64(watch.run);
    out.F64(watch.surprise);
    out.U64(watch.others);
    for (const double sum :
         {watch.pairs, watch.gold, watch.rating, watch.gold_squares, watch.rating_squares, watch.products}) {
      out.F64(sum);
    }
    out.U8(static_cast<std::uint8_t>(watch.quarantine));
    out.U64(watch.since.value);
  }
  out.F64(state.guard.z_squared);
  out.U64(state.guard.labels);
  out.F64(state.guard.bias_factor);
  out.U64(state.guard.steps);
  return out.Take();
}

void DecodeSources(ByteReader& in, State& state) {
  for (SourceWatch& watch : state.source_watches) {
    watch.last = in.F64();
    watch.run = in.U64();
    watch.surprise = in.F64();
    watch.others = in.U64();
    for (double* sum :
         {&watch.pairs, &watch.gold, &watch.rating, &watch.gold_squares, &watch.rating_squares, &watch.products}) {
      *sum = in.F64();
    }
    watch.quarantine = static_cast<Quarantine>(in.U8());
    watch.since.value = in.U64();
  }
  state.guard.z_squared = in.F64();
  state.guard.labels = in.U64();
  state.guard.bias_factor = in.F64();
  state.guard.steps = in.U64();
}

std::string EncodeTally(const ModelTally& tally) {
  ByteWriter out = Begin();
  for (const std::uint64_t count : {tally.decisions, tally.outcomes, tally.failures, tally.ratings, tally.gold}) {
    out.U64(count);
  }
  for (const double sum : {tally.token_rows, tally.token_sum, tally.token_squares, tally.latency_rows,
                           tally.latency_sum, tally.latency_squares}) {
    out.F64(sum);
  }
  return out.Take();
}

void DecodeTally(ByteReader& in, ModelTally& tally) {
  for (std::uint64_t* count : {&tally.decisions, &tally.outcomes, &tally.failures, &tally.ratings, &tally.gold}) {
    *count = in.U64();
  }
  for (double* sum : {&tally.token_rows, &tally.token_sum, &tally.token_squares, &tally.latency_rows,
                      &tally.latency_sum, &tally.latency_squares}) {
    *sum = in.F64();
  }
}

std::string EncodeDiscounts(const std::vector<Discount>& discounts) {
  ByteWriter out = Begin();
  PutDiscounts(discounts, out);
  return out.Take();
}

void DecodeDiscounts(ByteReader& in, std::vector<Discount>& discounts) { discounts = GetDiscounts(in); }

std::string EncodeWatch(const ModelWatch& watch) {
  ByteWriter out = Begin();
  for (const ChannelWatch& channel : watch.channels) {
    out.F64(channel.cusum.up);
    out.F64(channel.cusum.down);
    out.F64(channel.slow.up);
    out.F64(channel.slow.down);
    out.F64(channel.witness.up);
    out.F64(channel.witness.down);
    out.F64(channel.standing.up);
    out.F64(channel.standing.down);
    out.U64(channel.rows);
    out.F64(channel.sum);
    out.Bool(channel.centred);
  }
  out.U64(watch.rows);
  out.Bool(watch.changed);
  return out.Take();
}

void DecodeWatch(ByteReader& in, ModelWatch& watch) {
  watch = ModelWatch{};
  for (ChannelWatch& channel : watch.channels) {
    channel.cusum.up = in.F64();
    channel.cusum.down = in.F64();
    channel.slow.up = in.F64();
    channel.slow.down = in.F64();
    channel.witness.up = in.F64();
    channel.witness.down = in.F64();
    channel.standing.up = in.F64();
    channel.standing.down = in.F64();
    channel.rows = in.U64();
    channel.sum = in.F64();
    channel.centred = in.Bool();
  }
  watch.rows = in.U64();
  watch.changed = in.Bool();
}

std::string EncodePacer(const Pacer& pacer) {
  ByteWriter out = Begin();
  for (const double value : {pacer.lambda, pacer.mean_cost_usd, pacer.bucket_usd, pacer.spent_usd}) out.F64(value);
  out.U64(pacer.decisions);
  out.U64(pacer.settled);
  return out.Take();
}

void DecodePacer(ByteReader& in, Pacer& pacer) {
  for (double* value : {&pacer.lambda, &pacer.mean_cost_usd, &pacer.bucket_usd, &pacer.spent_usd}) *value = in.F64();
  pacer.decisions = in.U64();
  pacer.settled = in.U64();
}

std::string EncodeHealth(const ModelHealth& health) {
  ByteWriter out = Begin();
  out.U32(health.failures_in_row);
  out.U32(health.pauses);
  out.I64(health.retry_at_us);
  return out.Take();
}

void DecodeHealth(ByteReader& in, ModelHealth& health) {
  health.failures_in_row = in.U32();
  health.pauses = in.U32();
  health.retry_at_us = in.I64();
}

std::string EncodeAlarms(const std::vector<Alarm>& alarms) {
  ByteWriter out = Begin();
  out.U8(static_cast<std::uint8_t>(alarms.size()));
  for (const Alarm& alarm : alarms) {
    out.U32(alarm.model.value);
    out.Bool(alarm.cell);
    out.U32(alarm.cluster.value);
    out.U8(static_cast<std::uint8_t>(alarm.direction + 1));
    out.Bool(alarm.judge);
    out.U64(alarm.seq.value);
    out.I64(alarm.at_us);
    out.U64(alarm.uses);
    out.U64(alarm.reports);
  }
  return out.Take();
}

void DecodeAlarms(ByteReader& in, std::vector<Alarm>& alarms) {
  alarms.assign(in.U8(), Alarm{});
  for (Alarm& alarm : alarms) {
    alarm.model.value = in.U32();
    alarm.cell = in.Bool();
    alarm.cluster.value = in.U32();
    alarm.direction = static_cast<std::int8_t>(static_cast<int>(in.U8()) - 1);
    alarm.judge = in.Bool();
    alarm.seq.value = in.U64();
    alarm.at_us = in.I64();
    alarm.uses = in.U64();
    alarm.reports = in.U64();
  }
}

}  // namespace pointsman::policy
