#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "bootstrap/fit/consensus.h"
#include "bootstrap/fit/crowd.h"

namespace pointsman::bootstrap {
namespace {

using Letters = std::vector<std::int16_t>;

std::vector<double> Scores(const Letters& letters, double weight, ConsensusLink link = ConsensusLink::kSoftmax) {
  return PublishedItemScores(letters, std::vector<double>(letters.size(), weight), {.link = link});
}

TEST(PublishedConsensus, AgreesWithThePrintedNumbers) {
  EXPECT_NEAR(Scores({2, 2, 2, 2, 2, 2}, 0.5)[0], 0.513887, 5e-7);
  EXPECT_NEAR(Scores({2, 2, 2, 2, 2, 2}, 0.99)[0], 0.952373, 5e-7);
  const auto five_to_one = Scores({0, 0, 0, 0, 0, 1}, 0.5);
  EXPECT_NEAR(five_to_one[0], 0.382722, 5e-7);
  EXPECT_NEAR(five_to_one[5], 0.051796, 5e-7);
  EXPECT_NEAR(Scores({0, 0, 0, 1, 1, 1}, 0.5)[4], 0.166214, 5e-7);
  const auto three_two_one = Scores({0, 0, 0, 1, 1, 2}, 0.5);
  EXPECT_NEAR(three_two_one[0], 0.173382, 5e-7);
  EXPECT_NEAR(three_two_one[3], 0.105161, 5e-7);
  EXPECT_NEAR(three_two_one[5], 0.063784, 5e-7);
  EXPECT_NEAR(Scores({0, 1, 2, 3, 4, 5}, 0.5)[3], 0.069006, 5e-7);
}

TEST(PublishedConsensus, RobustScaleAndWeightsAgreeWithThePrintedNumbers) {
  const std::vector<double> values = {-.30, -.20, -.25, -.90, -.22};
  const RobustScale scale = FitRobustScale(values);
  EXPECT_NEAR(scale.median, -.25, 1e-12);
  EXPECT_NEAR(scale.sigma, .07413, 1e-9);
  const std::vector<double> weights = {.3375, .6625, .5, .01, .5998};
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(VoteWeight(values[i], scale), weights[i], 5e-5);
}

TEST(PublishedConsensus, ScaleFallsBackToTheStandardDeviationAndThenToOne) {
  const RobustScale mostly_equal = FitRobustScale(std::vector<double>{1, 1, 1, 5});
  EXPECT_NEAR(mostly_equal.sigma, std::sqrt(3.0), 1e-12);
  EXPECT_EQ(FitRobustScale(std::vector<double>{2, 2, 2}).sigma, 1);
  EXPECT_EQ(FitRobustScale({}).sigma, 1);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(FitRobustScale(std::vector<double>{nan, 2, nan}).median, 2);
}

TEST(PublishedConsensus, RawSumIsTheWeightOfTheOwnLetter) {
  const auto scores = Scores({0, 0, 0, 1, 1, 2}, 0.5, ConsensusLink::kRawSum);
  EXPECT_DOUBLE_EQ(scores[0], 1.5);
  EXPECT_DOUBLE_EQ(scores[3], 1.0);
  EXPECT_DOUBLE_EQ(scores[5], 0.5);
}

TEST(PublishedConsensus, AnUnreadableAnswerAbstains) {
  const auto with = Scores({0, 0, 0, 0, 0, kNoVote}, 0.5);
  const auto without = Scores({0, 0, 0, 0, 0}, 0.5);
  EXPECT_EQ(with[5], 0);
  EXPECT_EQ(with[0], without[0]);
}

TEST(PublishedConsensus, TableScoresUseEachModelsOwnScale) {
  Votes votes{5, 2, kPublishedLetters, {0, 0, 0, 1, 0, 0, 0, 0, 0, 0}};
  std::vector<double> log_probability;
  for (const double value : {-.30, -.20, -.25, -.90, -.22}) {
    log_probability.push_back(value);
    log_probability.push_back(-1);
  }
  const auto scores = PublishedConsensus(votes, log_probability, {.link = ConsensusLink::kRawSum});
  EXPECT_NEAR(scores[0], .3375 + .5, 5e-5);
  EXPECT_NEAR(scores[3 - 1], .6625, 5e-5);
  EXPECT_NEAR(scores[3], .5, 1e-12);
}

TEST(PlainEm, ReliableModelsOutweighRandomOnes) {
  Votes votes{200, 5, 10, {}};
  for (std::size_t i = 0; i < votes.items; ++i) {
    const auto truth = static_cast<std::int16_t>(i % 10);
    for (std::size_t m = 0; m < 5; ++m) {
      const bool right = m < 2 || (i * 31 + m * 17) % 5 == 0;
      votes.answer.push_back(right ? truth : static_cast<std::int16_t>((i * 7 + m * 13 + 1) % 10));
    }
  }
  const auto scores = PlainEm(votes);
  std::vector<double> mean(5, 0);
  for (std::size_t i = 0; i < scores.size(); ++i) mean[i % 5] += scores[i] / 200;
  EXPECT_GT(mean[0], 0.9);
  EXPECT_LT(mean[4], 0.5);
}

// The printed vector of spec consensus_prior, which checks the whole procedure.
Votes VectorVotes() {
  Votes votes{24, 5, 10, {}};
  for (std::size_t i = 0; i < 24; ++i) {
    for (std::size_t m = 0; m < 5; ++m) {
      const bool right = (i * (m + 2)) % 7 < 6 - m;
      votes.answer.push_back(static_cast<std::int16_t>(right ? i % 4 : (i + 1) % 4));
    }
  }
  votes.answer[5 * 5 + 3] = kNoVote;
  votes.answer[17 * 5 + 0] = kNoVote;
  return votes;
}

TEST(Crowd, AgreesWithThePrintedVector) {
  const CrowdFit fit = FitCrowd(VectorVotes(), {.classes = 2});
  const auto near = [](double got, double expected) { EXPECT_NEAR(got, expected, 1e-8); };
  near(fit.share[0], 0.4513131085);
  near(fit.share[1], 0.5486868915);
  const std::vector<double> means = {0.329382173, 0.5008762463, 0.4588128153, 0.6072547974, 0.6090106993};
  for (std::size_t m = 0; m < 5; ++m) {
    double mean = 0;
    for (std::size_t i = 0; i < 24; ++i) mean += fit.scores[i * 5 + m] / 24;
    near(mean, means[m]);
  }
  const std::vector<std::size_t> rows = {0, 1, 5, 17};
  const std::vector<double> printed = {0.7816022449,
                                       0.7816022449,
                                       0.7816022449,
                                       0.7816022449,
                                       0.7816022449,  //
                                       0.1328183785,
                                       0.1328183785,
                                       0.5945575633,
                                       0.5945575633,
                                       0.5945575633,  //
                                       0.217349883,
                                       0.217349883,
                                       0.3114859029,
                                       0,
                                       0.3114859029,  //
                                       0,
                                       0.4087495654,
                                       0.2417642875,
                                       0.4087495654,
                                       0.2417642875};
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t m = 0; m < 5; ++m) near(fit.scores[rows[r] * 5 + m], printed[r * 5 + m]);
  }
  const std::vector<double> right = {0.2933028955, 0.3936576963, 0.3691229738, 0.4624996762, 0.4512589713,
                                     0.3221239566, 0.4512070384, 0.4193227624, 0.5394638792, 0.5251842734};
  const std::vector<double> distracted = {0.2150133447, 0.235457738,  0.2315573796, 0.2442948474, 0.2431646157,
                                          0.1980651842, 0.2063121384, 0.2056436208, 0.2053663402, 0.2059167598};
  for (std::size_t i = 0; i < 10; ++i) {
    near(fit.right[i], right[i]);
    near(fit.distracted[i], distracted[i]);
  }
}

