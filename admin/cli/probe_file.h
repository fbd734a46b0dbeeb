// The file of a probe: scored answers of one model, JSON lines.
//
// A line is {"query": text or "embedding": [numbers], "score": 0..1, "model"?: name}, or a
// line of a bootstrap table ({"query", "models": {name: {"score"}}}), of which the model's
// score counts; lines of a table without one are passed over.
//
// Threads: one.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "admin/cli/context.h"
#include "base/result.h"

namespace pointsman::cli {

// The body of POST /v1/models/{name}/probes.
// Errors, with the number of the line: INVALID_ARGUMENT bad_probe (no JSON object, no query,
// no score), unknown_model (another model, or none of the lines is about it), OUT_OF_RANGE
// probe_score; those of ReadInput ("-" is standard input).
Result<nlohmann::json> ReadProbes(Context& context, const std::string& path, const std::string& model);

}  // namespace pointsman::cli
