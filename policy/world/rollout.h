// How much of the traffic follows the router, and whom the rest follows.
//
//   full        every decision is the router's (the default)
//   canary      a share is; the rest follow the incumbent
//   apprentice  the same, until the router's choices are known to be better than the
//               incumbent's (daemon/rollout_watch.h); then full
//
// The incumbent of a decision is the model that its request names as such, else the
// configured one. Where neither can answer, the decision is the router's.
//
// Log state, like options: changed only by a RolloutChanged event.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pointsman::policy {

// Stored by number.
enum class RolloutMode : std::uint8_t { kFull = 1, kCanary = 2, kApprentice = 3 };

struct Rollout {
  RolloutMode mode = RolloutMode::kFull;
  double share = 1;       // of decisions that follow the router, [0,1]; apprentice (0,1); full 1
  std::string incumbent;  // name, at most 128 printable bytes; empty: only requests name theirs
  bool operator==(const Rollout&) const = default;
};

// "full", "canary", "apprentice".
std::string_view RolloutModeName(RolloutMode mode);
// Errors: INVALID_ARGUMENT rollout_mode, listing the names.
Result<RolloutMode> ParseRolloutMode(std::string_view name);

// Errors: OUT_OF_RANGE rollout_share, INVALID_ARGUMENT rollout_incumbent.
Status ValidateRollout(const Rollout& rollout);

}  // namespace pointsman::policy