TEST(Crowd, ScoresStayProbabilitiesForOneModelAndOneItem) {
  Votes votes{1, 1, 4, {2}};
  for (const double score : CrowdConsensus(votes)) {
    EXPECT_GE(score, 0);
    EXPECT_LE(score, 1);
  }
  votes.answer[0] = kNoVote;
  EXPECT_EQ(CrowdConsensus(votes)[0], 0);
}

TEST(Crowd, ThreeHundredModelsStayFinite) {
  Votes votes{40, 300, 10, {}};
  for (std::size_t i = 0; i < votes.items; ++i) {
    for (std::size_t m = 0; m < votes.models; ++m) {
      votes.answer.push_back(static_cast<std::int16_t>((i * m) % 11 < 7 ? i % 10 : (i + m) % 10));
    }
  }
  for (const double score : CrowdConsensus(votes)) ASSERT_TRUE(score >= 0 && score <= 1 + 1e-12) << score;
}

TEST(Votes, LettersAreReadInTheirUsualClothes) {
  EXPECT_EQ(LetterCategory("C"), 2);
  EXPECT_EQ(LetterCategory("(c)"), 2);
  EXPECT_EQ(LetterCategory(" J. "), 9);
  EXPECT_EQ(LetterCategory("T"), 19);
  EXPECT_EQ(LetterCategory("U"), kNoVote);
  EXPECT_EQ(LetterCategory("AB"), kNoVote);
  EXPECT_EQ(LetterCategory("N/A"), kNoVote);
  EXPECT_EQ(LetterCategory(""), kNoVote);
}

TEST(ListedOptions, AreCountedFromTheLastListOfTheQuestion) {
  EXPECT_EQ(ListedOptions("Which?\nA. one\nB. two\nC. three"), 3U);
  EXPECT_EQ(ListedOptions("Which?\n(A) one\n(B) two"), 2U);
  EXPECT_EQ(ListedOptions("A. first\nB. list\nC. is long\nWhich?\n  A) one\n  B) two\n"), 2U);
  EXPECT_EQ(ListedOptions("A. Smith wrote what?"), 0U);
  EXPECT_EQ(ListedOptions(""), 0U);
}

