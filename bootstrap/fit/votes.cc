#include "bootstrap/fit/votes.h"

#include <algorithm>

#include "embed/answer_groups.h"

namespace pointsman::bootstrap {

std::int16_t LetterCategory(std::string_view answer) { return embed::LetterOf(answer); }

std::size_t ListedOptions(std::string_view question) {
  constexpr std::string_view kBlank = " \t";
  std::size_t run = 0;
  while (!question.empty()) {
    const std::size_t end = std::min(question.find('\n'), question.size());
    std::string_view line = question.substr(0, end);
    question.remove_prefix(std::min(end + 1, question.size()));
    line.remove_prefix(std::min(line.find_first_not_of(kBlank), line.size()));
    const bool bracket = !line.empty() && line.front() == '(';
    if (bracket) line.remove_prefix(1);
    if (line.size() < 2 || line[0] < 'A' || line[0] > 'T' || (line[1] != ')' && (bracket || line[1] != '.'))) continue;
    if (line.size() > 2 && kBlank.find(line[2]) == std::string_view::npos) continue;
    const auto number = static_cast<std::size_t>(line[0] - 'A');
    if (number == 0) {
      run = 1;
    } else if (number == run) {
      ++run;
    }
  }
  return run >= 2 ? run : 0;
}

}  // namespace pointsman::bootstrap
