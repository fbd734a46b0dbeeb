// Who rated how often: counts, weights, trust, and the group that rates all alike.
#include "policy/learning/subject_book.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/unit_draw.h"
#include "policy/belief/state_codec.h"
#include "tests/policy/belief/harness.h"

namespace pointsman::policy {
namespace {

constexpr double kHalfLife = 14;

TimeWeight At(std::int64_t days) { return MakeTimeWeight(days * kDayUs, kHalfLife); }
SubjectHash Subject(std::uint64_t number) { return SubjectHash{number}; }

double CountOf(const SubjectTable& table, SubjectHash subject, const TimeWeight& now) {
  for (const SubjectCount& entry : table.subjects) {
    if (entry.subject == subject) return std::ldexp(entry.count / now.fraction, table.base - now.epoch);
  }
  return 0;
}

TEST(SubjectCap, ASubjectAloneHasFiveFullWordsAndThenTheStatedFraction) {
  SubjectTable table;
  for (int n = 0; n < 400; ++n) {
    const double expected = std::min(1.0, (.05 * n + 5) / (n + 1));
    EXPECT_DOUBLE_EQ(SubjectCap(table, Subject(7), At(0)), expected) << n;
    CountSubject(table, Subject(7), 1, At(0));
  }
}

TEST(SubjectCap, AmongOthersItIsATwentiethOfTheCellOverOnesOwnCount) {
  SubjectTable table;
  for (int i = 0; i < 900; ++i) CountSubject(table, SubjectHash{}, 1, At(0));
  for (int i = 0; i < 100; ++i) CountSubject(table, Subject(7), 1, At(0));
  EXPECT_DOUBLE_EQ(SubjectCap(table, Subject(7), At(0)), (.05 * 1000 + 5) / 101);
  EXPECT_EQ(SubjectCap(table, Subject(8), At(0)), 1);
  EXPECT_EQ(table.subjects.size(), 1u) << "the decision itself takes no place";
}

TEST(SubjectCap, CountsHalveByEventTimeHoweverTheyArrive) {
  SubjectTable table;
  for (int i = 0; i < 64; ++i) CountSubject(table, Subject(7), 1, At(0));
  EXPECT_DOUBLE_EQ(CountOf(table, Subject(7), At(14)), 32);
  EXPECT_DOUBLE_EQ(SubjectCap(table, Subject(7), At(28)), (.05 * 16 + 5) / 17);
  CountSubject(table, Subject(7), 1, At(14));  // a late word counts from its own time
  CountSubject(table, Subject(7), 1, At(0));
  EXPECT_DOUBLE_EQ(CountOf(table, Subject(7), At(14)), 33.5);
  // Far ahead the sums are moved to another exponent and nothing else changes.
  CountSubject(table, Subject(8), 1, At(14 * 70));
  EXPECT_DOUBLE_EQ(CountOf(table, Subject(7), At(14 * 70)), std::ldexp(33.5, -69));
  EXPECT_DOUBLE_EQ(CountOf(table, Subject(8), At(14 * 70)), 1);
}

TEST(SubjectCap, TheTableOvercountsByAThirtySecondOfTheCellAtMostAndLosesNobodyFrequent) {
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    SplitMix64 random(seed);
    SubjectTable table;
    std::map<std::uint64_t, double> truth;
    double all = 0;
    for (int i = 0; i < 20'000; ++i) {
      const double u = random.Unit();
      // A few often, a thousand seldom.
      const std::uint64_t subject = u < .3 ? 1 + i % 3 : 100 + static_cast<std::uint64_t>(random.Unit() * 1000);
      const double weight = .25 + .75 * random.Unit();
      CountSubject(table, Subject(subject), weight, At(0));
      truth[subject] += weight;
      all += weight;
    }
    EXPECT_EQ(table.subjects.size(), kSubjectsPerCell);
    double sum = 0;
    for (const SubjectCount& entry : table.subjects) {
      sum += std::ldexp(entry.count, table.base);
      const double count = CountOf(table, entry.subject, At(0));
      EXPECT_GE(count, truth[entry.subject.value] - 1e-6) << "seed " << seed;
      EXPECT_LE(count, truth[entry.subject.value] + all / kSubjectsPerCell + 1e-6) << "seed " << seed;
    }
    EXPECT_NEAR(sum, all, 1e-6);
    for (const auto& [subject, count] : truth) {
      const bool frequent = count > all / kSubjectsPerCell;
      EXPECT_TRUE(!frequent || CountOf(table, Subject(subject), At(0)) > 0) << subject;
      EXPECT_TRUE(subject < 100 || SubjectCap(table, Subject(subject), At(0)) == 1) << "seldom, and held back";
    }
  }
}

TEST(SubjectCap, OneSubjectBringsAtMostTheStatedWeightHoweverMuchItSays) {
  // Of 10,000 words a share f comes from one subject. With c = .05 N + 5 it brings at most
  // c (1 + ln(n / c)): less than a tenth of what all bring until it says a fifth of all.
  for (const double share : {.05, .1, .2, .3, .5, .9}) {
    SubjectTable table;
    SplitMix64 random(9);
    double brought = 0;
    double words = 0;
    double others = 0;
    for (int i = 0; i < 10'000; ++i) {
      const bool hostile = random.Unit() < share;
      const SubjectHash subject = hostile ? Subject(1) : Subject(1000 + static_cast<std::uint64_t>(i));
      const double weight = SubjectCap(table, subject, At(0));
      (hostile ? brought : others) += weight;
      words += hostile ? 1 : 0;
      ASSERT_TRUE(hostile || weight == 1) << "somebody who says one thing is heard";
      CountSubject(table, subject, 1, At(0));
    }
    const double bound = .05 * 10'000 + 5;
    EXPECT_LE(brought, words <= bound ? words : bound * (1 + std::log(words / bound))) << share;
    EXPECT_TRUE(share > .2 || brought / (brought + others) <= .125) << share;
  }
}

// Words through attribution, weighed as the commit thread does.
class Raters : public ::testing::Test {
 protected:
  Raters() {
    world.AddModel("small");
    world.AddModel("large");
    world.AddBundle(PlainBundle(3, {{"small", .6}, {"large", .6}}));
    world.Activate(1, 1);
  }
  const SubjectBook& Book() const { return world.learner->state().subjects; }
  double Weigh(std::uint32_t decision, std::uint8_t channel, std::uint64_t subject) const {
    return SubjectScales(Book()).Weigh(world.rows.at(decision).context, channel, Subject(subject), world.now_us);
  }
  // A new decision, rated; what the rating weighed.
  double Rate(std::uint64_t subject, double value, std::vector<std::pair<std::uint32_t, double>> clusters = {{1, 1}},
              std::uint32_t model = 1) {
    world.Decide(++last, model, std::move(clusters), .6);
    world.Context(last).predicted_quality = .6;
    const double weight = Weigh(last, 1, subject);
    EXPECT_EQ(world.Report(last, 1, value, 0, subject, weight), Code::kOk);
    return weight;
  }
  const RowChanged& LastRow() const {
    const Payload& payload = world.history.events.back().payload;
    if (const auto* rating = std::get_if<RatingGiven>(&payload)) return *rating;
    if (const auto* gold = std::get_if<GoldGiven>(&payload)) return *gold;
    return std::get<Retracted>(payload);
  }

