// Groups of equal answers to one question: what makes categories of letters,
// numbers and free text, so that one machinery scores them all.
//
//   letters  the letter chosen; answers without one abstain
//   numbers  by value (answer_value.h); what is no number abstains
//   text     equal after normalisation (case, blanks, punctuation, articles), or
//            linked through answers whose embeddings have cosine >= .9 (spec
//            cascal_meta_router D.2, single link); texts that name different
//            numbers, or of which one is negated, are never linked
//
// Groups are numbered by first appearance, but letters by the alphabet. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pointsman::embed {

inline constexpr std::int16_t kNoGroup = -1;  // of an answer that is empty or unreadable

enum class AnswerKind : std::uint8_t { kLetter, kNumber, kText };

inline constexpr std::size_t kTextBytesLinked = 2048;  // longer texts only group when equal
inline constexpr double kLinkCosine = 0.9;

// Cosine of two normalised texts in [-1,1].
using TextSimilarity = std::function<double(std::string_view, std::string_view)>;
// Cosine of hashed word and character n-grams: needs no fitted model. Texts must be UTF-8.
double NgramSimilarity(std::string_view a, std::string_view b);

struct AnswerGroups {
  AnswerKind kind = AnswerKind::kText;
  std::size_t groups = 0;            // for letters: the highest letter's number + 1
  std::vector<std::int16_t> number;  // of each answer, in [0, groups), or kNoGroup
};

// The kind that most of the answers have; ties go to the stricter kind. Empty
// answers do not count; without any answer: text.
AnswerKind KindOf(std::span<const std::string> answers);

// At most 32,767 answers. An empty `similarity` links nothing.
AnswerGroups GroupAnswers(std::span<const std::string> answers, AnswerKind kind, const TextSimilarity& similarity);

// The number of a letter from A to T that is the whole answer but for blanks and
// brackets: "C", "(c)", "C." are 2; anything else kNoGroup.
std::int16_t LetterOf(std::string_view answer);

// The letter that a whole response chooses, in the order of the published step
// (spec A.1): "the answer is (X)", the last \boxed{X}, the last "(X)", the last
// letter that stands alone; kNoGroup without one. A letter from A to T.
std::int16_t LetterOfResponse(std::string_view response);

// Lower case, single blanks, no punctuation around words, no articles.
std::string NormalisedText(std::string_view answer);

}  // namespace pointsman::embed
