// What a synced commit waits for: RocksDB's own account of a thread's time in fsync.
#include <gtest/gtest.h>
#include <rocksdb/iostats_context.h>
#include <rocksdb/perf_level.h>

#include <functional>
#include <vector>

#include "store/store.h"
#include "tests/store/samples.h"

namespace pointsman::store {
namespace {

std::uint64_t NanosSynced(const std::function<void()>& work) {
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kEnableTime);
  const std::uint64_t before = rocksdb::get_iostats_context()->fsync_nanos;
  work();
  const std::uint64_t after = rocksdb::get_iostats_context()->fsync_nanos;
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
  return after - before;
}

TEST(SyncedCommit, HasWaitedForTheDiskWhenItReturnsAndAnotherHasNot) {
  const ScratchDirectory scratch;
  auto opened = OpenRocksStore({.directory = scratch / "s"});
  ASSERT_TRUE(opened.ok()) << opened.error().message;
  Store& store = **opened;
  for (int i = 0; i < 20; ++i) {
    std::vector<Result<Receipt>> outcomes;
    const std::vector<Request> requests = {AskTick()};
    EXPECT_EQ(NanosSynced([&] { EXPECT_TRUE(store.Commit(requests, kNoonUs + i, false, &outcomes).ok()); }), 0U);
    EXPECT_LT(store.Statistics().synced_seq, store.LastSeq());
    EXPECT_GT(NanosSynced([&] { EXPECT_TRUE(store.Commit(requests, kNoonUs + i, true, &outcomes).ok()); }), 0U);
    EXPECT_EQ(store.Statistics().synced_seq, store.LastSeq());
  }
}

}  // namespace
}  // namespace pointsman::store
