#include "bootstrap/fit/trouter_kernels.h"

#include "base/contract.h"

namespace pointsman::bootstrap {

namespace baseline {
TrouterKernels<float> FloatTable();
TrouterKernels<double> DoubleTable();
}  // namespace baseline
namespace avx2 {
TrouterKernels<float> FloatTable();
TrouterKernels<double> DoubleTable();
}  // namespace avx2

bool Supports(Instructions instructions) {
  if (instructions == Instructions::kBaseline) return true;
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

template <>
const TrouterKernels<float>& KernelsFor<float>(Instructions instructions) {
  REQUIRE(Supports(instructions), "the processor has these instructions");
  static const TrouterKernels<float> kBaseline = baseline::FloatTable();
  static const TrouterKernels<float> kAvx2 = avx2::FloatTable();
  return instructions == Instructions::kAvx2 ? kAvx2 : kBaseline;
}

template <>
const TrouterKernels<double>& KernelsFor<double>(Instructions instructions) {
  REQUIRE(Supports(instructions), "the processor has these instructions");
  static const TrouterKernels<double> kBaseline = baseline::DoubleTable();
  static const TrouterKernels<double> kAvx2 = avx2::DoubleTable();
  return instructions == Instructions::kAvx2 ? kAvx2 : kBaseline;
}

template <typename Real>
const TrouterKernels<Real>& BestKernels() {
  return KernelsFor<Real>(Supports(Instructions::kAvx2) ? Instructions::kAvx2 : Instructions::kBaseline);
}

template const TrouterKernels<float>& BestKernels<float>();
template const TrouterKernels<double>& BestKernels<double>();

}  // namespace pointsman::bootstrap
