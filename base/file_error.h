// An error out of errno: what could not be done to which file, and what to do about a
// full disk. Pure; any thread.
#pragma once

#include <string_view>

#include "base/error.h"

namespace pointsman {

// UNAVAILABLE storage_full for ENOSPC, EDQUOT and EFBIG (the text then says to make
// space), storage_io for all else. `action` is a verb: "write", "sync".
Error FileError(std::string_view action, std::string_view path, int error_number);

}  // namespace pointsman
