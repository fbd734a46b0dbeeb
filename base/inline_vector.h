// InlineVector<T, N>: at most N values, held in place.
//
// For the small bounded lists inside events and decisions (clusters of a query,
// channels of a row). No allocation; pushing beyond N is our bug and aborts.
// T must be trivially copyable.
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <type_traits>

#include "base/contract.h"

namespace pointsman {

template <typename T, std::size_t N>
class InlineVector {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  InlineVector() = default;
  InlineVector(std::initializer_list<T> values) {
    for (const T& value : values) push_back(value);
  }

  static constexpr std::size_t capacity() { return N; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool full() const { return size_ == N; }

  void push_back(const T& value) {
    REQUIRE(size_ < N, "InlineVector is full");
    values_[size_++] = value;
  }
  void clear() { size_ = 0; }
  void erase_at(std::size_t index) {
    REQUIRE(index < size_, "InlineVector index");
    for (std::size_t i = index + 1; i < size_; ++i) values_[i - 1] = values_[i];
    --size_;
  }

  T& operator[](std::size_t index) {
    REQUIRE(index < size_, "InlineVector index");
    return values_[index];
  }
  const T& operator[](std::size_t index) const {
    REQUIRE(index < size_, "InlineVector index");
    return values_[index];
  }
  T* begin() { return values_.data(); }
  T* end() { return values_.data() + size_; }
  const T* begin() const { return values_.data(); }
  const T* end() const { return values_.data() + size_; }

  bool operator==(const InlineVector& other) const {
    if (size_ != other.size_) return false;
    for (std::size_t i = 0; i < size_; ++i) {
      if (!(values_[i] == other.values_[i])) return false;
    }
    return true;
  }

 private:
  std::array<T, N> values_{};
  std::size_t size_ = 0;
};

}  // namespace pointsman
