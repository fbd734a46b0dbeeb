// Text normalisation and hashed n-gram features for LSA.
//
// Normalisation: ASCII letters lower-cased; words are runs of ASCII letters,
// digits and non-ASCII code points other than Unicode punctuation and spaces.
// Features: words, word bigrams, and character 3- to 5-grams (by code point) of
// words of four and more characters, with a mark at each end of the word.
//
// Cost is bounded whatever the length of the text: kWordsMax words are looked at
// and kFeaturesMax distinct buckets are kept, words before bigrams before
// character n-grams, because these carry most meaning each.
// Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pointsman::embed {

inline constexpr std::uint32_t kBuckets = 32'768;
inline constexpr std::size_t kFeaturesMax = 512;
inline constexpr std::size_t kWordsMax = 2048;

// One hash bucket and how often its n-grams occur in the text.
struct Feature {
  std::uint32_t bucket = 0;
  std::uint32_t count = 0;
  bool operator==(const Feature&) const = default;
};

// True for well-formed UTF-8: no overlong forms, surrogates or values past U+10FFFF.
bool IsUtf8(std::string_view text);

// The words of `text`, lower-cased, at most kWordsMax of them, each cut to 64
// bytes at a code point's edge. `text` must be UTF-8.
std::vector<std::string> Words(std::string_view text);

// Features in ascending bucket, at most kFeaturesMax. `text` must be UTF-8.
std::vector<Feature> HashedFeatures(std::string_view text);

}  // namespace pointsman::embed
