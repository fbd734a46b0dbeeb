#include <immintrin.h>  // its functions are always inlined, so none escapes from here

#include "policy/kernels/scan.h"
#include "policy/kernels/scan_body.h"

namespace pointsman::policy::kernels {

namespace {

inline std::int32_t SumOfInts(__m256i v) {
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1));
  return _mm_cvtsi128_si32(half);
}

inline __m256i Load(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }

// Inner products of up to four rows, which share each load of the query.
template <int kRows>
inline void CoarseDots(const std::uint8_t* rows, std::size_t stride, const std::int8_t* query, std::int32_t* out) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sums[kRows];
  for (int r = 0; r < kRows; ++r) sums[r] = _mm256_setzero_si256();
  for (std::size_t i = 0; i < stride; i += 32) {
    const __m256i q = Load(query + i);
    for (int r = 0; r < kRows; ++r) {
      const __m256i row = Load(rows + static_cast<std::size_t>(r) * stride + i);
      sums[r] = _mm256_add_epi32(sums[r], _mm256_madd_epi16(_mm256_maddubs_epi16(row, q), ones));
    }
  }
  for (int r = 0; r < kRows; ++r) out[r] = SumOfInts(sums[r]);
}

inline double SumOfDoubles(__m256d v) { return (v[0] + v[2]) + (v[1] + v[3]); }

// Two sums side by side: one alone would wait for each addition.
struct Squares {
  __m256d low = _mm256_setzero_pd();
  __m256d high = _mm256_setzero_pd();

  void Add(__m256 v) {
    const __m256d first = _mm256_cvtps_pd(_mm256_castps256_ps128(v));
    const __m256d second = _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));
    low = _mm256_fmadd_pd(first, first, low);
    high = _mm256_fmadd_pd(second, second, high);
  }
  double Total() const { return SumOfDoubles(_mm256_add_pd(low, high)); }
};

// The largest size of a number; eight at a time, since a compiler keeps the order
// of comparisons and would wait for each.
inline float LargestSize(const float* numbers, std::size_t count) {
  const __m256 sign = _mm256_set1_ps(-0.0F);
  __m256 sizes = _mm256_setzero_ps();
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) sizes = _mm256_max_ps(sizes, _mm256_andnot_ps(sign, _mm256_loadu_ps(numbers + i)));
  float largest = 0;
  for (int j = 0; j < 8; ++j) largest = sizes[j] > largest ? sizes[j] : largest;
  for (; i < count; ++i) {
    const float size = numbers[i] < 0 ? -numbers[i] : numbers[i];
    largest = size > largest ? size : largest;
  }
  return largest;
}

}  // namespace

CoarseNorms CoarseRoundV3(const float* query, std::size_t dimension, std::size_t padded, std::int8_t* values) {
  CoarseNorms norms{.scale = LargestSize(query, dimension) / 127};
  const __m256 scale = _mm256_set1_ps(norms.scale);
  const __m256 inverse = _mm256_set1_ps(norms.scale > 0 ? 1 / norms.scale : 0);
  Squares squares;
  Squares missed;
  __m256i sum = _mm256_setzero_si256();
  for (std::size_t i = 0; i < padded; i += 8) {
    float tail[8] = {};
    const float* from = query + i;
    if (i + 8 > dimension) {
      for (std::size_t j = i; j < dimension; ++j) tail[j - i] = query[j];
      from = tail;
    }
    const __m256 number = _mm256_loadu_ps(from);
    const __m256i steps = _mm256_cvtps_epi32(_mm256_mul_ps(number, inverse));
    const __m256 left = _mm256_fnmadd_ps(scale, _mm256_cvtepi32_ps(steps), number);
    squares.Add(number);
    missed.Add(left);
    sum = _mm256_add_epi32(sum, steps);
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(steps), _mm256_extracti128_si256(steps, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(values + i), _mm_packs_epi16(words, words));
  }
  norms.sum = SumOfInts(sum);
  norms.squares = squares.Total();
  norms.missed = missed.Total();
  return norms;
}

void CoarseScanV3(const CoarseMatrix& rows, const CoarseVector& query, float* low, float* high) {
  constexpr std::size_t kBlock = 256;
  std::int32_t dots[kBlock];
  for (std::size_t start = 0; start < rows.row_count; start += kBlock) {
    const std::size_t size = rows.row_count - start < kBlock ? rows.row_count - start : kBlock;
    const std::uint8_t* bytes = rows.bytes + start * rows.stride;
    std::size_t r = 0;
    for (; r + 4 <= size; r += 4) CoarseDots<4>(bytes + r * rows.stride, rows.stride, query.values, dots + r);
    for (; r < size; ++r) CoarseDots<1>(bytes + r * rows.stride, rows.stride, query.values, dots + r);
    for (std::size_t i = 0; i < size; ++i) {
      const std::size_t at = start + i;
      const float score = static_cast<float>(dots[i] - query.zero) * (rows.scale[at] * query.scale) + rows.offset[at];
      const float reach = query.length * rows.error[at] + query.error * rows.length[at] + rows.slack[at];
      low[at] = score - reach;
      high[at] = score + reach;
    }
  }
}

float CoarseFloorV3(const float* low, std::size_t row_count, std::size_t count) {
  // The best of sixteen groups of rows; `count` of them reach the count-th of these.
  constexpr std::size_t kGroups = 16;
  float best[kGroups];
  for (float& value : best) value = -__builtin_inff();
  std::size_t r = 0;
  for (; r + kGroups <= row_count; r += kGroups) {
    for (std::size_t j = 0; j < kGroups; ++j) best[j] = low[r + j] > best[j] ? low[r + j] : best[j];
  }
  for (std::size_t j = 0; r + j < row_count; ++j) best[j] = low[r + j] > best[j] ? low[r + j] : best[j];
  for (std::size_t i = 0; i < count; ++i) {  // the largest ones to the front
    std::size_t largest = i;
    for (std::size_t j = i + 1; j < kGroups; ++j) largest = best[j] > best[largest] ? j : largest;
    const float value = best[largest];
    best[largest] = best[i];
    best[i] = value;
  }
  return best[count - 1];
}

std::size_t CoarseListV3(const float* values, std::size_t row_count, float floor, std::uint32_t* listed) {
  std::size_t count = 0;
  for (std::size_t r = 0; r < row_count; ++r) {  // without a branch that could be guessed wrong
    listed[count] = static_cast<std::uint32_t>(r);
    count += values[r] >= floor ? 1 : 0;
  }
  return count;
}

void ScanV3(const float* rows, std::size_t row_count, std::size_t dimension, const float* query, float* out) {
  ScanBody(rows, row_count, dimension, query, out);
}

void ExactDots4V3(const float* const rows[4], std::size_t dimension, const float* query, double out[4]) {
  ExactDots4Body(rows, dimension, query, out);
}

}  // namespace pointsman::policy::kernels
