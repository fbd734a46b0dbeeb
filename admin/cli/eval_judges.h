// `eval --protocol judges`: the estimated bias of one judge against another, held against
// answers that it has not seen. Belongs to the composition root, since it sees eval. One thread.
#pragma once

#include <memory>

#include "admin/cli/eval_protocol.h"

namespace pointsman::cli {

std::unique_ptr<EvalProtocol> MakeJudgesProtocol();

}  // namespace pointsman::cli
