// `eval --protocol cascal`: what a router knows before any feedback.
#pragma once

#include <memory>

#include "admin/cli/eval_protocol.h"

namespace pointsman::cli {

std::unique_ptr<EvalProtocol> MakeCascalProtocol();

}  // namespace pointsman::cli
