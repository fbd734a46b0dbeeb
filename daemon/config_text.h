// The configuration in force as TOML: every key with its value, the defaults that the
// file left out included. Reading it back gives the same configuration. Holds no
// secrets: those are in files that the configuration names.
//
// Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "daemon/config.h"

namespace pointsman::daemon {

std::string ConfigText(const Config& config);

// What differs, a line each: "learning.gold_rate: 0.02 -> 0.05".
std::vector<std::string> ConfigChanges(const Config& before, const Config& after);

}  // namespace pointsman::daemon
