// `pointsman rollout`: how much of the traffic follows the router, and whom the rest
// follows (policy/world/rollout.h).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "admin/cli/context.h"

namespace pointsman::cli {

void AddRollout(CLI::App& app, Context& context, const std::string& group);

// One line for `status` and `top`: "canary: 10 % follow the router, the rest large".
std::string RolloutLine(const nlohmann::json& rollout);

}  // namespace pointsman::cli
