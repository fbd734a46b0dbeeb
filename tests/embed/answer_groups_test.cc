#include "embed/answer_groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "embed/answer_value.h"

namespace pointsman::embed {
namespace {

using ::testing::ElementsAre;

void ExpectSame(std::string_view a, std::string_view b, bool same = true) {
  const auto left = ReadNumericAnswer(a);
  const auto right = ReadNumericAnswer(b);
  ASSERT_TRUE(left.has_value()) << a;
  ASSERT_TRUE(right.has_value()) << b;
  EXPECT_EQ(SameValue(*left, *right), same) << a << " | " << b;
  EXPECT_EQ(SameValue(*right, *left), same) << b << " | " << a;
}

TEST(AnswerValue, WritingsOfOneNumberAreEqual) {
  ExpectSame("1,250", "1250");
  ExpectSame("$1,250.00", "1250 dollars");
  ExpectSame("3/4", "0.75");
  ExpectSame("\\frac{3}{4}", ".75");
  ExpectSame("1 1/2", "1.5");
  ExpectSame("12%", "0.12");
  ExpectSame("12 percent", "12");
  ExpectSame("1.5e3", "1.5 × 10^3");
  ExpectSame("\\boxed{42}", "42.");
  ExpectSame("x = 5", "5");
  ExpectSame("about 7 minutes", "420 s");
  ExpectSame("2 km", "2000 meters");
  ExpectSame("-3", "−3");
  ExpectSame("**18**", "$18$");
  ExpectSame("3.14", "3.14159");
}

TEST(AnswerValue, OtherNumbersAreNot) {
  ExpectSame("1,250", "1.25", false);
  ExpectSame("5 km", "5 kg", false);
  ExpectSame("3", "3.4", false);
  ExpectSame("0.5", "0.54", false);
  ExpectSame("12%", "12.5%", false);
  ExpectSame("3", "-3", false);
  ExpectSame("1000000", "1000100", false);
}

TEST(AnswerValue, ATextAroundTheNumberMakesItText) {
  for (const char* text : {"", "seven", "7 of the 12 apostles", "between 3 and 4", "1/0", "7 -> 8", "1e999", "3 + 4 = 7"}) {
    EXPECT_FALSE(ReadNumericAnswer(text).has_value()) << text;
  }
}

std::vector<std::int16_t> Groups(const std::vector<std::string>& answers) {
  const AnswerGroups found = GroupAnswers(answers, KindOf(answers), NgramSimilarity);
  EXPECT_EQ(found.number.size(), answers.size());
  return found.number;
}

TEST(AnswerGroups, EachKindIsFoundFromMostOfTheAnswers) {
  EXPECT_EQ(KindOf(std::vector<std::string>{"A", "(b)", "no idea"}), AnswerKind::kLetter);
  EXPECT_EQ(KindOf(std::vector<std::string>{"12", "12.0", "C"}), AnswerKind::kNumber);
  EXPECT_EQ(KindOf(std::vector<std::string>{"Paris", "12", "Rome"}), AnswerKind::kText);
  EXPECT_EQ(KindOf(std::vector<std::string>{"", ""}), AnswerKind::kText);
}

TEST(AnswerGroups, LettersNumbersAndTextsFallIntoTheirGroups) {
  EXPECT_THAT(Groups({"B", "(b)", "C", "none"}), ElementsAre(1, 1, 2, kNoGroup));
  EXPECT_THAT(Groups({"1/2", "3", "0.5", "50%", "half", ""}), ElementsAre(0, 1, 0, 0, kNoGroup, kNoGroup));
  EXPECT_THAT(Groups({"The Eiffel Tower", "eiffel tower.", "Louvre", ""}), ElementsAre(0, 0, 1, kNoGroup));
}

TEST(AnswerGroups, AFewLettersOffIsStillTheSameText) {
  EXPECT_THAT(Groups({"the mitochondrial electron transport chain of eukaryotic cells",
                      "mitochondrial electron transport chains of eukaryotic cells", "the nucleus of the cell"}),
              ElementsAre(0, 0, 1));
}

TEST(AnswerGroups, NumbersAndNegationsKeepTextsApart) {
  EXPECT_THAT(Groups({"the treaty of the great northern alliance signed in 1907",
                      "the treaty of the great northern alliance signed in 1908"}),
              ElementsAre(0, 1));
  EXPECT_THAT(Groups({"the contract between both parties is valid under the law",
                      "the contract between both parties is not valid under the law"}),
              ElementsAre(0, 1));
}

TEST(AnswerGroups, LinksRunThroughAnswersInBetween) {
  const std::vector<std::string> answers = {"one", "two", "three"};
  const TextSimilarity chain = [](std::string_view a, std::string_view b) {
    return (a == "two" || b == "two") ? 0.95 : 0.5;
  };
  EXPECT_THAT(GroupAnswers(answers, AnswerKind::kText, chain).number, ElementsAre(0, 0, 0));
  EXPECT_THAT(GroupAnswers(answers, AnswerKind::kText, {}).number, ElementsAre(0, 1, 2));
}

TEST(AnswerGroups, SignsAndBrokenTextStillCount) {
  EXPECT_THAT(Groups({"+", "-", "+", "\xff\xfe", "\xff\xfe"}), ElementsAre(0, 1, 0, 2, 2));
}

TEST(AnswerGroups, LettersAreTakenFromWholeResponsesInThePublishedOrder) {
  EXPECT_EQ(LetterOfResponse("First (B) looks good. The answer is (C). Not (D)."), 2);
  EXPECT_EQ(LetterOfResponse("So \\boxed{E}, though (A) was close"), 4);
  EXPECT_EQ(LetterOfResponse("Either (A) or, better, (F)"), 5);
  EXPECT_EQ(LetterOfResponse("I would choose G"), 6);
  EXPECT_EQ(LetterOfResponse("N/A"), kNoGroup);
  EXPECT_EQ(LetterOfResponse("no letter here"), kNoGroup);
  EXPECT_EQ(LetterOfResponse("the answer is bread"), kNoGroup);
}

}  // namespace
}  // namespace pointsman::embed
