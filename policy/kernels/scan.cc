#include "policy/kernels/scan.h"

#include <cstdlib>
#include <string_view>

namespace pointsman::policy::kernels {

namespace {

struct Choice {
  ScanFunction scan;
  ExactFunction exact;
  CoarseKernels coarse;
  const char* name;
};

Choice Choose() {
  const char* wish = std::getenv("POINTSMAN_ISA");
  const std::string_view wished = wish != nullptr ? wish : "";
  if (wished == "baseline" || !SupportsV3()) return {&ScanBaseline, &ExactDots4Baseline, {}, "baseline"};
  if (wished == "v3" || !SupportsV4()) {
    return {&ScanV3, &ExactDots4V3, {&CoarseScanV3, &CoarseFloorV3, &CoarseListV3}, "v3"};
  }
  return {&ScanV3, &ExactDots4V3, {&CoarseScanV4, &CoarseFloorV4, &CoarseListV4}, "v4"};
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

bool SupportsV4() {
#if defined(__x86_64__)
  return SupportsV3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512vnni");
#else
  return false;
#endif
}

ScanFunction Scan() { return Chosen().scan; }
ExactFunction ExactDots4() { return Chosen().exact; }
const CoarseKernels& Coarse() { return Chosen().coarse; }
const char* ScanName() { return Chosen().name; }

}  // namespace pointsman::policy::kernels
