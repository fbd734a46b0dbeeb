// `eval --protocol stream`: warm start with scores, every score revealed.
#pragma once

#include <memory>

#include "admin/cli/eval_protocol.h"

namespace pointsman::cli {

std::unique_ptr<EvalProtocol> MakeStreamProtocol();

}  // namespace pointsman::cli
