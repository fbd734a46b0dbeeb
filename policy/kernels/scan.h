// Hot read-only kernels: inner products of many rows with one query.
//
// Built twice, for baseline x86-64 and for x86-64-v3 (AVX2, FMA), and chosen once
// when the program starts by what the processor has; POINTSMAN_ISA=baseline|v3 in
// the environment overrides (v3 on a processor without it stays baseline).
// The two differ in rounding, so nothing of the fold may call them: the *Exact
// functions of belief/ use plain double arithmetic instead.
//
// Threads: any. Cost: rows x dimension multiply-adds, bound by memory.
#pragma once

#include <cstddef>

namespace pointsman::policy::kernels {

// out[r] = sum_i rows[r * dimension + i] * query[i], in floats. No alignment is
// needed; any dimension from 0 on.
using ScanFunction = void (*)(const float* rows, std::size_t row_count, std::size_t dimension, const float* query,
                              float* out);

void ScanBaseline(const float* rows, std::size_t row_count, std::size_t dimension, const float* query, float* out);
// Only where SupportsV3(): elsewhere the process dies of an illegal instruction.
void ScanV3(const float* rows, std::size_t row_count, std::size_t dimension, const float* query, float* out);

bool SupportsV3();
// The kernel in use, and its name ("baseline" or "v3") for status and logs.
ScanFunction Scan();
const char* ScanName();

}  // namespace pointsman::policy::kernels
