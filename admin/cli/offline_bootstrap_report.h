// `bootstrap report`: what a table of answers is worth to the consensus.
// Belongs to the composition root, since it opens tables without a daemon.
#pragma once

#include "admin/cli/context.h"

namespace pointsman::cli {

// Adds the verb to the family "bootstrap", which must be there.
void AddBootstrapReport(CLI::App& app, Context& context);

}  // namespace pointsman::cli