  Harness world;
  std::uint32_t last = 0;
};

TEST_F(Raters, ARowOfSeveralCellsGetsTheSmallestWeightOfThem) {
  for (int i = 0; i < 60; ++i) Rate(7, 1, {{1, 1}});
  for (int i = 0; i < 60; ++i) Rate(0, 1, {{2, 1}});
  world.Decide(++last, 1, {{1, .25}, {2, .75}}, .6);
  EXPECT_DOUBLE_EQ(Weigh(last, 1, 7), (.05 * 60 + 5) / 61);
  EXPECT_EQ(Weigh(last, 1, 8), 1);
  const double before = Book().tables.at({ModelId{1}, ClusterId{2}}).all;
  EXPECT_EQ(world.Report(last, 1, 1, 0, 7, .1), Code::kOk);
  EXPECT_DOUBLE_EQ(Book().tables.at({ModelId{1}, ClusterId{2}}).all, before + .75);
  EXPECT_EQ(Book().tables.count({ModelId{2}, ClusterId{1}}), 0u) << "a cell without subjects costs nothing";
}

TEST_F(Raters, TheWeightIsWhatTheCellReceives) {
  for (int i = 0; i < 9; ++i) Rate(7, 1);
  double sum = 0;
  for (int n = 0; n < 9; ++n) sum += std::min(1.0, (.05 * n + 5) / (n + 1));
  const Cell& cell = world.learner->state().cells.at({ModelId{1}, ClusterId{1}});
  EXPECT_NEAR(Decay(cell.patterns.at(0b010), At(0)).weight, sum, 1e-12);
}

TEST_F(Raters, RevisingAndRetractingBuyNothing) {
  for (int i = 0; i < 40; ++i) Rate(7, 1);
  const double weight = Rate(7, 1);
  ASSERT_LT(weight, .2);
  const SubjectTable before = Book().tables.at({ModelId{1}, ClusterId{1}});
  // Others come, so a new word of the subject would weigh more now.
  for (std::uint64_t i = 0; i < 500; ++i) Rate(1000 + i, 1, {{2, 1}});
  EXPECT_EQ(world.Report(41, 1, 0, 1, 7, 1), Code::kOk);
  EXPECT_EQ(LastRow().arrival_weight, weight);
  EXPECT_FALSE(LastRow().first_word);
  EXPECT_EQ(LastRow().weight_after, weight);
  EXPECT_EQ(world.Report(41, 1, std::nullopt, 2, 7, 1), Code::kOk);
  EXPECT_EQ(world.Report(41, 1, 1, 3, 7, 1), Code::kOk);
  EXPECT_EQ(LastRow().weight_after, weight);
  EXPECT_EQ(Book().tables.at({ModelId{1}, ClusterId{1}}), before) << "said again is not said more often";
}

TEST_F(Raters, GoldWeighsFullyAndNoRaterCanDiluteIt) {
  for (int i = 0; i < 40; ++i) Rate(7, 1);
  ASSERT_LT(Rate(7, 1), .2);
  EXPECT_EQ(Weigh(last, 0, 7), 1);
  EXPECT_EQ(Weigh(last, 1, 0), 1) << "no subject: the decision itself";
  EXPECT_EQ(world.Report(last, 0, 0), Code::kOk);
  EXPECT_EQ(LastRow().weight_after, 1);
  EXPECT_LT(LastRow().weight_before, .2);
}

TEST_F(Raters, APreferenceCountsInTheCellsOfBothAnswersAndWeighsTheLess) {
  for (int i = 0; i < 60; ++i) Rate(7, 1, {{1, 1}}, 1);
  world.Decide(++last, 1, {{1, 1}}, .6);
  world.Decide(++last, 2, {{1, 1}}, .6);
  const DecisionContext& one = world.Context(last - 1);
  const DecisionContext& two = world.Context(last);
  const SubjectScales scales(Book());
  EXPECT_DOUBLE_EQ(scales.Weigh(two, one, 1, Subject(7), 0), (.05 * 60 + 5) / 61);
  EXPECT_EQ(scales.Weigh(two, one, 0, Subject(7), 0), 1);
  PreferenceReport report;
  report.channel = 1;
  report.subject = Subject(7);
  report.arrival_weight = .125;
  auto attributed = AttributePreference(world.rows[last], world.rows[last - 1], report, LogSeq{1000}, 0);
  ASSERT_TRUE(attributed.ok());
  world.Add(*attributed->payload);
  EXPECT_DOUBLE_EQ(CountOf(Book().tables.at({ModelId{2}, ClusterId{1}}), Subject(7), At(0)), 1);
  EXPECT_DOUBLE_EQ(CountOf(Book().tables.at({ModelId{1}, ClusterId{1}}), Subject(7), At(0)), 61);
  const PreferenceKey key{ModelId{1}, ModelId{2}, 1, ClusterId{1}};
  const double information = world.learner->state().preferences.at(key).information;
  // Said the other way round: what goes and what comes weigh the same, the larger weight of now counts for nothing.
  report.revision = 1;
  report.outcome = .5;
  report.arrival_weight = 1;
  ASSERT_EQ(attributed->row.context.decision, one.decision) << "the smaller id keeps the pair";
  auto again = AttributePreference(world.rows[last], attributed->row, report, LogSeq{1001}, 0);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(std::get<PreferenceGiven>(*again->payload).arrival_weight, .125);
  world.Add(*again->payload);
  EXPECT_NEAR(world.learner->state().preferences.at(key).information, information, 1e-12);
}

TEST_F(Raters, ADecisionOfAnotherBundleCountsInTheBackgroundAndAnActivationBeginsTheTablesAnew) {
  for (int i = 0; i < 20; ++i) Rate(7, 1);
  world.Decide(++last, 1, {{1, 1}}, .6);
  Bundle other = PlainBundle(3, {{"small", .6}, {"large", .6}});
  other.hash = HashOf(2);
  world.AddBundle(other);
  world.Activate(2, 2);
  EXPECT_TRUE(Book().tables.empty());
  EXPECT_EQ(Weigh(last, 1, 7), 1);
  EXPECT_EQ(world.Report(last, 1, 1, 0, 7, 1), Code::kOk);
  ASSERT_EQ(Book().tables.size(), 1u);
  EXPECT_EQ(Book().tables.begin()->first, (CellKey{ModelId{1}, kBackground}));
}

TEST_F(Raters, TheCapCanBeSwitchedOff) {
  for (int i = 0; i < 60; ++i) Rate(7, 1);
  world.options.subject_cap = false;
  world.Add(OptionsChanged{world.options});
  EXPECT_EQ(Rate(7, 1), 1);
}

TEST_F(Raters, AClockOutOfRangeWeighsWithoutHarm) {
  for (int i = 0; i < 60; ++i) Rate(7, 1);
  DecisionContext context = world.Context(last);
  const SubjectScales scales(Book());
  for (const std::int64_t at : {INT64_MAX, INT64_MIN, kTimeMaxUs, -kTimeMaxUs}) {
    const double weight = scales.Weigh(context, 1, Subject(7), at);
    EXPECT_TRUE(weight > 0 && weight <= 1) << at;
  }
}

TEST_F(Raters, GoldTellsWhomToTrust) {
  // Everybody agrees with gold most of the time; subject 7 says the opposite of it.
  SplitMix64 random(4);
  for (int i = 0; i < 200; ++i) {
    const double gold = random.Unit() < .6 ? 1 : 0;
    const std::uint64_t subject = i % 5 == 0 ? 7 : 100 + static_cast<std::uint64_t>(i % 20);
    const double value = subject == 7 ? 1 - gold : random.Unit() < .8 ? gold : 1 - gold;
    Rate(subject, value);
    EXPECT_EQ(world.Report(last, 0, gold), Code::kOk);
  }
  const SubjectRecord& record = Book().records.at(Subject(7));
  const double excess = record.disagreement - record.expected;
  EXPECT_DOUBLE_EQ(TrustOf(record), std::max(kTrustLeast, 4 * record.variance / (excess * excess)));
  EXPECT_LT(TrustOf(record), .3);
  EXPECT_NEAR(record.pairs, 40, 4);
  for (const auto& [subject, honest] : Book().records) {
    EXPECT_TRUE(subject == Subject(7) || TrustOf(honest) > .5) << subject.value;
  }
  world.Decide(++last, 2, {{1, 1}}, .6);
  EXPECT_DOUBLE_EQ(Weigh(last, 1, 7), TrustOf(record)) << "also where it is new";
  EXPECT_EQ(Weigh(last, 1, 101), TrustOf(Book(), Subject(101)));
}

TEST_F(Raters, TrustAwaitsFourPairsAndNeverReachesZero) {
  const auto trust = [](double pairs, double disagreement, double expected, double variance) {
    SubjectRecord record;
    record.pairs = pairs;
    record.disagreement = disagreement;
    record.expected = expected;
    record.variance = variance;
    return TrustOf(record);
  };
  EXPECT_EQ(trust(3, 3, .75, .5625), 1);
  EXPECT_EQ(trust(100, 100, 1, .01), kTrustLeast);
  EXPECT_EQ(trust(100, 20, 25, 18), 1) << "who agrees better than usual is not trusted more";
  EXPECT_DOUBLE_EQ(trust(16, 9, 4, 3), 12.0 / 25);  // z = 5 / sqrt(3)
}

// Each of 200 honest subjects is harsher or kinder by its own N(0, people^2), in standard deviations of a rating.
std::vector<double> Harshness(double people, std::uint64_t seed) {
  SplitMix64 random(seed + 1000);
  std::vector<double> own(200);
  for (double& one : own) {
    double twelve = -6;
    for (int i = 0; i < 12; ++i) twelve += random.Unit();
    one = people * twelve;
  }
  return own;
}

// `hostile` of the ratings come from so many subjects who always say 0.
SubjectTotals Crowd(Harness& world, double hostile, std::uint64_t attackers, int words, std::uint64_t seed,
                    double people = 0) {
  SplitMix64 random(seed);
  const std::vector<double> own = Harshness(people, seed);
  std::uint32_t id = 1'000'000;
  for (int i = 0; i < words; ++i) {
    world.Decide(++id, 1, {{1, 1}}, .6);
    world.Context(id).predicted_quality = .65;
    const bool bad = random.Unit() < hostile;
    const double who = random.Unit();
    const std::uint64_t subject = bad ? 1 + static_cast<std::uint64_t>(who * static_cast<double>(attackers))
                                      : 10'000 + static_cast<std::uint64_t>(who * 200);
    const double good = .75 + (bad ? 0 : .433 * own[subject - 10'000]);  // kinder than quality, as a source is
    const double value = !bad && random.Unit() < good ? 1 : 0;
    EXPECT_EQ(world.Report(id, 1, value, 0, subject, 1), Code::kOk);
  }
  return world.learner->state().subjects.totals;
}

void Begin(Harness& world) {
  world.AddModel("small");
  world.AddBundle(PlainBundle(3, {{"small", .6}}));
  world.Activate(1, 1);
}

TEST(GroupOfRaters, PeopleWhoAnswerForThemselvesRaiseNoAlarm) {
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    Harness fresh;
    Begin(fresh);
    const SubjectTotals totals = Crowd(fresh, 0, 1, 4000, seed);
    EXPECT_EQ(totals.alarms, 0u) << "seed " << seed;
    EXPECT_NEAR(LikenessOf(totals), 0, .06) << "seed " << seed;
    EXPECT_EQ(totals.named, 4000u);
  }
}

TEST(GroupOfRaters, PeopleWhoDifferRaiseNoAlarmAndTheLikenessIsTheirVariance) {
  double sum = 0;
  for (const std::uint64_t seed : {1u, 2u, 3u, 4u, 5u, 6u}) {
    Harness fresh;
    Begin(fresh);
    const SubjectTotals totals = Crowd(fresh, 0, 1, 4000, seed, .25);
    EXPECT_EQ(totals.alarms, 0u) << "seed " << seed;
    sum += LikenessOf(totals) / 6;
  }
  // Standardised by what was predicted (.65), not by what is said (.75): .4330^2 / .4770^2.
  EXPECT_NEAR(sum, .25 * .25 * .824, .02);
}

TEST(GroupOfRaters, AGroupThatAlwaysSaysTheSameRaisesTheAlarmHoweverManyShareTheWork) {
  for (const std::uint64_t attackers : {1u, 4u, 200u}) {
    Harness fresh;
    Begin(fresh);
    const SubjectTotals totals = Crowd(fresh, .25, attackers, 4000, 5);
    EXPECT_TRUE(totals.alarm) << attackers;
    EXPECT_NEAR(LikenessOf(totals), .25 * .75 * .75 * .75 / (.65 * .35), .12) << attackers;
    EXPECT_GT(totals.since.value, 0u);
  }
}

// What no cap withstands: a share just beyond Delta/(1 + Delta) for a lead of .2, from 200 who each say three words.
TEST(GroupOfRaters, TwoHundredSubjectsOfAFifthAreFoundInSixHundredOfTheirWordsEachTime) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    Harness fresh;
    Begin(fresh);
    EXPECT_EQ(Crowd(fresh, 0, 1, 1000, seed).alarms, 0u) << "seed " << seed;
    EXPECT_TRUE(Crowd(fresh, .2, 200, 3000, seed + 100).alarm) << "seed " << seed;
  }
}

