// What only the store on disk promises: locks, schema, damage, recovery.
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>
#include <sys/wait.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

#include "base/unit_draw.h"
#include "policy/learning/learner.h"
#include "record.pb.h"
#include "store/bundle_file.h"
#include "store/codec.h"
#include "store/disk_guard.h"
#include "store/high_water.h"
#include "store/keys.h"
#include "store/rocks_support.h"
#include "store/store.h"
#include "tests/store/samples.h"

namespace pointsman::store {
namespace {

namespace fs = std::filesystem;

std::string ReadWhole(const fs::path& path) {
  std::ostringstream whole;
  whole << std::ifstream(path, std::ios::binary).rdbuf();
  return whole.str();
}

std::map<std::string, std::string> Contents(const std::string& directory) {
  std::map<std::string, std::string> contents;
  for (const auto& entry : fs::directory_iterator(directory)) {
    contents[entry.path().filename().string()] = ReadWhole(entry.path());
  }
  return contents;
}

fs::path NewestWal(const std::string& directory) {
  fs::path newest;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().extension() == ".log" && entry.path() > newest) newest = entry.path();
  }
  return newest;
}

class RocksFiles : public ::testing::Test {
 protected:
  StoreOptions Options() {
    StoreOptions options;
    options.directory = scratch / "s";
    options.free_space_min_bytes = 16U << 20;
    return options;
  }
  std::unique_ptr<Store> Open() {
    auto opened = OpenRocksStore(Options());
    EXPECT_TRUE(opened.ok()) << opened.error().message;
    return opened.ok() ? std::move(*opened) : nullptr;
  }
  // Commits `count` decisions, synced, one batch each, and leaves the files as a
  // kill would: copied while the store is open.
  void MakeKilledStore(std::uint64_t count, bool sync = true) {
    {
      auto store = Open();
      ASSERT_NE(store, nullptr);
      for (std::uint64_t i = 1; i <= count; ++i) {
        const std::vector<Request> requests = {Ask(DecisionOf(i))};
        std::vector<Result<Receipt>> outcomes;
        ASSERT_TRUE(store->Commit(requests, kNoonUs, sync, &outcomes).ok());
      }
      fs::copy(scratch / "s", scratch / "copy", fs::copy_options::recursive);
    }
    fs::remove_all(scratch / "s");
    fs::rename(scratch / "copy", scratch / "s");
  }
  // Rewrites the mark with this version (none: as before the field was there), and
  // with an older one the first byte of each row, and adds a row that is no longer made.
  void PretendCheckpointOfFold(std::optional<std::uint32_t> version) {
    auto database = Database::Open(scratch / "s", 8U << 20, Database::Mode::kExisting);
    ASSERT_TRUE(database.ok()) << database.error().message;
    const auto sealed = database->Get(Family::kMeta, kCheckpointKey);
    ASSERT_TRUE(sealed.ok());
    record::Checkpoint mark;
    ASSERT_TRUE(mark.ParseFromString(std::string(*Unseal(kCheckpointKey, *sealed))));
    EXPECT_EQ(mark.fold_version(), policy::kFoldVersion);
    rocksdb::WriteBatch batch;
    mark.clear_fold_version();
    if (version) mark.set_fold_version(*version);
    batch.Put(database->family(Family::kMeta), ToSlice(kCheckpointKey), Seal(kCheckpointKey, mark.SerializeAsString()));
    if (!version) {
      const auto rows = database->Scan(Family::kState);
      for (rows->SeekToFirst(); rows->Valid(); rows->Next()) {
        std::string value = rows->value().ToString();
        value.front() = 1;
        batch.Put(database->family(Family::kState), rows->key(), value);
      }
      batch.Put(database->family(Family::kState), "z-old-row", "\x01");
    }
    rocksdb::WriteOptions synced;
    synced.sync = true;
    ASSERT_TRUE((*database)->Write(synced, &batch).ok());
  }
  // A world that can be folded, with feedback, and its checkpoint.
  policy::State MakeCheckpointedStore() {
    auto store = Open();
    policy::State state;
    const auto commit = [&](const std::vector<Request>& requests) {
      std::vector<Result<Receipt>> outcomes;
      EXPECT_TRUE(store->Commit(requests, kNoonUs, true, &outcomes).ok());
    };
    commit(WorldRequests());
    for (std::uint64_t i = 1; i <= 20; ++i) commit({Ask(DecisionOf(i)), Ask(RatingOf(i, static_cast<double>(i % 2)))});
    FoldTail(*store, state);
    EXPECT_TRUE(store->WriteCheckpoint(state).ok());
    return state;
  }
  void FoldTail(Store& store, policy::State& state) {
    auto learner = policy::Learner::Create(store, store, std::move(state));
    ASSERT_TRUE(learner.ok()) << learner.error().message;
    const Status read = store.ReadLog(LogSeq{(*learner)->state().last_seq.value + 1}, 0,
                                      [&](const policy::Event& event) { return (*learner)->Learn(event); });
    ASSERT_TRUE(read.ok()) << read.error().message;
    state = std::move((*learner)->mutable_state());
  }
  std::uint64_t CountLog(const Store& store) {
    std::uint64_t count = 0;
    const Status read = store.ReadLog(LogSeq{1}, 0, [&](const policy::Event&) -> Status {
      ++count;
      return {};
    });
    EXPECT_TRUE(read.ok()) << read.error().message;
    return count;
  }

