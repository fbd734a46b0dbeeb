// `pointsman doctor`: looks at everything a first day goes wrong with, and says of
// each what to do. Needs no running daemon; changes nothing.
// Threads: one.
#pragma once

#include "admin/cli/context.h"

namespace pointsman::cli {

// Exit 1 when anything is broken, 0 when all is well or merely worth a look.
void AddDoctor(CLI::App& app, Context& context);

}  // namespace pointsman::cli