TEST(GroupOfRaters, WhatAllShareAtATimeIsNoLikeness) {
  // A source turns from kind to harsh and back, and each subject comes again and again.
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    Harness fresh;
    Begin(fresh);
    SplitMix64 random(seed);
    for (std::uint32_t i = 0; i < 4000; ++i) {
      fresh.Decide(i + 1, 1, {{1, 1}}, .6);
      fresh.Context(i + 1).predicted_quality = .65;
      const double value = random.Unit() < (i / 500 % 2 == 0 ? .95 : .35) ? 1 : 0;
      const auto subject = 1 + static_cast<std::uint64_t>(random.Unit() * 100);
      ASSERT_EQ(fresh.Report(i + 1, 1, value, 0, subject, 1), Code::kOk);
    }
    const SubjectTotals& totals = fresh.learner->state().subjects.totals;
    EXPECT_EQ(totals.alarms, 0u) << "seed " << seed;
    EXPECT_NEAR(LikenessOf(totals), 0, .07) << "seed " << seed;
  }
}

TEST(GroupOfRaters, WhoRatesTwoSourcesByTurnsIsKnownAsWell) {
  Harness fresh({"thumbs", "stars"});
  Begin(fresh);
  SplitMix64 random(3);
  for (std::uint32_t i = 0; i < 2000; ++i) {
    fresh.Decide(i + 1, 1, {{1, 1}}, .6);
    fresh.Context(i + 1).predicted_quality = .65;
    const bool bad = random.Unit() < .3;
    const std::uint64_t subject = bad ? 1 : 10 + static_cast<std::uint64_t>(random.Unit() * 100);
    const double value = !bad && random.Unit() < .75 ? 1 : 0;
    ASSERT_EQ(fresh.Report(i + 1, static_cast<std::uint8_t>(1 + i % 2), value, 0, subject, 1), Code::kOk);
  }
  EXPECT_TRUE(fresh.learner->state().subjects.totals.alarm);
  EXPECT_GT(ExcessLikeness(fresh.learner->state().subjects.records.at(Subject(1))), .1);
}

