// `eval --protocol meta`: the efficiency gain of Meta-Router's learners on a simulated
// judge. Belongs to the composition root, since it sees eval. One thread.
#pragma once

#include <memory>

#include "admin/cli/eval_protocol.h"

namespace pointsman::cli {

std::unique_ptr<EvalProtocol> MakeMetaProtocol();

}  // namespace pointsman::cli
