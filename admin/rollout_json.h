// JSON of rollouts and of off-policy judgements: what /v1/rollout and /v1/whatif take
// and give. Pure; any thread. Numbers that are not finite become null, numbers beyond
// 2^53 strings, as in admin/json.h.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "admin/ports.h"

namespace pointsman::admin {

nlohmann::json ToJson(const RolloutReport& report);
nlohmann::json ToJson(const policy::Judgement& judgement);

// {mode, share, incumbent}; a share means nothing with mode full.
// Errors: those of admin/json.h, and of policy::ParseRolloutMode.
Result<policy::Rollout> ParseRollout(std::string_view body);

struct WhatIfBody {
  policy::TargetPolicy target;
  std::uint64_t events = kWhatIfEvents;
};
// {model} alone, or any of {preset or weights, epsilon}; and events. Errors: those of
// admin/json.h; INVALID_ARGUMENT model_alone, preset_and_weights; OUT_OF_RANGE.
Result<WhatIfBody> ParseWhatIf(std::string_view body);
// The body that ParseWhatIf reads back.
nlohmann::json WhatIfJson(const policy::TargetPolicy& target, std::uint64_t events);

}  // namespace pointsman::admin