TEST_F(Raters, WhileAGroupSaysTheSameARepeatedWordWeighsLittleAndAFirstOneAsEver) {
  Crowd(world, .3, 4, 2000, 6);
  SubjectBook book = Book();
  book.records.at(Subject(1)).likened = 0;  // as if nothing were known of it alone
  const double likeness = ExcessLikeness(book.totals);
  EXPECT_NEAR(likeness, .42 - kPeopleLikeness, .15);
  const DecisionContext& context = world.Context(1'000'001);
  const std::int64_t now_us = world.learner->state().now_us;
  const TimeWeight now = MakeTimeWeight(now_us, kHalfLife);
  const SubjectTable& table = book.tables.at({ModelId{1}, ClusterId{1}});
  const double words = CountOf(table, Subject(1), now);
  const double repeated = 1 + words * likeness / (1 - likeness);
  const double capped = SubjectCap(table, Subject(1), now);
  EXPECT_NEAR(SubjectScales(book).Weigh(context, 1, Subject(1), now_us), capped / (repeated * repeated), 1e-12);
  EXPECT_LT(SubjectScales(book).Weigh(context, 1, Subject(1), now_us), capped / 100);
  EXPECT_EQ(SubjectScales(book).Weigh(context, 1, Subject(77'777), now_us), SubjectCap(table, Subject(77'777), now));

  book.totals.sum = book.totals.rows * kPeopleLikeness;  // people differ as much
  EXPECT_EQ(SubjectScales(book).Weigh(context, 1, Subject(1), now_us), capped);
  book.totals.rows = book.totals.sum = book.totals.squares = kGroupRows - 1;
  EXPECT_EQ(ExcessLikeness(book.totals), 0) << "too few";
}

