// What wrong references cost: the router of answers against the one of a generator's
// labels, over shares of wrong references and kinds of fault (eval/generated_labels.h).
//
// The router of answers never looks at a reference, so its accuracy is one number.
// Threads: none. Deterministic but for `seconds` within the reports.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "bootstrap/data/table_reader.h"
#include "eval/cascal_protocol.h"
#include "eval/plot.h"

namespace pointsman::eval {

struct SweepPoint {
  double error = 0;
  std::string fault;
  CascalReport labelled;
};

struct GeneratorSweep {
  CascalReport answers;
  std::vector<SweepPoint> points;  // by fault as given, then by error as given
};

// `options` for all but labels, error and fault. Errors: INVALID_ARGUMENT without an
// error or a fault; those of RunCascal.
Result<GeneratorSweep> RunGeneratorSweep(const bootstrap::Table& table, const CascalOptions& options,
                                         const std::vector<double>& errors, const std::vector<std::string>& faults,
                                         const Clock& clock, const CascalProgress& progress = {});

// Smallest error at which labels with `fault` choose worse (top-1) than the answers;
// NaN where none does.
double FallsBelowAt(const GeneratorSweep& sweep, const std::string& fault);

// Top-1 over the share of wrong references.
Plot SweepPlot(const GeneratorSweep& sweep, const CascalOptions& options);

// One line of JSON: {"protocol":"cascal","answers":{...},"labelled":[{...}],"falls_below_at":{fault: error or null}}.
std::string ToJson(const GeneratorSweep& sweep, const CascalOptions& options);
// For people, at most 100 columns.
std::string ToTable(const GeneratorSweep& sweep);

}  // namespace pointsman::eval
