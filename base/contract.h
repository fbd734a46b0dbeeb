// Contracts: conditions that only our own bug can break.
//
// A broken contract prints file, line, condition and message to stderr and
// aborts, in every build. The caller's or the world's fault is an Error
// (base/error.h), never a contract.
#pragma once

#include <string_view>

namespace pointsman {

// Prints and aborts. Use the macros, which fill in the place.
[[noreturn]] void ContractBroken(const char* kind, const char* condition, const char* file, int line,
                                 std::string_view message);

// Marks a place that no input can reach.
[[noreturn]] void Unreachable(std::string_view message);

}  // namespace pointsman

// REQUIRE: what the caller promised. ENSURE: what we promise.
#define REQUIRE(condition, message)                                                               \
  ((condition) ? static_cast<void>(0)                                                             \
               : ::pointsman::ContractBroken("REQUIRE", #condition, __FILE__, __LINE__, (message)))
#define ENSURE(condition, message)                                                                \
  ((condition) ? static_cast<void>(0)                                                             \
               : ::pointsman::ContractBroken("ENSURE", #condition, __FILE__, __LINE__, (message)))
