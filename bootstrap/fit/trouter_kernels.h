// Dense kernels of the TRouter training: products of matrices, and the two
// elementwise steps of a hidden layer.
//
// Every kernel exists twice from the same source: for any x86-64, and for
// processors with AVX2 and FMA; BestKernels() asks the processor. The two differ in
// rounding, so a fit has the same bytes for the same seed on machines of one kind.
// All matrices are row-major and dense.
//
// Threads: any number may call, each on its own output.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pointsman::bootstrap {

enum class Instructions { kBaseline, kAvx2 };

template <typename Real>
struct TrouterKernels {
  // c (m x n) = op(a) op(b), added to c where `add`. a is m x k, or k x m where
  // a_transposed; b is k x n, or n x k where b_transposed.
  void (*product)(bool a_transposed, bool b_transposed, std::size_t m, std::size_t n, std::size_t k, const Real* a,
                  const Real* b, bool add, Real* c);
  // hidden[i][j] = relu(base[i][j] + shift[j]), then dropped with probability `drop`
  // (in [0, .5]; kept values are divided by 1 - drop). base may be hidden itself.
  void (*hidden)(std::size_t rows, std::size_t width, const Real* base, const Real* shift, double drop,
                 std::uint64_t seed, Real* hidden);
  // The way back: gradient[i][j] is multiplied by 1 / (1 - drop) where hidden is
  // positive, by 0 elsewhere; its sum over the rows is added to sum[j], and itself to
  // total[i][j] unless total is null.
  void (*hidden_back)(std::size_t rows, std::size_t width, const Real* hidden, double drop, Real* gradient, Real* sum,
                      Real* total);
  // One step of AdamW (fit/adamw.h); `first` and `second` are its moments, the powers
  // those of its decays after this step.
  void (*adamw)(std::size_t count, double rate, double decay, double first_power, double second_power,
                const Real* gradient, Real* first, Real* second, Real* value);
};

bool Supports(Instructions instructions);
// REQUIREs support. Real is float or double.
template <typename Real>
const TrouterKernels<Real>& KernelsFor(Instructions instructions);
template <typename Real>
const TrouterKernels<Real>& BestKernels();

}  // namespace pointsman::bootstrap
