// Result<T>: a value, or the Error that says why there is none.
//
//   Result<int> Parse(std::string_view text);
//   auto parsed = Parse(text);
//   if (!parsed.ok()) return parsed.error();
//   Use(parsed.value());
//
// Status is Result<void>. Both are [[nodiscard]]: an ignored failure does not
// compile. Reading the side that is not there is our bug and aborts.
#pragma once

#include <optional>
#include <utility>
#include <variant>

#include "base/contract.h"
#include "base/error.h"

namespace pointsman {

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : content_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return content_.index() == 0; }
  explicit operator bool() const { return ok(); }

  const T& value() const& {
    REQUIRE(ok(), "value() of a failed Result");
    return std::get<0>(content_);
  }
  T& value() & {
    REQUIRE(ok(), "value() of a failed Result");
    return std::get<0>(content_);
  }
  T&& value() && {
    REQUIRE(ok(), "value() of a failed Result");
    return std::get<0>(std::move(content_));
  }
  const T& operator*() const& { return value(); }
  T& operator*() & { return value(); }
  const T* operator->() const { return &value(); }
  T* operator->() { return &value(); }

  const Error& error() const {
    REQUIRE(!ok(), "error() of a successful Result");
    return std::get<1>(content_);
  }

 private:
  std::variant<T, Error> content_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const {
    REQUIRE(!ok(), "error() of a successful Status");
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

inline Error MakeError(Code code, std::string reason, std::string message) {
  return Error{code, std::move(reason), std::move(message)};
}

}  // namespace pointsman
