// One suite for every implementation of Store (store.h, "Promises").
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>

#include "store/bundle_file.h"
#include "store/store.h"
#include "tests/store/samples.h"

namespace pointsman::store {
namespace {

enum class Kind { kRocks, kMemory };

class Contract : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override { Make(1'000'000); }

  void Make(std::uint64_t open_decisions_max) {
    store.reset();
    if (GetParam() == Kind::kMemory) {
      store = MakeMemoryStore(open_decisions_max);
      return;
    }
    StoreOptions options;
    options.directory = scratch / ("s" + std::to_string(serial++));
    options.free_space_min_bytes = 16U << 20;
    options.open_decisions_max = open_decisions_max;
    auto opened = OpenRocksStore(options);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    store = std::move(*opened);
  }

  std::vector<Result<Receipt>> Commit(const std::vector<Request>& requests, std::int64_t now_us = kNoonUs,
                                      bool sync = true) {
    std::vector<Result<Receipt>> outcomes;
    const Status committed = store->Commit(requests, now_us, sync, &outcomes);
    EXPECT_TRUE(committed.ok()) << committed.error().message;
    EXPECT_EQ(outcomes.size(), requests.size());
    return outcomes;
  }
  Result<Receipt> CommitOne(const Request& request, std::int64_t now_us = kNoonUs) {
    return Commit({request}, now_us)[0];
  }
  std::vector<policy::Event> Log() {
    std::vector<policy::Event> events;
    const Status read = store->ReadLog(LogSeq{1}, 0, [&](const policy::Event& event) -> Status {
      events.push_back(event);
      return {};
    });
    EXPECT_TRUE(read.ok()) << read.error().message;
    return events;
  }
  void TearDown() override {
    const Status sound = store->Check();
    EXPECT_TRUE(sound.ok()) << sound.error().message;
  }

