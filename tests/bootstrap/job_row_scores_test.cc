#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "bootstrap/job/row_scores.h"

namespace pointsman::bootstrap {
namespace {

using ::testing::ElementsAre;

// Rows of answers, one column a model.
Table Answers(const std::vector<std::vector<std::string>>& rows) {
  Table table;
  for (std::size_t m = 0; m < rows.front().size(); ++m) table.models.push_back("m" + std::to_string(m));
  for (const auto& answers : rows) {
    TableRow row;
    row.query = "question";
    for (const std::string& answer : answers) {
      TableCell cell{};
      cell.present = true;
      cell.answer = answer;
      row.models.push_back(cell);
    }
    table.rows.push_back(row);
  }
  return table;
}

std::vector<std::size_t> AllOf(std::size_t count) {
  std::vector<std::size_t> all(count);
  for (std::size_t i = 0; i < count; ++i) all[i] = i;
  return all;
}

TableVotes VotesOfAll(const Table& table) {
  return VotesOf(table, AllOf(table.rows.size()), AllOf(table.models.size()));
}

TEST(VotesOf, TheNumberOfOptionsIsTheRowsOwnThenTheQuerysThenTheTables) {
  Table table = Answers({{"A", "B"}, {"A", "F"}, {"C", "B"}});
  table.rows[0].options = 2;
  table.rows[1].query = "Which?\nA. one\nB. two\nC. three\n";
  const TableVotes found = VotesOfAll(table);
  EXPECT_TRUE(found.letters);
  EXPECT_EQ(found.votes.options_of(0), 2U);
  EXPECT_EQ(found.votes.options_of(1), 3U);
  EXPECT_EQ(found.votes.options_of(2), 6U) << "up to the highest letter in use";
  EXPECT_EQ(found.votes.at(1, 1), kNoVote) << "F is not one of three options";
}

TEST(VotesOf, EachItemIsGroupedByItsOwnKind) {
  const Table table = Answers({{"0.5", "1/2", "7", ""},
                               {"The Hague", "the hague", "Delft", "Delft"},
                               {"B", "(b)", "C", "no idea"},
                               {"2", "3", "3.0", "3"}});
  const TableVotes found = VotesOfAll(table);
  EXPECT_FALSE(found.letters);
  EXPECT_THAT(found.votes.answer, ElementsAre(0, 0, 1, kNoVote,  //
                                              0, 0, 1, 1,        //
                                              1, 1, 2, kNoVote,  //
                                              1, 0, 0, 0));
}

TEST(VotesOf, BeyondTwentyDifferentAnswersTheRarestAbstain) {
  std::vector<std::string> answers;
  for (int i = 0; i < 25; ++i) answers.push_back(std::string(5, static_cast<char>(0x61 + i)));
  answers.push_back(answers.back());
  const TableVotes found = VotesOfAll(Answers({answers}));
  EXPECT_EQ(found.votes.options, 20U);
  EXPECT_EQ(found.votes.at(0, 25), 0) << "the only answer given twice comes first";
  EXPECT_EQ(found.votes.at(0, 23), kNoVote);
}

TEST(ScoreRows, AutoTakesTheCrowdWhereThereAreEnoughModels) {
  EXPECT_EQ(ChooseConsensus(3000, kCrowdModelsMin), Consensus::kCrowd);
  EXPECT_EQ(ChooseConsensus(3000, kCrowdModelsMin - 1), Consensus::kPlainEm);
  const Table table = Answers({{"Rome", "Rome", "Oslo"}, {"4", "4", "5"}});
  EXPECT_EQ(ScoreRows(table, AllOf(2), AllOf(3), Labels::kConsensus, Consensus::kAuto).used, Consensus::kCrowd);
  EXPECT_EQ(ScoreRows(table, AllOf(2), AllOf(1), Labels::kConsensus, Consensus::kAuto).used, Consensus::kPlainEm);
}

TEST(HonestShares, ARowOnWhichNobodyAgreesCountsLessThanOneOfAMajority) {
  std::vector<std::vector<std::string>> rows;
  for (int i = 0; i < 60; ++i) {
    std::vector<std::string> answers(10, i % 2 == 0 ? "A" : "B");
    answers[static_cast<std::size_t>(i) % 10] = "C";
    answers[static_cast<std::size_t>(i / 3) % 10] = "D";
    rows.push_back(answers);
  }
  rows.push_back({"A", "B", "C", "D", "E", "F", "G", "H", "I", "J"});
  const Table table = Answers(rows);
  const auto share = HonestShares(table, AllOf(rows.size()), AllOf(10));
  ASSERT_EQ(share.size(), rows.size());
  EXPECT_GT(share[0], .8);
  EXPECT_LT(share.back(), .5);
  EXPECT_GE(share.back(), kHonestShareMin);
  EXPECT_EQ(HonestShares(table, AllOf(rows.size()), AllOf(2)), std::vector<double>(rows.size(), 1)) << "two models";
}

TEST(ScoreRows, EveryConsensusGivesSharesForOneModelAndForSilence) {
  for (const Consensus consensus :
       {Consensus::kAuto, Consensus::kCrowd, Consensus::kPlainEm, Consensus::kPublished, Consensus::kPublishedRawSum}) {
    for (const auto& rows : std::vector<std::vector<std::vector<std::string>>>{
             {{"A"}}, {{""}, {""}}, {{"x", "x"}, {"y", "x"}}, {{"A", "A", "A", "A"}, {"A", "A", "A", "A"}}}) {
      const Table table = Answers(rows);
      const auto scores =
          ScoreRows(table, AllOf(rows.size()), AllOf(rows.front().size()), Labels::kConsensus, consensus).scores;
      for (const double score : scores.value) EXPECT_TRUE(score >= 0 && score <= 1) << score;
    }
  }
}

TEST(ScoreRows, LogProbabilitiesMoveThePublishedAndTheImprovedScores) {
  Table table = Answers({{"A", "A", "B"}, {"B", "A", "B"}, {"A", "B", "B"}, {"C", "C", "B"}});
  const auto scores = [&](Consensus consensus) {
    return ScoreRows(table, AllOf(4), AllOf(3), Labels::kConsensus, consensus).scores.value;
  };
  for (const Consensus consensus : {Consensus::kPublished, Consensus::kPublishedRawSum, Consensus::kCrowd}) {
    for (TableRow& row : table.rows) {
      for (TableCell& cell : row.models) cell.log_probability = std::numeric_limits<double>::quiet_NaN();
    }
    const double without = scores(consensus)[0];
    for (std::size_t i = 0; i < 4; ++i)
      table.rows[i].models[0].log_probability = i == 0 ? -0.01 : -2 - 0.1 * static_cast<double>(i);
    EXPECT_GT(scores(consensus)[0], without) << static_cast<int>(consensus) << ": model 0 is surest of row 0";
  }
}

}  // namespace
}  // namespace pointsman::bootstrap
