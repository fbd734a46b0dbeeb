#include "embed/text.h"

#include <algorithm>
#include <array>

namespace pointsman::embed {
namespace {

constexpr std::size_t kWordBytesMax = 64;
constexpr std::size_t kAddedMax = 8192;  // n-grams hashed, repeated ones included
constexpr std::size_t kSlots = 2048;     // a power of two, four times kFeaturesMax

// Length in bytes of the code point that starts with `lead`.
std::size_t SequenceLength(unsigned char lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xE0) return 2;
  if (lead < 0xF0) return 3;
  return 4;
}

std::uint32_t CodePoint(const char* at, std::size_t length) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(at[i])); };
  switch (length) {
    case 1: return byte(0);
    case 2: return (byte(0) & 0x1F) << 6 | (byte(1) & 0x3F);
    case 3: return (byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    default: return (byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
  }
}

bool IsWordPoint(std::uint32_t point) {
  if (point < 0x80) {
    return (point >= '0' && point <= '9') || (point >= 'a' && point <= 'z') || (point >= 'A' && point <= 'Z');
  }
  const bool separator = (point <= 0xBF && point != 0xAA && point != 0xB5 && point != 0xBA) ||  // Latin-1 signs
                         (point >= 0x2000 && point <= 0x206F) ||                                // general punctuation
                         (point >= 0x3000 && point <= 0x303F) ||                                // CJK punctuation
                         (point >= 0xFF00 && point <= 0xFF0F);                                  // full-width marks
  return !separator;
}

// All words one after the other, and where each begins.
struct WordList {
  std::string bytes;
  std::vector<std::uint32_t> begin;  // one more than there are words

  std::size_t size() const { return begin.size() - 1; }
  std::string_view operator[](std::size_t i) const {
    return std::string_view(bytes).substr(begin[i], begin[i + 1] - begin[i]);
  }
};

WordList SplitWords(std::string_view text) {
  WordList words;
  words.begin.push_back(0);
  words.bytes.reserve(std::min<std::size_t>(text.size(), 8192));
  const auto close = [&] {
    if (words.bytes.size() > words.begin.back()) words.begin.push_back(static_cast<std::uint32_t>(words.bytes.size()));
  };
  for (std::size_t i = 0; i < text.size() && words.size() < kWordsMax;) {
    const std::size_t length = std::min(SequenceLength(static_cast<unsigned char>(text[i])), text.size() - i);
    const std::uint32_t point = CodePoint(text.data() + i, length);
    if (!IsWordPoint(point)) {
      close();
    } else if (words.bytes.size() - words.begin.back() + length <= kWordBytesMax) {
      if (point >= 'A' && point <= 'Z') {
        words.bytes.push_back(static_cast<char>(point - 'A' + 'a'));
      } else {
        words.bytes.append(text.substr(i, length));
      }
    }
    i += length;
  }
  if (words.size() < kWordsMax) {
    close();
  } else {
    words.bytes.resize(words.begin.back());
  }
  return words;
}

// FNV-1a with the kind of feature as its start, finished with the splitmix64
// mixer so that the low bits, of which the bucket is made, depend on all bytes.
class FeatureHash {
 public:
  explicit FeatureHash(std::uint8_t kind) { Add(kind); }
  void Add(std::uint8_t byte) { state_ = (state_ ^ byte) * 0x100000001B3ULL; }
  void Add(std::string_view bytes) {
    for (const char byte : bytes) Add(static_cast<std::uint8_t>(byte));
  }
  std::uint32_t Bucket() const {
    std::uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9ULL;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBULL;
    return static_cast<std::uint32_t>((mixed ^ (mixed >> 31)) % kBuckets);
  }

 private:
  std::uint64_t state_ = 0xCBF29CE484222325ULL;
};

// Counts buckets in an open-addressed table that never grows.
class BucketCounter {
 public:
  BucketCounter() { slots_.fill({kBuckets, 0}); }
  bool full() const { return distinct_ == kFeaturesMax; }
  // True when no further kind of feature should be looked at.
  bool done() const { return full() || added_ >= kAddedMax; }
  // A new bucket is ignored once the counter is full.
  void Add(std::uint32_t bucket) {
    ++added_;
    std::size_t slot = bucket & (kSlots - 1);
    while (slots_[slot].bucket != kBuckets && slots_[slot].bucket != bucket) slot = (slot + 1) & (kSlots - 1);
    if (slots_[slot].bucket == kBuckets) {
      if (full()) return;
      slots_[slot].bucket = bucket;
      ++distinct_;
    }
    ++slots_[slot].count;
  }
  std::vector<Feature> Sorted() const {
    std::vector<Feature> features;
    features.reserve(distinct_);
    for (const Feature& slot : slots_) {
      if (slot.bucket != kBuckets) features.push_back(slot);
    }
    std::sort(features.begin(), features.end(), [](const Feature& a, const Feature& b) { return a.bucket < b.bucket; });
    return features;
  }

 private:
  std::array<Feature, kSlots> slots_;
  std::size_t distinct_ = 0;
  std::size_t added_ = 0;
};

constexpr std::uint8_t kWordKind = 'w';
constexpr std::uint8_t kBigramKind = 'b';
constexpr std::uint8_t kCharacterKind = 'c';
constexpr char kEdge = '\x01';

// Character 3- to 5-grams of one word with a mark at each end.
void AddCharacterGrams(std::string_view word, BucketCounter& counter) {
  std::array<char, kWordBytesMax + 2> marked;
  std::array<std::uint8_t, kWordBytesMax + 3> edge;  // where each code point begins
  std::size_t points = 0;
  std::size_t bytes = 0;
  marked[bytes] = kEdge;
  edge[points++] = static_cast<std::uint8_t>(bytes++);
  for (std::size_t i = 0; i < word.size();) {
    const std::size_t length = std::min(SequenceLength(static_cast<unsigned char>(word[i])), word.size() - i);
    edge[points++] = static_cast<std::uint8_t>(bytes);
    for (std::size_t j = 0; j < length; ++j) marked[bytes++] = word[i + j];
    i += length;
  }
  marked[bytes] = kEdge;
  edge[points++] = static_cast<std::uint8_t>(bytes++);
  edge[points] = static_cast<std::uint8_t>(bytes);
  if (points < 6) return;
  for (std::size_t start = 0; start + 3 <= points; ++start) {
    FeatureHash hash(kCharacterKind);
    hash.Add(std::string_view(marked.data() + edge[start], edge[start + 2] - edge[start]));
    for (std::size_t length = 3; length <= 5 && start + length <= points; ++length) {
      const std::size_t from = edge[start + length - 1];
      hash.Add(std::string_view(marked.data() + from, edge[start + length] - from));
      counter.Add(hash.Bucket());
    }
  }
}

}  // namespace