  ScratchDirectory scratch;
  int serial = 0;
  std::unique_ptr<Store> store;
};

Code CodeOf(const Result<Receipt>& outcome) { return outcome.ok() ? outcome->code : outcome.error().code; }

TEST_P(Contract, EventsAreNumberedDenselyInTheOrderOfTheBatch) {
  const auto outcomes = Commit({Ask(DecisionOf(1)), Ask(DecisionOf(2)), Ask(RatingOf(1, 1)), Ask(OutcomeOf(2, 50))});
  for (std::size_t i = 0; i < outcomes.size(); ++i) EXPECT_EQ(outcomes[i]->seq.value, i + 1);
  const auto log = Log();
  ASSERT_EQ(log.size(), 4u);
  for (std::size_t i = 0; i < log.size(); ++i) EXPECT_EQ(log[i].seq.value, i + 1);
  EXPECT_TRUE(std::holds_alternative<policy::RatingGiven>(log[2].payload));
  EXPECT_EQ(log[2].actor_uid, 1000u);
  EXPECT_EQ(store->LastSeq().value, 4u);
  EXPECT_EQ(store->Statistics().synced_seq.value, 4u);
}

TEST_P(Contract, SeveralReportsOnOneDecisionInOneBatchBuildOnEachOther) {
  const auto outcomes = Commit(
      {Ask(DecisionOf(1)), Ask(RatingOf(1, 1, 7)), Ask(RatingOf(1, 0, 8)), Ask(GoldOf(1, 1)), Ask(RatingOf(1, 1, 7))});
  EXPECT_EQ(CodeOf(outcomes[4]), Code::kDuplicateOk);
  const auto log = Log();
  ASSERT_EQ(log.size(), 4u);
  const auto& gold = std::get<policy::GoldGiven>(log[3].payload);
  ASSERT_EQ(gold.before.size(), 1u);
  EXPECT_DOUBLE_EQ(gold.before[0].value, 0.5);
  EXPECT_EQ(gold.after.size(), 2u);
  EXPECT_EQ(gold.last_folded, log[2].seq);
}

TEST_P(Contract, ARepeatedReportIsStoredOnceAndAnotherValueIsAConflict) {
  Commit({Ask(DecisionOf(1))});
  EXPECT_EQ(CodeOf(CommitOne(Ask(RatingOf(1, 1)))), Code::kOk);
  EXPECT_EQ(CodeOf(CommitOne(Ask(RatingOf(1, 1)))), Code::kDuplicateOk);
  EXPECT_EQ(CodeOf(CommitOne(Ask(RatingOf(1, 0)))), Code::kConflict);
  EXPECT_EQ(CodeOf(CommitOne(Ask(RatingOf(1, 0, 0, 1)))), Code::kOk);
  EXPECT_EQ(CodeOf(CommitOne(Ask(OutcomeOf(1, 10)))), Code::kOk);
  EXPECT_EQ(CodeOf(CommitOne(Ask(OutcomeOf(1, 10)))), Code::kDuplicateOk);
  EXPECT_EQ(CodeOf(CommitOne(Ask(OutcomeOf(1, 11)))), Code::kConflict);
  EXPECT_EQ(Log().size(), 4u);
}

// What each rating of `subject` weighed, in log order.
std::vector<double> WeightsOf(const std::vector<policy::Event>& log, std::uint64_t subject) {
  std::vector<double> weights;
  for (const policy::Event& event : log) {
    const auto* rating = std::get_if<policy::RatingGiven>(&event.payload);
    if (rating != nullptr && rating->subject == SubjectHash{subject}) weights.push_back(rating->arrival_weight);
  }
  return weights;
}

// Even numbers: decisions of one model.
TEST_P(Contract, ASubjectsWordsWeighLessTheMoreItSaysInOneBatchOrInMany) {
  std::vector<Request> batch;
  for (std::uint64_t i = 1; i <= 20; ++i) {
    batch.push_back(Ask(DecisionOf(2 * i)));
    batch.push_back(Ask(RatingOf(2 * i, 1, 7)));
    batch.push_back(Ask(RatingOf(2 * i, 1, 7)));  // a duplicate counts for nothing
  }
  Commit(batch);
  for (std::uint64_t i = 21; i <= 40; ++i) Commit({Ask(DecisionOf(2 * i)), Ask(RatingOf(2 * i, 1, 7))});
  const std::vector<double> weights = WeightsOf(Log(), 7);
  ASSERT_EQ(weights.size(), 40u);
  for (std::size_t n = 0; n < weights.size(); ++n) {
    const double words = static_cast<double>(n);
    EXPECT_NEAR(weights[n], std::min(1.0, (.05 * words + 5) / (words + 1)), 1e-12) << n;
  }
}

TEST_P(Contract, CountsOfTheStateAreTakenOverAndArriveAtTheSameWeights) {
  policy::SubjectBook book;
  for (std::uint64_t i = 1; i <= 30; ++i) Commit({Ask(DecisionOf(2 * i)), Ask(RatingOf(2 * i, 1, 7))});
  for (const policy::Event& event : Log()) policy::FoldSubjects(book, event, nullptr);
  Make(1'000'000);
  store->AdoptSubjects(book);
  Commit({Ask(DecisionOf(62)), Ask(RatingOf(62, 1, 7)), Ask(RatingOf(62, 1, 8))});
  EXPECT_NEAR(WeightsOf(Log(), 7).at(0), (.05 * 30 + 5) / 31, 1e-12);
  EXPECT_EQ(WeightsOf(Log(), 8).at(0), 1);
}

TEST_P(Contract, ARevisionKeepsTheWeightOfTheFirstWord) {
  for (std::uint64_t i = 1; i <= 30; ++i) Commit({Ask(DecisionOf(2 * i)), Ask(RatingOf(2 * i, 1, 7))});
  for (std::uint64_t i = 100; i < 400; ++i)
    Commit({Ask(DecisionOf(2 * i)), Ask(RatingOf(2 * i, 1, i))}, kNoonUs, false);
  Commit({Ask(RatingOf(60, 0, 7, 1))});
  const std::vector<double> weights = WeightsOf(Log(), 7);
  EXPECT_EQ(weights.back(), weights[29]);
  Commit({Ask(DecisionOf(1000)), Ask(RatingOf(1000, 1, 7))});
  EXPECT_GT(WeightsOf(Log(), 7).back(), weights[29]) << "among others a new word weighs more";
}

TEST_P(Contract, ADecisionIsTakenOnceUnderItsId) {
  const auto first = CommitOne(Ask(DecisionOf(1)));
  const auto again = CommitOne(Ask(DecisionOf(1)));
  EXPECT_EQ(CodeOf(again), Code::kDuplicateOk);
  EXPECT_EQ(again->seq, first->seq);
  auto other = DecisionOf(1);
  other.context.prior = 0.7;
  EXPECT_EQ(CodeOf(CommitOne(Ask(other))), Code::kConflict);
  EXPECT_EQ(store->Statistics().open_decisions, 1u);
}

TEST_P(Contract, ARefusedReportTouchesNothingElse) {
  const auto outcomes = Commit({Ask(DecisionOf(1)), Ask(RatingOf(99, 1)), Ask(RatingOf(1, 2.0)), Ask(RatingOf(1, 1))});
  EXPECT_EQ(CodeOf(outcomes[1]), Code::kNotFound);
  EXPECT_EQ(CodeOf(outcomes[2]), Code::kOutOfRange);
  EXPECT_EQ(outcomes[3]->seq.value, 2u) << "refusals take no number";
}

TEST_P(Contract, WhatCannotBeStoredIsRefusedBeforeItIsWritten) {
  auto made = DecisionOf(1);
  made.context.predicted_quality = std::numeric_limits<double>::infinity();
  const auto outcomes = Commit({Ask(made), Ask(DecisionOf(2))});
  EXPECT_EQ(CodeOf(outcomes[0]), Code::kInvalidArgument);
  EXPECT_EQ(CodeOf(outcomes[1]), Code::kOk);
  EXPECT_EQ(Log().size(), 1u);
}

TEST_P(Contract, APreferenceIsKeptWithThePairAndRepeatsAreDuplicates) {
  Commit({Ask(DecisionOf(1)), Ask(DecisionOf(2))});
  policy::PreferenceReport report;
  report.winner = IdOf(2);
  report.loser = IdOf(1);
  EXPECT_EQ(CodeOf(CommitOne(Ask(report))), Code::kOk);
  EXPECT_EQ(CodeOf(CommitOne(Ask(report))), Code::kDuplicateOk);
  std::swap(report.winner, report.loser);
  EXPECT_EQ(CodeOf(CommitOne(Ask(report))), Code::kConflict);
}

TEST_P(Contract, StampsNeverDecreaseWhateverTheWallClockDoes) {
  Commit({Ask(DecisionOf(1))}, kNoonUs);
  EXPECT_EQ(CommitOne(Ask(DecisionOf(2)), kNoonUs - kHourUs)->at_us, kNoonUs);
  EXPECT_EQ(CommitOne(Ask(DecisionOf(3)), kNoonUs + 5)->at_us, kNoonUs + 5);
}

TEST_P(Contract, ADecisionIsOpenUntilTheMicrosecondWhenItsTimeIsOver) {
  Commit({Ask(DecisionOf(1, kNoonUs + 10))});
  Commit({AskTick()}, kNoonUs + 9);
  EXPECT_TRUE(store->FindDecision(IdOf(1)).ok());
  Commit({AskTick()}, kNoonUs + 10);
  EXPECT_FALSE(store->FindDecision(IdOf(1)).ok());
}

// Fault row 28: ten years ahead for one event, then right again.
TEST_P(Contract, AClockThatWasAheadLeavesNewDecisionsTheirTimeForFeedback) {
  constexpr std::int64_t kYearsUs = 10 * 365 * 24 * kHourUs;
  Commit({Ask(DecisionOf(1))}, kNoonUs);
  Commit({AskTick()}, kNoonUs + kYearsUs);
  EXPECT_EQ(CodeOf(CommitOne(Ask(RatingOf(1, 1)), kNoonUs + 1)), Code::kNotFound) << "its time was over for the store";
  Commit({Ask(DecisionOf(2))}, kNoonUs + 2);
  EXPECT_EQ(store->FindDecision(IdOf(2))->expires_at_us, kNoonUs + kYearsUs + kHourUs);
  EXPECT_EQ(CodeOf(CommitOne(Ask(RatingOf(2, 1)), kNoonUs + 3)), Code::kOk);
  const std::vector<policy::Event> log = Log();
  const auto* made = std::get_if<policy::DecisionMade>(&log.at(3).payload);
  ASSERT_NE(made, nullptr);
  EXPECT_EQ(made->expires_at_us, kNoonUs + kYearsUs + kHourUs) << "as its row has it";
  EXPECT_TRUE(store->Check().ok());
}

TEST_P(Contract, ATickExpiresWhatIsDueInOrderAndTheRowsGo) {
  Commit({Ask(DecisionOf(1, kNoonUs + 10)), Ask(RatingOf(1, 1)), Ask(DecisionOf(2, kNoonUs + 20)),
          Ask(DecisionOf(3, kNoonUs + 500))});
  EXPECT_EQ(CodeOf(CommitOne(AskTick(), kNoonUs + 5)), Code::kOk);
  EXPECT_EQ(store->Statistics().open_decisions, 3u);
  Commit({AskTick()}, kNoonUs + 100);
  const auto log = Log();
  const auto* expired = std::get_if<policy::DecisionExpired>(&log.back().payload);
  ASSERT_NE(expired, nullptr);
  EXPECT_EQ(expired->count, 2u);
  EXPECT_EQ(expired->up_to.value, 3u);
  EXPECT_EQ(log.back().origin, policy::Origin::kStore);
  EXPECT_EQ(store->FindDecision(IdOf(1)).error().code, Code::kNotFound);
  EXPECT_EQ(store->FindDecision(IdOf(2)).error().code, Code::kNotFound);
  EXPECT_TRUE(store->FindDecision(IdOf(3)).ok());
  EXPECT_EQ(CodeOf(CommitOne(Ask(RatingOf(1, 0, 0, 1)), kNoonUs + 101)), Code::kNotFound);
}

TEST_P(Contract, FeedbackAfterTheTimeIsExpiredEvenBeforeASweep) {
  Commit({Ask(DecisionOf(1, kNoonUs + 10))});
  EXPECT_EQ(CodeOf(CommitOne(Ask(RatingOf(1, 1)), kNoonUs + 10)), Code::kExpired);
}

TEST_P(Contract, BeyondTheBoundTheOldestDecisionExpiresFirst) {
  Make(3);
  Commit({Ask(DecisionOf(1)), Ask(DecisionOf(2)), Ask(DecisionOf(3))});
  Commit({Ask(DecisionOf(4)), Ask(RatingOf(4, 1))});
  EXPECT_FALSE(store->FindDecision(IdOf(1)).ok());
  EXPECT_TRUE(store->FindDecision(IdOf(2)).ok());
  EXPECT_EQ(store->Statistics().open_decisions, 3u);
  std::vector<Request> many;
  for (std::uint64_t i = 10; i < 20; ++i) many.push_back(Ask(DecisionOf(i)));
  Commit(many);
  EXPECT_EQ(store->Statistics().open_decisions, 3u);
  EXPECT_FALSE(store->FindDecision(IdOf(16)).ok()) << "made and expired in one batch";
  EXPECT_TRUE(store->FindDecision(IdOf(17)).ok());
}

TEST_P(Contract, ReadLogHonoursFromAndLimitAndStopsAtTheVisitorsError) {
  for (std::uint64_t i = 1; i <= 10; ++i) Commit({Ask(DecisionOf(i))}, kNoonUs, false);
  std::vector<std::uint64_t> seen;
  const auto collect = [&](const policy::Event& event) -> Status {
    seen.push_back(event.seq.value);
    return {};
  };
  EXPECT_TRUE(store->ReadLog(LogSeq{4}, 3, collect).ok());
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{4, 5, 6}));
  seen.clear();
  EXPECT_TRUE(store->ForEach(LogSeq{3}, collect).ok());
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{1, 2}));
  seen.clear();
  EXPECT_TRUE(store->ForEach(LogSeq{1}, collect).ok());
  EXPECT_TRUE(store->ForEach(LogSeq{0}, collect).ok());
  EXPECT_TRUE(store->ReadLog(LogSeq{11}, 0, collect).ok());
  EXPECT_TRUE(seen.empty());
  const Status stopped = store->ReadLog(
      LogSeq{1}, 0, [](const policy::Event&) -> Status { return MakeError(Code::kInternal, "stop", "stop"); });
  EXPECT_EQ(stopped.error().reason, "stop");
}

