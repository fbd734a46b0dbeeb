// Verbs that care for a store's files: check, backup, restore, repair, state at,
// state diff. Like all offline verbs they refuse with exit code 75 while a daemon
// holds the store, and none of them changes a store that exists.
#pragma once

#include "admin/cli/context.h"

namespace pointsman::cli {

// Adds them to `app`, in the group `group` of its help.
void AddStoreVerbs(CLI::App& app, Context& context, const std::string& group);

}  // namespace pointsman::cli
