#include "store/commit_queue.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include "tests/store/samples.h"

namespace pointsman::store {
namespace {

// Waits for `count` answers, with a deadline.
class Answers {
 public:
  Completion Taker() {
    return [this](Result<Receipt> outcome, Durability durability) {
      const std::lock_guard<std::mutex> guard(mutex_);
      outcomes_.push_back(std::move(outcome));
      durabilities_.push_back(durability);
      came_.notify_all();
    };
  }
  bool WaitFor(std::size_t count) {
    std::unique_lock<std::mutex> lock(mutex_);
    return came_.wait_for(lock, std::chrono::seconds(20), [&] { return outcomes_.size() >= count; });
  }
  std::vector<Result<Receipt>> outcomes() {
    const std::lock_guard<std::mutex> guard(mutex_);
    return outcomes_;
  }
  std::vector<Durability> durabilities() {
    const std::lock_guard<std::mutex> guard(mutex_);
    return durabilities_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<Result<Receipt>> outcomes_;
  std::vector<Durability> durabilities_;
};

// A store whose Commit fails on demand.
class FaultyStore : public Store {
 public:
  explicit FaultyStore(Error error) : error_(std::move(error)) {}
  std::atomic<bool> broken{true};
  Status Commit(std::span<const Request> requests, std::int64_t now_us, bool sync,
                std::vector<Result<Receipt>>* outcomes) override {
    if (broken) return error_;
    return real_->Commit(requests, now_us, sync, outcomes);
  }
  Status ReadLog(LogSeq from, std::uint64_t limit,
                 const std::function<Status(const policy::Event&)>& visit) const override {
    return real_->ReadLog(from, limit, visit);
  }
  Result<policy::DecisionRow> FindDecision(const DecisionId& id) const override { return real_->FindDecision(id); }
  Status WriteCheckpoint(policy::State& state) override { return real_->WriteCheckpoint(state); }
  Result<policy::State> LoadState() const override { return real_->LoadState(); }
  Status PutBundle(const policy::Bundle& bundle) override { return real_->PutBundle(bundle); }
  Result<std::shared_ptr<const policy::Bundle>> Find(const BundleHash& hash) const override {
    return real_->Find(hash);
  }
  StoreStatistics Statistics() const override { return real_->Statistics(); }
  Status CheckTelling(const Progress& progress) const override { return real_->CheckTelling(progress); }

