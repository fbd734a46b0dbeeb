// Hot read-only kernels: inner products of many rows with one query.
//
// Built for baseline x86-64, for x86-64-v3 (AVX2, FMA) and, those in eight bits, for
// x86-64-v4 with VNNI; chosen once when the program starts by what the processor has.
// POINTSMAN_ISA=baseline|v3 in the environment takes no more than that.
// They differ in rounding, so nothing of the fold may call them: the *Exact
// functions of belief/ use plain double arithmetic instead.
//
// Threads: any. Cost: rows x dimension multiply-adds, bound by memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pointsman::policy::kernels {

// out[r] = sum_i rows[r * dimension + i] * query[i], in floats. No alignment is
// needed; any dimension from 0 on.
using ScanFunction = void (*)(const float* rows, std::size_t row_count, std::size_t dimension, const float* query,
                              float* out);

void ScanBaseline(const float* rows, std::size_t row_count, std::size_t dimension, const float* query, float* out);
// Only where SupportsV3(): elsewhere the process dies of an illegal instruction.
void ScanV3(const float* rows, std::size_t row_count, std::size_t dimension, const float* query, float* out);

// Four exact inner products in doubles. Products of floats are exact there; partial
// sums by index mod 4 are added as (0+2) + (1+3). So both have the same bits, and
// the fold may call ExactDots4Baseline.
using ExactFunction = void (*)(const float* const rows[4], std::size_t dimension, const float* query, double out[4]);
void ExactDots4Baseline(const float* const rows[4], std::size_t dimension, const float* query, double out[4]);
void ExactDots4V3(const float* const rows[4], std::size_t dimension, const float* query, double out[4]);

// Rows and a query in eight bits; the fields are those of coarse.h, `zero` is 64
// times the sum of the query's values. `stride` is a multiple of 64.
struct CoarseMatrix {
  const std::uint8_t* bytes;
  std::size_t row_count;
  std::size_t stride;
  const float* scale;
  const float* error;
  const float* length;
  const float* offset;
  const float* slack;
};
struct CoarseVector {
  const std::int8_t* values;
  std::int32_t zero;
  float scale;
  float length;
  float error;
};
// Rounds `query` to v and fills up to `padded`, a multiple of 8, with zeros.
struct CoarseNorms {
  float scale = 0;       // s_q
  std::int32_t sum = 0;  // of v
  double squares = 0;    // |q|^2
  double missed = 0;     // |q - s_q v|^2
};
CoarseNorms CoarseRoundV3(const float* query, std::size_t dimension, std::size_t padded, std::int8_t* values);
// low[r] and high[r]: between them lies row r's score.
using CoarseFunction = void (*)(const CoarseMatrix& rows, const CoarseVector& query, float* low, float* high);
void CoarseScanV3(const CoarseMatrix& rows, const CoarseVector& query, float* low, float* high);

void CoarseScanV4(const CoarseMatrix& rows, const CoarseVector& query, float* low, float* high);
// A value that at least `count` (1 to 8) of the rows reach, near to the best such;
// -infinity where there are fewer rows, or many equal ones.
using CoarseFloorFunction = float (*)(const float* low, std::size_t row_count, std::size_t count);
float CoarseFloorV3(const float* low, std::size_t row_count, std::size_t count);
float CoarseFloorV4(const float* low, std::size_t row_count, std::size_t count);
// Writes the rows whose value is >= `floor`, ascending, and returns how many there
// are. `listed` has room for row_count + 16.
using CoarseListFunction = std::size_t (*)(const float* values, std::size_t row_count, float floor,
                                           std::uint32_t* listed);
std::size_t CoarseListV3(const float* values, std::size_t row_count, float floor, std::uint32_t* listed);
std::size_t CoarseListV4(const float* values, std::size_t row_count, float floor, std::uint32_t* listed);

struct CoarseKernels {
  CoarseFunction scan = nullptr;
  CoarseFloorFunction floor = nullptr;
  CoarseListFunction list = nullptr;
};

bool SupportsV3();
bool SupportsV4();  // with VNNI
// The kernel in use, and its name ("baseline", "v3" or "v4") for status and logs.
ScanFunction Scan();
ExactFunction ExactDots4();
const CoarseKernels& Coarse();  // of nulls in the baseline, where eight bits gain nothing
const char* ScanName();

}  // namespace pointsman::policy::kernels