  ScratchDirectory scratch;
};

TEST_F(RocksFiles, KeepEverythingOverACleanStop) {
  MakeKilledStore(50);
  { ASSERT_EQ(CountLog(*Open()), 50u); }
  auto store = Open();
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(CountLog(*store), 50u);
  EXPECT_EQ(store->Statistics().synced_seq.value, 50u);
  EXPECT_EQ(store->Statistics().lost_unsynced, 0u);
  EXPECT_TRUE(store->FindDecision(IdOf(50)).ok());
  EXPECT_TRUE(store->Check().ok());
  EXPECT_FALSE(fs::exists(scratch / "s/LOG")) << "RocksDB's own text log aborts on a full disk";
}

TEST_F(RocksFiles, ASecondWriterIsToldThatTheStoreIsLocked) {
  auto store = Open();
  const auto second = OpenRocksStore(Options());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::kBusy);
  EXPECT_EQ(second.error().reason, "store_locked");
  const auto reader = OpenRocksStoreReadOnly(scratch / "s");
  ASSERT_FALSE(reader.ok());
  EXPECT_EQ(reader.error().code, Code::kBusy);
  std::vector<Result<Receipt>> outcomes;
  const std::vector<Request> requests = {Ask(DecisionOf(1))};
  EXPECT_TRUE(store->Commit(requests, kNoonUs, true, &outcomes).ok()) << "the first goes on";
}

TEST_F(RocksFiles, ReadersSeeTheWalShareTheStoreAndChangeNothing) {
  MakeKilledStore(20);
  const auto before = Contents(scratch / "s");
  {
    const auto reader = OpenRocksStoreReadOnly(scratch / "s");
    ASSERT_TRUE(reader.ok()) << reader.error().message;
    const auto other = OpenRocksStoreReadOnly(scratch / "s");
    ASSERT_TRUE(other.ok());
    EXPECT_EQ(CountLog(**reader), 20u);
    EXPECT_TRUE((*reader)->Check().ok());
    std::vector<Result<Receipt>> outcomes;
    const std::vector<Request> requests = {Ask(DecisionOf(99))};
    EXPECT_EQ((*reader)->Commit(requests, kNoonUs, true, &outcomes).error().reason, "read_only");
    EXPECT_EQ(OpenRocksStore(Options()).error().code, Code::kBusy) << "no writer while somebody reads";
  }
  EXPECT_TRUE(Contents(scratch / "s") == before);
}

TEST_F(RocksFiles, ThatAreNotThereAreNotFoundByAReader) {
  EXPECT_EQ(OpenRocksStoreReadOnly(scratch / "none").error().code, Code::kNotFound);
  fs::create_directory(scratch / "empty");
  EXPECT_EQ(OpenRocksStoreReadOnly(scratch / "empty").error().code, Code::kNotFound);
}

