// The configuration in force as TOML: every key with its value, the defaults that the
// file left out included. Reading it back gives the same configuration. Holds no
// secrets: those are in files that the configuration names.
//
// Pure; any thread.
#pragma once

#include <string>

#include "daemon/config.h"

namespace pointsman::daemon {

std::string ConfigText(const Config& config);

}  // namespace pointsman::daemon
