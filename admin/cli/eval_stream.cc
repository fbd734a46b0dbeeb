#include "admin/cli/eval_stream.h"

#include "admin/cli/eval_table_run.h"

namespace pointsman::cli {

std::unique_ptr<EvalProtocol> MakeStreamProtocol() {
  return std::make_unique<TableRun>(eval::Protocol::kStream, "warm start with scores, every score revealed");
}

}  // namespace pointsman::cli
