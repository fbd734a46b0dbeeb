// The re-fit as the job process sees it: a file of rows in, one line of JSON out.
//
// The daemon writes the feedback of one source (bootstrap/fit/refit_log.h) into a file
// in the job's directory; the process fits (bootstrap/fit/bias_refit.h) at idle priority
// and prints what it found. It opens no store and reads no configuration.
//
// The file: "pointsman-refit 1 CLUSTERS", then a line a row, "MODEL PRIOR RATING GOLD
// PROBABILITY UNIT CLUSTER WEIGHT ...", numbers as C's %a, so that no bit is lost.
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "bootstrap/fit/bias_refit.h"

namespace pointsman::daemon {

// Errors: UNAVAILABLE storage_io.
Status WriteRefitRows(const std::string& path, std::span<const bootstrap::RefitRow> rows, std::size_t clusters);

struct RefitFile {
  std::size_t clusters = 0;
  std::vector<bootstrap::RefitRow> rows;
};
// Errors: NOT_FOUND; DATA_LOSS refit_rows for anything that was not written so.
Result<RefitFile> ReadRefitRows(const std::string& path);

std::string RefitLine(const bootstrap::Refit& refit);
// Errors: DATA_LOSS refit_line.
Result<bootstrap::Refit> ParseRefitLine(const std::string& line);

// Errors: INVALID_ARGUMENT learner, base.
Result<bootstrap::RefitOptions> RefitOptionsOf(const std::string& learner, const std::string& base);

}  // namespace pointsman::daemon
