// State values of what operators set last: the rollout, and the change that undo reverses.
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
  if (!GetRollout(in, change.rollout) || condition < 1 || condition > 3) return false;
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

}  // namespace pointsman::policy
