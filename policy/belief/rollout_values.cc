// State values of what operators brought about: the rollout, the change that undo
// reverses, models on trial.
#include "policy/belief/state_values.h"

namespace pointsman::policy {

namespace {

void PutRollout(const Rollout& rollout, ByteWriter& out) {
  out.U8(static_cast<std::uint8_t>(rollout.mode));
  out.F64(rollout.share);
  out.Text(rollout.incumbent);
}

bool GetRollout(ByteReader& in, Rollout& rollout) {
  rollout.mode = static_cast<RolloutMode>(in.U8());
  rollout.share = in.F64();
  rollout.incumbent = in.Text();
  return ValidateRollout(rollout).ok();
}

}  // namespace

std::string EncodeLastChange(const LastChange& change) {
  ByteWriter out = Begin();
  out.U64(change.seq.value);
  out.U8(change.type);
  out.U32(change.model.value);
  out.F64(change.price.input_usd_per_million);
  out.F64(change.price.output_usd_per_million);
  out.U8(static_cast<std::uint8_t>(change.state));
  out.Bool(change.frozen);
  PutRollout(change.rollout, out);
  return out.Take();
}

bool DecodeLastChange(ByteReader& in, LastChange& change) {
  change.seq.value = in.U64();
  change.type = in.U8();
  change.model.value = in.U32();
  change.price.input_usd_per_million = in.F64();
  change.price.output_usd_per_million = in.F64();
  const std::uint8_t condition = in.U8();
  change.frozen = in.Bool();
  if (!GetRollout(in, change.rollout) || condition < 1 || condition > 5) return false;
  change.state = static_cast<ModelState>(condition);
  return true;
}

std::string EncodeRollout(const RolloutRecord& record) {
  ByteWriter out = Begin();
  PutRollout(record.rollout, out);
  out.U64(record.since.value);
  out.I64(record.since_us);
  out.U8(static_cast<std::uint8_t>(record.set_by));
  out.U64(record.gold_before);
  out.U64(record.routed);
  out.U64(record.followed);
  out.Text(record.reason);
  return out.Take();
}

bool DecodeRollout(ByteReader& in, RolloutRecord& record) {
  const bool sound = GetRollout(in, record.rollout);
  record.since.value = in.U64();
  record.since_us = in.I64();
  record.set_by = static_cast<Origin>(in.U8());
  record.gold_before = in.U64();
  record.routed = in.U64();
  record.followed = in.U64();
  record.reason = in.Text();
  return sound && record.set_by >= Origin::kClient && record.set_by <= Origin::kStore;
}

std::string EncodeNewcomer(const State& state, ModelId model) {
  const auto at = state.newcomers.find(model);
  const Model* known = state.pool.Find(model);
  if (at == state.newcomers.end() || known == nullptr) return {};
  const Newcomer& newcomer = at->second;
  ByteWriter out = Begin();
  out.U8(static_cast<std::uint8_t>(known->like.size()));
  for (const std::string& name : known->like) out.Text(name);
  out.F64(newcomer.level_width);
  out.U32(newcomer.generation.value);
  out.U64(newcomer.joined_at);
  out.U64(newcomer.plays);
  out.F64(newcomer.spent);
  out.F64(newcomer.spent_usd);
  out.U64(newcomer.gold_asked);
  out.U64(newcomer.probes);
  out.U64(newcomer.ended.value);
  return out.Take();
}

bool DecodeNewcomer(ByteReader& in, ModelId model, State& state) {
  const Model* known = state.pool.Find(model);
  if (known == nullptr) return false;
  Model restored = *known;
  const std::uint8_t like = in.U8();
  if (like > kLikeMax) return false;
  restored.like.clear();
  for (std::uint8_t i = 0; i < like; ++i) restored.like.push_back(in.Text());
  Newcomer& newcomer = state.newcomers[model];
  newcomer.level_width = in.F64();
  newcomer.generation.value = in.U32();
  newcomer.joined_at = in.U64();
  newcomer.plays = in.U64();
  newcomer.spent = in.F64();
  newcomer.spent_usd = in.F64();
  newcomer.gold_asked = in.U64();
  newcomer.probes = in.U64();
  newcomer.ended.value = in.U64();
  state.pool.Restore(restored);
  return true;
}

}  // namespace pointsman::policy
