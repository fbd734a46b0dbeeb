// `eval --protocol e1`: cold start, biased ratings, sparse gold.
#pragma once

#include <memory>

#include "admin/cli/eval_protocol.h"

namespace pointsman::cli {

std::unique_ptr<EvalProtocol> MakeE1Protocol();

}  // namespace pointsman::cli