TEST_F(Raters, WhoAlwaysSaysTheSameIsKnownByItsOwnWordsLongBeforeTheGroupIs) {
  Crowd(world, .3, 2, 145, 6);
  const SubjectBook& book = Book();
  ASSERT_EQ(ExcessLikeness(book.totals), 0) << "too few words of all";
  const DecisionContext& context = world.Context(1'000'001);
  const std::int64_t now_us = world.learner->state().now_us;
  const TimeWeight now = MakeTimeWeight(now_us, kHalfLife);
  const SubjectTable& table = book.tables.at({ModelId{1}, ClusterId{1}});
  for (std::uint64_t attacker = 1; attacker <= 2; ++attacker) {
    const SubjectRecord& record = book.records.at(Subject(attacker));
    ASSERT_LT(record.reports, 40u);
    const double own = ExcessLikeness(record);
    EXPECT_GT(own, .1) << attacker;
    const double repeated = 1 + CountOf(table, Subject(attacker), now) * own / (1 - own);
    EXPECT_NEAR(SubjectScales(book).Weigh(context, 1, Subject(attacker), now_us),
                SubjectCap(table, Subject(attacker), now) / (repeated * repeated), 1e-12);
  }
  for (const auto& [subject, record] : book.records) {
    EXPECT_TRUE(subject.value <= 2 || ExcessLikeness(record) == 0) << subject.value;
  }
}

