// `eval --protocol trouter`: quality and cost predicted together, judged by utility.
// Belongs to the composition root, since it sees bootstrap and eval. One thread.
#pragma once

#include <memory>

#include "admin/cli/eval_protocol.h"

namespace pointsman::cli {

std::unique_ptr<EvalProtocol> MakeTrouterProtocol();

}  // namespace pointsman::cli
