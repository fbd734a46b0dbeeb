// The verb `eval`: protocols on tables of outcomes, in this process.
// Belongs to the composition root, since it sees bootstrap and eval.
#pragma once

#include "admin/cli/context.h"

namespace pointsman::cli {

// Adds eval to `app`.
void AddEval(CLI::App& app, Context& context);

}  // namespace pointsman::cli
