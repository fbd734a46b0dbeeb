// A growing byte queue: appended at the end, consumed at the front.
//
// Unlike std::string it does not zero what is about to be overwritten, and it
// gives memory back after a large burst. One thread at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "base/contract.h"

namespace pointsman::daemon {

class ByteBuffer {
 public:
  static constexpr std::size_t kFirstBytes = 16 * 1024;
  static constexpr std::size_t kKeptBytes = 64 * 1024;  // an empty buffer above this is given back

  std::size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  std::size_t capacity() const { return capacity_; }
  const std::uint8_t* data() const { return bytes_.get() + begin_; }
  // Room behind the last byte.
  std::span<std::uint8_t> Free() { return {bytes_.get() + end_, capacity_ - end_}; }

  // Makes room for `wanted` more bytes; throws std::bad_alloc, unchanged then.
  // Pointers into the buffer become invalid.
  void Reserve(std::size_t wanted) {
    if (capacity_ - end_ >= wanted) return;
    const std::size_t held = size();
    if (capacity_ >= held + wanted) {
      if (held > 0) std::memmove(bytes_.get(), bytes_.get() + begin_, held);
    } else {
      const std::size_t grown = std::max({held + wanted, 2 * capacity_, kFirstBytes});
      auto bytes = std::make_unique_for_overwrite<std::uint8_t[]>(grown);
      if (held > 0) std::memcpy(bytes.get(), bytes_.get() + begin_, held);
      bytes_ = std::move(bytes);
      capacity_ = grown;
    }
    begin_ = 0;
    end_ = held;
  }
  // `count` bytes of Free() have been filled.
  void Commit(std::size_t count) {
    REQUIRE(count <= capacity_ - end_, "ByteBuffer::Commit");
    end_ += count;
  }
  void Consume(std::size_t count) {
    REQUIRE(count <= size(), "ByteBuffer::Consume");
    begin_ += count;
    if (begin_ != end_) return;
    begin_ = end_ = 0;
    if (capacity_ > kKeptBytes) {
      bytes_.reset();
      capacity_ = 0;
    }
  }

 private:
  std::unique_ptr<std::uint8_t[]> bytes_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace pointsman::daemon
