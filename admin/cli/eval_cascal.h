// `eval --protocol cascal`: what a router knows before any feedback. Its options and
// its run, for eval_protocol.h. Threads: the command line's.
#pragma once

#include <memory>

#include "admin/cli/eval_protocol.h"

namespace pointsman::cli {

std::unique_ptr<EvalProtocol> MakeCascalProtocol();

}  // namespace pointsman::cli