TEST_P(Contract, WhatAnActivationFoldsAgainIsVisitedInOrderWithoutTheRest) {
  for (std::uint64_t i = 1; i <= 6; ++i) Commit({Ask(DecisionOf(i)), Ask(RatingOf(i, 1))});
  Commit({Ask(policy::AdminNote{"a note"}), Ask(policy::LearningSwitched{true}), Ask(policy::Tick{})});
  std::vector<std::uint64_t> all;
  std::vector<std::uint64_t> lasting;
  const auto visit = [](std::vector<std::uint64_t>* seen) {
    return [seen](const policy::Event& event) -> Status {
      if (!policy::IsPassing(policy::EventType(event.payload))) seen->push_back(event.seq.value);
      return {};
    };
  };
  const LogSeq end{store->LastSeq().value + 1};
  EXPECT_TRUE(store->ForEach(end, visit(&all)).ok());
  EXPECT_TRUE(store->ForEachLasting(end, visit(&lasting)).ok());
  EXPECT_EQ(lasting, all);
  EXPECT_EQ(lasting.size(), 8u);
}

TEST_P(Contract, BundlesAreFoundUnderTheirHashAndPuttingThemAgainIsFine) {
  policy::Bundle bundle = SmallBundle();
  ASSERT_TRUE(store->PutBundle(bundle).ok());
  ASSERT_TRUE(store->PutBundle(bundle).ok());
  const auto hash = DecodeBundle(EncodeBundle(bundle))->hash;
  const auto found = store->Find(hash);
  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_EQ((*found)->hash, hash);
  EXPECT_EQ(EncodeBundle(**found), EncodeBundle(bundle));
  EXPECT_EQ(*store->Find(hash), *found) << "shared, not read again";
  EXPECT_EQ(store->Find(BundleHash{}).error().code, Code::kNotFound);
  bundle.skills[0] = 7;
  EXPECT_EQ(store->PutBundle(bundle).error().code, Code::kInvalidArgument);
}

