// The TOML file of `pointsman whatif`: the policy whose value is asked for.
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "policy/judgement/off_policy.h"

namespace pointsman::daemon {

// Keys: model = "NAME" alone; or weights = "cost" | "balanced" | "quality" or
// { quality = 0.7, cost = 0.3 }, explore = "greedy" | "epsilon", epsilon = 0..1.
// Without weights the utilities rank as they did. `name` is how messages call the file.
// Errors, INVALID_ARGUMENT: not_toml, bad_policy (all faults in one message, unknown
// keys by name and line), not_judgeable (a kind that the log says too little for).
Result<policy::TargetPolicy> ParseTargetPolicy(std::string_view text, const std::string& name);

}  // namespace pointsman::daemon
