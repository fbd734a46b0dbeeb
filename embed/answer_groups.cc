#include "embed/answer_groups.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include "base/contract.h"
#include "embed/answer_value.h"
#include "embed/text.h"

namespace pointsman::embed {
namespace {

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool Negated(const std::vector<std::string>& words) {
  static constexpr std::array<std::string_view, 8> kNegations = {"not", "no", "never", "none", "neither", "cannot", "without",
                                                          "false"};
  return std::any_of(words.begin(), words.end(), [](const std::string& word) {
    return std::find(kNegations.begin(), kNegations.end(), word) != kNegations.end();
  });
}

// What must be equal before similarity counts.
struct Guard {
  std::vector<std::string> numbers;
  bool negated = false;
  bool operator==(const Guard&) const = default;
};

Guard GuardOf(std::string_view text) {
  Guard guard;
  if (!IsUtf8(text)) return guard;
  const auto words = Words(text);
  guard.negated = Negated(words);
  for (const std::string& word : words) {
    if (std::any_of(word.begin(), word.end(), IsDigit)) guard.numbers.push_back(word);
  }
  return guard;
}

AnswerGroups ByLetter(std::span<const std::string> answers) {
  AnswerGroups out{AnswerKind::kLetter, 0, {}};
  for (const std::string& answer : answers) {
    out.number.push_back(LetterOfResponse(answer));
    out.groups = std::max(out.groups, static_cast<std::size_t>(out.number.back() + 1));
  }
  return out;
}

AnswerGroups ByValue(std::span<const std::string> answers) {
  AnswerGroups out{AnswerKind::kNumber, 0, {}};
  std::vector<NumericAnswer> first;  // of each group
  for (const std::string& answer : answers) {
    const auto value = ReadNumericAnswer(answer);
    if (!value) {
      out.number.push_back(kNoGroup);
      continue;
    }
    const auto at = std::find_if(first.begin(), first.end(), [&](const auto& own) { return SameValue(own, *value); });
    out.number.push_back(static_cast<std::int16_t>(at - first.begin()));
    if (at == first.end()) first.push_back(*value);
  }
  out.groups = first.size();
  return out;
}

// Single link: each distinct text's root.
std::vector<std::size_t> Link(const std::vector<std::string>& texts, const TextSimilarity& similarity) {
  std::vector<std::size_t> root(texts.size());
  std::iota(root.begin(), root.end(), 0);
  if (!similarity) return root;
  std::vector<Guard> guards;
  for (const std::string& text : texts) guards.push_back(GuardOf(text));
  for (std::size_t i = 1; i < texts.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (root[i] == root[j] || texts[i].size() > kTextBytesLinked || texts[j].size() > kTextBytesLinked) continue;
      if (!(guards[i] == guards[j]) || !(similarity(texts[i], texts[j]) >= kLinkCosine)) continue;
      const std::size_t keep = std::min(root[i], root[j]);
      const std::size_t gone = std::max(root[i], root[j]);
      std::replace(root.begin(), root.end(), gone, keep);
    }
  }
  return root;
}

AnswerGroups ByText(std::span<const std::string> answers, const TextSimilarity& similarity) {
  std::vector<std::string> texts;  // distinct
  std::vector<std::optional<std::size_t>> own;
  for (const std::string& answer : answers) {
    own.emplace_back();
    std::string text = NormalisedText(answer);
    if (text.empty()) continue;
    const auto at = std::find(texts.begin(), texts.end(), text);
    own.back() = static_cast<std::size_t>(at - texts.begin());
    if (at == texts.end()) texts.push_back(std::move(text));
  }
  const auto root = Link(texts, similarity);
  std::vector<std::int16_t> number(texts.size(), kNoGroup);
  AnswerGroups out{AnswerKind::kText, 0, {}};
  for (std::size_t t = 0; t < texts.size(); ++t) {
    number[t] = root[t] == t ? static_cast<std::int16_t>(out.groups++) : number[root[t]];
  }
  for (const auto& at : own) out.number.push_back(at ? number[*at] : kNoGroup);
  return out;
}

std::optional<std::int16_t> AsLetter(char c, bool upper_only) {
  if (c >= 'A' && c <= 'T') return static_cast<std::int16_t>(c - 'A');
  if (!upper_only && c >= 'a' && c <= 't') return static_cast<std::int16_t>(c - 'a');
  return std::nullopt;
}

// The letter after `marker`, bracketed or not, standing alone.
std::optional<std::int16_t> LetterAfter(std::string_view text, std::size_t at) {
  constexpr std::string_view kSkipped = " \t:*({[$";
  while (at < text.size() && kSkipped.find(text[at]) != std::string_view::npos) ++at;
  if (at >= text.size() || (at + 1 < text.size() && (IsLetter(text[at + 1]) || IsDigit(text[at + 1])))) return {};
  return AsLetter(text[at], false);
}

}  // namespace

