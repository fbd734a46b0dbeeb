// Running a protocol: every arm over the same stream, seed by seed.
//
// For each seed: split the table (eval/table_world.h), build a bundle from the
// bootstrap set, play every arm over the stream, `passes` times (reshuffled after
// the first). Only the chosen model's outcome is revealed: its rating with the
// rating probability, independently of gold; its score as gold when the arm's own
// gold rule asks for it (audits always; otherwise (g - a) / (1 - a)), for arms
// without such a rule with probability g. All arms of a seed see the same queries
// in the same order and the same coins.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "bootstrap/data/table_reader.h"
#include "eval/report.h"
#include "eval/run_options.h"

namespace pointsman::eval {

// (what, done, total); called from any of the run's threads, one at a time.
using RunProgress = std::function<void(std::string_view, std::uint64_t, std::uint64_t)>;

// Deterministic but for `seconds`. `progress` may be empty.
// Errors: those of ValidateRunOptions, ChooseModels, TableWorld, SplitWorld,
// BuildBundle and the arms; INVALID_ARGUMENT (unknown_arm) listing the names.
Result<RunReport> RunProtocol(const bootstrap::Table& table, const RunOptions& options, const Clock& clock,
                              const RunProgress& progress = {});

}  // namespace pointsman::eval
