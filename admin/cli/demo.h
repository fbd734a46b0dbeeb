// The verb `demo`, behind `./dev run`: the whole loop on real input.
//
// Warm-starts a real daemon, plays protocol E1 (eval/run.h) with the arm "pointsman"
// through its Unix socket and the other arms beside it, shows what was learned, then
// kills the daemon, starts it again and compares what was acknowledged with what is
// there.
#pragma once

#include "admin/cli/context.h"

namespace pointsman::cli {

// Adds demo to `app`.
void AddDemo(CLI::App& app, Context& context);

}  // namespace pointsman::cli