TEST_F(RocksFiles, OfANewerSchemaAreRefusedWithoutAWrite) {
  MakeKilledStore(3);
  {
    auto database = Database::Open(scratch / "s", 8U << 20, Database::Mode::kExisting);
    ASSERT_TRUE(database.ok()) << database.error().message;
    record::Schema schema;
    schema.set_version(kSchemaVersion + 1);
    rocksdb::WriteOptions synced;
    synced.sync = true;
    ASSERT_TRUE((*database)
                    ->Put(synced, database->family(Family::kMeta), ToSlice(kSchemaKey),
                          Seal(kSchemaKey, schema.SerializeAsString()))
                    .ok());
  }
  const auto before = Contents(scratch / "s");
  const auto opened = OpenRocksStore(Options());
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, Code::kFailedPrecondition);
  EXPECT_EQ(opened.error().reason, "newer_schema");
  EXPECT_EQ(OpenRocksStoreReadOnly(scratch / "s").error().reason, "newer_schema");
  EXPECT_TRUE(Contents(scratch / "s") == before);
}

TEST_F(RocksFiles, WithACheckpointOfAnOlderFoldAreFoldedAnewAndItsRowsReplaced) {
  const policy::State state = MakeCheckpointedStore();
  // As the first release left it: no version in the mark, rows that this one cannot read.
  PretendCheckpointOfFold(std::nullopt);
  {
    const auto reader = OpenRocksStoreReadOnly(scratch / "s");
    ASSERT_TRUE(reader.ok()) << reader.error().message;
    EXPECT_TRUE((*reader)->Check().ok());
  }
  auto store = Open();
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->Statistics().checkpoint_seq, LogSeq{});
  auto loaded = store->LoadState();
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  EXPECT_EQ(loaded->last_seq, LogSeq{});
  FoldTail(*store, *loaded);
  EXPECT_EQ(StateHash(*loaded), StateHash(state));
  ASSERT_TRUE(store->WriteCheckpoint(*loaded).ok());
  const auto again = store->LoadState();
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(StateHash(*again), StateHash(state));
}

TEST_F(RocksFiles, WithACheckpointOfANewerFoldAreRefused) {
  MakeCheckpointedStore();
  PretendCheckpointOfFold(policy::kFoldVersion + 1);
  const auto opened = OpenRocksStore(Options());
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, Code::kFailedPrecondition);
  EXPECT_EQ(opened.error().reason, "newer_state");
}

TEST_F(RocksFiles, ATornTailAfterTheLastSyncOpensAndLosesNothingAcknowledged) {
  MakeKilledStore(20);
  const fs::path wal = NewestWal(scratch / "s");
  ASSERT_FALSE(wal.empty());
  // Half a record that was being written when the power went.
  std::ofstream(wal, std::ios::binary | std::ios::app) << std::string("\x12\x34\x56\x78\xff\x00\x01half", 11);
  auto store = Open();
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(CountLog(*store), 20u);
}

TEST_F(RocksFiles, AnUnsyncedTailThatIsCutIsCountedAndToldInTheLog) {
  MakeKilledStore(20, /*sync=*/false);
  fs::resize_file(NewestWal(scratch / "s"), fs::file_size(NewestWal(scratch / "s")) - 5);
  auto store = Open();
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->Statistics().lost_unsynced, 1u);
  EXPECT_EQ(CountLog(*store), 20u) << "19 that are left and the note";
  policy::Event last;
  ASSERT_TRUE(store
                  ->ReadLog(LogSeq{20}, 0,
                            [&](const policy::Event& event) -> Status {
                              last = event;
                              return {};
                            })
                  .ok());
  EXPECT_TRUE(std::holds_alternative<policy::AdminNote>(last.payload));
  store.reset();
  EXPECT_EQ(Open()->Statistics().lost_unsynced, 0u) << "told once";
}

