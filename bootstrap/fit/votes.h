// Votes: the models' answers as small category numbers, one row an item.
//
// kNoVote marks an answer that is missing or cannot be read as a category.
// Categories of different items need not mean the same; within an item equal
// numbers mean equal answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace pointsman::bootstrap {

inline constexpr std::int16_t kNoVote = -1;

struct Votes {
  std::size_t items = 0;
  std::size_t models = 0;
  std::size_t options = 0;           // categories that an item can have, >= 1
  std::vector<std::int16_t> answer;  // items x models, in [0, options) or kNoVote

  std::int16_t at(std::size_t item, std::size_t model) const { return answer[item * models + model]; }
};

// The category of a chosen letter: "C", "(c)", "C." are 2; anything else kNoVote.
// Letters A to T, as the published consensus step has them.
std::int16_t LetterCategory(std::string_view answer);

}  // namespace pointsman::bootstrap
