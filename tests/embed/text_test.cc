#include "embed/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace pointsman::embed {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Text, WordsAreLowerCasedAndSplitAtWhatIsNotAlphanumeric) {
  EXPECT_THAT(Words("Which of THESE, (x2+1), holds?"), ElementsAre("which", "of", "these", "x2", "1", "holds"));
  EXPECT_THAT(Words("  ...  "), IsEmpty());
}

TEST(Text, UnicodePunctuationSeparatesAndLettersStay) {
  EXPECT_THAT(Words("caf\u00e9\u2014\u201cbar\u201d"), ElementsAre("caf\u00e9", "bar"));
  EXPECT_THAT(Words("\u6c34\u3002\u706b"), ElementsAre("\u6c34", "\u706b"));
}

TEST(Text, LongWordsAreCutAtTheEdgeOfACodePoint) {
  std::string text(63, 'a');
  text += "\u00e9";
  const auto words = Words(text);
  ASSERT_EQ(words.size(), 1U);
  EXPECT_EQ(words[0], std::string(63, 'a'));
}

TEST(Text, WordsBeyondTheLimitAreNotLookedAt) {
  std::string text;
  for (std::size_t i = 0; i < kWordsMax + 100; ++i) text += "w" + std::to_string(i) + " ";
  const auto words = Words(text);
  ASSERT_EQ(words.size(), kWordsMax);
  EXPECT_EQ(words.back(), "w" + std::to_string(kWordsMax - 1));
}

TEST(Text, Utf8IsCheckedStrictly) {
  EXPECT_TRUE(IsUtf8("plain"));
  EXPECT_TRUE(IsUtf8("\u00e9\u6c34\U0001F600"));
  EXPECT_FALSE(IsUtf8("\xff"));
  EXPECT_FALSE(IsUtf8("\xc3"));              // cut short
  EXPECT_FALSE(IsUtf8("\xc0\xaf"));          // overlong
  EXPECT_FALSE(IsUtf8("\xe0\x80\x80"));      // overlong
  EXPECT_FALSE(IsUtf8("\xed\xa0\x80"));      // surrogate
  EXPECT_FALSE(IsUtf8("\xf4\x90\x80\x80"));  // past U+10FFFF
}

TEST(Features, AreSortedDistinctAndCounted) {
  const auto features = HashedFeatures("red red red");
  ASSERT_EQ(features.size(), 2U);  // the word and the bigram: three letters give no character n-grams
  EXPECT_LT(features[0].bucket, features[1].bucket);
  EXPECT_EQ(features[0].count + features[1].count, 5U);
}

TEST(Features, CaseAndPunctuationDoNotMatter) {
  EXPECT_EQ(HashedFeatures("The Chemical Equation"), HashedFeatures("the, chemical   equation!"));
}

TEST(Features, CharacterGramsLetFormsOfAWordMeet) {
  const auto one = HashedFeatures("photosynthesis");
  const auto other = HashedFeatures("photosynthetic");
  std::vector<Feature> shared;
  std::set_intersection(one.begin(), one.end(), other.begin(), other.end(), std::back_inserter(shared),
                        [](const Feature& a, const Feature& b) { return a.bucket < b.bucket; });
  EXPECT_GT(shared.size(), 20U);
}

TEST(Features, ALongTextHasAtMostTheBoundedNumber) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "token" + std::to_string(i * 7919) + " ";
  EXPECT_EQ(HashedFeatures(text).size(), kFeaturesMax);
  std::string repeated;
  for (int i = 0; i < 100'000; ++i) repeated += "again ";
  EXPECT_LT(HashedFeatures(repeated).size(), 40U);
}

}  // namespace
}  // namespace pointsman::embed