TEST_P(Contract, ACheckpointComesBackWithItsHashAndFoldingOnEqualsFoldingAll) {
  Commit(WorldRequests());
  for (std::uint64_t i = 1; i <= 20; ++i) {
    Commit({Ask(DecisionOf(i)), Ask(RatingOf(i, static_cast<double>(i % 2)))});
  }
  const auto fold = [&](policy::State from) {
    const LogSeq start{from.last_seq.value + 1};
    auto learner = policy::Learner::Create(*store, *store, std::move(from));
    EXPECT_TRUE(learner.ok()) << learner.error().message;
    const Status folded =
        store->ReadLog(start, 0, [&](const policy::Event& event) { return (*learner)->Learn(event); });
    EXPECT_TRUE(folded.ok()) << folded.error().message;
    return std::move((*learner)->mutable_state());
  };
  policy::State state = fold(policy::State{});
  ASSERT_TRUE(store->WriteCheckpoint(state).ok());
  EXPECT_EQ(store->Statistics().state_hash, StateHash(state));
  for (std::uint64_t i = 1; i <= 20; ++i) Commit({Ask(GoldOf(i, 1)), Ask(RatingOf(i, 1, 3))});
  auto loaded = store->LoadState();
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  policy::State resumed = fold(std::move(*loaded));
  const policy::State whole = fold(policy::State{});
  EXPECT_EQ(StateHash(resumed), StateHash(whole));
  ASSERT_TRUE(store->WriteCheckpoint(resumed).ok()) << "a second one, by dirty rows alone";
  EXPECT_EQ(store->Statistics().state_hash, StateHash(whole));
  EXPECT_EQ(store->Statistics().checkpoint_seq, store->LastSeq());
  ASSERT_TRUE(store->LoadState().ok());
}

