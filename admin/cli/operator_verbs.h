// Operator verbs: what an administrator asks over HTTP on the admin socket.
//
// Each verb is one request and one way to show its answer; bootstrap run --wait
// asks again until the job ends. With --json the answer goes out as it came.
#pragma once

#include "admin/cli/context.h"

namespace pointsman::cli {

// Adds status, models, clusters, generations, bootstrap, explain, refit, freeze and
// resume to `app`.
void AddOperatorVerbs(CLI::App& app, Context& context);

}  // namespace pointsman::cli
