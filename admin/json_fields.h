// Strict reading of one JSON object into a value: what admin/json.h promises of all
// input ("In"), for the folder's own .cc files.
//
// Threads: pure functions; a Fields is used by one thread.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/result.h"

namespace pointsman::admin {

// INVALID_ARGUMENT.
Error BadInput(std::string reason, std::string message);

// One object, at most 16 levels deep, no field twice.
// Errors: INVALID_ARGUMENT malformed_json or wrong_type.
Result<nlohmann::json> ParseObject(std::string_view body);

// null for a number that is not finite.
inline nlohmann::json Finite(double value) {
  return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(nullptr);
}

// Takes the fields of one object; the first fault stays.
class Fields {
 public:
  explicit Fields(nlohmann::json object) : object_(std::move(object)) {}

  void Text(const char* name, std::string* out, bool required) {
    const nlohmann::json* value = Take(name, required);
    if (value == nullptr) return;
    if (!value->is_string()) return Wrong(name, "a string");
    *out = value->get<std::string>();
  }
  void Flag(const char* name, bool* out, bool required) {
    const nlohmann::json* value = Take(name, required);
    if (value == nullptr) return;
    if (!value->is_boolean()) return Wrong(name, "true or false");
    *out = value->get<bool>();
  }
  void Real(const char* name, double* out, bool required) {
    const nlohmann::json* value = Take(name, required);
    if (value == nullptr) return;
    if (!value->is_number()) return Wrong(name, "a number");
    *out = value->get<double>();
    if (!std::isfinite(*out)) OutOfRange(name, "a finite number");
  }
  template <typename Unsigned>
  void Whole(const char* name, Unsigned* out, bool required) {
    const nlohmann::json* value = Take(name, required);
    if (value == nullptr) return;
    if (!value->is_number_integer()) return Wrong(name, "a whole number");
    const bool fits =
        value->is_number_unsigned() && value->get<std::uint64_t>() <= std::numeric_limits<Unsigned>::max();
    if (!fits) {
      return OutOfRange(name, "between 0 and " + std::to_string(std::numeric_limits<Unsigned>::max()));
    }
    *out = static_cast<Unsigned>(value->get<std::uint64_t>());
  }
  // A string, or a whole number taken as its digits.
  void TextOrWhole(const char* name, std::string* out) {
    const nlohmann::json* value = Take(name, true);
    if (value == nullptr) return;
    if (value->is_number_unsigned()) {
      *out = std::to_string(value->get<std::uint64_t>());
    } else if (value->is_string()) {
      *out = value->get<std::string>();
    } else {
      Wrong(name, "a generation number or a bundle hash");
    }
  }
  // The value as it is, or nullptr; for what the readers above cannot say.
  const nlohmann::json* Raw(const char* name) { return Take(name, false); }
  // OK when every field was known and of its type.
  Status Finish() {
    if (!status_.ok()) return status_;
    for (const auto& [name, value] : object_.items()) {
      if (known_.count(name) != 0) continue;
      std::string list;
      for (const std::string& known : known_) list += (list.empty() ? "" : ", ") + known;
      return BadInput("unknown_field", "unknown field '" + log::Escape(name) + "'; known: " + list);
    }
    return {};
  }

 private:
  const nlohmann::json* Take(const char* name, bool required) {
    known_.insert(name);
    const auto found = object_.find(name);
    if (found != object_.end()) return &*found;
    if (required) Fail(BadInput("missing_field", std::string("field '") + name + "' is missing"));
    return nullptr;
  }
  void Wrong(const char* name, const std::string& wanted) {
    Fail(BadInput("wrong_type", std::string("field '") + name + "' must be " + wanted));
  }
  void OutOfRange(const char* name, const std::string& wanted) {
    Fail(MakeError(Code::kOutOfRange, "out_of_range", std::string("field '") + name + "' must be " + wanted));
  }
  void Fail(Error error) {
    if (status_.ok()) status_ = std::move(error);
  }

  nlohmann::json object_;
  std::set<std::string> known_;
  Status status_;
};

// Reads an object into T with `take`, then refuses what is left over.
template <typename T, typename Take>
Result<T> ParseInto(std::string_view body, Take take) {
  Result<nlohmann::json> object = ParseObject(body);
  if (!object.ok()) return object.error();
  Fields fields(std::move(object).value());
  T out;
  take(fields, out);
  if (Status status = fields.Finish(); !status.ok()) return status.error();
  return out;
}

}  // namespace pointsman::admin
