#include <gtest/gtest.h>

#include <cerrno>
#include <cmath>
#include <numeric>
#include <set>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/file_error.h"
#include "base/inline_vector.h"
#include "base/log.h"
#include "base/result.h"
#include "base/unit_draw.h"

namespace pointsman {
namespace {

TEST(Error, EveryCodeHasANameAnHttpStatusAndAnExit) {
  std::set<std::string_view> names;
  for (int number = 0; number <= 14; ++number) {
    const auto code = static_cast<Code>(number);
    names.insert(CodeName(code));
    EXPECT_GE(HttpStatus(code), 200);
    (void)ExitFor(code);
    (void)RetryAdvice(code);
  }
  EXPECT_EQ(names.size(), 15u);
}

TEST(Error, NumbersOnTheWireNeverChange) {
  EXPECT_EQ(static_cast<int>(Code::kDuplicateOk), 1);
  EXPECT_EQ(static_cast<int>(Code::kNotFound), 4);
  EXPECT_EQ(static_cast<int>(Code::kConflict), 7);
  EXPECT_EQ(static_cast<int>(Code::kInternal), 14);
}

TEST(Result, HoldsAValueOrTheReasonWhyThereIsNone) {
  const Result<int> good(3);
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(*good, 3);
  const Result<int> bad(MakeError(Code::kNotFound, "gone", "it is gone"));
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().reason, "gone");
}

TEST(ResultDeathTest, ReadingTheSideThatIsNotThereIsOurBug) {
  const Result<int> bad(MakeError(Code::kNotFound, "gone", "it is gone"));
  EXPECT_DEATH((void)bad.value(), "REQUIRE");
}

TEST(InlineVectorDeathTest, PushingBeyondTheCapacityIsOurBug) {
  InlineVector<int, 2> values{1, 2};
  EXPECT_TRUE(values.full());
  EXPECT_DEATH(values.push_back(3), "REQUIRE");
}

TEST(InlineVector, EraseKeepsTheOrder) {
  InlineVector<int, 4> values{1, 2, 3};
  values.erase_at(1);
  EXPECT_EQ(values, (InlineVector<int, 4>{1, 3}));
}

TEST(UnitDraw, IsInTheUnitIntervalAndRepeatable) {
  DecisionId id;
  for (int i = 0; i < 10'000; ++i) {
    id.bytes[3] = static_cast<std::uint8_t>(i);
    id.bytes[4] = static_cast<std::uint8_t>(i >> 8);
    const double draw = UnitDraw(id, 7);
    EXPECT_GE(draw, 0);
    EXPECT_LT(draw, 1);
    EXPECT_EQ(draw, UnitDraw(id, 7));
  }
}

TEST(UnitDraw, IsUniformAndIndependentBetweenPurposes) {
  // Chi-square over a 16 x 16 table of draws for two purposes; 255 degrees of
  // freedom, the .9999 quantile is 346.
  constexpr int kDraws = 256'000;
  std::vector<int> table(256);
  DecisionId id;
  for (int i = 0; i < kDraws; ++i) {
    std::memcpy(id.bytes.data() + 4, &i, 4);
    const auto row = static_cast<std::size_t>(UnitDraw(id, 1) * 16);
    const auto column = static_cast<std::size_t>(UnitDraw(id, 2) * 16);
    ++table[row * 16 + column];
  }
  double chi = 0;
  for (const int count : table) chi += std::pow(count - kDraws / 256.0, 2) / (kDraws / 256.0);
  EXPECT_LT(chi, 346);
}

TEST(SplitMix64, NormalHasMeanZeroAndVarianceOne) {
  SplitMix64 random(5);
  double sum = 0;
  double squares = 0;
  constexpr int kDraws = 200'000;
  for (int i = 0; i < kDraws; ++i) {
    const double x = random.Normal();
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.01);
  EXPECT_NEAR(squares / kDraws, 1, 0.02);
}

TEST(SplitMix64, FirstNumbersAreThePublishedOnes) {
  // Reference output of the published generator for seed 1234567.
  SplitMix64 random(1234567);
  EXPECT_EQ(random(), 6457827717110365317ULL);
  EXPECT_EQ(random(), 3203168211198807973ULL);
}

TEST(Shuffle, GivesTheSamePermutationForTheSameSeed) {
  std::vector<int> first(100);
  std::iota(first.begin(), first.end(), 0);
  auto second = first;
  SplitMix64 a(9);
  SplitMix64 b(9);
  Shuffle(first, a);
  Shuffle(second, b);
  EXPECT_EQ(first, second);
  std::sort(first.begin(), first.end());
  EXPECT_EQ(first[42], 42);
}

TEST(FileError, OfAFullDiskSaysToMakeSpaceAndOfAllElseWhatTheSystemSaid) {
  for (const int full : {ENOSPC, EDQUOT, EFBIG}) {
    const Error error = FileError("write", "/store/table.jsonl", full);
    EXPECT_EQ(error.reason, "storage_full");
    EXPECT_NE(error.message.find("cannot write /store/table.jsonl: "), std::string::npos) << error.message;
    EXPECT_NE(error.message.find("make space"), std::string::npos) << error.message;
  }
  const Error other = FileError("open", "/store/LOCK", EACCES);
  EXPECT_EQ(other.reason, "storage_io");
  EXPECT_EQ(other.message, "cannot open /store/LOCK: Permission denied");
}

TEST(Log, EscapeKeepsOutsideBytesHarmlessAndShort) {
  EXPECT_EQ(log::Escape("a\n\x1b[0m"), "a\\x0a\\x1b[0m");
  EXPECT_LE(log::Escape(std::string(1000, 'x')).size(), 70u);
}

TEST(RateLimit, LetsOneLineThroughAPeriodAndCountsTheRest) {
  ManualClock clock;
  clock.Advance(1);
  log::RateLimit limit(clock, 1000);
  std::uint64_t held = 99;
  EXPECT_TRUE(limit.Allow(&held));
  EXPECT_EQ(held, 0u);
  EXPECT_FALSE(limit.Allow(&held));
  EXPECT_FALSE(limit.Allow(&held));
  clock.Advance(1'000'000);
  EXPECT_TRUE(limit.Allow(&held));
  EXPECT_EQ(held, 2u);
}

}  // namespace
}  // namespace pointsman
