// Check, backup, restore and repair: what they promise about the files.
#include "store/care.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string_view>
#include <vector>

#include "store/folder_copy.h"
#include "tests/store/samples.h"

namespace pointsman::store {
namespace {

namespace fs = std::filesystem;

class Care : public ::testing::Test {
 protected:
  // A store with `count` rated decisions, each its own synced commit.
  void Fill(const std::string& directory, std::uint64_t from, std::uint64_t count) {
    StoreOptions options;
    options.directory = directory;
    options.free_space_min_bytes = 16U << 20;
    auto store = OpenRocksStore(options);
    ASSERT_TRUE(store.ok()) << store.error().message;
    if ((*store)->LastSeq().value == 0) Commit(**store, WorldRequests());
    for (std::uint64_t number = from; number < from + count; ++number) {
      Commit(**store, {Ask(DecisionOf(number)), Ask(RatingOf(number, 1.0))});
    }
  }
  static void Commit(Store& store, const std::vector<Request>& requests) {
    std::vector<Result<Receipt>> outcomes;
    const Status done = store.Commit(requests, kNoonUs, /*sync=*/true, &outcomes);
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
  // Leaves the files of `directory` as a killed process would: copied while open.
  void FillAndCopyOpen(const std::string& directory, std::uint64_t count) {
    StoreOptions options;
    options.directory = scratch / "open";
    options.free_space_min_bytes = 16U << 20;
    auto store = OpenRocksStore(options);
    ASSERT_TRUE(store.ok()) << store.error().message;
    Commit(**store, WorldRequests());
    for (std::uint64_t number = 1; number <= count; ++number) {
      Commit(**store, {Ask(DecisionOf(number)), Ask(RatingOf(number, 1.0))});
    }
    fs::copy(scratch / "open", directory);
  }
  static fs::path NewestWal(const std::string& directory) {
    fs::path newest;
    for (const auto& entry : fs::directory_iterator(directory)) {
      if (entry.path().extension() == ".log" && entry.path() > newest) newest = entry.path();
    }
    return newest;
  }
  static void Flip(const fs::path& path, std::uint64_t at) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(static_cast<std::streamoff>(at));
    const char byte = static_cast<char>(file.get() ^ 0x40);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte);
  }
  static std::map<std::string, FileMark> Marks(const std::string& directory) {
    auto marks = MarkFiles(directory);
    EXPECT_TRUE(marks.ok()) << marks.error().message;
    return marks.ok() ? *marks : std::map<std::string, FileMark>{};
  }

  ScratchDirectory scratch;
};

TEST_F(Care, ABackupIsRestoredToTheSameLogAndTheOriginalIsUntouched) {
  Fill(scratch / "s", 1, 20);
  const auto before = Marks(scratch / "s");
  const auto backed = BackUpStore(scratch / "s", scratch / "b");
  ASSERT_TRUE(backed.ok()) << backed.error().message;
  EXPECT_EQ(Marks(scratch / "s"), before);
  const auto restored = RestoreStore(scratch / "b", scratch / "r", false);
  ASSERT_TRUE(restored.ok()) << restored.error().message;
  EXPECT_TRUE(restored->set_aside.empty());
  EXPECT_EQ(restored->report.last_seq, backed->last_seq);
  Fill(scratch / "r", 100, 1);  // it serves
  const auto checked = CheckStore(scratch / "r");
  ASSERT_TRUE(checked.ok()) << checked.error().message;
  EXPECT_GT(checked->last_seq, backed->last_seq);
}

TEST_F(Care, CheckBackupAndRestoreTellHowFarTheyAreAndNeverGoBack) {
  Fill(scratch / "s", 1, 5);
  std::vector<double> shares;
  std::set<std::string, std::less<>> stages;
  const auto told_of = [&](const auto& work) {
    shares.clear();
    stages.clear();
    const auto done = work([&](double share, std::string_view stage) {
      shares.push_back(share);
      stages.emplace(stage);
    });
    EXPECT_TRUE(done.ok());
    EXPECT_TRUE(std::ranges::is_sorted(shares));
    EXPECT_EQ(shares.front(), 0);
    EXPECT_LE(shares.back(), 1);
  };
  const std::set<std::string, std::less<>> checking = {"reading the log", "comparing the open decisions",
                                                       "comparing the state", "verifying the table files"};
  auto copying = checking;
  copying.insert("copying the files");
  told_of([&](const Progress& told) { return CheckStore(scratch / "s", told); });
  EXPECT_EQ(stages, checking);
  told_of([&](const Progress& told) { return BackUpStore(scratch / "s", scratch / "b", told); });
  EXPECT_EQ(stages, copying);
  EXPECT_GT(shares.back(), .99) << "all bytes are copied at the end";
  told_of([&](const Progress& told) { return RestoreStore(scratch / "b", scratch / "r", false, told); });
  EXPECT_EQ(stages, copying);
}

TEST_F(Care, ABackupLeavesTheBootEpochOutSoThatTokensNeverRepeat) {
  Fill(scratch / "s", 1, 1);
  std::ofstream(scratch / "s/boot_epoch") << "17\n";
  ASSERT_TRUE(BackUpStore(scratch / "s", scratch / "b").ok());
  EXPECT_FALSE(fs::exists(scratch / "b/boot_epoch"));
}

TEST_F(Care, ABackupNeverReplacesAFolder) {
  Fill(scratch / "s", 1, 1);
  fs::create_directory(scratch / "b");
  const auto refused = BackUpStore(scratch / "s", scratch / "b");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kConflict);
  EXPECT_TRUE(fs::is_empty(scratch / "b"));
  EXPECT_FALSE(fs::exists(scratch / "b.partial"));
}