 private:
  Error error_;
  std::unique_ptr<Store> real_ = MakeMemoryStore();
};

TEST(CommitQueue, KeepsTheOrderOfSubmissionAndAnswersEachOnce) {
  const auto store = MakeMemoryStore();
  const ManualClock clock(kNoonUs);
  Answers answers;
  std::atomic<std::uint64_t> committed{0};
  {
    CommitQueue queue(*store, clock, {}, {[&](LogSeq last) { committed = last.value; }, nullptr});
    for (std::uint64_t i = 0; i < 500; ++i) {
      ASSERT_TRUE(queue.Submit(Ask(DecisionOf(i)), false, answers.Taker()).ok());
      ASSERT_TRUE(queue.Submit(Ask(RatingOf(i, 1)), true, answers.Taker()).ok());
    }
    ASSERT_TRUE(answers.WaitFor(1000));
    EXPECT_EQ(queue.Statistics().requests, 1000u);
    EXPECT_LE(queue.Statistics().batches, 1000u);
  }
  const auto outcomes = answers.outcomes();
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    ASSERT_TRUE(outcomes[i].ok());
    EXPECT_EQ(outcomes[i]->seq.value, i + 1);
  }
  EXPECT_EQ(committed, 1000u);
}

// So long that only what should end the gathering can end it within a test.
CommitQueueOptions GatheringForAnHour() {
  CommitQueueOptions options;
  options.gather_micros = 3'600'000'000;
  return options;
}

TEST(CommitQueue, GathersWhatNeedsNoSyncUntilSomethingDoes) {
  const auto store = MakeMemoryStore();
  const ManualClock clock(kNoonUs);
  Answers answers;
  CommitQueue queue(*store, clock, GatheringForAnHour(), {});
  for (std::uint64_t i = 0; i < 100; ++i) {
    ASSERT_TRUE(queue.Submit(Ask(DecisionOf(i)), false, answers.Taker()).ok());
  }
  EXPECT_EQ(queue.Statistics().batches, 0u);
  EXPECT_EQ(queue.Statistics().waiting, 100u);
  ASSERT_TRUE(queue.Submit(Ask(RatingOf(7, 1)), true, answers.Taker()).ok());
  ASSERT_TRUE(answers.WaitFor(101));
  EXPECT_EQ(queue.Statistics().batches, 1u);
  const auto outcomes = answers.outcomes();
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    ASSERT_TRUE(outcomes[i].ok());
    EXPECT_EQ(outcomes[i]->seq.value, i + 1);
  }
  for (const Durability durability : answers.durabilities()) EXPECT_EQ(durability, Durability::kSynced);
}

// A request is made whole before its commit, by the commit thread, but by Submit itself
// while as many as may wait do.
TEST(CommitQueue, PreparesEachRequestOnceBeforeItsCommitAndNeverLetsMoreWaitThanMay) {
  const auto store = MakeMemoryStore();
  const ManualClock clock(kNoonUs);
  Answers answers;
  const std::thread::id here = std::this_thread::get_id();
  std::atomic<std::uint64_t> in_submit{0};
  std::atomic<std::uint64_t> beside{0};
  {
    CommitQueueOptions options = GatheringForAnHour();
    options.batch_max = 10'000;
    CommitQueue queue(*store, clock, options, {});
    for (std::uint64_t i = 0; i < kPreparationsMax + 3; ++i) {
      const auto prepare = [&](Request& request) {
        std::get<policy::DecisionMade>(request.what).tokens_in = 77;
        ++(std::this_thread::get_id() == here ? in_submit : beside);
      };
      ASSERT_TRUE(queue.Submit(Ask(DecisionOf(i)), false, answers.Taker(), prepare).ok());
    }
    EXPECT_EQ(in_submit, 3U);
  }
  EXPECT_EQ(in_submit, 3U);
  EXPECT_EQ(beside, kPreparationsMax);
  std::uint64_t whole = 0;
  ASSERT_TRUE(store
                  ->ReadLog(LogSeq{1}, 1'000'000,
                            [&](const policy::Event& event) {
                              const auto* made = std::get_if<policy::DecisionMade>(&event.payload);
                              if (made != nullptr && made->tokens_in == 77) ++whole;
                              return Status();
                            })
                  .ok());
  EXPECT_EQ(whole, kPreparationsMax + 3);
}

TEST(CommitQueue, EndsTheGatheringForAFullBatchForExclusiveWorkAndWhenStopped) {
  const auto store = MakeMemoryStore();
  const ManualClock clock(kNoonUs);
  Answers answers;
  CommitQueueOptions options = GatheringForAnHour();
  options.batch_max = 10;
  CommitQueue queue(*store, clock, options, {});
  for (std::uint64_t i = 0; i < 25; ++i) {
    ASSERT_TRUE(queue.Submit(Ask(DecisionOf(i)), false, answers.Taker()).ok());
  }
  ASSERT_TRUE(answers.WaitFor(20));
  EXPECT_EQ(queue.Statistics().waiting, 5u);
  LogSeq seen;
  ASSERT_TRUE(queue
                  .RunExclusive([&seen](Store& one) {
                    seen = one.LastSeq();
                    return Status();
                  })
                  .ok());
  EXPECT_EQ(seen.value, 25u) << "what waited is committed before exclusive work";
  ASSERT_TRUE(queue.Submit(Ask(DecisionOf(30)), false, answers.Taker()).ok());
  queue.Stop();
  EXPECT_EQ(answers.outcomes().size(), 26u);
  EXPECT_EQ(store->LastSeq().value, 26u);
}

TEST(CommitQueue, CommitsALoneDecisionWithoutHelp) {
  const auto store = MakeMemoryStore();
  const ManualClock clock(kNoonUs);
  Answers answers;
  CommitQueue queue(*store, clock, {}, {});
  for (std::uint64_t i = 0; i < 5; ++i) {
    ASSERT_TRUE(queue.Submit(Ask(DecisionOf(i)), false, answers.Taker()).ok());
    ASSERT_TRUE(answers.WaitFor(i + 1));
  }
  for (const Durability durability : answers.durabilities()) EXPECT_EQ(durability, Durability::kProcess);
}

TEST(CommitQueue, RefusesAtOnceWhenFullAndStoresWhatItTook) {
  const auto store = MakeMemoryStore();
  const ManualClock clock(kNoonUs);
  Answers answers;
  CommitQueueOptions options;
  options.capacity = 4;
  CommitQueue queue(*store, clock, options, {});
  std::promise<void> entered;
  std::promise<void> release;
  std::thread stall([&] {
    const Status ran = queue.RunExclusive([&](Store&) -> Status {
      entered.set_value();
      release.get_future().wait();
      return {};
    });
    EXPECT_TRUE(ran.ok());
  });
  entered.get_future().wait();
  for (std::uint64_t i = 0; i < 4; ++i) EXPECT_TRUE(queue.Submit(Ask(DecisionOf(i)), true, answers.Taker()).ok());
  const Status full = queue.Submit(Ask(DecisionOf(9)), true, answers.Taker());
  EXPECT_EQ(full.error().code, Code::kResourceExhausted);
  EXPECT_EQ(queue.Statistics().refused_full, 1u);
  release.set_value();
  stall.join();
  ASSERT_TRUE(answers.WaitFor(4));
  EXPECT_EQ(store->LastSeq().value, 4u);
}

TEST(CommitQueue, SaysHowDurableEachAnswerIs) {
  const auto store = MakeMemoryStore();
  const ManualClock clock(kNoonUs);
  Answers answers;
  CommitQueue queue(*store, clock, {}, {});
  ASSERT_TRUE(queue.Submit(Ask(DecisionOf(1)), false, answers.Taker()).ok());
  ASSERT_TRUE(answers.WaitFor(1));
  ASSERT_TRUE(queue.Submit(Ask(RatingOf(1, 1)), true, answers.Taker()).ok());
  ASSERT_TRUE(answers.WaitFor(2));
  ASSERT_TRUE(queue.Submit(Ask(RatingOf(2, 1)), true, answers.Taker()).ok());
  ASSERT_TRUE(answers.WaitFor(3));
  EXPECT_EQ(answers.durabilities(),
            (std::vector<Durability>{Durability::kProcess, Durability::kSynced, Durability::kNone}));
}

TEST(CommitQueue, AFailedStoreEndsAllWaitingAndLaterRequestsAndIsToldOnce) {
  FaultyStore store(MakeError(Code::kDataLoss, "store_failed", "the disk is gone"));
  const ManualClock clock(kNoonUs);
  Answers answers;
  std::atomic<int> told{0};
  CommitQueueOptions options;
  options.batch_max = 1;
  CommitQueue queue(store, clock, options, {nullptr, [&](const Error&) { ++told; }});
  std::size_t taken = 0;
  for (std::uint64_t i = 0; i < 10; ++i) taken += queue.Submit(Ask(DecisionOf(i)), true, answers.Taker()).ok() ? 1 : 0;
  ASSERT_TRUE(answers.WaitFor(taken));
  store.broken = false;
  EXPECT_EQ(queue.Submit(Ask(DecisionOf(11)), true, answers.Taker()).error().code, Code::kUnavailable);
  EXPECT_EQ(queue.RunExclusive([](Store&) -> Status { return {}; }).error().code, Code::kUnavailable);
  queue.Stop();
  EXPECT_EQ(told, 1);
  EXPECT_EQ(answers.outcomes().size(), taken);
  for (const auto& outcome : answers.outcomes()) EXPECT_EQ(outcome.error().code, Code::kUnavailable);
  EXPECT_TRUE(queue.Statistics().failed);
}

// Writes down in which order things happen; keeping the mark may be made to fail.
class MarkedStore final : public FaultyStore {
 public:
  explicit MarkedStore(std::vector<std::string>& order) : FaultyStore({}), order_(order) { broken = false; }
  std::atomic<bool> mark_fails{false};
  Status CommitUnmarked(std::span<const Request> requests, std::int64_t now_us, bool sync,
                        std::vector<Result<Receipt>>* outcomes) override {
    order_.emplace_back("commit");
    return Commit(requests, now_us, sync, outcomes);
  }
  Status KeepMark() override {
    order_.emplace_back("mark");
    if (mark_fails) return MakeError(Code::kDataLoss, "store_failed", "the disk is gone");
    return {};
  }

