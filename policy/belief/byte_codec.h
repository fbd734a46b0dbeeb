// Writing and reading the fixed little-endian layout of state rows.
// A reader past the end gives zeros and says so; nothing throws.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace pointsman::policy {

class ByteWriter {
 public:
  void U8(std::uint8_t value) { bytes_.push_back(static_cast<char>(value)); }
  void U32(std::uint32_t value) { Number(value, 4); }
  void U64(std::uint64_t value) { Number(value, 8); }
  void I32(std::int32_t value) { U32(static_cast<std::uint32_t>(value)); }
  void I64(std::int64_t value) { U64(static_cast<std::uint64_t>(value)); }
  // -0 becomes +0: equal states must give equal bytes.
  void F64(double value) { U64(std::bit_cast<std::uint64_t>(value == 0 ? 0.0 : value)); }
  void Bool(bool value) { U8(value ? 1 : 0); }
  void Text(std::string_view text) {
    U32(static_cast<std::uint32_t>(text.size()));
    bytes_.append(text);
  }
  template <typename Array>
  void Bytes(const Array& array) {
    bytes_.append(reinterpret_cast<const char*>(array.data()), array.size());
  }
  // For keys.
  void BigEndian32(std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) U8(static_cast<std::uint8_t>(value >> shift));
  }
  void BigEndian64(std::uint64_t value) {
    BigEndian32(static_cast<std::uint32_t>(value >> 32));
    BigEndian32(static_cast<std::uint32_t>(value));
  }
  std::string Take() { return std::move(bytes_); }

 private:
  void Number(std::uint64_t value, int size) {
    for (int i = 0; i < size; ++i) U8(static_cast<std::uint8_t>(value >> (8 * i)));
  }
  std::string bytes_;
};

// Reads what ByteWriter wrote. After a read beyond the end every read gives 0
// and ok() is false; a caller checks once, with Finished().
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}
  std::uint8_t U8() { return static_cast<std::uint8_t>(Number(1)); }
  std::uint32_t U32() { return static_cast<std::uint32_t>(Number(4)); }
  std::uint64_t U64() { return Number(8); }
  std::int32_t I32() { return static_cast<std::int32_t>(U32()); }
  std::int64_t I64() { return static_cast<std::int64_t>(U64()); }
  double F64() { return std::bit_cast<double>(U64()); }
  bool Bool() {
    const std::uint8_t value = U8();
    ok_ = ok_ && value <= 1;
    return value == 1;
  }
  std::string Text() {
    const std::uint32_t size = U32();
    if (size > bytes_.size()) {
      ok_ = false;
      return {};
    }
    std::string text(bytes_.substr(0, size));
    bytes_.remove_prefix(size);
    return text;
  }
  template <typename Array>
  void Bytes(Array& array) {
    if (bytes_.size() < array.size()) {
      ok_ = false;
      return;
    }
    std::memcpy(array.data(), bytes_.data(), array.size());
    bytes_.remove_prefix(array.size());
  }
  std::uint32_t BigEndian32() {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) value = value << 8 | U8();
    return value;
  }
  std::uint64_t BigEndian64() {
    const std::uint64_t high = BigEndian32();
    return high << 32 | BigEndian32();
  }
  bool ok() const { return ok_; }
  bool Finished() const { return ok_ && bytes_.empty(); }

 private:
  std::uint64_t Number(std::size_t size) {
    if (bytes_.size() < size) {
      ok_ = false;
      bytes_ = {};
      return 0;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      value |= std::uint64_t{static_cast<std::uint8_t>(bytes_[i])} << (8 * i);
    }
    bytes_.remove_prefix(size);
    return value;
  }
  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace pointsman::policy
