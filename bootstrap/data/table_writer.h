// Tables of outcomes as JSON lines: what table_reader reads.
// Pure but for the file; one thread.
#pragma once

#include <string>

#include "base/result.h"
#include "bootstrap/data/table_reader.h"

namespace pointsman::bootstrap {

// One line, without its end. Models that are not present are left out.
std::string TableLine(const Table& table, const TableRow& row);

// Temporary file beside `path` (mode 0600), sync, rename: the whole table or none.
// Errors: UNAVAILABLE storage_full or storage_io.
Status WriteTable(const std::string& path, const Table& table);

}  // namespace pointsman::bootstrap
