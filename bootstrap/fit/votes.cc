#include "bootstrap/fit/votes.h"

namespace pointsman::bootstrap {

std::int16_t LetterCategory(std::string_view answer) {
  constexpr std::string_view kAround = " \t\r\n().[]:*";
  const std::size_t first = answer.find_first_not_of(kAround);
  if (first == std::string_view::npos || answer.find_last_not_of(kAround) != first) return kNoVote;
  const char letter = answer[first];
  if (letter >= 'A' && letter <= 'T') return static_cast<std::int16_t>(letter - 'A');
  if (letter >= 'a' && letter <= 't') return static_cast<std::int16_t>(letter - 'a');
  return kNoVote;
}

}  // namespace pointsman::bootstrap
