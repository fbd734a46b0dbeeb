#include "policy/world/rollout.h"

#include <algorithm>

namespace pointsman::policy {

std::string_view RolloutModeName(RolloutMode mode) {
  switch (mode) {
    case RolloutMode::kFull: return "full";
    case RolloutMode::kCanary: return "canary";
    case RolloutMode::kApprentice: return "apprentice";
  }
  return "unknown";
}

Result<RolloutMode> ParseRolloutMode(std::string_view name) {
  for (const RolloutMode mode : {RolloutMode::kFull, RolloutMode::kCanary, RolloutMode::kApprentice}) {
    if (name == RolloutModeName(mode)) return mode;
  }
  return MakeError(Code::kInvalidArgument, "rollout_mode", "a rollout is full, canary or apprentice");
}

Status ValidateRollout(const Rollout& rollout) {
  constexpr std::size_t kNameMax = 128;
  if (rollout.mode < RolloutMode::kFull || rollout.mode > RolloutMode::kApprentice) {
    return MakeError(Code::kInvalidArgument, "rollout_mode", "a rollout is full, canary or apprentice");
  }
  // Written so that NaN fails.
  if (!(rollout.share >= 0 && rollout.share <= 1)) {
    return MakeError(Code::kOutOfRange, "rollout_share", "the router's share must be from 0 to 1");
  }
  if (rollout.mode == RolloutMode::kFull && rollout.share != 1) {
    return MakeError(Code::kOutOfRange, "rollout_share", "in a full rollout the router's share is 1");
  }
  if (rollout.mode == RolloutMode::kApprentice && !(rollout.share > 0 && rollout.share < 1)) {
    return MakeError(Code::kOutOfRange, "rollout_share",
                     "an apprentice needs a share between 0 and 1: what is never played, or always, is not compared");
  }
  const auto printable = [](char c) { return c >= 0x20 && c <= 0x7e; };
  if (rollout.incumbent.size() > kNameMax ||
      !std::all_of(rollout.incumbent.begin(), rollout.incumbent.end(), printable)) {
    return MakeError(Code::kInvalidArgument, "rollout_incumbent",
                     "the incumbent must have at most 128 printable ASCII characters");
  }
  return {};
}

}  // namespace pointsman::policy