TEST_F(Raters, WhoDiffersAsPeopleDoKeepsItsWeight) {
  SubjectRecord record;
  record.likened = record.likeness_squares = 200;  // products of standard deviation 1
  record.likeness = 200 * kPeopleLikeness;
  EXPECT_EQ(ExcessLikeness(record), 0);
  record.likeness = 200 * (kPeopleLikeness + .1) + kExcessDeviations * std::sqrt(200.0);
  EXPECT_NEAR(ExcessLikeness(record), .1, 1e-12) << "beyond people and chance";
  record.likened = kOwnLikenessRows - 1;
  EXPECT_EQ(ExcessLikeness(record), 0) << "too few";
}

TEST_F(Raters, TheAlarmEndsWhenTheGroupIsExcludedAndItsWordsAreNotHeardAnyMore) {
  ASSERT_TRUE(Crowd(world, .3, 1, 2000, 6).alarm);
  world.Add(SubjectExcluded{Subject(1)});
  EXPECT_FALSE(Book().totals.alarm);
  EXPECT_FALSE(Book().records.contains(Subject(1)));
  const std::uint64_t named = Book().totals.named;
  Rate(1, 0);
  EXPECT_EQ(Book().totals.named, named);
  EXPECT_EQ(Book().totals.alarms, 1u);
  const double counted = Book().tables.begin()->second.all;
  world.Add(SubjectIncluded{Subject(1)});
  Rate(1, 0);
  EXPECT_EQ(Book().totals.named, named + 1) << "it is heard again";
  EXPECT_GT(Book().tables.begin()->second.all, counted) << "and was counted all the while";
}

