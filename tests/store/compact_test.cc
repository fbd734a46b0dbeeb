// Files that are written anew: on demand, and those of the log by themselves.
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <atomic>
#include <chrono>

#include "policy/learning/learner.h"
#include "store/compaction_pace.h"
#include "store/keys.h"
#include "store/log_merger.h"
#include "store/rocks_support.h"
#include "tests/store/samples.h"

namespace pointsman::store {
namespace {

class Compaction : public ::testing::Test {
 protected:
  std::unique_ptr<Store> Open() {
    auto opened = OpenRocksStore({.directory = scratch_ / "s", .write_buffer_bytes = 64 << 10});
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    return std::move(*opened);
  }
  // Decisions that are rated and then expire, so that rows are replaced and deleted.
  void Fill(Store& store, std::uint64_t decisions) {
    std::vector<Result<Receipt>> outcomes;
    ASSERT_TRUE(store.Commit(WorldRequests(), kNoonUs, true, &outcomes).ok());
    for (std::uint64_t number = 1; number <= decisions; ++number) {
      const std::int64_t now_us = kNoonUs + static_cast<std::int64_t>(number) * 1'000'000;
      const std::vector<Request> requests = {Ask(DecisionOf(number, now_us + 10'000'000)), Ask(RatingOf(number, 1)),
                                             AskTick()};
      ASSERT_TRUE(store.Commit(requests, now_us, false, &outcomes).ok());
    }
  }
  static std::uint64_t Hash(const Store& store) {
    auto learner = policy::Learner::Create(store, store, policy::State{});
    EXPECT_TRUE(learner.ok());
    EXPECT_TRUE(store.ReadLog(LogSeq{1}, 0, [&](const policy::Event& event) { return (*learner)->Learn(event); }).ok());
    return StateHash((*learner)->state());
  }
  ScratchDirectory scratch_;
};

TEST_F(Compaction, MemtablesAreEmptiedIntoFilesWhoseBlocksAreCachedWithinABound) {
  constexpr std::uint64_t kReadCacheMax = 4 << 20;
  auto store = Open();
  const std::uint64_t empty = store->Statistics().memtable_bytes;
  Fill(*store, 20);
  const std::uint64_t filled = store->Statistics().memtable_bytes;
  EXPECT_GT(filled, empty);
  std::atomic<bool> stop{false};
  ASSERT_TRUE(store->Compact(stop).ok());
  EXPECT_LT(store->Statistics().memtable_bytes, filled);
  EXPECT_EQ(Hash(*store), Hash(*store));
  EXPECT_GT(store->Statistics().read_cache_bytes, 0U);
  EXPECT_LE(store->Statistics().read_cache_bytes, kReadCacheMax);
}

TEST_F(Compaction, LeavesEveryEventAndEveryRowAndTakesLessRoom) {
  auto store = Open();
  Fill(*store, 4000);
  const std::uint64_t hash = Hash(*store);
  const std::uint64_t last = store->LastSeq().value;
  const std::uint64_t before = store->Statistics().disk_bytes;
  std::atomic<bool> stop{false};
  const Status done = store->Compact(stop);
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_LT(store->Statistics().disk_bytes, before);
  EXPECT_EQ(store->LastSeq().value, last);
  EXPECT_EQ(Hash(*store), hash);
  EXPECT_TRUE(store->Check().ok());
  store.reset();
  store = Open();
  EXPECT_EQ(Hash(*store), hash) << "after it was opened again";
}

TEST_F(Compaction, StopsWhenItIsTold) {
  auto store = Open();
  Fill(*store, 500);
  std::atomic<bool> stop{true};
  const Status done = store->Compact(stop);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().reason, "compaction_stopped");
  EXPECT_EQ(done.error().code, Code::kUnavailable);
  stop = false;
  EXPECT_TRUE(store->Compact(stop).ok()) << "and can be started again";
}

TEST_F(Compaction, IsRefusedOnAStoreThatIsOpenForReading) {
  Open();
  const auto reading = OpenRocksStoreReadOnly(scratch_ / "s");
  ASSERT_TRUE(reading.ok());
  std::atomic<bool> stop{false};
  EXPECT_EQ((*reading)->Compact(stop).error().reason, "read_only");
}

TEST(CompactionPaceTest, HoldsUpACompactionAndNothingElse) {
  CompactionPace pace(1 << 20);
  const std::int64_t portion = pace.GetSingleBurstBytes();
  const auto start = std::chrono::steady_clock::now();
  for (std::int64_t bytes = 0; bytes < 200 << 10; bytes += portion) {
    pace.Request(portion, rocksdb::Env::IO_LOW, nullptr);
  }
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(150)) << "200 of 1,024 KiB a second";
  // An hour's worth each: at a pace this test would not end.
  for (const auto priority : {rocksdb::Env::IO_HIGH, rocksdb::Env::IO_USER}) {
    for (int i = 0; i < 50 * 3600; ++i) pace.Request(portion, priority, nullptr);
    EXPECT_EQ(pace.GetTotalBytesThrough(priority), 0);
  }
}