// One question per row with `options` choices; of five models three are right.
Votes MixedVotes(std::size_t items, bool own_options) {
  Votes votes{items, 5, 10, {}};
  for (std::size_t i = 0; i < items; ++i) {
    const std::size_t options = i % 3 == 0 ? 2 : (i % 3 == 1 ? 4 : 10);
    if (own_options) votes.item_options.push_back(static_cast<std::uint16_t>(options));
    for (std::size_t m = 0; m < 5; ++m) {
      const bool right = m < 3 ? (i * 7 + m) % 10 < 9 : (i * 3 + m * 5) % options == 0;
      votes.answer.push_back(static_cast<std::int16_t>(right ? i % options : (i + m + 1) % options));
    }
  }
  return votes;
}

TEST(Crowd, TwoGuessersAgreeingOnOneOfTwoOptionsSayLessThanOnOneOfTen) {
  const Votes own = MixedVotes(300, true);
  for (const auto& scores : {CrowdConsensus(own), PlainEm(own)}) {
    double total = 0;
    for (std::size_t i = 0; i < own.items; ++i) {
      for (std::size_t m = 0; m < own.models; ++m) {
        ASSERT_TRUE(scores[i * 5 + m] >= 0 && scores[i * 5 + m] <= 1 + 1e-12);
        total += scores[i * 5 + m];
      }
    }
    EXPECT_GT(total, 0);
  }
  // The same votes A, A of two weak models on an item of two and of ten options.
  Votes pair{2, 2, 10, {0, 0, 0, 0}};
  pair.item_options = {2, 10};
  const auto scores = PlainEm(pair);
  EXPECT_LT(scores[0], scores[2]);
}

TEST(Crowd, StatingTheUsualNumberOfOptionsChangesNothing) {
  Votes votes = VectorVotes();
  const auto before = FitCrowd(votes, {.classes = 2}).scores;
  votes.item_options.assign(24, 10);
  EXPECT_EQ(FitCrowd(votes, {.classes = 2}).scores, before);
}

TEST(Crowd, OneOptionTellsNothingAboutModels) {
  Votes votes = VectorVotes();
  const auto before = FitCrowd(votes, {.classes = 1, .shared_error_weights = false});
  Votes longer = votes;
  longer.item_options.assign(24, 10);
  for (int i = 0; i < 6; ++i) {
    ++longer.items;
    longer.item_options.push_back(1);
    for (const std::int16_t own : {0, 0, -1, 0, -1}) longer.answer.push_back(own);
  }
  const auto after = FitCrowd(longer, {.classes = 1, .shared_error_weights = false});
  EXPECT_EQ(after.scores[24 * 5], 1);
  EXPECT_EQ(after.scores[24 * 5 + 2], 0);
  EXPECT_NEAR(after.scores[0], before.scores[0], 0.05) << "only the number of other options on average moves";
}

TEST(Confidence, InformativeLogProbabilitiesHelpAndEqualOnesChangeNothing) {
  Votes votes{400, 4, 4, {}};
  std::vector<double> informative;
  std::vector<std::size_t> right;
  for (std::size_t i = 0; i < votes.items; ++i) {
    for (std::size_t m = 0; m < 4; ++m) {
      const bool hit = (i * 13 + m * 29 + i * i) % 11 < 5;
      right.push_back(hit ? 1 : 0);
      votes.answer.push_back(static_cast<std::int16_t>(hit ? i % 4 : (i + 1 + (i + m) % 3) % 4));
      informative.push_back((hit ? -0.2 : -1.0) - 0.01 * static_cast<double>((i + m) % 7));
    }
  }
  const auto error = [&](const std::vector<double>& scores) {
    double squares = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      squares += std::pow(scores[i] - static_cast<double>(right[i]), 2) / static_cast<double>(scores.size());
    }
    return squares;
  };
  const auto confidence = Confidence(votes, informative);
  EXPECT_LT(error(CrowdConsensus(votes, confidence)), error(CrowdConsensus(votes)) - 0.01);
  EXPECT_LT(error(PlainEm(votes, 10, confidence)), error(PlainEm(votes)) - 0.01);
  const auto equal = Confidence(votes, std::vector<double>(votes.answer.size(), -0.5));
  EXPECT_EQ(CrowdConsensus(votes, equal), CrowdConsensus(votes));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto unknown = Confidence(votes, std::vector<double>(votes.answer.size(), nan));
  EXPECT_EQ(CrowdConsensus(votes, unknown), CrowdConsensus(votes));
}

TEST(Crowd, AColumnOfEqualAnswersStaysFinite) {
  Votes votes{30, 4, 10, {}};
  for (std::size_t i = 0; i < 120; ++i) votes.answer.push_back(i % 4 == 0 ? std::int16_t{2} : kNoVote);
  for (const double score : CrowdConsensus(votes)) ASSERT_TRUE(score >= 0 && score <= 1 + 1e-12);
  votes.answer.assign(120, 3);
  for (const double score : CrowdConsensus(votes)) ASSERT_NEAR(score, 1, 1e-3);
}

}  // namespace
}  // namespace pointsman::bootstrap
