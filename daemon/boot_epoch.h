// The boot epoch: a number that differs between starts of the daemon on one
// store, so that decision ids are never made twice.
//
// Kept as decimal digits in a file beside the store, raised by one before each
// start and synced (temporary file, rename, directory). Without the file the count
// starts at a random number, so that a store restored without it does not repeat.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace pointsman::daemon {

inline constexpr std::uint32_t kBootEpochs = 1U << 24;

// The epoch of this start, below kBootEpochs. Call it with the store's lock held.
// Errors: UNAVAILABLE for I/O, with the path.
Result<std::uint32_t> NextBootEpoch(const std::string& path);

}  // namespace pointsman::daemon
