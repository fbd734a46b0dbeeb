// Errors as clients see them: base/error.h to wire::ErrorReply.
//
// Pure; any thread. The pause that is advised is 0 unless the retry advice of
// the code is kAfterBackoff.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "wire.pb.h"

namespace pointsman::daemon {

// Milliseconds that a client should wait before it repeats a request answered
// with `code`: 0 for no pause. RESOURCE_EXHAUSTED 100, BUSY 250, UNAVAILABLE 1000.
std::uint32_t RetryAfterMs(Code code);

// Overwrites `reply`.
void FillErrorReply(const Error& error, wire::ErrorReply* reply);

}  // namespace pointsman::daemon