double NgramSimilarity(std::string_view a, std::string_view b) {
  const auto left = HashedFeatures(a);
  const auto right = HashedFeatures(b);
  double dot = 0;
  double left_squares = 0;
  double right_squares = 0;
  for (const auto& f : left) left_squares += static_cast<double>(f.count) * f.count;
  for (const auto& f : right) right_squares += static_cast<double>(f.count) * f.count;
  for (auto l = left.begin(), r = right.begin(); l != left.end() && r != right.end();) {
    if (l->bucket == r->bucket) {
      dot += static_cast<double>(l++->count) * r++->count;
    } else if (l->bucket < r->bucket) {
      ++l;
    } else {
      ++r;
    }
  }
  const double norm = std::sqrt(left_squares * right_squares);
  return norm > 0 ? dot / norm : 0;
}

std::string NormalisedText(std::string_view answer) {
  std::string out;
  if (!IsUtf8(answer)) return std::string(answer);
  for (const std::string& word : Words(answer)) {
    if (word == "a" || word == "an" || word == "the") continue;
    out += (out.empty() ? "" : " ") + word;
  }
  if (!out.empty()) return out;
  // Signs alone ("+", "<="), or an article that is the whole answer.
  for (const char c : answer) {
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') out += c;
  }
  return out;
}

std::int16_t LetterOf(std::string_view answer) {
  constexpr std::string_view kAround = " \t\r\n().[]:*";
  const std::size_t first = answer.find_first_not_of(kAround);
  if (first == std::string_view::npos || answer.find_last_not_of(kAround) != first) return kNoGroup;
  return AsLetter(answer[first], false).value_or(kNoGroup);
}

std::int16_t LetterOfResponse(std::string_view response) {
  if (const std::int16_t letter = LetterOf(response); letter != kNoGroup) return letter;
  std::string lower(response);
  if (lower == "N/A" || lower == "n/a") return kNoGroup;
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  constexpr std::string_view kAnswerIs = "answer is";
  for (std::size_t at = lower.rfind(kAnswerIs); at != std::string::npos;) {
    if (const auto letter = LetterAfter(response, at + kAnswerIs.size())) return *letter;
    at = at == 0 ? std::string::npos : lower.rfind(kAnswerIs, at - 1);
  }
  constexpr std::string_view kBoxed = "\\boxed{";
  if (const std::size_t at = response.rfind(kBoxed); at != std::string_view::npos) {
    std::size_t inner = at + kBoxed.size();
    if (response.substr(inner).starts_with("\\text{")) inner += 6;
    if (const auto letter = LetterAfter(response, inner)) return *letter;
  }
  for (std::size_t i = response.size(); i-- > 2;) {
    if (response[i] != ')' || response[i - 2] != '(') continue;
    if (const auto letter = AsLetter(response[i - 1], false)) return *letter;
  }
  for (std::size_t i = response.size(); i-- > 0;) {
    const bool left = i == 0 || !(IsLetter(response[i - 1]) || IsDigit(response[i - 1]) || response[i - 1] == '\'');
    const bool right = i + 1 == response.size() ||
                       !(IsLetter(response[i + 1]) || IsDigit(response[i + 1]) || response[i + 1] == '\'');
    if (!left || !right) continue;
    if (const auto letter = AsLetter(response[i], true)) return *letter;
  }
  return kNoGroup;
}

AnswerKind KindOf(std::span<const std::string> answers) {
  std::size_t given = 0;
  std::size_t letters = 0;
  std::size_t numbers = 0;
  for (const std::string& answer : answers) {
    if (answer.empty()) continue;
    ++given;
    letters += LetterOf(answer) != kNoGroup ? 1 : 0;
    numbers += ReadNumericAnswer(answer) ? 1 : 0;
  }
  if (given > 0 && 2 * letters >= given) return AnswerKind::kLetter;
  if (given > 0 && 2 * numbers >= given) return AnswerKind::kNumber;
  return AnswerKind::kText;
}

AnswerGroups GroupAnswers(std::span<const std::string> answers, AnswerKind kind, const TextSimilarity& similarity) {
  REQUIRE(answers.size() <= static_cast<std::size_t>(std::numeric_limits<std::int16_t>::max()), "number of answers");
  if (kind == AnswerKind::kLetter) return ByLetter(answers);
  if (kind == AnswerKind::kNumber) return ByValue(answers);
  return ByText(answers, similarity);
}

}  // namespace pointsman::embed