TEST_F(Care, AByteFlippedInAnyFileOfABackupIsFoundBeforeAnythingIsRestored) {
  Fill(scratch / "s", 1, 5);
  ASSERT_TRUE(BackUpStore(scratch / "s", scratch / "b").ok());
  for (const auto& entry : fs::directory_iterator(scratch / "b")) {
    SCOPED_TRACE(entry.path().filename());
    if (entry.file_size() == 0) continue;
    const std::uint64_t at = entry.file_size() / 2;
    Flip(entry.path(), at);
    const auto refused = RestoreStore(scratch / "b", scratch / "r", false);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, Code::kDataLoss) << refused.error().message;
    EXPECT_FALSE(fs::exists(scratch / "r"));
    Flip(entry.path(), at);
  }
  EXPECT_TRUE(RestoreStore(scratch / "b", scratch / "r", false).ok());
}

TEST_F(Care, AnOlderBackupReplacesANewerStoreOnlyWhenAskedAndSetsItAside) {
  Fill(scratch / "s", 1, 5);
  ASSERT_TRUE(BackUpStore(scratch / "s", scratch / "b").ok());
  Fill(scratch / "s", 50, 5);
  const auto newer = Marks(scratch / "s");
  const auto refused = RestoreStore(scratch / "b", scratch / "s", false);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, "store_exists");
  EXPECT_EQ(Marks(scratch / "s"), newer);
  const auto done = RestoreStore(scratch / "b", scratch / "s", true);
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(Marks(done->set_aside), newer);
}

TEST_F(Care, AStoreInUseIsNeitherCheckedNorBackedUp) {
  Fill(scratch / "s", 1, 1);
  StoreOptions options;
  options.directory = scratch / "s";
  options.free_space_min_bytes = 16U << 20;
  const auto open = OpenRocksStore(options);
  ASSERT_TRUE(open.ok());
  EXPECT_EQ(CheckStore(scratch / "s").error().reason, "store_locked");
  EXPECT_EQ(BackUpStore(scratch / "s", scratch / "b").error().reason, "store_locked");
  EXPECT_EQ(RepairStore(scratch / "s", scratch / "b", kNoonUs).error().reason, "store_locked");
}

TEST_F(Care, RepairSavesWhatLiesBeforeAFlippedByteAndCountsWhatIsLost) {
  FillAndCopyOpen(scratch / "s", 40);
  const fs::path wal = NewestWal(scratch / "s");
  std::uint64_t used = 0;  // the WAL is preallocated: find its end
  {
    std::ostringstream whole;
    whole << std::ifstream(wal, std::ios::binary).rdbuf();
    const std::string bytes = whole.str();
    used = bytes.find_last_not_of('\0') + 1;
  }
  ASSERT_GT(used, 1000u);
  Flip(wal, used / 2);
  EXPECT_FALSE(CheckStore(scratch / "s").ok());
  const auto damaged = Marks(scratch / "s");
  const auto repaired = RepairStore(scratch / "s", scratch / "r", kNoonUs);
  ASSERT_TRUE(repaired.ok()) << repaired.error().message;
  EXPECT_EQ(Marks(scratch / "s"), damaged);
  EXPECT_GT(repaired->kept.value, 0u);
  EXPECT_LT(repaired->kept, repaired->acknowledged);
  EXPECT_EQ(repaired->lost_acknowledged, repaired->acknowledged.value - repaired->kept.value);
  EXPECT_EQ(repaired->report.last_seq.value, repaired->kept.value + 1) << "the note about the repair";
  EXPECT_TRUE(CheckStore(scratch / "r").ok());
  Fill(scratch / "r", 1000, 1);  // it serves
}

TEST_F(Care, RepairOfASoundStoreLosesNothing) {
  Fill(scratch / "s", 1, 5);
  const auto repaired = RepairStore(scratch / "s", scratch / "r", kNoonUs);
  ASSERT_TRUE(repaired.ok()) << repaired.error().message;
  EXPECT_EQ(repaired->lost_acknowledged, 0u);
  EXPECT_FALSE(repaired->state_dropped);
}

TEST_F(Care, AFlippedByteInATableFileIsFoundByTheCheckThoughTheStoreOpens) {
  Fill(scratch / "s", 1, 200);
  Fill(scratch / "s", 500, 1);  // opening again flushes the WAL into table files
  fs::path table;
  for (const auto& entry : fs::directory_iterator(scratch / "s")) {
    if (entry.path().extension() == ".sst" && (table.empty() || entry.file_size() > fs::file_size(table))) {
      table = entry.path();
    }
  }
  ASSERT_FALSE(table.empty());
  Flip(table, fs::file_size(table) / 3);
  const auto found = CheckStore(scratch / "s");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, Code::kDataLoss) << found.error().message;
}

}  // namespace
}  // namespace pointsman::store