TEST_F(RocksFiles, KilledBeforeTheMarkOfASyncedCommitWasKeptHaveItAll) {
  {
    auto store = Open();
    std::vector<Result<Receipt>> outcomes;
    const std::vector<Request> first = {Ask(DecisionOf(1))};
    const std::vector<Request> second = {Ask(DecisionOf(2))};
    ASSERT_TRUE(store->Commit(first, kNoonUs, true, &outcomes).ok());
    ASSERT_TRUE(store->CommitUnmarked(second, kNoonUs, true, &outcomes).ok());
    EXPECT_EQ((*HighWaterFile::Read(scratch / "s"))->synced.value, 1u);
    fs::copy(scratch / "s", scratch / "copy", fs::copy_options::recursive);
    ASSERT_TRUE(store->KeepMark().ok());
    EXPECT_EQ((*HighWaterFile::Read(scratch / "s"))->synced.value, 2u);
  }
  fs::remove_all(scratch / "s");
  fs::rename(scratch / "copy", scratch / "s");
  auto store = Open();
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->LastSeq().value, 2u);
  EXPECT_EQ(store->Statistics().lost_unsynced, 0u);
  EXPECT_TRUE(store->Check().ok());
}

// Rows that were written last are remembered decoded; nobody may notice.
TEST_F(RocksFiles, GiveTheSameLogWhetherRowsAreRememberedOrReadAgain) {
  constexpr std::uint64_t kRounds = 40;
  constexpr std::uint64_t kDecisions = 1500;  // more than are remembered
  const auto log_of = [&](const std::string& directory, bool reopened) {
    StoreOptions options = Options();
    options.directory = directory;
    auto store = OpenRocksStore(options);
    SplitMix64 random(7);
    std::vector<Result<Receipt>> outcomes;
    const auto commit = [&](const std::vector<Request>& requests) {
      EXPECT_TRUE((*store)->Commit(requests, kNoonUs, false, &outcomes).ok());
    };
    commit(WorldRequests());
    std::vector<Request> made;
    for (std::uint64_t number = 1; number <= kDecisions; ++number) {
      policy::DecisionMade one = FullDecision();
      one.context.decision = IdOf(number);
      one.expires_at_us = kNoonUs + kHourUs;
      made.push_back(Ask(std::move(one)));
    }
    commit(made);
    for (std::uint64_t round = 0; round < kRounds; ++round) {
      if (reopened) {
        store->reset();
        store = OpenRocksStore(options);
      }
      std::vector<Request> reports;
      for (int i = 0; i < 20; ++i) {
        const std::uint64_t number = random.Below(4) == 0 ? 1 + random.Below(4) : 1 + random.Below(kDecisions);
        reports.push_back(Ask(RatingOf(number, random.Unit(), 0, static_cast<std::uint32_t>(round))));
        reports.push_back(Ask(OutcomeOf(number, static_cast<std::uint32_t>(random.Below(500)))));
      }
      commit(reports);
    }
    std::vector<std::string> events;
    EXPECT_TRUE((*store)
                    ->ReadLog(LogSeq{1}, 0,
                              [&](const policy::Event& event) {
                                events.push_back(EncodeEvent(event));
                                return Status();
                              })
                    .ok());
    EXPECT_TRUE((*store)->Check().ok());
    return events;
  };
  const auto remembered = log_of(scratch / "a", false);
  const auto read_again = log_of(scratch / "b", true);
  ASSERT_GT(remembered.size(), kDecisions + kRounds * 10);
  EXPECT_TRUE(remembered == read_again);
}

TEST_F(RocksFiles, ATailCutBelowTheHighWaterMarkIsDataLossAndNothingIsTouched) {
  MakeKilledStore(20);
  const fs::path wal = NewestWal(scratch / "s");
  for (const std::uintmax_t cut : {5U, 700U, 3000U}) {
    fs::resize_file(wal, fs::file_size(wal) - cut);
    const auto before = Contents(scratch / "s");
    const auto opened = OpenRocksStore(Options());
    ASSERT_FALSE(opened.ok()) << cut;
    EXPECT_EQ(opened.error().code, Code::kDataLoss);
    EXPECT_EQ(opened.error().reason, "acknowledged_missing");
    EXPECT_TRUE(Contents(scratch / "s") == before);
    EXPECT_EQ(OpenRocksStoreReadOnly(scratch / "s").error().code, Code::kDataLoss);
  }
}

