#include "base/file_error.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

#include "base/result.h"

namespace pointsman {

Error FileError(std::string_view action, std::string_view path, int error_number) {
  const bool full = error_number == ENOSPC || error_number == EDQUOT || error_number == EFBIG;
  return MakeError(Code::kUnavailable, full ? "storage_full" : "storage_io",
                   fmt::format("cannot {} {}: {}{}", action, path, std::generic_category().message(error_number),
                               full ? "; make space and try again" : ""));
}

}  // namespace pointsman
