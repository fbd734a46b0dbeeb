// A log with a quota: what goes, what stays, and that the state never notices.
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <map>

#include "record.pb.h"
#include "store/care.h"
#include "store/codec.h"
#include "store/keys.h"
#include "store/rocks_support.h"
#include "store/store.h"
#include "store/subject_filter.h"
#include "store/transfer.h"
#include "tests/store/samples.h"

namespace pointsman::store {
namespace {

namespace fs = std::filesystem;

class Retention : public ::testing::Test {
 protected:
  // A store and its learner, as the daemon runs them.
  struct Running {
    std::unique_ptr<Store> store;
    std::unique_ptr<policy::Learner> learner;
    std::uint64_t hash() const { return StateHash(learner->state()); }
  };

  Running Open(const std::string& name, std::uint64_t quota) {
    StoreOptions options;
    options.directory = scratch / name;
    options.free_space_min_bytes = 16U << 20;
    options.log_bytes_max = quota;
    options.expire_batch = 64;
    Running running;
    auto opened = OpenRocksStore(options);
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    running.store = std::move(*opened);
    auto state = running.store->LoadState();
    EXPECT_TRUE(state.ok()) << state.error().message;
    auto learner = policy::Learner::Create(*running.store, *running.store, std::move(*state));
    EXPECT_TRUE(learner.ok());
    running.learner = std::move(*learner);
    Learn(running);
    return running;
  }
  static void Learn(Running& running) {
    const Status learnt =
        running.store->ReadLog(LogSeq{running.learner->state().last_seq.value + 1}, 0,
                               [&](const policy::Event& event) { return running.learner->Learn(event); });
    ASSERT_TRUE(learnt.ok()) << learnt.error().message;
  }
  void Commit(Running& running, const std::vector<Request>& requests) {
    std::vector<Result<Receipt>> outcomes;
    const Status committed = running.store->Commit(requests, now_us_, true, &outcomes);
    ASSERT_TRUE(committed.ok()) << committed.error().message;
    for (const auto& outcome : outcomes) ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  }
  static void Checkpoint(Running& running) {
    Learn(running);
    const Status written = running.store->WriteCheckpoint(running.learner->mutable_state());
    ASSERT_TRUE(written.ok()) << written.error().message;
  }
  // Rated decisions that are open for `life_us`; a checkpoint at each twentieth.
  void Serve(Running& running, std::uint64_t from, std::uint64_t count, std::int64_t life_us) {
    if (running.store->LastSeq().value == 0) Commit(running, WorldRequests());
    for (std::uint64_t number = from; number < from + count; ++number) {
      now_us_ += 1'000'000;
      Commit(running, {Ask(DecisionOf(number, now_us_ + life_us)), Ask(RatingOf(number, number % 3 == 0 ? 0.0 : 1.0))});
      Commit(running, {Ask(OutcomeOf(number, 100)), AskTick()});
      if (number % 20 == 0) Checkpoint(running);
    }
  }
  static std::uint64_t Replayed(const Store& store) {
    auto base = store.LoadBase();
    EXPECT_TRUE(base.ok()) << base.error().message;
    const LogSeq from{base->last_seq.value + 1};
    auto learner = policy::Learner::Create(store, store, std::move(*base));
    EXPECT_TRUE(learner.ok());
    const Status folded = store.ReadLog(from, 0, [&](const policy::Event& event) { return (*learner)->Learn(event); });
    EXPECT_TRUE(folded.ok()) << folded.error().message;
    return StateHash((*learner)->state());
  }
  static std::map<std::string, int> Kinds(const Store& store) {
    std::map<std::string, int> kinds;
    const Status read = store.ForEach(LogSeq{store.LastSeq().value + 1}, [&](const policy::Event& event) -> Status {
      ++kinds[std::string(policy::EventTypeName(policy::EventType(event.payload)))];
      return {};
    });
    EXPECT_TRUE(read.ok()) << read.error().message;
    return kinds;
  }

