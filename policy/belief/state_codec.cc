#include "policy/belief/state_codec.h"

#include "policy/belief/byte_codec.h"

namespace pointsman::policy {

namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kTenantBytesMax = 128;

std::string NumberKey(char kind, std::uint32_t number) {
  ByteWriter key;
  key.U8(static_cast<std::uint8_t>(kind));
  key.BigEndian32(number);
  return key.Take();
}

ByteWriter Begin() {
  ByteWriter out;
  out.U8(kVersion);
  return out;
}

// ---- values -----------------------------------------------------------------

std::string EncodeMeta(const State& state) {
  ByteWriter out = Begin();
  out.U64(state.last_seq.value);
  out.I64(state.now_us);
  out.U32(state.generation.value);
  out.Bytes(state.bundle.bytes);
  out.F64(state.model_width);
  out.F64(state.trust_width);
  out.U64(state.width_refitted_at);
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
  state.frozen = in.Bool();
}

template <typename Visit>
void ForEachWidth(Visit visit, auto& widths) {
  for (auto* width : {&widths.model, &widths.trust, &widths.cell, &widths.source, &widths.source_model,
                      &widths.source_cell, &widths.common}) {
    visit(*width);
  }
}

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
  for (const double value : {options.epsilon, options.squarecb_gamma, options.budget_usd, options.pacing_step,
                             options.lambda_max}) {
    out.F64(value);
  }
  out.Bool(options.change_detection);
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
  for (double* value : {&options.epsilon, &options.squarecb_gamma, &options.budget_usd, &options.pacing_step,
                        &options.lambda_max}) {
    *value = in.F64();
  }
  options.change_detection = in.Bool();
  options.tenant_budgets.assign(in.U8(), TenantBudget{});
  for (TenantBudget& budget : options.tenant_budgets) {
    budget.tenant = in.Text();
    budget.usd = in.F64();
  }
  options.widths_overridden = in.Bool();
  ForEachWidth([&](double& width) { width = in.F64(); }, options.widths);
  options.fallback_model = in.Text();
}

std::string EncodeCell(const Cell& cell) {
  ByteWriter out = Begin();
  out.Bool(cell.quarantined);
  out.U64(cell.reset_at.value);
  out.F64(cell.cusum.up);
  out.F64(cell.cusum.down);
  out.U8(static_cast<std::uint8_t>(cell.alarms_us.size()));
  for (const std::int64_t stamp : cell.alarms_us) out.I64(stamp);
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
  cell.alarms_us.assign(in.U8(), 0);
  for (std::int64_t& stamp : cell.alarms_us) stamp = in.I64();
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
  for (const std::uint64_t count : {counters.retractions, counters.preferences, counters.expired,
                                    counters.alarms, counters.cell_alarms, counters.judge_alarms,
                                    counters.not_folded, counters.audited_gold}) {
    out.U64(count);
  }
  out.F64(counters.audited_squared_error);
  out.F64(counters.audited_z_squared);
  return out.Take();
}

