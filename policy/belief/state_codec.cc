#include "policy/belief/state_codec.h"

#include "policy/belief/byte_codec.h"
#include "policy/belief/state_values.h"

namespace pointsman::policy {

namespace {

constexpr std::size_t kTenantBytesMax = 128;

std::string NumberKey(char kind, std::uint32_t number) {
  ByteWriter key;
  key.U8(static_cast<std::uint8_t>(kind));
  key.BigEndian32(number);
  return key.Take();
}

std::string CellKeyed(char kind, const CellKey& cell) {
  ByteWriter key;
  key.U8(static_cast<std::uint8_t>(kind));
  key.BigEndian32(cell.model.value);
  key.BigEndian32(cell.cluster.value);
  return key.Take();
}

std::string SubjectKeyed(char kind, SubjectHash subject) {
  ByteWriter key;
  key.U8(static_cast<std::uint8_t>(kind));
  key.BigEndian64(subject.value);
  return key.Take();
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
  std::uint32_t third = 0;
  DecisionId decision;
  DecisionId other;
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
    case 'r':
    case 's':
    case 'u':
    case 'v':
    case 'y': break;
    case 'c':
    case 'f':
      parsed.first = in.BigEndian32();
      parsed.second = in.BigEndian32();
      break;
    case 'p':
      parsed.first = in.BigEndian32();
      parsed.second = in.BigEndian32();
      parsed.channel = in.U8();
      break;
    case 'q':
      parsed.first = in.BigEndian32();
      parsed.second = in.BigEndian32();
      parsed.channel = in.U8();
      parsed.third = in.BigEndian32();
      break;
    case 'j':
      in.Bytes(parsed.decision.bytes);
      in.Bytes(parsed.other.bytes);
      parsed.channel = in.U8();
      parsed.subject = in.BigEndian64();
      break;
    case 'e':
    case 'k': parsed.subject = in.BigEndian64(); break;
    case 'i': in.Bytes(parsed.decision.bytes); break;
    case 'l': parsed.tenant = std::string(key.substr(1)); return ParsedTenant(parsed);
    case 'g':
    case 'h':
    case 'm':
    case 'o':
    case 't':
    case 'w':
    case 'x':
    case 'z': parsed.first = in.BigEndian32(); break;
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
  if (!in.Finished() || condition < 1 || condition > 5 || id == 0) return false;
  model.state = static_cast<ModelState>(condition);
  state.pool.Restore(model);
  return true;
}

template <typename Map, typename Key, typename Encode>
std::string FindAndEncode(const Map& map, const Key& key, Encode encode) {
  const auto at = map.find(key);
  return at == map.end() ? std::string() : encode(at->second);
}

CellKey CellKeyOf(const ParsedKey& parsed) { return {ModelId{parsed.first}, ClusterId{parsed.second}}; }

PreferenceKey PreferenceKeyOf(const ParsedKey& parsed) {
  return {ModelId{parsed.first}, ModelId{parsed.second}, parsed.channel, ClusterId{parsed.third}};
}

PreferenceId PreferenceIdOf(const ParsedKey& parsed) {
  return {parsed.decision, parsed.other, parsed.channel, SubjectHash{parsed.subject}};
}

// Reads the value of `parsed` into `state`; false for bytes that cannot be right.
bool LoadValue(const ParsedKey& parsed, ByteReader& in, State& state) {
  switch (parsed.kind) {
    case 'a': DecodeMeta(in, state); break;
    case 'b': DecodeOptions(in, state.options); break;
    case 'c': DecodeCell(in, state.cells[CellKeyOf(parsed)]); break;
    case 'd': DecodeCounters(in, state.counters); break;
    case 'e':
      state.excluded.insert(SubjectHash{parsed.subject});
      state.subjects.excluded.insert(SubjectHash{parsed.subject});
      break;
    case 'f': return DecodeSubjectTable(in, state.subjects.tables[CellKeyOf(parsed)]) && in.Finished();
    case 'k': DecodeSubjectRecord(in, state.subjects.records[SubjectHash{parsed.subject}]); break;
    case 'v': DecodeSubjectTotals(in, state.subjects); break;
    case 'g': LoadGeneration(in, parsed.first, state); break;
    case 'h': DecodeHealth(in, state.health[ModelId{parsed.first}]); break;
    case 'l': DecodePacer(in, state.pacers[parsed.tenant]); break;
    case 'i': return DecodeIrregular(in, state.irregular[parsed.decision]) && in.Finished();
    case 'm': return LoadModel(in, parsed.first, state);
    case 'n': DecodeNoise(in, state.noise); break;
    case 'o': return DecodeSurface(in, parsed.first, state) && in.Finished();
    case 'p': {
      PairTally& tally = state.pairs[{ModelId{parsed.first}, ModelId{parsed.second}, parsed.channel}];
      tally.wins = in.F64();
      tally.count = in.U64();
      break;
    }
    case 'q': DecodePreference(in, state.preferences[PreferenceKeyOf(parsed)]); break;
    case 'j': DecodeHeld(in, state.irregular_preferences[PreferenceIdOf(parsed)]); break;
    case 'r': return DecodeRollout(in, state.rollout) && in.Finished();
    case 's': DecodeSources(in, state); break;
    case 't': DecodeTally(in, state.tallies[ModelId{parsed.first}]); break;
    case 'u': return DecodeLastChange(in, state.last_change) && in.Finished();
    case 'w': DecodeWatch(in, state.watches[ModelId{parsed.first}]); break;
    case 'x': DecodeDiscounts(in, state.discounts[ModelId{parsed.first}]); break;
    case 'y': DecodeAlarms(in, state.alarms); break;
    case 'z': return DecodeNewcomer(in, ModelId{parsed.first}, state) && in.Finished();
    default: return false;
  }
  return in.Finished();
}

}  // namespace

std::string CellRow(const CellKey& key) { return CellKeyed('c', key); }
std::string SubjectTableRow(const CellKey& key) { return CellKeyed('f', key); }
std::string ExcludedRow(SubjectHash subject) { return SubjectKeyed('e', subject); }
std::string SubjectRecordRow(SubjectHash subject) { return SubjectKeyed('k', subject); }

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

std::string PreferenceRow(const PreferenceKey& key) {
  ByteWriter out;
  out.U8('q');
  out.BigEndian32(key.model.value);
  out.BigEndian32(key.other.value);
  out.U8(key.channel);
  out.BigEndian32(key.cluster.value);
  return out.Take();
}

std::string IrregularPreferenceRow(const PreferenceId& id) {
  ByteWriter out;
  out.U8('j');
  out.Bytes(id.first.bytes);
  out.Bytes(id.second.bytes);
  out.U8(id.channel);
  out.BigEndian64(id.subject.value);
  return out.Take();
}

std::string GenerationRow(Generation generation) { return NumberKey('g', generation.value); }
std::string ModelRow(ModelId model) { return NumberKey('m', model.value); }
std::string TallyRow(ModelId model) { return NumberKey('t', model.value); }
std::string HealthRow(ModelId model) { return NumberKey('h', model.value); }
std::string PacerRow(std::string_view tenant) { return "l" + std::string(tenant); }
std::string WatchRow(ModelId model) { return NumberKey('w', model.value); }
std::string SurfaceRow(std::uint8_t channel) { return NumberKey('o', channel); }
std::string DiscountsRow(ModelId model) { return NumberKey('x', model.value); }
std::string NewcomerRow(ModelId model) { return NumberKey('z', model.value); }

void ForEachStateRow(const State& state,
                     const std::function<void(std::string_view key, std::string_view value)>& visit) {
  visit(kMetaRow, EncodeMeta(state));
  visit(kOptionsRow, EncodeOptions(state.options));
  for (const auto& [key, cell] : state.cells) visit(CellRow(key), EncodeCell(cell));
  visit(kCountersRow, EncodeCounters(state.counters));
  for (const SubjectHash subject : state.excluded) visit(ExcludedRow(subject), Begin().Take());
  const SubjectBook& subjects = state.subjects;
  for (const auto& [key, table] : subjects.tables) visit(SubjectTableRow(key), EncodeSubjectTable(table));
  for (const GenerationRecord& record : state.generations) {
    visit(GenerationRow(record.generation), EncodeGeneration(record));
  }
  for (const auto& [model, health] : state.health) visit(HealthRow(model), EncodeHealth(health));
  for (const auto& [decision, row] : state.irregular) visit(IrregularRowKey(decision), EncodeIrregular(row));
  for (const auto& [id, held] : state.irregular_preferences) visit(IrregularPreferenceRow(id), EncodeHeld(held));
  for (const auto& [subject, record] : subjects.records) visit(SubjectRecordRow(subject), EncodeSubjectRecord(record));
  for (const auto& [tenant, pacer] : state.pacers) visit(PacerRow(tenant), EncodePacer(pacer));
  for (std::uint32_t id = 1; id < state.pool.NextId().value; ++id) {
    if (const Model* model = state.pool.Find(ModelId{id})) visit(ModelRow(model->id), EncodeModel(*model));
  }
  visit(kNoiseRow, EncodeNoise(state.noise));
  for (const auto& [channel, surface] : state.surfaces) visit(SurfaceRow(channel), EncodeSurface(surface));
  for (const auto& [key, tally] : state.pairs) visit(PairRow(key), EncodePair(tally));
  for (const auto& [key, moments] : state.preferences) visit(PreferenceRow(key), EncodePreference(moments));
  if (state.rollout.since.value != 0) visit(kRolloutRow, EncodeRollout(state.rollout));
  visit(kSourcesRow, EncodeSources(state));
  for (const auto& [model, tally] : state.tallies) visit(TallyRow(model), EncodeTally(tally));
  if (state.last_change.seq.value != 0) visit(kLastChangeRow, EncodeLastChange(state.last_change));
  visit(kSubjectTotalsRow, EncodeSubjectTotals(subjects));
  for (const auto& [model, watch] : state.watches) visit(WatchRow(model), EncodeWatch(watch));
  for (const auto& [model, discounts] : state.discounts) visit(DiscountsRow(model), EncodeDiscounts(discounts));
  if (!state.alarms.empty()) visit(kAlarmsRow, EncodeAlarms(state.alarms));
  for (const auto& [model, newcomer] : state.newcomers) visit(NewcomerRow(model), EncodeNewcomer(state, model));
}

std::string StateRow(const State& state, std::string_view key) {
  const ParsedKey parsed = ParseKey(key);
  if (!parsed.ok) return {};
  const ModelId model{parsed.first};
  switch (parsed.kind) {
    case 'a': return EncodeMeta(state);
    case 'b': return EncodeOptions(state.options);
    case 'c': return FindAndEncode(state.cells, CellKeyOf(parsed), EncodeCell);
    case 'd': return EncodeCounters(state.counters);
    case 'e': return state.excluded.contains(SubjectHash{parsed.subject}) ? Begin().Take() : std::string();
    case 'f': return FindAndEncode(state.subjects.tables, CellKeyOf(parsed), EncodeSubjectTable);
    case 'k': return FindAndEncode(state.subjects.records, SubjectHash{parsed.subject}, EncodeSubjectRecord);
    case 'v': return EncodeSubjectTotals(state.subjects);
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
    case 'o': return FindAndEncode(state.surfaces, static_cast<std::uint8_t>(parsed.first), EncodeSurface);
    case 'p': return FindAndEncode(state.pairs, PairKey{model, ModelId{parsed.second}, parsed.channel}, EncodePair);
    case 'q': return FindAndEncode(state.preferences, PreferenceKeyOf(parsed), EncodePreference);
    case 'j': return FindAndEncode(state.irregular_preferences, PreferenceIdOf(parsed), EncodeHeld);
    case 'r': return state.rollout.since.value == 0 ? std::string() : EncodeRollout(state.rollout);
    case 's': return EncodeSources(state);
    case 't': return FindAndEncode(state.tallies, model, EncodeTally);
    case 'u': return state.last_change.seq.value == 0 ? std::string() : EncodeLastChange(state.last_change);
    case 'w': return FindAndEncode(state.watches, model, EncodeWatch);
    case 'x': return FindAndEncode(state.discounts, model, EncodeDiscounts);
    case 'y': return state.alarms.empty() ? std::string() : EncodeAlarms(state.alarms);
    case 'z': return EncodeNewcomer(state, model);
    default: return {};
  }
}

Status LoadStateRow(State& state, std::string_view key, std::string_view value) {
  const ParsedKey parsed = ParseKey(key);
  if (!parsed.ok) return BadRow("unknown key");
  ByteReader in(value);
  if (in.U8() != kFoldVersion) return BadRow("unknown version");
  if (!LoadValue(parsed, in, state)) return BadRow("malformed value");
  return {};
}

}  // namespace pointsman::policy
