// Client verbs: what a service says on the route socket, one at a time and by hand.
// Frames through clients/cpp.
#pragma once

#include "admin/cli/context.h"

namespace pointsman::cli {

// Adds route, outcome, rate, prefer, gold, retract and ping to `app`.
void AddClientVerbs(CLI::App& app, Context& context);

}  // namespace pointsman::cli
