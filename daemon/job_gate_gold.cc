#include "daemon/job_gate_gold.h"

#include <variant>

#include "base/unit_draw.h"

namespace pointsman::daemon {
namespace {

constexpr std::uint64_t kHeldBackSeed = 0x67617465;  // "gate"
constexpr std::uint64_t kHeldBackShare = 5;
constexpr std::uint8_t kGoldChannel = 0;

}  // namespace

bool HeldBack(const DecisionId& decision) { return Mix(decision.bytes, kHeldBackSeed) % kHeldBackShare == 0; }

void KeptGold::See(const policy::Event& event) {
  if (const auto* retracted = std::get_if<policy::Retracted>(&event.payload)) {
    if (retracted->channel == kGoldChannel) labels_.erase(retracted->context.decision);
    return;
  }
  const auto* gold = std::get_if<policy::GoldGiven>(&event.payload);
  if (gold == nullptr || !HeldBack(gold->context.decision)) return;
  for (const policy::ChannelValue& value : gold->after) {
    if (value.channel != kGoldChannel) continue;
    const auto [at, fresh] = labels_.try_emplace(gold->context.decision, Label{gold->context, value.value, event.seq});
    if (fresh) {
      order_.emplace_back(event.seq, gold->context.decision);
    } else {
      at->second = {gold->context, value.value, at->second.since};
    }
  }
  while (labels_.size() > kGateGoldMax || order_.size() > 2 * kGateGoldMax) {
    const auto oldest = labels_.find(order_.front().second);
    // A label taken back and given again has a later place.
    if (oldest != labels_.end() && oldest->second.since == order_.front().first) labels_.erase(oldest);
    order_.pop_front();
  }
}

}  // namespace pointsman::daemon
