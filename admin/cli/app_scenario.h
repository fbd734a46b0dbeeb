// Scenario files of `pointsman simulate`: TOML, every key optional but `name`.
//
//   name, about, seed, seeds, decisions, bootstrap_rows, hostile_shares = [...], weights = "quality" | ... or {
//   quality, cost } [truth]     mixed_share, plain_share, cell_deviation, bias_by_model, bias_by_cell [feedback]
//   rating_rate, gold_rate, gold_answered, subjects
//   [[fault]]   kind, from, until, model, by, factor, share, delay, keep = "low" | "high", subjects
//   [[accept]]  line, measure, from, until, model, at_least or at_most
// eval/scenario.h says what they mean. A fault takes only the keys of its kind.
// Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "eval/scenario.h"

namespace pointsman::cli {

// `name` is how messages call the file. Errors, INVALID_ARGUMENT: not_toml, bad_scenario
// (all faults in one message; unknown keys with their line and the nearest known one).
Result<eval::Scenario> ParseScenario(std::string_view text, const std::string& name);

}  // namespace pointsman::cli