 private:
  std::vector<std::string>& order_;
};

TEST(CommitQueue, AnswersBeforeTheHighWaterMarkIsKeptAndAnybodyElseIsTold) {
  std::vector<std::string> order;  // of the commit thread, read when it is gone
  MarkedStore store(order);
  const ManualClock clock(kNoonUs);
  {
    CommitQueue queue(store, clock, {}, {[&](LogSeq) { order.emplace_back("told"); }, nullptr});
    const auto answered = [&](const Result<Receipt>&, Durability) { order.emplace_back("answer"); };
    ASSERT_TRUE(queue.Submit(Ask(DecisionOf(1)), true, answered).ok());
  }
  EXPECT_EQ(order, (std::vector<std::string>{"commit", "answer", "mark", "told"}));
}

TEST(CommitQueue, AMarkThatCannotBeKeptEndsWhatComesAfterItAndNotWhatWasSynced) {
  std::vector<std::string> order;
  MarkedStore store(order);
  store.mark_fails = true;
  const ManualClock clock(kNoonUs);
  Answers answers;
  std::atomic<int> fatal{0};
  CommitQueue queue(store, clock, {}, {nullptr, [&](const Error&) { ++fatal; }});
  ASSERT_TRUE(queue.Submit(Ask(DecisionOf(1)), true, answers.Taker()).ok());
  ASSERT_TRUE(answers.WaitFor(1));
  EXPECT_TRUE(answers.outcomes()[0].ok()) << "it is synced";
  EXPECT_FALSE(queue.RunExclusive([](Store&) -> Status { return {}; }).ok());
  EXPECT_EQ(queue.Submit(Ask(DecisionOf(2)), true, answers.Taker()).error().code, Code::kUnavailable);
  queue.Stop();
  EXPECT_EQ(fatal, 1);
}

TEST(CommitQueue, AFullDiskEndsOneBatchAndIsForgottenWhenThereIsRoom) {
  FaultyStore store(MakeError(Code::kUnavailable, "storage_full", "no room"));
  const ManualClock clock(kNoonUs);
  Answers answers;
  std::atomic<int> told{0};
  CommitQueue queue(store, clock, {}, {nullptr, [&](const Error&) { ++told; }});
  ASSERT_TRUE(queue.Submit(Ask(DecisionOf(1)), true, answers.Taker()).ok());
  ASSERT_TRUE(answers.WaitFor(1));
  EXPECT_EQ(answers.outcomes()[0].error().reason, "storage_full");
  store.broken = false;
  ASSERT_TRUE(queue.Submit(Ask(DecisionOf(1)), true, answers.Taker()).ok());
  ASSERT_TRUE(answers.WaitFor(2));
  EXPECT_TRUE(answers.outcomes()[1].ok());
  EXPECT_EQ(told, 0);
}

TEST(CommitQueue, TellsOfARequestThatNobodyWaitsForWhenItDidNotGetIntoTheLog) {
  FaultyStore store(MakeError(Code::kUnavailable, "storage_full", "no room"));
  const ManualClock clock(kNoonUs);
  Answers answers;
  std::vector<DecisionId> lost;
  CommitQueue::Hooks hooks;
  hooks.on_lost = [&](const Request& request, const Error& why) {
    EXPECT_EQ(why.reason, "storage_full");
    lost.push_back(std::get<policy::DecisionMade>(request.what).context.decision);
  };
  CommitQueue queue(store, clock, {}, std::move(hooks));
  ASSERT_TRUE(queue.Submit(Ask(DecisionOf(1)), false, nullptr).ok());
  ASSERT_TRUE(queue.Submit(Ask(DecisionOf(2)), true, answers.Taker()).ok());
  ASSERT_TRUE(answers.WaitFor(1));
  store.broken = false;
  ASSERT_TRUE(queue.Submit(Ask(DecisionOf(3)), false, nullptr).ok());
  queue.Stop();
  ASSERT_EQ(lost.size(), 1u) << "those with a completion are told by it, those in the log by nobody";
  EXPECT_EQ(lost[0], std::get<policy::DecisionMade>(Ask(DecisionOf(1)).what).context.decision);
}

TEST(CommitQueue, StopCommitsWhatWaitsAndRefusesWhatComes) {
  const auto store = MakeMemoryStore();
  const ManualClock clock(kNoonUs);
  Answers answers;
  CommitQueue queue(*store, clock, {}, {});
  for (std::uint64_t i = 0; i < 100; ++i) ASSERT_TRUE(queue.Submit(Ask(DecisionOf(i)), true, answers.Taker()).ok());
  queue.Stop();
  queue.Stop();
  EXPECT_EQ(answers.outcomes().size(), 100u);
  EXPECT_EQ(store->LastSeq().value, 100u);
  EXPECT_EQ(queue.Submit(Ask(DecisionOf(1)), true, nullptr).error().code, Code::kUnavailable);
  EXPECT_EQ(queue.RunExclusive([](Store&) -> Status { return {}; }).error().code, Code::kUnavailable);
}

TEST(CommitQueue, AppendsATickWhenNothingComes) {
  const auto store = MakeMemoryStore();
  const SystemClock clock;
  std::promise<LogSeq> ticked;
  CommitQueueOptions options;
  options.tick_seconds = 1;
  std::atomic<bool> first{true};
  CommitQueue queue(*store, clock, options,
                    {[&](LogSeq last) {
                       if (first.exchange(false)) ticked.set_value(last);
                     },
                     nullptr});
  auto future = ticked.get_future();
  ASSERT_EQ(future.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  EXPECT_EQ(future.get().value, 1u);
}

TEST(CommitQueue, TakesFromManyThreadsAndLosesNothing) {
  const auto store = MakeMemoryStore();
  const ManualClock clock(kNoonUs);
  Answers answers;
  CommitQueue queue(*store, clock, {}, {});
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint64_t i = 0; i < 250; ++i) {
        EXPECT_TRUE(queue.Submit(Ask(DecisionOf(t * 1000 + i)), i % 3 == 0, answers.Taker()).ok());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  ASSERT_TRUE(answers.WaitFor(1000));
  EXPECT_EQ(store->LastSeq().value, 1000u);
}

}  // namespace
}  // namespace pointsman::store
