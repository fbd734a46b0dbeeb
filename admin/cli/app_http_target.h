// A router behind HTTP, as a simulation's target. docs/SIMULATOR.md describes what it
// must answer: POST /v1/route, /v1/outcome and /v1/feedback, as our own api.sock does.
// Threads: one.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "eval/router_target.h"

namespace pointsman::cli {

struct HttpTargetOptions {
  std::string against;  // unix:PATH or http://HOST[:PORT][/PREFIX]
  std::string admin;    // the same, of POST /v1/models/NAME/price; empty: prices are not told
  // Kills and starts the router, and returns when it answers again; empty: nobody may.
  // Gives whether its state is the one before, where that is known.
  std::function<Result<std::optional<bool>>()> restart;
  // Bytes of its state, where that is known; may be empty.
  std::function<std::optional<double>()> state_bytes;
  int timeout_ms = 10'000;
};

// Errors: INVALID_ARGUMENT bad_address.
Result<std::unique_ptr<eval::RouterTarget>> MakeHttpTarget(const Clock& clock, const HttpTargetOptions& options,
                                                           const eval::TargetSetup& setup);

}  // namespace pointsman::cli
