#include "admin/cli/eval_protocol.h"

#include <ostream>

#include "admin/cli/render.h"

namespace pointsman::cli {

void DeclareData(EvalOptions& options, std::string& path) {
  options.Text("--data", path, "Table of outcomes (JSON lines, plain or gzip)");
  options.Require();
}

Result<bootstrap::Table> ReadTableAloud(Context& context, const std::string& path) {
  auto table = bootstrap::ReadTable(path);
  if (table.ok() && table->broken_lines > 0) {
    context.err << table->broken_lines << " broken lines were left out; the first: line " << table->errors[0].line
                << ": " << Printable(table->errors[0].message) << "\n";
  }
  return table;
}

}  // namespace pointsman::cli