TEST_F(Raters, WatchesABoundedNumberOfSubjectsAndKeepsThoseWhoSpeak) {
  for (std::uint64_t i = 0; i < 3000; ++i) {
    SplitMix64 hash(i);
    Rate(i % 3 == 0 ? 77 : hash() | 1, 1);
    ASSERT_LE(Book().records.size(), kSubjectRecordsMax);
  }
  EXPECT_EQ(Book().records.at(Subject(77)).reports, 1000u);
}

TEST_F(Raters, TheBookSurvivesACheckpointAndAReplayGivesTheSameBytes) {
  Crowd(world, .3, 4, 300, 8);
  for (int i = 0; i < 50; ++i) {
    Rate(static_cast<std::uint64_t>(i % 3), 1, {{1, .5}, {2, .5}});
    if (i % 7 == 0) {
      EXPECT_EQ(world.Report(last, 0, 0), Code::kOk);
    }
  }
  world.Add(SubjectExcluded{Subject(2)});
  const auto rows = world.Rows();
  State loaded;
  for (const auto& [key, value] : rows) ASSERT_TRUE(LoadStateRow(loaded, key, value).ok()) << key;
  EXPECT_EQ(loaded.subjects, Book());
  EXPECT_EQ(Harness::RowsOf(loaded), rows);
  EXPECT_GT(rows.count(SubjectTableRow({ModelId{1}, ClusterId{2}})), 0u);

  auto again = Learner::Create(world.bundles, world.history, State{}).value();
  SubjectBook copy;
  for (const Event& event : world.history.events) {
    ASSERT_TRUE(again->Learn(event).ok());
    FoldSubjects(copy, event, nullptr);
  }
  EXPECT_EQ(Harness::RowsOf(again->state()), rows);
  EXPECT_EQ(copy, Book()) << "the commit thread's copy is the same book";
}

TEST_F(Raters, OnlyRowsThatChangedAreDirty) {
  Rate(7, 1);
  world.learner->mutable_state().dirty_rows.clear();
  Rate(8, 1, {{2, 1}});
  const auto& dirty = world.learner->state().dirty_rows;
  const auto has = [&](const std::string& row) { return std::find(dirty.begin(), dirty.end(), row) != dirty.end(); };
  EXPECT_TRUE(has(SubjectTableRow({ModelId{1}, ClusterId{2}})));
  EXPECT_TRUE(has(SubjectRecordRow(Subject(8))));
  EXPECT_TRUE(has(kSubjectTotalsRow));
  EXPECT_FALSE(has(SubjectTableRow({ModelId{1}, ClusterId{1}})));
  EXPECT_FALSE(has(SubjectRecordRow(Subject(7))));
}

}  // namespace
}  // namespace pointsman::policy
