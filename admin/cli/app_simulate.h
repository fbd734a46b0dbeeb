// `pointsman simulate`: scenarios against a router, judged by their own bars.
// A verb; docs/SIMULATOR.md describes files, report and the interface of a router.
#pragma once

#include "admin/cli/context.h"

namespace pointsman::cli {

void AddSimulate(CLI::App& app, Context& context);

}  // namespace pointsman::cli