  static constexpr std::int64_t kShort = 3'000'000;
  std::int64_t now_us_ = kNoonUs;
  ScratchDirectory scratch;
};

TEST_F(Retention, TheLogStaysWithinItsQuotaAndTheStateIsThatOfTheWholeLog) {
  constexpr std::uint64_t kQuota = 24U << 10;
  Running bounded = Open("s", kQuota);
  Serve(bounded, 1, 400, kShort);
  Running whole = Open("whole", 0);
  now_us_ = kNoonUs;
  Serve(whole, 1, 400, kShort);
  const StoreStatistics statistics = bounded.store->Statistics();
  EXPECT_GT(statistics.dropped_events, 600u);
  EXPECT_GT(statistics.base_seq.value, 0u);
  EXPECT_LE(statistics.dropped_up_to, statistics.base_seq);
  EXPECT_EQ(bounded.hash(), whole.hash()) << "retention is not part of the state";
  EXPECT_EQ(Replayed(*bounded.store), whole.hash()) << "from the base state on";
  EXPECT_TRUE(bounded.store->Check().ok());
  const auto kinds = Kinds(*bounded.store);
  EXPECT_EQ(kinds.at("RatingGiven"), 400) << "feedback is never dropped";
  EXPECT_EQ(kinds.at("ModelAdded"), 2);
  EXPECT_LT(kinds.at("DecisionMade"), 120);
  // After a restart everything is as it was.
  const std::uint64_t hash = bounded.hash();
  bounded = {};
  bounded = Open("s", kQuota);
  EXPECT_EQ(bounded.hash(), hash);
  EXPECT_EQ(bounded.store->Statistics().dropped_events, statistics.dropped_events);
  EXPECT_EQ(bounded.store->Statistics().log_bytes, statistics.log_bytes);
  Serve(bounded, 401, 40, kShort);
  Serve(whole, 401, 40, kShort);
  EXPECT_TRUE(bounded.store->Check().ok());
  bounded = {};
  const auto checked = CheckStore(scratch / "s");
  EXPECT_TRUE(checked.ok()) << checked.error().message;
}

TEST_F(Retention, AnActivationAfterwardsFoldsTheFeedbackThatWasKept) {
  Running bounded = Open("s", 24U << 10);
  Serve(bounded, 1, 200, kShort);
  Running whole = Open("whole", 0);
  now_us_ = kNoonUs;
  Serve(whole, 1, 200, kShort);
  ASSERT_GT(bounded.store->Statistics().dropped_events, 200u);
  for (Running* one : {&bounded, &whole}) {
    policy::OptionsChanged options;
    options.options.sources = {"thumbs"};
    options.options.rating_half_life_days = 1;  // evidence is folded again in other units
    Commit(*one, {Ask(policy::Payload{options})});
    Learn(*one);
  }
  EXPECT_EQ(bounded.hash(), whole.hash());
}

TEST_F(Retention, WhatIsGoneIsAnAnswerNotAGap) {
  Running running = Open("s", 24U << 10);
  Serve(running, 1, 200, kShort);
  const std::uint64_t begin = running.store->Statistics().dropped_up_to.value + 1;
  ASSERT_GT(begin, 1u);
  const auto look = [&](std::uint64_t from) {
    return running.store->ReadLog(LogSeq{from}, 1, [](const policy::Event&) { return Status(); });
  };
  EXPECT_EQ(look(1).error().reason, "history_begins_later");
  EXPECT_EQ(look(begin - 1).error().code, Code::kOutOfRange);
  EXPECT_TRUE(look(begin).ok());
  EXPECT_EQ(SubjectFilter::Make(*running.store, SubjectHash{7}).error().reason, "history_begins_later");
  running = {};
  EXPECT_EQ(ExportRecords(scratch / "s", scratch / "r").error().reason, "history_begins_later");
}

TEST_F(Retention, OpenDecisionsExpireOldestFirstOnlyWhenNothingElseHelps) {
  Running running = Open("s", 24U << 10);
  Serve(running, 1, 200, kHourUs);
  const StoreStatistics statistics = running.store->Statistics();
  EXPECT_GT(statistics.dropped_events, 0u);
  EXPECT_GT(running.learner->state().counters.expired, 0u) << "counted";
  EXPECT_EQ(running.learner->state().counters.expired + statistics.open_decisions, 200u);
  EXPECT_FALSE(running.store->FindDecision(IdOf(1)).ok());
  EXPECT_TRUE(running.store->FindDecision(IdOf(200)).ok()) << "the newest stays";
  EXPECT_LT(statistics.log_bytes, 90'000u);
  EXPECT_TRUE(running.store->Check().ok());
  EXPECT_EQ(Replayed(*running.store), running.hash());
}

TEST_F(Retention, TheLastEventStaysSoThatTheLogHasAnEnd) {
  Running running = Open("s", 24U << 10);
  Serve(running, 1, 95, kShort);
  now_us_ += kHourUs;
  for (int sweep = 0; sweep < 4; ++sweep) Commit(running, {AskTick()});
  ASSERT_EQ(running.store->Statistics().open_decisions, 0u);
  Serve(running, 96, 3, 1);  // over at once: a tick ends them and is the last event
  now_us_ += kHourUs;
  Commit(running, {AskTick()});
  Checkpoint(running);
  running = {};
  running = Open("s", 1);  // all that may go goes
  Commit(running, {AskTick()});
  Checkpoint(running);
  const LogSeq last = running.store->LastSeq();
  EXPECT_EQ(running.store->Statistics().dropped_up_to.value, last.value - 1);
  const std::uint64_t hash = running.hash();
  running = {};
  running = Open("s", 24U << 10);
  EXPECT_EQ(running.store->LastSeq(), last);
  EXPECT_EQ(running.hash(), hash);
  EXPECT_TRUE(running.store->Check().ok());
}

TEST_F(Retention, NothingGoesWithoutAQuotaOrBelowIt) {
  Running unlimited = Open("s", 0);
  Serve(unlimited, 1, 100, kShort);
  EXPECT_EQ(unlimited.store->Statistics().dropped_events, 0u);
  EXPECT_EQ(unlimited.store->Statistics().base_seq.value, 0u);
  now_us_ = kNoonUs;
  Running roomy = Open("t", 64U << 20);
  Serve(roomy, 1, 100, kShort);
  EXPECT_EQ(roomy.store->Statistics().dropped_events, 0u);
  EXPECT_EQ(roomy.store->Statistics().log_bytes, unlimited.store->Statistics().log_bytes);
}

TEST_F(Retention, ADamagedBaseStateIsFoundByTheCheck) {
  Running running = Open("s", 24U << 10);
  Serve(running, 1, 200, kShort);
  running = {};
  {
    auto database = Database::Open(scratch / "s", 8U << 20, Database::Mode::kExisting);
    ASSERT_TRUE(database.ok());
    const auto it = database->Scan(Family::kMeta);
    it->Seek(ToSlice(kBaseRowPrefix));
    ASSERT_TRUE(it->Valid() && it->key().starts_with(ToSlice(kBaseRowPrefix)));
    ASSERT_TRUE((*database)->Delete({}, database->family(Family::kMeta), it->key()).ok());
  }
  const auto checked = CheckStore(scratch / "s");
  ASSERT_FALSE(checked.ok());
  EXPECT_EQ(checked.error().code, Code::kDataLoss);
}

// The next version folds otherwise: its first start makes the base state again.
TEST_F(Retention, ABaseStateOfAnOlderFoldIsMadeAgainFromTheFeedbackThatIsLeft) {
  Running running = Open("s", 24U << 10);
  Serve(running, 1, 200, kShort);
  const auto cells_of = [](const policy::State& state) {
    std::map<std::string, std::string> cells;
    policy::ForEachStateRow(state, [&cells](std::string_view key, std::string_view value) {
      if (key[0] == 'c' || key[0] == 'm' || key[0] == 'b') cells.emplace(key, value);
    });
    return cells;
  };
  const auto cells = cells_of(running.learner->state());
  const LogSeq last = running.store->LastSeq();
  running = {};
  {
    auto database = Database::Open(scratch / "s", 8U << 20, Database::Mode::kExisting);
    ASSERT_TRUE(database.ok());
    record::Base base;
    ASSERT_TRUE(
        base.ParseFromString(std::string(Unseal(kBaseKey, database->Get(Family::kMeta, kBaseKey).value()).value())));
    base.set_fold_version(policy::kFoldVersion - 1);
    record::Checkpoint mark;
    ASSERT_TRUE(mark.ParseFromString(
        std::string(Unseal(kCheckpointKey, database->Get(Family::kMeta, kCheckpointKey).value()).value())));
    mark.set_fold_version(policy::kFoldVersion - 1);
    for (const auto& [key, message] : {std::pair<std::string_view, std::string>{kBaseKey, base.SerializeAsString()},
                                       {kCheckpointKey, mark.SerializeAsString()}}) {
      ASSERT_TRUE((*database)->Put({}, database->family(Family::kMeta), ToSlice(key), Seal(key, message)).ok());
    }
  }
  running = Open("s", 24U << 10);
  EXPECT_EQ(running.learner->state().last_seq, last);
  EXPECT_EQ(cells_of(running.learner->state()), cells);
  EXPECT_EQ(Replayed(*running.store), running.hash());
  Serve(running, 201, 40, kShort);
  EXPECT_EQ(Replayed(*running.store), running.hash());
  EXPECT_TRUE(running.store->Check().ok());
}

// ---- schema 1 ----

class Schema : public Retention {
 protected:
  // A store as version 0.1 left it: schema 1, no count of bytes.
  std::uint64_t MakeOldStore() {
    std::uint64_t bytes = 0;
    {
      Running running = Open("s", 0);
      Serve(running, 1, 30, kShort);
      bytes = running.store->Statistics().log_bytes;
    }
    auto database = Database::Open(scratch / "s", 8U << 20, Database::Mode::kExisting);
    EXPECT_TRUE(database.ok());
    record::OpenDecisions open;
    const std::string value = database->Get(Family::kMeta, kOpenDecisionsKey).value();
    EXPECT_TRUE(open.ParseFromString(std::string(Unseal(kOpenDecisionsKey, value).value())));
    open.clear_log_bytes();
    record::Schema schema;
    schema.set_version(1);
    rocksdb::WriteOptions synced;
    synced.sync = true;
    for (const auto& [key, message] :
         {std::pair<std::string_view, std::string>{kOpenDecisionsKey, open.SerializeAsString()},
          {kSchemaKey, schema.SerializeAsString()}}) {
      EXPECT_TRUE((*database)->Put(synced, database->family(Family::kMeta), ToSlice(key), Seal(key, message)).ok());
    }
    return bytes;
  }
};

TEST_F(Schema, AnOldStoreIsBroughtUpWhenItIsOpenedForWriting) {
  const std::uint64_t bytes = MakeOldStore();
  {
    const auto reader = OpenRocksStoreReadOnly(scratch / "s");
    ASSERT_TRUE(reader.ok()) << reader.error().message;
    EXPECT_TRUE((*reader)->Check().ok()) << "a reader changes nothing";
    EXPECT_EQ((*reader)->Statistics().log_bytes, 0u);
  }
  Running running = Open("s", 0);
  EXPECT_EQ(running.store->Statistics().log_bytes, bytes);
  EXPECT_TRUE(running.store->Check().ok());
  Serve(running, 31, 5, kShort);
  EXPECT_GT(running.store->Statistics().log_bytes, bytes);
  running = {};
  const std::string value = Database::PeekMeta(scratch / "s", kSchemaKey).value();
  record::Schema schema;
  ASSERT_TRUE(schema.ParseFromString(std::string(Unseal(kSchemaKey, value).value())));
  EXPECT_EQ(schema.version(), kSchemaVersion);
}

#ifdef POINTSMAN_FAULT_POINTS
TEST_F(Schema, AMigrationThatIsKilledLeavesTheOldOrTheNewSchema) {
  const char* bin = std::getenv("POINTSMAN_BIN");
  if (bin == nullptr) GTEST_SKIP() << "POINTSMAN_BIN names the folder of the programs";
  for (const std::string point : {"store.migrate.before_write", "store.migrate.after_write"}) {
    SCOPED_TRACE(point);
    fs::remove_all(scratch / "s");
    now_us_ = kNoonUs;
    const std::uint64_t bytes = MakeOldStore();
    const std::string writer = std::string(bin) + "/store_crash_writer";
    const std::string directory = scratch / "s";
    const std::string fault = point + "=kill";
    const pid_t child = ::fork();
    if (child == 0) {
      ::setenv("POINTSMAN_FAULT", fault.c_str(), 1);
      ::execl(writer.c_str(), writer.c_str(), directory.c_str(), "1", "1", nullptr);
      ::_exit(126);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
    Running running = Open("s", 0);
    EXPECT_EQ(running.store->Statistics().log_bytes, bytes);
    EXPECT_TRUE(running.store->Check().ok());
  }
}
#endif

}  // namespace
}  // namespace pointsman::store
