// What the published steps promise as a whole: determinism, and their traps.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <span>

#include "base/unit_draw.h"
#include "bootstrap/fit/cascal.h"
#include "bootstrap/fit/cascal_route.h"
#include "bootstrap/fit/consensus.h"
#include "bootstrap/fit/kmeans.h"

namespace pointsman::bootstrap {
namespace {

constexpr std::size_t kItems = 120;
constexpr std::size_t kModels = 6;
constexpr std::size_t kDimension = 5;

// Three directions; each model is right in its own and else at random.
struct Planted {
  std::vector<float> embeddings;
  std::vector<std::uint32_t> subject;
  Votes votes{kItems, kModels, 4, {}};
  std::vector<std::string> names = {"a", "b", "c", "d", "e", "f"};
};

Planted Plant(std::uint64_t seed) {
  Planted out;
  SplitMix64 random(seed);
  for (std::size_t i = 0; i < kItems; ++i) {
    std::vector<float> row(kDimension);
    for (float& value : row) value = static_cast<float>(0.1 * random.Normal());
    row[i % 3] += 1;
    Normalise(row);
    out.embeddings.insert(out.embeddings.end(), row.begin(), row.end());
    out.subject.push_back(static_cast<std::uint32_t>(i % 2));
    for (std::size_t m = 0; m < kModels; ++m) {
      const bool right = m % 3 == i % 3 || random.Unit() < 0.5;
      const auto other = static_cast<std::int16_t>(static_cast<int>(random.Unit() * 5) - 1);
      out.votes.answer.push_back(right ? static_cast<std::int16_t>(i % 4) : other);
    }
  }
  return out;
}

CascalModel Fit(const Planted& planted) {
  const auto scores = PublishedConsensus(planted.votes, {}, {});
  return FitCascal(Rows(planted.embeddings, kDimension), planted.subject, 2, planted.votes, scores, planted.names, {});
}

TEST(Published, TheSameSeedGivesTheSameBytes) {
  const Planted planted = Plant(11);
  const CascalModel once = Fit(planted);
  const CascalModel twice = Fit(planted);
  ASSERT_EQ(once.subjects.size(), twice.subjects.size());
  EXPECT_EQ(once.global, twice.global);
  for (std::size_t s = 0; s < once.subjects.size(); ++s) {
    EXPECT_FALSE(once.subjects[s].members.empty());
    EXPECT_EQ(once.subjects[s].centroids, twice.subjects[s].centroids);
    EXPECT_EQ(once.subjects[s].scores, twice.subjects[s].scores);
    EXPECT_EQ(once.subjects[s].members, twice.subjects[s].members);
    EXPECT_EQ(once.subjects[s].representative, twice.subjects[s].representative);
  }
  const auto query = std::span(planted.embeddings).subspan(0, kDimension);
  EXPECT_EQ(RouteCascal(once, query, {}), RouteCascal(twice, query, {}));
}

TEST(Published, UnreadableAnswersAbstainUnlessTheOldDrawsAreAskedFor) {
  const Planted planted = Plant(12);
  const Votes scoring = DrawUnreadable(planted.votes, kPublishedLetters, 5);
  const Votes strong = DrawUnreadable(planted.votes, 4, 5);
  EXPECT_EQ(scoring.answer, DrawUnreadable(planted.votes, kPublishedLetters, 5).answer);
  const auto unreadable = std::count(planted.votes.answer.begin(), planted.votes.answer.end(), kNoVote);
  ASSERT_GT(unreadable, 0);
  bool beyond_four = false;
  for (std::size_t i = 0; i < planted.votes.answer.size(); ++i) {
    if (planted.votes.answer[i] != kNoVote) {
      EXPECT_EQ(scoring.answer[i], planted.votes.answer[i]);
      continue;
    }
    EXPECT_TRUE(scoring.answer[i] >= 0 && scoring.answer[i] < 20);
    EXPECT_TRUE(strong.answer[i] >= 0 && strong.answer[i] < 4);
    beyond_four = beyond_four || scoring.answer[i] >= 4;
  }
  EXPECT_TRUE(beyond_four);
}

TEST(Published, TheTrainingScaleStandardisesTestAnswers) {
  const RobustScale scale = FitRobustScale(std::vector<double>{-.30, -.20, -.25, -.90, -.22});
  const std::vector<double> printed = {-.6745, .6745, 0, -8.7684, .4047};
  const std::vector<double> values = {-.30, -.20, -.25, -.90, -.22};
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR((values[i] - scale.median) / scale.sigma, printed[i], 5e-5);
  }
}

}  // namespace
}  // namespace pointsman::bootstrap
