// `eval --protocol trouter`: quality and cost predicted together, judged by utility.
#pragma once

#include <memory>

#include "admin/cli/eval_protocol.h"

namespace pointsman::cli {

std::unique_ptr<EvalProtocol> MakeTrouterProtocol();

}  // namespace pointsman::cli
