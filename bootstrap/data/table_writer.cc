#include "bootstrap/data/table_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>

#include "base/file_error.h"
#include "base/json_text.h"

namespace pointsman::bootstrap {
namespace {

void AppendNumber(const char* name, double value, std::string* json) {
  if (std::isfinite(value)) *json += fmt::format(",\"{}\":{}", name, value);
}

std::string CellJson(const TableCell& cell) {
  std::string json = "{\"answer\":" + JsonText(cell.answer);
  AppendNumber("score", cell.score, &json);
  AppendNumber("cost", cell.cost_usd, &json);
  AppendNumber("tokens_in", cell.tokens_in, &json);
  AppendNumber("tokens_out", cell.tokens_out, &json);
  AppendNumber("logprob", cell.log_probability, &json);
  if (!cell.label.empty()) json += ",\"label\":" + JsonText(cell.label);
  return json + "}";
}

}  // namespace

std::string TableLine(const Table& table, const TableRow& row) {
  std::string json = "{\"id\":" + JsonText(row.id) + ",\"query\":" + JsonText(row.query);
  if (!row.task.empty()) json += ",\"task\":" + JsonText(row.task);
  if (!row.gold.empty()) json += ",\"gold\":" + JsonText(row.gold);
  if (!row.generator.empty()) json += ",\"generator\":" + JsonText(row.generator);
  if (row.options > 0) json += fmt::format(",\"options\":{}", row.options);
  json += ",\"models\":{";
  bool first = true;
  for (std::size_t m = 0; m < table.models.size(); ++m) {
    if (!row.models[m].present) continue;
    json += (first ? "" : ",") + JsonText(table.models[m]) + ":" + CellJson(row.models[m]);
    first = false;
  }
  return json + "}}";
}

Status WriteTable(const std::string& path, const Table& table) {
  const std::string temporary = path + ".tmp";
  const int descriptor = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) return FileError("write", temporary, errno);
  std::FILE* file = fdopen(descriptor, "w");
  int fault = 0;
  for (const TableRow& row : table.rows) {
    const bool any = std::any_of(row.models.begin(), row.models.end(), [](const TableCell& c) { return c.present; });
    if (!any) continue;  // a line without a model would be a broken one
    const std::string line = TableLine(table, row) + "\n";
    if (std::fwrite(line.data(), 1, line.size(), file) != line.size() && fault == 0) fault = errno;
  }
  if (fault == 0 && (std::fflush(file) != 0 || fsync(descriptor) != 0)) fault = errno;
  if (std::fclose(file) != 0 && fault == 0) fault = errno;
  if (fault == 0 && std::rename(temporary.c_str(), path.c_str()) != 0) fault = errno;
  if (fault == 0) return {};
  unlink(temporary.c_str());
  return FileError("write", path, fault);
}

}  // namespace pointsman::bootstrap
