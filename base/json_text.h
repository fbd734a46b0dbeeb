// Text as a JSON string, quotes included: the writing half of JSON, for folders
// that need no more of it.
// Pure; any thread. The text must be UTF-8, or the JSON is not.
#pragma once

#include <string>
#include <string_view>

namespace pointsman {

// Appends `text` in quotes, with control characters, quotes and backslashes escaped.
void AppendJsonText(std::string_view text, std::string* json);
std::string JsonText(std::string_view text);

}  // namespace pointsman
