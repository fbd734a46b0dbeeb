#include "policy/learning/attribution.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/unit_draw.h"

namespace pointsman::policy {
namespace {

DecisionRow OpenRow(std::uint8_t id = 1) {
  DecisionRow row;
  row.context.decision.bytes[15] = id;
  row.context.model = ModelId{id};
  row.context.clusters.push_back({ClusterId{0}, 1});
  row.expires_at_us = 1000;
  return row;
}

struct Desk {
  DecisionRow row = OpenRow();
  std::uint64_t seq = 0;
  Attributed last;

  Code Say(std::uint8_t channel, std::optional<double> value, std::uint32_t revision = 0, std::uint64_t subject = 0,
           double weight = 1, std::int64_t now_us = 0) {
    FeedbackReport report{row.context.decision, channel, SubjectHash{subject}, revision, value, weight};
    const DecisionRow before = row;
    auto attributed = AttributeFeedback(row, report, LogSeq{++seq}, now_us);
    EXPECT_EQ(before, row);
    if (!attributed.ok()) return attributed.error().code;
    last = attributed.value();
    EXPECT_EQ(last.payload.has_value(), last.code == Code::kOk);
    row = last.row;
    return last.code;
  }
  const RowChanged& Change() const {
    if (const auto* rating = std::get_if<RatingGiven>(&*last.payload)) return *rating;
    if (const auto* gold = std::get_if<GoldGiven>(&*last.payload)) return *gold;
    return std::get<Retracted>(*last.payload);
  }
};

TEST(Attribution, SameRevisionAndValueIsADuplicateAndAnotherValueAConflict) {
  Desk desk;
  EXPECT_EQ(desk.Say(1, 0.5), Code::kOk);
  EXPECT_EQ(desk.Say(1, 0.5), Code::kDuplicateOk);
  EXPECT_EQ(desk.Say(1, 0.6), Code::kConflict);
  EXPECT_EQ(desk.Say(1, 0.6, 1), Code::kOk);
  EXPECT_EQ(desk.Say(1, 0.5), Code::kConflict);
  EXPECT_EQ(desk.Say(1, 0.6), Code::kConflict) << "a lower revision, whatever its value";
}

TEST(Attribution, TheEventCarriesTheRowBeforeAndAfterAndWhereItWasFolded) {
  Desk desk;
  ASSERT_EQ(desk.Say(1, 1), Code::kOk);
  EXPECT_TRUE(std::holds_alternative<RatingGiven>(*desk.last.payload));
  EXPECT_TRUE(desk.Change().before.empty());
  EXPECT_EQ(desk.Change().last_folded, LogSeq{0});
  ASSERT_EQ(desk.Say(0, 0.4), Code::kOk);
  EXPECT_TRUE(std::holds_alternative<GoldGiven>(*desk.last.payload));
  EXPECT_EQ(desk.Change().before, (Channels{{1, 1, 0}}));
  EXPECT_EQ(desk.Change().after, (Channels{{0, 0.4, 0}, {1, 1, 0}}));
  EXPECT_EQ(desk.Change().last_folded, LogSeq{1});
  EXPECT_EQ(desk.row.last_folded, LogSeq{2});
}

TEST(Attribution, AfterARetractionOnlyAHigherRevisionIsTaken) {
  Desk desk;
  EXPECT_EQ(desk.Say(1, std::nullopt), Code::kNotFound);
  ASSERT_EQ(desk.Say(1, 0.5, 3), Code::kOk);
  EXPECT_EQ(desk.Say(1, std::nullopt, 2), Code::kConflict);
  ASSERT_EQ(desk.Say(1, std::nullopt, 3), Code::kOk);
  EXPECT_TRUE(std::holds_alternative<Retracted>(*desk.last.payload));
  EXPECT_TRUE(desk.Change().after.empty());
  EXPECT_EQ(desk.Change().value, 0.5);
  EXPECT_EQ(desk.Say(1, std::nullopt, 3), Code::kDuplicateOk);
  EXPECT_EQ(desk.Say(1, 0.5, 3), Code::kConflict);
  EXPECT_EQ(desk.Say(1, 0.7, 4), Code::kOk);
  EXPECT_EQ(desk.Change().after, (Channels{{1, 0.7, 0}}));
}

TEST(Attribution, SubjectsShareAChannelByArrivalWeightWhoeverCameFirst) {
  Desk forth;
  ASSERT_EQ(forth.Say(1, 1, 0, 7, 0.3), Code::kOk);
  ASSERT_EQ(forth.Say(1, 0, 0, 5, 0.1), Code::kOk);
  ASSERT_EQ(forth.Say(1, 0.5, 0, 6, 0.6), Code::kOk);
  Desk back;
  ASSERT_EQ(back.Say(1, 0.5, 0, 6, 0.6), Code::kOk);
  ASSERT_EQ(back.Say(1, 0, 0, 5, 0.1), Code::kOk);
  ASSERT_EQ(back.Say(1, 1, 0, 7, 0.3), Code::kOk);
  EXPECT_EQ(forth.Change().after, back.Change().after);
  EXPECT_NEAR(forth.Change().after[0].value, 0.6, 1e-15);
  EXPECT_NEAR(forth.Change().weight_after, (0.1 + 0.6 + 0.3) / 3, 1e-15);
  EXPECT_NEAR(forth.Change().weight_before, (0.1 + 0.3) / 2, 1e-15);
}

TEST(Attribution, OutOfRangeExpiredAndTooManyAreRefusedWithTheRowUnchanged) {
  Desk desk;
  EXPECT_EQ(desk.Say(1, 1.1), Code::kOutOfRange);
  EXPECT_EQ(desk.Say(1, std::numeric_limits<double>::quiet_NaN()), Code::kOutOfRange);
  EXPECT_EQ(desk.Say(1, 1, 0, 0, 0), Code::kOutOfRange);
  EXPECT_EQ(desk.Say(9, 1), Code::kInvalidArgument);
  EXPECT_EQ(desk.Say(1, 1, 0, 0, 1, 1000), Code::kExpired);
  for (std::uint64_t subject = 0; subject < kSubjectValuesMax; ++subject) {
    ASSERT_EQ(desk.Say(1, 1, 0, subject + 1), Code::kOk);
  }
  EXPECT_EQ(desk.Say(1, 1, 0, 999), Code::kResourceExhausted);
  EXPECT_EQ(desk.Say(1, 0, 1, 1), Code::kOk) << "a revision needs no room";
}

TEST(Attribution, AChangeThatChangesNothingDoesNotMoveTheRow) {
  Desk desk;
  ASSERT_EQ(desk.Say(1, 0.5, 0), Code::kOk);
  ASSERT_EQ(desk.Say(1, 0.5, 1), Code::kOk);
  EXPECT_EQ(desk.Change().before, desk.Change().after);
  EXPECT_EQ(desk.row.last_folded, LogSeq{1});
}

TEST(Attribution, OutcomesFollowTheSameRulesAndNameWhatTheyReplace) {
  DecisionRow row = OpenRow();
  OutcomeReport report;
  report.tokens_out = 100;
  auto first = AttributeOutcome(row, report, 0);
  ASSERT_TRUE(first.ok());
  row = first->row;
  EXPECT_EQ(AttributeOutcome(row, report, 0).value().code, Code::kDuplicateOk);
  report.tokens_out = 120;
  EXPECT_EQ(AttributeOutcome(row, report, 0).error().code, Code::kConflict);
  report.revision = 1;
  auto second = AttributeOutcome(row, report, 0);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(std::get<OutcomeReported>(*second->payload).replaced_tokens_out, 100u);
  EXPECT_EQ(AttributeOutcome(second->row, report, 0).value().code, Code::kDuplicateOk);
  report.latency_ms = -1;
  EXPECT_EQ(AttributeOutcome(row, report, 0).error().code, Code::kOutOfRange);
  report.latency_ms = 0;
  EXPECT_EQ(AttributeOutcome(row, report, 5000).error().code, Code::kExpired);
}

TEST(Attribution, APreferenceIsTheSameFromBothSides) {
  const DecisionRow one = OpenRow(1);
  const DecisionRow two = OpenRow(2);
  PreferenceReport report;
  auto first = AttributePreference(two, one, report, LogSeq{9}, 0);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->row.context.decision, one.context.decision) << "kept with the smaller decision";
  EXPECT_EQ(AttributePreference(two, first->row, report, LogSeq{9}, 0).value().code, Code::kDuplicateOk);
  EXPECT_EQ(AttributePreference(first->row, two, report, LogSeq{9}, 0).error().code, Code::kConflict)
      << "the other way round";
  report.revision = 1;
  auto turned = AttributePreference(first->row, two, report, LogSeq{9}, 0);
  ASSERT_TRUE(turned.ok());
  EXPECT_EQ(std::get<PreferenceGiven>(*turned->payload).replaced_outcome, 0.0) << "as seen from the new winner";
  EXPECT_EQ(AttributePreference(one, one, report, LogSeq{9}, 0).error().code, Code::kInvalidArgument);
  report.outcome = 0.7;
  EXPECT_EQ(AttributePreference(one, two, report, LogSeq{9}, 0).error().code, Code::kOutOfRange);
}

}  // namespace
}  // namespace pointsman::policy
