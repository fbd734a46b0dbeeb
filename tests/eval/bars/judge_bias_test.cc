// What one judge is off by against another, and against people, on real answers: the
// interval of the estimate holds what the other half of the answers shows.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "eval/judge_protocol.h"

namespace pointsman::eval {
namespace {

// Nothing without POINTSMAN_DATA.
std::vector<JudgePair> PairsOf(const std::string& name) {
  const char* folder = std::getenv("POINTSMAN_DATA");
  if (folder == nullptr) return {};
  const auto pairs = RunJudges(std::string(folder) + "/" + name, {});
  EXPECT_TRUE(pairs.ok()) << pairs.error().message;
  if (!pairs.ok()) return {};
  std::cout << ToTable(*pairs);
  return *pairs;
}

TEST(JudgeBias, OfOneJudgeAgainstAnotherLiesInItsIntervalOnTheOtherHalf) {
  const std::vector<JudgePair> pairs = PairsOf("paretobandit_val.jsonl.gz");
  if (pairs.empty()) GTEST_SKIP() << "POINTSMAN_DATA is not set";
  ASSERT_EQ(pairs.size(), 6U) << "three judges";
  std::uint32_t covered = 0;
  std::uint32_t splits = 0;
  for (const JudgePair& pair : pairs) {
    EXPECT_GT(pair.answers, 200U);
    covered += pair.covered;
    splits += pair.splits;
  }
  EXPECT_GE(covered, splits * 9 / 10);
}

TEST(JudgeBias, OfJudgesAgainstPeopleLiesInItsIntervalOnTheOtherHalf) {
  const std::vector<JudgePair> pairs = PairsOf("pandalm_judge.jsonl.gz");
  if (pairs.empty()) GTEST_SKIP() << "POINTSMAN_DATA is not set";
  ASSERT_EQ(pairs.size(), 2U);
  for (const JudgePair& pair : pairs) {
    EXPECT_EQ(pair.against, kPeople);
    EXPECT_GT(pair.answers, 800U);
    EXPECT_GE(pair.covered, pair.splits * 9 / 10);
  }
}

}  // namespace
}  // namespace pointsman::eval
