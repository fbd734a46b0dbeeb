// `eval --protocol e2`: a budget for each decision, every score revealed.
//
// Options, run and output are those of all protocols on tables (eval_table_run.h),
// with this protocol's defaults. Threads: one.
#pragma once

#include <memory>

#include "admin/cli/eval_protocol.h"

namespace pointsman::cli {

std::unique_ptr<EvalProtocol> MakeE2Protocol();

}  // namespace pointsman::cli
