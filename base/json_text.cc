#include "base/json_text.h"

namespace pointsman {

void AppendJsonText(std::string_view text, std::string* json) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  *json += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      *json += '\\';
      *json += c;
    } else if (c == '\n') {
      *json += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      *json += "\\u00";
      *json += kDigits[byte >> 4];
      *json += kDigits[byte & 15];
    } else {
      *json += c;
    }
  }
  *json += '"';
}

std::string JsonText(std::string_view text) {
  std::string json;
  AppendJsonText(text, &json);
  return json;
}

}  // namespace pointsman
