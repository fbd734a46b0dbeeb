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

inline constexpr std::int16_t kNoVote = -1;  // equals embed::kNoGroup

struct Votes {
  std::size_t items = 0;
  std::size_t models = 0;
  std::size_t options = 0;           // categories that an item can have at most, >= 1
  std::vector<std::int16_t> answer;  // items x models, in [0, options_of(item)) or kNoVote
  // Categories of each item, each in [1, options]; empty: `options` for all.
  std::vector<std::uint16_t> item_options = {};

  std::size_t options_of(std::size_t item) const { return item_options.empty() ? options : item_options[item]; }
  std::int16_t at(std::size_t item, std::size_t model) const { return answer[item * models + model]; }
};

// The category of a chosen letter: "C", "(c)", "C." are 2; anything else kNoVote.
// Letters A to T, as the published consensus step has them.
std::int16_t LetterCategory(std::string_view answer);

// How many options a multiple-choice question lists: the length of the last run of
// lines that begin with A, B, C, ... ("A. ", "A) ", "(A) "); 0 for less than two.
std::size_t ListedOptions(std::string_view question);

}  // namespace pointsman::bootstrap
