// Fixed-width little-endian numbers in byte strings.
// Pure; the caller has checked the length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace pointsman::store {

// Writes the low `width` bytes of `value` (width 1..8) to `out`.
inline void PutLittle(std::uint64_t value, std::size_t width, std::uint8_t* out) {
  for (std::size_t i = 0; i < width; ++i) out[i] = static_cast<std::uint8_t>(value >> (8 * i));
}
inline void AppendLittle(std::uint64_t value, std::size_t width, std::string* out) {
  for (std::size_t i = 0; i < width; ++i) out->push_back(static_cast<char>(static_cast<std::uint8_t>(value >> (8 * i))));
}
inline std::uint64_t GetLittle(const void* from, std::size_t width) {
  const auto* bytes = static_cast<const std::uint8_t*>(from);
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < width; ++i) value |= static_cast<std::uint64_t>(bytes[i]) << (8 * i);
  return value;
}

}  // namespace pointsman::store
