#include "base/contract.h"

#include <cstdio>
#include <cstdlib>

namespace pointsman {

void ContractBroken(const char* kind, const char* condition, const char* file, int line,
                    std::string_view message) {
  std::fprintf(stderr, "pointsman: %s broken at %s:%d: %s (%.*s)\n", kind, file, line, condition,
               static_cast<int>(message.size()), message.data());
  std::fflush(stderr);
  std::abort();
}

void Unreachable(std::string_view message) {
  ContractBroken("UNREACHABLE", "false", "-", 0, message);
}

}  // namespace pointsman
