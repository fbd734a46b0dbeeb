#include "policy/kernels/scan.h"

#include <cstdlib>
#include <string_view>

namespace pointsman::policy::kernels {

namespace {

struct Choice {
  ScanFunction scan;
  ExactFunction exact;
  CoarseFunction coarse;
  const char* name;
};

Choice Choose() {
  const char* wish = std::getenv("POINTSMAN_ISA");
  const bool baseline_wished = wish != nullptr && std::string_view(wish) == "baseline";
  if (!baseline_wished && SupportsV3()) return {&ScanV3, &ExactDots4V3, &CoarseScanV3, "v3"};
  return {&ScanBaseline, &ExactDots4Baseline, nullptr, "baseline"};
}

const Choice& Chosen() {
  static const Choice choice = Choose();
  return choice;
}

}  // namespace

bool SupportsV3() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("bmi2");
#else
  return false;
#endif
}

ScanFunction Scan() { return Chosen().scan; }
ExactFunction ExactDots4() { return Chosen().exact; }
CoarseFunction CoarseScan() { return Chosen().coarse; }
const char* ScanName() { return Chosen().name; }

}  // namespace pointsman::policy::kernels