TEST_F(RocksFiles, AFlippedByteAnywhereInTheWalIsDataLossNeverAShorterHistory) {
  MakeKilledStore(20);
  const fs::path wal = NewestWal(scratch / "s");
  const std::string bytes = ReadWhole(wal);
  for (std::size_t at = 0; at < bytes.size(); at += 97) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
    std::ofstream(wal, std::ios::binary | std::ios::trunc) << flipped;
    const auto opened = OpenRocksStoreReadOnly(scratch / "s");
    ASSERT_FALSE(opened.ok()) << "byte " << at;
    EXPECT_EQ(opened.error().code, Code::kDataLoss) << "byte " << at << ": " << opened.error().message;
  }
  const auto opened = OpenRocksStore(Options());
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, Code::kDataLoss);
}

TEST_F(RocksFiles, MissingDatabaseFilesAreDataLossNeverANewStore) {
  MakeKilledStore(20);
  { ASSERT_NE(Open(), nullptr); }  // moves the log into a table file
  for (const std::string kind : {"CURRENT", "MANIFEST", ".sst", "highwater"}) {
    fs::remove_all(scratch / "keep");
    fs::copy(scratch / "s", scratch / "keep", fs::copy_options::recursive);
    for (const auto& entry : fs::directory_iterator(scratch / "s")) {
      if (entry.path().string().find(kind) != std::string::npos) fs::remove(entry.path());
    }
    const auto before = Contents(scratch / "s");
    const auto opened = OpenRocksStore(Options());
    ASSERT_FALSE(opened.ok()) << kind;
    EXPECT_EQ(opened.error().code, Code::kDataLoss) << kind << ": " << opened.error().message;
    EXPECT_TRUE(Contents(scratch / "s") == before) << kind;
    fs::remove_all(scratch / "s");
    fs::rename(scratch / "keep", scratch / "s");
  }
  EXPECT_NE(Open(), nullptr) << "whole again";
}

TEST_F(RocksFiles, ADamagedTableFileIsReportedWhenItIsRead) {
  MakeKilledStore(200);
  { ASSERT_NE(Open(), nullptr); }
  for (const auto& entry : fs::directory_iterator(scratch / "s")) {
    if (entry.path().extension() != ".sst") continue;
    std::string bytes = ReadWhole(entry.path());
    bytes[20] = static_cast<char>(bytes[20] ^ 0x10);
    std::ofstream(entry.path(), std::ios::binary | std::ios::trunc) << bytes;
  }
  const auto opened = OpenRocksStoreReadOnly(scratch / "s");
  const Status checked = opened.ok() ? (*opened)->Check() : Status(opened.error());
  ASSERT_FALSE(checked.ok());
  EXPECT_EQ(checked.error().code, Code::kDataLoss) << checked.error().message;
}

// The store opens, for its marks and the log's last event are whole: who reads the log
// comes to the damage, and must not take it for the end.
TEST_F(RocksFiles, DamageInTheMiddleOfTheLogIsNotItsEnd) {
  constexpr std::uint64_t kCount = 6000;
  MakeKilledStore(kCount, /*sync=*/false);
  { ASSERT_NE(Open(), nullptr); }  // moves the log into a table file
  fs::path largest;
  std::uintmax_t most = 0;
  {
    const auto database = Database::Open(scratch / "s", 8U << 20, Database::Mode::kReadOnly);
    ASSERT_TRUE(database.ok());
    std::vector<rocksdb::LiveFileMetaData> files;
    (*database)->GetLiveFilesMetaData(&files);
    for (const auto& file : files) {
      if (file.column_family_name != "log" || file.size <= most) continue;
      most = file.size;
      largest = fs::path(file.directory) / file.relative_filename;
    }
  }
  ASSERT_GT(most, 100'000u) << "several blocks";
  std::string bytes = ReadWhole(largest);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x10);
  std::ofstream(largest, std::ios::binary | std::ios::trunc) << bytes;
  const auto opened = OpenRocksStoreReadOnly(scratch / "s");
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  std::uint64_t seen = 0;
  const Status read = (*opened)->ReadLog(LogSeq{1}, 0, [&seen](const policy::Event&) -> Status {
    ++seen;
    return {};
  });
  ASSERT_FALSE(read.ok()) << seen << " events passed for all " << kCount;
  EXPECT_EQ(read.error().code, Code::kDataLoss) << read.error().message;
  EXPECT_LT(seen, kCount);
}