void DecodeCounters(ByteReader& in, Counters& counters) {
  for (std::uint64_t* count : {&counters.decisions, &counters.audits, &counters.outcomes}) *count = in.U64();
  for (std::uint64_t& count : counters.feedback) count = in.U64();
  for (std::uint64_t* count : {&counters.retractions, &counters.preferences, &counters.expired,
                               &counters.alarms, &counters.cell_alarms, &counters.judge_alarms,
                               &counters.not_folded, &counters.audited_gold}) {
    *count = in.U64();
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
  return out.Take();
}

void DecodeNoise(ByteReader& in, NoiseModel& noise) {
  noise = NoiseModel{};
  const std::uint8_t size = in.U8();
  for (std::uint8_t i = 0; i < size; ++i) noise.covariance.push_back(in.F64());
  for (double& value : noise.response) value = in.F64();
  for (bool& value : noise.graded) value = in.Bool();
}

std::string EncodePair(const PairTally& tally) {
  ByteWriter out = Begin();
  out.F64(tally.wins);
  out.U64(tally.count);
  return out.Take();
}

std::string EncodeTally(const ModelTally& tally) {
  ByteWriter out = Begin();
  for (const std::uint64_t count : {tally.decisions, tally.outcomes, tally.failures, tally.ratings, tally.gold}) {
    out.U64(count);
  }
  for (const double sum : {tally.token_rows, tally.token_sum, tally.token_squares}) out.F64(sum);
  return out.Take();
}

void DecodeTally(ByteReader& in, ModelTally& tally) {
  for (std::uint64_t* count : {&tally.decisions, &tally.outcomes, &tally.failures, &tally.ratings, &tally.gold}) {
    *count = in.U64();
  }
  for (double* sum : {&tally.token_rows, &tally.token_sum, &tally.token_squares}) *sum = in.F64();
}

std::string EncodeDiscounts(const std::vector<Discount>& discounts) {
  ByteWriter out = Begin();
  out.U8(static_cast<std::uint8_t>(discounts.size()));
  for (const Discount& discount : discounts) {
    out.I64(discount.at_us);
    out.U8(discount.halvings);
  }
  return out.Take();
}

void DecodeDiscounts(ByteReader& in, std::vector<Discount>& discounts) {
  discounts.assign(in.U8(), Discount{});
  for (Discount& discount : discounts) {
    discount.at_us = in.I64();
    discount.halvings = in.U8();
  }
}

std::string EncodeWatch(const ModelWatch& watch) {
  ByteWriter out = Begin();
  for (const ChannelWatch& channel : watch.channels) {
    out.F64(channel.cusum.up);
    out.F64(channel.cusum.down);
    out.U64(channel.rows);
    out.F64(channel.sum);
    out.Bool(channel.centred);
  }
  out.U64(watch.rows);
  out.U32(watch.new_rows_left);
  return out.Take();
}

void DecodeWatch(ByteReader& in, ModelWatch& watch) {
  watch = ModelWatch{};
  for (ChannelWatch& channel : watch.channels) {
    channel.cusum.up = in.F64();
    channel.cusum.down = in.F64();
    channel.rows = in.U64();
    channel.sum = in.F64();
    channel.centred = in.Bool();
  }
  watch.rows = in.U64();
  watch.new_rows_left = in.U32();
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

// ---- keys -------------------------------------------------------------------

// A key taken apart; `ok` is false for a malformed one.
struct ParsedKey {
  bool ok = false;
  char kind = 0;
  std::uint32_t first = 0;
  std::uint32_t second = 0;
  std::uint8_t channel = 0;
  std::uint64_t subject = 0;
  DecisionId decision;
  std::string tenant;
};

// The tenant is all of the key but its first byte.
ParsedKey ParsedTenant(ParsedKey parsed) {
  parsed.ok = parsed.tenant.size() <= kTenantBytesMax;
  return parsed;
}

ParsedKey ParseKey(std::string_view key) {
  ParsedKey parsed;
  ByteReader in(key);
  parsed.kind = static_cast<char>(in.U8());
  switch (parsed.kind) {
    case 'a':
    case 'b':
    case 'd':
    case 'n':
    case 'y': break;
    case 'c':
      parsed.first = in.BigEndian32();
      parsed.second = in.BigEndian32();
      break;
    case 'p':
      parsed.first = in.BigEndian32();
      parsed.second = in.BigEndian32();
      parsed.channel = in.U8();
      break;
    case 'e': parsed.subject = in.BigEndian64(); break;
    case 'i': in.Bytes(parsed.decision.bytes); break;
    case 'l': parsed.tenant = std::string(key.substr(1)); return ParsedTenant(parsed);
    case 'g':
    case 'h':
    case 'm':
    case 't':
    case 'w':
    case 'x': parsed.first = in.BigEndian32(); break;
    default: return parsed;
  }
  parsed.ok = in.Finished();
  return parsed;
}

Error BadRow(const char* what) {
  return MakeError(Code::kDataLoss, "bad_state_row",
                   std::string("a stored row of the learner's state is damaged (") + what +
                       "); restore a checkpoint or replay the log");
}

const GenerationRecord* FindGeneration(const State& state, std::uint32_t generation) {
  for (const GenerationRecord& record : state.generations) {
    if (record.generation.value == generation) return &record;
  }
  return nullptr;
}

void LoadGeneration(ByteReader& in, std::uint32_t generation, State& state) {
  GenerationRecord record;
  record.generation.value = generation;
  in.Bytes(record.bundle.bytes);
  record.activated_at.value = in.U64();
  record.activated_at_us = in.I64();
  record.reason = in.Text();
  auto at = state.generations.begin();
  while (at != state.generations.end() && at->generation < record.generation) ++at;
  if (at != state.generations.end() && at->generation == record.generation) {
    *at = record;
  } else {
    state.generations.insert(at, record);
  }
}

bool LoadModel(ByteReader& in, std::uint32_t id, State& state) {
  Model model;
  model.id.value = id;
  model.name = in.Text();
  model.epoch = in.U32();
  const std::uint8_t condition = in.U8();
  model.price.input_usd_per_million = in.F64();
  model.price.output_usd_per_million = in.F64();
  model.context_tokens = in.U32();
  if (!in.Finished() || condition < 1 || condition > 3 || id == 0) return false;
  model.state = static_cast<ModelState>(condition);
  state.pool.Restore(model);
  return true;
}

template <typename Map, typename Key, typename Encode>
std::string FindAndEncode(const Map& map, const Key& key, Encode encode) {
  const auto at = map.find(key);
  return at == map.end() ? std::string() : encode(at->second);
}

// Reads the value of `parsed` into `state`; false for bytes that cannot be right.
bool LoadValue(const ParsedKey& parsed, ByteReader& in, State& state) {
  switch (parsed.kind) {
    case 'a': DecodeMeta(in, state); break;
    case 'b': DecodeOptions(in, state.options); break;
    case 'c': DecodeCell(in, state.cells[{ModelId{parsed.first}, ClusterId{parsed.second}}]); break;
    case 'd': DecodeCounters(in, state.counters); break;
    case 'e': state.excluded.insert(SubjectHash{parsed.subject}); break;
    case 'g': LoadGeneration(in, parsed.first, state); break;
    case 'h': DecodeHealth(in, state.health[ModelId{parsed.first}]); break;
    case 'l': DecodePacer(in, state.pacers[parsed.tenant]); break;
    case 'i': return DecodeIrregular(in, state.irregular[parsed.decision]) && in.Finished();
    case 'm': return LoadModel(in, parsed.first, state);
    case 'n': DecodeNoise(in, state.noise); break;
    case 'p': {
      PairTally& tally = state.pairs[{ModelId{parsed.first}, ModelId{parsed.second}, parsed.channel}];
      tally.wins = in.F64();
      tally.count = in.U64();
      break;
    }
    case 't': DecodeTally(in, state.tallies[ModelId{parsed.first}]); break;
    case 'w': DecodeWatch(in, state.watches[ModelId{parsed.first}]); break;
    case 'x': DecodeDiscounts(in, state.discounts[ModelId{parsed.first}]); break;
    case 'y': DecodeAlarms(in, state.alarms); break;
    default: return false;
  }
  return in.Finished();
}

}  // namespace

std::string CellRow(const CellKey& key) {
  ByteWriter out;
  out.U8('c');
  out.BigEndian32(key.model.value);
  out.BigEndian32(key.cluster.value);
  return out.Take();
}

std::string ExcludedRow(SubjectHash subject) {
  ByteWriter out;
  out.U8('e');
  out.BigEndian64(subject.value);
  return out.Take();
}

std::string IrregularRowKey(const DecisionId& decision) {
  ByteWriter out;
  out.U8('i');
  out.Bytes(decision.bytes);
  return out.Take();
}

std::string PairRow(const PairKey& key) {
  ByteWriter out;
  out.U8('p');
  out.BigEndian32(key.model.value);
  out.BigEndian32(key.other.value);
  out.U8(key.channel);
  return out.Take();
}

std::string GenerationRow(Generation generation) { return NumberKey('g', generation.value); }
std::string ModelRow(ModelId model) { return NumberKey('m', model.value); }
std::string TallyRow(ModelId model) { return NumberKey('t', model.value); }
std::string HealthRow(ModelId model) { return NumberKey('h', model.value); }
std::string PacerRow(std::string_view tenant) { return "l" + std::string(tenant); }
std::string WatchRow(ModelId model) { return NumberKey('w', model.value); }
std::string DiscountsRow(ModelId model) { return NumberKey('x', model.value); }

void ForEachStateRow(const State& state,
                     const std::function<void(std::string_view key, std::string_view value)>& visit) {
  visit(kMetaRow, EncodeMeta(state));
  visit(kOptionsRow, EncodeOptions(state.options));
  for (const auto& [key, cell] : state.cells) visit(CellRow(key), EncodeCell(cell));
  visit(kCountersRow, EncodeCounters(state.counters));
  for (const SubjectHash subject : state.excluded) visit(ExcludedRow(subject), Begin().Take());
  for (const GenerationRecord& record : state.generations) {
    visit(GenerationRow(record.generation), EncodeGeneration(record));
  }
  for (const auto& [model, health] : state.health) visit(HealthRow(model), EncodeHealth(health));
  for (const auto& [decision, row] : state.irregular) visit(IrregularRowKey(decision), EncodeIrregular(row));
  for (const auto& [tenant, pacer] : state.pacers) visit(PacerRow(tenant), EncodePacer(pacer));
  for (std::uint32_t id = 1; id < state.pool.NextId().value; ++id) {
    if (const Model* model = state.pool.Find(ModelId{id})) visit(ModelRow(model->id), EncodeModel(*model));
  }
  visit(kNoiseRow, EncodeNoise(state.noise));
  for (const auto& [key, tally] : state.pairs) visit(PairRow(key), EncodePair(tally));
  for (const auto& [model, tally] : state.tallies) visit(TallyRow(model), EncodeTally(tally));
  for (const auto& [model, watch] : state.watches) visit(WatchRow(model), EncodeWatch(watch));
  for (const auto& [model, discounts] : state.discounts) visit(DiscountsRow(model), EncodeDiscounts(discounts));
  if (!state.alarms.empty()) visit(kAlarmsRow, EncodeAlarms(state.alarms));
}

std::string StateRow(const State& state, std::string_view key) {
  const ParsedKey parsed = ParseKey(key);
  if (!parsed.ok) return {};
  const ModelId model{parsed.first};
  switch (parsed.kind) {
    case 'a': return EncodeMeta(state);
    case 'b': return EncodeOptions(state.options);
    case 'c': return FindAndEncode(state.cells, CellKey{model, ClusterId{parsed.second}}, EncodeCell);
    case 'd': return EncodeCounters(state.counters);
    case 'e': return state.excluded.contains(SubjectHash{parsed.subject}) ? Begin().Take() : std::string();
    case 'g': {
      const GenerationRecord* record = FindGeneration(state, parsed.first);
      return record != nullptr ? EncodeGeneration(*record) : std::string();
    }
    case 'h': return FindAndEncode(state.health, model, EncodeHealth);
    case 'l': return FindAndEncode(state.pacers, parsed.tenant, EncodePacer);
    case 'i': return FindAndEncode(state.irregular, parsed.decision, EncodeIrregular);
    case 'm': {
      const Model* found = state.pool.Find(model);
      return found != nullptr ? EncodeModel(*found) : std::string();
    }
    case 'n': return EncodeNoise(state.noise);
    case 'p': return FindAndEncode(state.pairs, PairKey{model, ModelId{parsed.second}, parsed.channel}, EncodePair);
    case 't': return FindAndEncode(state.tallies, model, EncodeTally);
    case 'w': return FindAndEncode(state.watches, model, EncodeWatch);
    case 'x': return FindAndEncode(state.discounts, model, EncodeDiscounts);
    case 'y': return state.alarms.empty() ? std::string() : EncodeAlarms(state.alarms);
    default: return {};
  }
}

Status LoadStateRow(State& state, std::string_view key, std::string_view value) {
  const ParsedKey parsed = ParseKey(key);
  if (!parsed.ok) return BadRow("unknown key");
  ByteReader in(value);
  if (in.U8() != kVersion) return BadRow("unknown version");
  if (!LoadValue(parsed, in, state)) return BadRow("malformed value");
  return {};
}

}  // namespace pointsman::policy
