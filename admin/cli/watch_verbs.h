// The verbs for looking on: top (live figures), dashboard (a browser), undo.
// Threads: one, but for the dashboard bridge.
#pragma once

#include "admin/cli/context.h"

namespace pointsman::cli {

void AddWatchVerbs(CLI::App& app, Context& context, const std::string& group);

}  // namespace pointsman::cli