TEST_F(Compaction, OfAStoreKeepsToThePace) {
  Fill(*Open(), 100);
  auto database = Database::Open(scratch_ / "s", 64 << 10, Database::Mode::kExisting);
  ASSERT_TRUE(database.ok()) << database.error().message;
  const auto pace = (*database)->GetDBOptions().rate_limiter;
  ASSERT_NE(pace, nullptr);
  EXPECT_EQ(pace->GetBytesPerSecond(), kCompactionPace);
  rocksdb::CompactRangeOptions anew;
  anew.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  ASSERT_TRUE((*database)->CompactRange(anew, database->family(Family::kLog), nullptr, nullptr).ok());
  EXPECT_GT(pace->GetTotalBytesThrough(rocksdb::Env::IO_LOW), 0);
}

// A database whose files RocksDB would leave as small as they were flushed.
class SmallFiles : public ::testing::Test {
 protected:
  SmallFiles() {
    rocksdb::Options options;
    options.create_if_missing = true;
    rocksdb::DB* raw = nullptr;
    REQUIRE(rocksdb::DB::Open(options, scratch_ / "d", &raw).ok(), "open");
    database_.reset(raw);
  }
  // One file below the first level, of the next ten numbers.
  void AddFile() {
    const std::string first = LogKey(LogSeq{next_});
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(database_->Put({}, LogKey(LogSeq{next_++}), "event").ok());
    const std::string last = LogKey(LogSeq{next_ - 1});
    ASSERT_TRUE(database_->Flush({}).ok());
    const rocksdb::Slice from(first);
    const rocksdb::Slice to(last);
    ASSERT_TRUE(database_->CompactRange({}, &from, &to).ok());
  }
  std::size_t Files() const {
    std::vector<rocksdb::LiveFileMetaData> files;
    database_->GetLiveFilesMetaData(&files);
    return files.size();
  }
  std::size_t Merge() {
    const auto merged = MergeSmallFiles(*database_, database_->DefaultColumnFamily(), scratch_.path(), kFreeSpaceMin_);
    EXPECT_TRUE(merged.ok()) << merged.error().message;
    return *merged;
  }

  static constexpr std::uint64_t kFreeSpaceMin_ = 16 << 20;
  ScratchDirectory scratch_;
  std::unique_ptr<rocksdb::DB> database_;
  std::uint64_t next_ = 1;
};

TEST_F(SmallFiles, EightNeighboursBecomeOneAndNothingIsLost) {
  for (std::size_t i = 0; i + 1 < kMergedMin; ++i) AddFile();
  EXPECT_EQ(Merge(), 0u) << "seven are left alone";
  AddFile();
  ASSERT_EQ(Files(), kMergedMin);
  EXPECT_EQ(Merge(), kMergedMin);
  EXPECT_EQ(Files(), 1u);
  EXPECT_EQ(Merge(), 0u);
  const std::unique_ptr<rocksdb::Iterator> it(database_->NewIterator({}));
  std::uint64_t expected = 1;
  for (it->SeekToFirst(); it->Valid(); it->Next()) EXPECT_EQ(it->key().ToString(), LogKey(LogSeq{expected++}));
  EXPECT_TRUE(it->status().ok());
  EXPECT_EQ(expected, next_);
}

TEST_F(SmallFiles, StayWhereTheDiskHasNoRoomForOneMore) {
  for (std::size_t i = 0; i < kMergedMin; ++i) AddFile();
  const auto refused = MergeSmallFiles(*database_, database_->DefaultColumnFamily(), scratch_.path(), ~0ULL >> 1);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, "storage_full");
  EXPECT_EQ(Files(), kMergedMin);
}

}  // namespace
}  // namespace pointsman::store