TEST_F(RocksFiles, AStoreKilledWhileItWasMadeIsMadeAgain) {
  auto file = [&] {
    fs::create_directory(scratch / "s");
    return HighWaterFile::Open(scratch / "s");
  }();
  ASSERT_TRUE(file.ok());
  auto store = Open();
  ASSERT_NE(store, nullptr);
  EXPECT_EQ(store->LastSeq().value, 0u);
}

// Rows that went without a trace that RocksDB could see: whatever reads the log says so,
// be it from the start or from the middle, and never takes what is left for all.
TEST_F(RocksFiles, AnEventThatIsGoneFromTheLogIsFoundByWhoeverReadsIt) {
  for (const std::uint64_t gone : {2u, 3u}) {
    SCOPED_TRACE(gone);
    std::error_code ignored;
    fs::remove_all(scratch / "s", ignored);
    {
      auto store = Open();
      ASSERT_NE(store, nullptr);
      for (std::uint64_t i = 1; i <= 3; ++i) {
        std::vector<Result<Receipt>> outcomes;
        ASSERT_TRUE(store->Commit({{Ask(DecisionOf(i))}}, kNoonUs, true, &outcomes).ok());
      }
    }
    {
      auto database = Database::Open(Options().directory, 1U << 20, Database::Mode::kExisting);
      ASSERT_TRUE(database.ok()) << database.error().message;
      const auto position = LogKey(LogSeq{gone});
      ASSERT_TRUE((*database)->Delete({}, database->family(Family::kLog), position).ok());
    }
    const auto opened = OpenRocksStore(Options());
    if (!opened.ok()) {
      EXPECT_EQ(opened.error().code, Code::kDataLoss) << opened.error().message;
      continue;
    }
    std::uint64_t seen = 0;
    const auto count = [&seen](const policy::Event&) -> Status {
      ++seen;
      return {};
    };
    const Status read = (*opened)->ReadLog(LogSeq{1}, 0, count);
    ASSERT_FALSE(read.ok()) << "as if nothing were missing";
    EXPECT_EQ(read.error().code, Code::kDataLoss);
    EXPECT_EQ(read.error().reason, "log_gap");
    EXPECT_EQ(seen, gone - 1);
    EXPECT_TRUE((*opened)->ReadLog(LogSeq{1}, gone - 1, count).ok()) << "what is there may be read";
  }
}

// A value that went bad in memory before it was written has a sound block around it: only
// the hash over all rows tells, and where the row cannot even be read, its codec.
TEST_F(RocksFiles, AStateRowOfWhichOneBitChangedIsNotLoaded) {
  MakeCheckpointedStore();
  std::map<std::string, std::string> rows;
  const auto with_database = [&](const auto& use) {
    auto database = Database::Open(Options().directory, 1U << 20, Database::Mode::kExisting);
    ASSERT_TRUE(database.ok()) << database.error().message;
    use(*database);
  };
  with_database([&](Database& database) {
    const auto it = database.Scan(Family::kState);
    for (it->SeekToFirst(); it->Valid(); it->Next()) rows[it->key().ToString()] = it->value().ToString();
  });
  ASSERT_GT(rows.size(), 5u);
  const auto put = [&](const std::string& key, const std::string& value) {
    with_database(
        [&](Database& database) { ASSERT_TRUE(database->Put({}, database.family(Family::kState), key, value).ok()); });
  };
  for (const auto& [key, value] : rows) {
    if (value.empty()) continue;
    std::string changed = value;
    changed[changed.size() / 2] = static_cast<char>(changed[changed.size() / 2] ^ 1);
    put(key, changed);
    {
      const auto opened = OpenRocksStore(Options());
      const auto state = opened.ok() ? (*opened)->LoadState() : Result<policy::State>(opened.error());
      ASSERT_FALSE(state.ok()) << "the row " << testing::PrintToString(key);
      EXPECT_EQ(state.error().code, Code::kDataLoss) << state.error().message;
    }
    put(key, value);
  }
  EXPECT_TRUE(Open()->LoadState().ok());
}

