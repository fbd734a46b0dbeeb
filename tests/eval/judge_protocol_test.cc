// The protocol of judges: small files with a known bias, and bad ones.
#include "eval/judge_protocol.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "base/unit_draw.h"

namespace pointsman::eval {
namespace {

using nlohmann::json;

class Judges : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = (std::filesystem::temp_directory_path() / "judges_XXXXXX").string();
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    folder_ = folder;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& text) {
    const std::string path = folder_ / "judged.jsonl";
    std::ofstream(path) << text;
    return path;
  }

  // `mild` says .2 more than `strict` of model b, and the same of model a.
  static std::string TwoJudges(int queries) {
    SplitMix64 random(5);
    std::string lines;
    for (int q = 0; q < queries; ++q) {
      json ratings;
      for (const char* model : {"a", "b"}) {
        const double strict = .3 + .4 * random.Unit();
        ratings["strict"][model] = strict;
        ratings["mild"][model] = strict + (*model == 'b' ? .2 : 0) + .1 * (random.Unit() - .5);
      }
      lines += json{{"ratings", ratings}}.dump() + "\n";
    }
    return lines;
  }

  std::filesystem::path folder_;
};

TEST_F(Judges, AKnownBiasIsFoundAndItsIntervalHoldsOnTheOtherHalf) {
  const auto pairs = RunJudges(Write(TwoJudges(400)), {.splits = 20, .gold = .3});
  ASSERT_TRUE(pairs.ok()) << pairs.error().message;
  ASSERT_EQ(pairs->size(), 2U);
  EXPECT_EQ((*pairs)[0].rater, "mild");
  EXPECT_EQ((*pairs)[0].against, "strict");
  EXPECT_EQ((*pairs)[0].answers, 800U);
  EXPECT_EQ((*pairs)[0].queries, 400U);
  EXPECT_NEAR((*pairs)[0].bias, -.1, .005);
  EXPECT_NEAR((*pairs)[0].estimate, -.1, .01);
  EXPECT_NEAR((*pairs)[1].estimate, .1, .01);
  EXPECT_GT((*pairs)[0].error, 0);
  EXPECT_EQ((*pairs)[0].splits, 20U);
  EXPECT_GE((*pairs)[0].covered, 17U);
  const json told = json::parse(ToJson(*pairs, {}));
  EXPECT_EQ(told["pairs"][0]["covered"], (*pairs)[0].covered);
  EXPECT_NE(ToTable(*pairs).find("strict"), std::string::npos);
}

TEST_F(Judges, PeoplesVotesAreTheirMeanAndOtherLinesArePassedOver) {
  std::string lines = "not json\n[1]\n{\"query\":\"nobody judged it\"}\n";
  for (int q = 0; q < 300; ++q) {
    lines += json{{"judge", {{"first", q % 2 == 0 ? "a" : "b"}, {"kind", "pairwise"}, {"j", q % 3 == 0 ? 0.0 : 1.0}}},
                  {"gold_votes_first", {q % 3 == 0 ? 0.0 : 1.0, q % 5 == 0 ? 1.0 : 0.0}}}
                 .dump() +
             "\n";
  }
  lines += R"({"judge":{"first":"a","j":"win"},"gold_votes_first":[1]})"
           "\n"
           R"({"judge":{"first":"a","j":1},"gold_votes_first":["?"]})"
           "\n"
           R"({"judge":{"j":1},"gold_votes_first":[1]})"
           "\n"
           R"({"judge":{"first":"a","j":7},"gold_votes_first":[1]})"
           "\n";
  const auto pairs = RunJudges(Write(lines), {.splits = 2, .gold = .5});
  ASSERT_TRUE(pairs.ok()) << pairs.error().message;
  ASSERT_EQ(pairs->size(), 1U);
  EXPECT_EQ((*pairs)[0].against, kPeople);
  EXPECT_EQ((*pairs)[0].answers, 300U);
}

TEST_F(Judges, AFileWithoutTwoJudgesAMissingOneAndOptionsOutOfRangeAreRefused) {
  const auto reason = [](const auto& result) { return result.ok() ? "" : result.error().reason; };
  EXPECT_EQ(reason(RunJudges(Write(""), {})), "no_judges");
  EXPECT_EQ(reason(RunJudges(Write(TwoJudges(20)), {})), "no_judges") << "fewer than 100 answers";
  EXPECT_EQ(reason(RunJudges(Write(R"({"ratings":{"one":{"a":1}}})"), {})), "no_judges");
  EXPECT_EQ(reason(RunJudges(folder_ / "none.jsonl", {})), "no_file");
  EXPECT_EQ(reason(RunJudges(Write(TwoJudges(100)), {.splits = 0})), "option_range");
  EXPECT_EQ(reason(RunJudges(Write(TwoJudges(100)), {.gold = 0})), "option_range");
}

}  // namespace
}  // namespace pointsman::eval
