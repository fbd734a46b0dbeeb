#include <immintrin.h>  // its functions are always inlined, so none escapes from here

#include "policy/kernels/scan.h"

namespace pointsman::policy::kernels {

namespace {

constexpr std::size_t kLanes = 16;

inline __m512i Load(const void* from) { return _mm512_loadu_si512(from); }

// The inner product of one row with the query, 64 bytes at a time.
inline std::int32_t Dot(const std::uint8_t* row, std::size_t stride, const std::int8_t* query) {
  __m512i sum = _mm512_setzero_si512();
  for (std::size_t i = 0; i < stride; i += 64) sum = _mm512_dpbusd_epi32(sum, Load(row + i), Load(query + i));
  return _mm512_reduce_add_epi32(sum);
}

// Four rows share each load of the query and one reduction.
inline __m128i Dots4(const std::uint8_t* rows, std::size_t stride, const std::int8_t* query) {
  __m512i a = _mm512_setzero_si512();
  __m512i b = a;
  __m512i c = a;
  __m512i d = a;
  for (std::size_t i = 0; i < stride; i += 64) {
    const __m512i q = Load(query + i);
    a = _mm512_dpbusd_epi32(a, Load(rows + i), q);
    b = _mm512_dpbusd_epi32(b, Load(rows + stride + i), q);
    c = _mm512_dpbusd_epi32(c, Load(rows + 2 * stride + i), q);
    d = _mm512_dpbusd_epi32(d, Load(rows + 3 * stride + i), q);
  }
  // Interleaved sums: lane j of each 128 bits ends as the sum of row j there.
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  const __m512i all = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

inline __mmask16 MaskOf(std::size_t left) {
  return left >= kLanes ? static_cast<__mmask16>(0xffff) : static_cast<__mmask16>((1U << left) - 1);
}

}  // namespace

void CoarseScanV4(const CoarseMatrix& rows, const CoarseVector& query, float* low, float* high) {
  alignas(64) std::int32_t dots[kLanes] = {};
  const __m512 scale = _mm512_set1_ps(query.scale);
  const __m512 length = _mm512_set1_ps(query.length);
  const __m512 error = _mm512_set1_ps(query.error);
  const __m512i zero = _mm512_set1_epi32(query.zero);
  for (std::size_t start = 0; start < rows.row_count; start += kLanes) {
    const std::size_t size = rows.row_count - start < kLanes ? rows.row_count - start : kLanes;
    const std::uint8_t* bytes = rows.bytes + start * rows.stride;
    std::size_t r = 0;
    for (; r + 4 <= size; r += 4) {
      _mm_store_si128(reinterpret_cast<__m128i*>(dots + r), Dots4(bytes + r * rows.stride, rows.stride, query.values));
    }
    for (; r < size; ++r) dots[r] = Dot(bytes + r * rows.stride, rows.stride, query.values);
    const __mmask16 mask = MaskOf(size);
    const auto at = [&](const float* values) { return _mm512_maskz_loadu_ps(mask, values + start); };
    const __m512 products = _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_load_si512(dots), zero));
    const __m512 score = _mm512_fmadd_ps(products, _mm512_mul_ps(at(rows.scale), scale), at(rows.offset));
    const __m512 reach = _mm512_fmadd_ps(length, at(rows.error), _mm512_fmadd_ps(error, at(rows.length), at(rows.slack)));
    _mm512_mask_storeu_ps(low + start, mask, _mm512_sub_ps(score, reach));
    _mm512_mask_storeu_ps(high + start, mask, _mm512_add_ps(score, reach));
  }
}

float CoarseFloorV4(const float* low, std::size_t row_count, std::size_t count) {
  const __m512 none = _mm512_set1_ps(-__builtin_inff());
  __m512 best = none;
  for (std::size_t r = 0; r < row_count; r += kLanes) {
    best = _mm512_max_ps(best, _mm512_mask_loadu_ps(none, MaskOf(row_count - r), low + r));
  }
  float floor = -__builtin_inff();
  for (std::size_t i = 0; i < count; ++i) {
    floor = _mm512_reduce_max_ps(best);
    best = _mm512_mask_mov_ps(best, _mm512_cmp_ps_mask(best, _mm512_set1_ps(floor), _CMP_GE_OQ), none);
  }
  return floor;
}

std::size_t CoarseListV4(const float* values, std::size_t row_count, float floor, std::uint32_t* listed) {
  const __m512 least = _mm512_set1_ps(floor);
  __m512i number = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  std::size_t count = 0;
  for (std::size_t r = 0; r < row_count; r += kLanes) {
    const __mmask16 mask = MaskOf(row_count - r);
    const __mmask16 wanted = _mm512_mask_cmp_ps_mask(mask, _mm512_maskz_loadu_ps(mask, values + r), least, _CMP_GE_OQ);
    if (wanted != 0) {
      _mm512_storeu_si512(listed + count, _mm512_maskz_compress_epi32(wanted, number));
      count += static_cast<std::size_t>(__builtin_popcount(wanted));
    }
    number = _mm512_add_epi32(number, _mm512_set1_epi32(static_cast<int>(kLanes)));
  }
  return count;
}

}  // namespace pointsman::policy::kernels
