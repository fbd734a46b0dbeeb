// `eval --protocol e2`: a budget for each decision, every score revealed.
#pragma once

#include <memory>

#include "admin/cli/eval_protocol.h"

namespace pointsman::cli {

std::unique_ptr<EvalProtocol> MakeE2Protocol();

}  // namespace pointsman::cli