TEST_F(RocksFiles, ATornHighWaterSlotFallsBackToTheOneBefore) {
  fs::create_directory(scratch / "h");
  auto file = HighWaterFile::Open(scratch / "h");
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(file->Store({LogSeq{5}, LogSeq{6}, true}).ok());
  ASSERT_TRUE(file->Store({LogSeq{7}, LogSeq{8}, true}).ok());
  std::string bytes = ReadWhole(scratch / "h/highwater");
  bytes[20] ^= 1;  // slot 0 holds the newest, the second
  std::ofstream(scratch / "h/highwater", std::ios::binary | std::ios::trunc) << bytes;
  const auto found = HighWaterFile::Read(scratch / "h");
  ASSERT_TRUE(found.ok());
  EXPECT_EQ((*found)->synced.value, 5u);
  bytes[530] ^= 1;
  std::ofstream(scratch / "h/highwater", std::ios::binary | std::ios::trunc) << bytes;
  EXPECT_EQ(HighWaterFile::Read(scratch / "h").error().code, Code::kDataLoss);
}

TEST_F(RocksFiles, WithoutFreeSpaceNothingIsOpened) {
  StoreOptions options = Options();
  options.free_space_min_bytes = 1ULL << 60;
  const auto opened = OpenRocksStore(options);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, Code::kUnavailable);
  EXPECT_EQ(opened.error().reason, "storage_full");
  EXPECT_TRUE(fs::is_empty(scratch / "s"));
}

TEST_F(RocksFiles, TheDiskGuardCountsWhatIsAboutToBeWritten) {
  EXPECT_TRUE(CheckFreeSpace(scratch.path(), 0).ok());
  EXPECT_EQ(CheckFreeSpace(scratch.path(), 0, 1ULL << 60).error().reason, "storage_full");
  EXPECT_EQ(CheckFreeSpace(scratch.path(), ~0ULL, ~0ULL).error().reason, "storage_full");
  EXPECT_EQ(CheckFreeSpace(scratch / "none", 0).error().code, Code::kUnavailable);
}

TEST_F(RocksFiles, BundlesThatWereNeverLiveGoOldestFirst) {
  auto store = OpenRocksStore(Options());
  ASSERT_TRUE(store.ok());
  std::vector<BundleHash> made;
  for (std::int64_t i = 0; i < 6; ++i) {
    policy::Bundle bundle = SmallBundle();
    bundle.hash = {};
    bundle.made_at_us = 100 - i;  // the first is the youngest
    ASSERT_TRUE((*store)->PutBundle(bundle).ok());
    made.push_back(DecodeBundle(EncodeBundle(bundle))->hash);
  }
  const std::vector<BundleHash> needed{made[5], made[2]};
  const auto dropped = (*store)->DropSpareBundles(needed, 2);
  ASSERT_TRUE(dropped.ok());
  EXPECT_EQ(*dropped, 2U);
  for (const std::size_t kept : {0, 1, 2, 5}) EXPECT_TRUE((*store)->Find(made[kept]).ok()) << kept;
  for (const std::size_t gone : {3, 4}) EXPECT_EQ((*store)->Find(made[gone]).error().code, Code::kNotFound) << gone;
  EXPECT_EQ((*store)->DropSpareBundles(needed, 2).value(), 0U);
}

}  // namespace
}  // namespace pointsman::store