bool IsUtf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    if (lead < 0xC2 || lead > 0xF4) return false;
    const std::size_t length = SequenceLength(lead);
    if (i + length > text.size()) return false;
    for (std::size_t j = 1; j < length; ++j) {
      if ((static_cast<unsigned char>(text[i + j]) & 0xC0) != 0x80) return false;
    }
    const std::uint32_t point = CodePoint(text.data() + i, length);
    constexpr std::array<std::uint32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
    if (point < kSmallest[length] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return false;
    i += length;
  }
  return true;
}

std::vector<std::string> Words(std::string_view text) {
  const WordList list = SplitWords(text);
  std::vector<std::string> words;
  words.reserve(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) words.emplace_back(list[i]);
  return words;
}

std::vector<Feature> HashedFeatures(std::string_view text) {
  const WordList words = SplitWords(text);
  BucketCounter counter;
  for (std::size_t i = 0; i < words.size(); ++i) {
    FeatureHash hash(kWordKind);
    hash.Add(words[i]);
    counter.Add(hash.Bucket());
  }
  for (std::size_t i = 1; i < words.size() && !counter.done(); ++i) {
    FeatureHash hash(kBigramKind);
    hash.Add(words[i - 1]);
    hash.Add(static_cast<std::uint8_t>(' '));
    hash.Add(words[i]);
    counter.Add(hash.Bucket());
  }
  for (std::size_t i = 0; i < words.size() && !counter.done(); ++i) AddCharacterGrams(words[i], counter);
  return counter.Sorted();
}

}  // namespace pointsman::embed
