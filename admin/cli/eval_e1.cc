#include "admin/cli/eval_e1.h"

#include "admin/cli/eval_table_run.h"

namespace pointsman::cli {

std::unique_ptr<EvalProtocol> MakeE1Protocol() {
  return std::make_unique<TableRun>(eval::Protocol::kE1, "cold start, biased ratings, sparse gold");
}

}  // namespace pointsman::cli
