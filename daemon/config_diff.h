// From the configuration to events: at start and on SIGHUP.
//
// The log is the truth; the file only proposes:
//   models    a name that the pool never had is added with its price. A model that
//             an operator retired stays retired, and a price that differs from the
//             pool's is reported, not set: prices are changed by verb.
//   options   [learning] and fallback_model; one OptionsChanged when they differ.
//             Sources may only be appended.
//   rollout     one RolloutChanged when it differs, unless an operator or the learner
//             set the one in force.
//
// Threads: as Mutations.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "daemon/config.h"
#include "daemon/mutations.h"

namespace pointsman::daemon {

// Appends what is missing, logging each change. Stops at the first error, which it
// returns; what was appended before it stays.
Status ApplyConfig(const Config& config, LearnerLoop& learner, Mutations& mutations);

// Keys whose new value needs a restart, for the log.
std::vector<std::string> NeedsRestart(const Config& running, const Config& reloaded);

}  // namespace pointsman::daemon
