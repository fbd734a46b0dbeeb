// Rows in eight bits beside their floats: a quarter of the memory to read, and the
// same answer.
//
// Row a is kept as s_a u with whole u in [-63, 63]; a query q as s_q v with v in
// [-127, 127]. By Cauchy and Schwarz
//   |a.q - s_a s_q u.v| <= |q| |a - s_a u| + |q - s_q v| |s_a u|,
// so each row's score lies in a known interval. The rows with the best lower ends
// are scored exactly, then those whose interval reaches the count-th best of these
// scores; no other can be among the best. Where the processor lacks x86-64-v3,
// NearestFast answers.
//
// Threads: const methods, any. Lifetime: the floats must outlive the object; 1 byte
// a number and 20 bytes a row are kept here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "policy/kernels/nearest.h"

namespace pointsman::policy::kernels {

// A query, rounded once for all matrices that it meets.
class CoarseQuery {
 public:
  // `query` must outlive the object; finite.
  explicit CoarseQuery(std::span<const float> query);
  CoarseQuery(const CoarseQuery&) = delete;  // values_ points into it
  CoarseQuery& operator=(const CoarseQuery&) = delete;

 private:
  friend class CoarseRows;
  static constexpr std::size_t kOnStack = 512;
  std::span<const float> exact_;
  alignas(64) std::array<std::int8_t, kOnStack> small_;
  std::vector<std::int8_t> large_;       // only beyond kOnStack numbers
  const std::int8_t* values_ = nullptr;  // v, padded with zeros to whole 64 bytes
  std::int32_t sum_ = 0;                 // of v
  float scale_ = 0;                      // s_q
  float length_ = 0;                     // |q|, rounded up
  float error_ = 0;                      // |q - s_q v|, rounded up
};

// Rows in eight bits with a bound on what rounding lost. Immutable once made; any
// thread may ask.
class CoarseRows {
 public:
  CoarseRows() = default;
  // `rows` is row-major with `dimension` > 0 columns, finite; `bias` is empty or one
  // value a row. Beyond 2,048 rows nothing is kept and NearestFast answers.
  CoarseRows(std::span<const float> rows, std::span<const float> bias, std::size_t dimension);

  // Equal to NearestExact, to the last bit, with NearestFast's one reserve where that
  // answers. `count` is at most kNearestMax.
  Nearest Find(const CoarseQuery& query, std::size_t count) const;

 private:
  std::span<const float> rows_;
  std::span<const float> bias_;
  std::size_t dimension_ = 0;
  std::size_t stride_ = 0;           // bytes a row, a multiple of 64
  std::vector<std::uint8_t> bytes_;  // u + 64
  std::vector<float> scale_;         // s_a
  std::vector<float> error_;         // |a - s_a u|, rounded up
  std::vector<float> length_;        // |s_a u|, rounded up
  std::vector<float> offset_;        // bias, or 0
  std::vector<float> slack_;         // for rounding with the bias
};

}  // namespace pointsman::policy::kernels