// All that was said is taken back, so the cells are gone and their rows must go.
TEST_P(Contract, ACheckpointRemovesTheRowsThatAreGone) {
  Commit(WorldRequests());
  Commit({Ask(DecisionOf(1)), Ask(RatingOf(1, 1))});
  auto learner = policy::Learner::Create(*store, *store, policy::State{});
  ASSERT_TRUE(learner.ok());
  const auto checkpoint = [&] {
    const Status folded = store->ReadLog(LogSeq{(*learner)->state().last_seq.value + 1}, 0,
                                         [&](const policy::Event& event) { return (*learner)->Learn(event); });
    EXPECT_TRUE(folded.ok()) << folded.error().message;
    EXPECT_TRUE(store->WriteCheckpoint((*learner)->mutable_state()).ok());
    auto loaded = store->LoadState();
    EXPECT_TRUE(loaded.ok()) << loaded.error().message;
    return loaded.ok() ? loaded->cells.size() : 99U;
  };
  EXPECT_EQ(checkpoint(), 1u);
  policy::FeedbackReport retraction = RatingOf(1, 0, 0, /*revision=*/1);
  retraction.value.reset();
  Commit({Ask(retraction)});
  EXPECT_EQ(checkpoint(), 0u);
}

TEST_P(Contract, WithoutACheckpointTheStateIsEmpty) {
  const auto state = store->LoadState();
  ASSERT_TRUE(state.ok());
  EXPECT_EQ(state->last_seq.value, 0u);
}

INSTANTIATE_TEST_SUITE_P(Stores, Contract, ::testing::Values(Kind::kRocks, Kind::kMemory),
                         [](const auto& kind) { return kind.param == Kind::kRocks ? "Rocks" : "Memory"; });

}  // namespace
}  // namespace pointsman::store
