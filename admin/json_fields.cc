#include "admin/json_fields.h"

namespace pointsman::admin {
namespace {

using nlohmann::json;

constexpr int kNestingMax = 16;

}  // namespace

Error BadInput(std::string reason, std::string message) {
  return MakeError(Code::kInvalidArgument, std::move(reason), std::move(message));
}

// Parses one object; refuses deep nesting and repeated fields while reading.
Result<json> ParseObject(std::string_view body) {
  bool too_deep = false;
  std::string repeated;
  std::vector<std::set<std::string>> keys;
  const json::parser_callback_t watch = [&](int depth, json::parse_event_t event, json& parsed) {
    if (depth > kNestingMax) too_deep = true;
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end && !keys.empty()) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.empty()) {
      if (!keys.back().insert(parsed.get_ref<const std::string&>()).second) repeated = parsed.get<std::string>();
    }
    return !too_deep;  // false throws the part away
  };
  json value = json::parse(body.begin(), body.end(), watch, /*allow_exceptions=*/false);
  if (too_deep) return BadInput("malformed_json", "the body is nested deeper than 16 levels");
  if (value.is_discarded()) return BadInput("malformed_json", "the body is not JSON; send one object");
  if (!repeated.empty()) return BadInput("malformed_json", "field '" + log::Escape(repeated) + "' is there twice");
  if (!value.is_object()) return BadInput("wrong_type", "the body must be one JSON object");
  return value;
}

}  // namespace pointsman::admin
