// The scan, as text that scan_baseline.cc and scan_v3.cc compile with their own
// flags. It includes nothing with code: an inline function of a shared header compiled here
// for AVX2 could be the copy that the linker keeps for everybody.
#pragma once

#include <cstddef>

namespace {

// Eight lanes; the baseline build turns each into two SSE registers.
using Lanes = float __attribute__((vector_size(32), aligned(4), may_alias));

inline float SumOf(Lanes v) { return ((v[0] + v[4]) + (v[1] + v[5])) + ((v[2] + v[6]) + (v[3] + v[7])); }

void ScanBody(const float* rows, std::size_t row_count, std::size_t dimension, const float* query, float* out) {
  const std::size_t whole = dimension - dimension % 8;
  std::size_t r = 0;
  // Four rows share each load of the query and hide the latency of the adds.
  for (; r + 4 <= row_count; r += 4) {
    const float* a = rows + r * dimension;
    const float* b = a + dimension;
    const float* c = b + dimension;
    const float* d = c + dimension;
    Lanes sa{};
    Lanes sb{};
    Lanes sc{};
    Lanes sd{};
    for (std::size_t i = 0; i < whole; i += 8) {
      const Lanes q = *reinterpret_cast<const Lanes*>(query + i);
      sa += *reinterpret_cast<const Lanes*>(a + i) * q;
      sb += *reinterpret_cast<const Lanes*>(b + i) * q;
      sc += *reinterpret_cast<const Lanes*>(c + i) * q;
      sd += *reinterpret_cast<const Lanes*>(d + i) * q;
    }
    float ta = SumOf(sa);
    float tb = SumOf(sb);
    float tc = SumOf(sc);
    float td = SumOf(sd);
    for (std::size_t i = whole; i < dimension; ++i) {
      ta += a[i] * query[i];
      tb += b[i] * query[i];
      tc += c[i] * query[i];
      td += d[i] * query[i];
    }
    out[r] = ta;
    out[r + 1] = tb;
    out[r + 2] = tc;
    out[r + 3] = td;
  }
  for (; r < row_count; ++r) {
    const float* a = rows + r * dimension;
    Lanes sum{};
    for (std::size_t i = 0; i < whole; i += 8) {
      sum += *reinterpret_cast<const Lanes*>(a + i) * *reinterpret_cast<const Lanes*>(query + i);
    }
    float total = SumOf(sum);
    for (std::size_t i = whole; i < dimension; ++i) total += a[i] * query[i];
    out[r] = total;
  }
}

using Floats4 = float __attribute__((vector_size(16), aligned(4), may_alias));
using Doubles4 = double __attribute__((vector_size(32)));

void ExactDots4Body(const float* const rows[4], std::size_t dimension, const float* query, double out[4]) {
  Doubles4 sums[4] = {};
  const std::size_t whole = dimension - dimension % 4;
  for (std::size_t i = 0; i < whole; i += 4) {
    const Doubles4 q = __builtin_convertvector(*reinterpret_cast<const Floats4*>(query + i), Doubles4);
    for (std::size_t r = 0; r < 4; ++r) {
      sums[r] += __builtin_convertvector(*reinterpret_cast<const Floats4*>(rows[r] + i), Doubles4) * q;
    }
  }
  for (std::size_t r = 0; r < 4; ++r) {
    for (std::size_t i = whole; i < dimension; ++i) {
      sums[r][i % 4] += static_cast<double>(rows[r][i]) * static_cast<double>(query[i]);
    }
    out[r] = (sums[r][0] + sums[r][2]) + (sums[r][1] + sums[r][3]);
  }
}

}  // namespace
