#include "admin/cli/eval_e2.h"

#include "admin/cli/eval_table_run.h"

namespace pointsman::cli {

std::unique_ptr<EvalProtocol> MakeE2Protocol() {
  return std::make_unique<TableRun>(eval::Protocol::kE2, "a budget for each decision, every score revealed");
}

}  // namespace pointsman::cli
