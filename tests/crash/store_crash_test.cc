// SIGKILL at random moments and at every fault point of the store: what was
// acknowledged is there exactly once, and folding the log twice gives one state.
// Allowed loss: nothing that Commit returned OK for; a process that is killed
// loses no page cache, so this holds for unsynced batches too.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/unit_draw.h"
#include "store/store.h"
#include "tests/store/samples.h"

namespace pointsman::store {
namespace {

struct Acknowledged {
  std::uint64_t seq = 0;
  std::uint64_t decision = 0;
  bool rating = false;
};

std::string BinFolder() {
  const char* bin = std::getenv("POINTSMAN_BIN");
  return bin != nullptr ? std::string(bin) : std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
}

class StoreCrash : public ::testing::Test {
 protected:
  // Starts a writer with a fault, reads its acknowledgements until `kill_after` of
  // them came (0: until it dies by itself), kills it and reads the rest.
  bool RunWriter(const std::string& fault, std::uint64_t kill_after) {
    const int status = RunWriterFor({{"POINTSMAN_FAULT", fault}}, kill_after);
    const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    EXPECT_TRUE(killed) << "the writer ended by itself: " << status;
    return killed;
  }

  // The same with any environment; what waitpid said.
  int RunWriterFor(const std::vector<std::pair<std::string, std::string>>& environment, std::uint64_t kill_after) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const std::string path = BinFolder() + "/store_crash_writer";
    const std::string first = std::to_string(next_decision);
    const std::string writer_seed = std::to_string(random());
    const std::string directory = scratch / "s";
    const pid_t child = ::fork();
    if (child == 0) {
      ::dup2(ends[1], STDOUT_FILENO);
      for (const auto& [name, value] : environment) {
        if (!value.empty()) ::setenv(name.c_str(), value.c_str(), 1);
      }
      ::execl(path.c_str(), path.c_str(), directory.c_str(), first.c_str(), writer_seed.c_str(), quota.c_str(),
              nullptr);
      ::_exit(126);
    }
    ::close(ends[1]);
    ReadAcknowledgements(ends[0], child, kill_after);
    ::close(ends[0]);
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    next_decision += 1'000'000;
    return status;
  }

  void ReadAcknowledgements(int fd, pid_t child, std::uint64_t kill_after) {
    std::array<std::uint64_t, 3> record{};
    std::uint64_t came = 0;
    bool killed = false;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    for (;;) {
      const bool late = std::chrono::steady_clock::now() > deadline;
      EXPECT_FALSE(late) << "the fault point was never passed";
      if (!killed && (late || (kill_after != 0 && came >= kill_after))) {
        ::kill(child, SIGKILL);
        killed = true;
      }
      pollfd wait{fd, POLLIN, 0};
      if (::poll(&wait, 1, 1000) == 0) continue;
      const ssize_t got = ::read(fd, record.data(), sizeof record);
      if (got != sizeof record) return;
      acknowledged.push_back({record[0], record[1], record[2] % 2 == 1});
      ++came;
    }
  }

  // Every acknowledged item is in the log once, under its number.
  void ExpectAllPresentOnce(Store& store) {
    std::map<std::pair<std::uint64_t, bool>, std::vector<std::uint64_t>> found;
    const Status read = store.ForEach(LogSeq{store.LastSeq().value + 1}, [&](const policy::Event& event) -> Status {
      if (const auto* made = std::get_if<policy::DecisionMade>(&event.payload)) {
        found[{NumberOf(made->context.decision), false}].push_back(event.seq.value);
      } else if (const auto* rating = std::get_if<policy::RatingGiven>(&event.payload)) {
        found[{NumberOf(rating->context.decision), true}].push_back(event.seq.value);
      }
      return {};
    });
    ASSERT_TRUE(read.ok()) << read.error().message;
    const std::uint64_t dropped = store.Statistics().dropped_up_to.value;
    for (const Acknowledged& item : acknowledged) {
      if (!item.rating && item.seq <= dropped) continue;  // it made room; ratings never do
      const auto at = found.find({item.decision, item.rating});
      ASSERT_NE(at, found.end()) << "acknowledged event " << item.seq << " is lost";
      ASSERT_EQ(at->second, std::vector<std::uint64_t>{item.seq});
    }
  }

  static std::uint64_t NumberOf(const DecisionId& id) {
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < 6; ++i) number |= static_cast<std::uint64_t>(id.bytes[4 + i]) << (8 * i);
    return number;
  }

  static std::uint64_t FoldedHash(Store& store, policy::State from) {
    const LogSeq start{from.last_seq.value + 1};
    auto learner = policy::Learner::Create(store, store, std::move(from));
    EXPECT_TRUE(learner.ok());
    const Status folded = store.ReadLog(start, 0, [&](const policy::Event& event) { return (*learner)->Learn(event); });
    EXPECT_TRUE(folded.ok()) << folded.error().message;
    return StateHash((*learner)->state());
  }

  void ExpectSound() {
    StoreOptions options;
    options.directory = scratch / "s";
    options.free_space_min_bytes = 16U << 20;
    auto store = OpenRocksStore(options);
    ASSERT_TRUE(store.ok()) << store.error().message;
    EXPECT_EQ((*store)->Statistics().lost_unsynced, 0u);
    ExpectAllPresentOnce(**store);
    const Status checked = (*store)->Check();
    ASSERT_TRUE(checked.ok()) << checked.error().message;
    auto state = (*store)->LoadState();
    ASSERT_TRUE(state.ok()) << state.error().message;
    auto base = (*store)->LoadBase();
    ASSERT_TRUE(base.ok()) << base.error().message;
    const std::uint64_t whole = FoldedHash(**store, *base);
    EXPECT_EQ(FoldedHash(**store, std::move(*state)), whole) << "checkpoint and tail against the whole log";
    EXPECT_EQ(FoldedHash(**store, std::move(*base)), whole);
    dropped_events = (*store)->Statistics().dropped_events;
  }

  // The store is made by the process that is killed first.
  void StartAfresh() {
    std::filesystem::remove_all(scratch / "s");
    acknowledged.clear();
  }

  const char* given = std::getenv("POINTSMAN_SEED");
  const std::uint64_t seed = given == nullptr ? 41 : std::strtoull(given, nullptr, 10);
  SplitMix64 random{seed};
  std::uint64_t next_decision = 1;
  std::string quota = "0";  // of the log, in bytes
  std::uint64_t dropped_events = 0;
  std::vector<Acknowledged> acknowledged;
  ScratchDirectory scratch;
};

TEST_F(StoreCrash, KilledAtRandomMomentsLosesAndDoublesNothing) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::size_t kills = 0;
  for (int round = 0; round < 12; ++round) {
    StartAfresh();
    for (int life = 0; life < 5; ++life) {
      kills += RunWriter("", 1 + random.Below(120)) ? 1 : 0;
      ExpectSound();
      if (HasFatalFailure()) return;
    }
    EXPECT_GT(acknowledged.size(), 5u);
  }
  EXPECT_EQ(kills, 60u);
}

TEST_F(StoreCrash, KilledAtEachFaultPointLosesAndDoublesNothing) {
#ifndef POINTSMAN_FAULT_POINTS
  GTEST_SKIP() << "built without fault points";
#endif
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::size_t kills = 0;
  for (const std::string point :
       {"store.commit.before_write", "store.commit.after_write", "store.commit.before_sync", "store.commit.after_sync",
        "store.checkpoint.before_write", "store.checkpoint.after_write"}) {
    SCOPED_TRACE(point);
    StartAfresh();
    for (const int passing : {1, 2, 3, 5, 8, 13, 21}) {
      kills += RunWriter(point + "=kill@" + std::to_string(passing), 0) ? 1 : 0;
      ExpectSound();
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_EQ(kills, 42u);
}

TEST_F(StoreCrash, KilledWhileOldEventsMakeRoomLosesNoFeedbackAndNoState) {
#ifndef POINTSMAN_FAULT_POINTS
  GTEST_SKIP() << "built without fault points";
#endif
  SCOPED_TRACE("seed " + std::to_string(seed));
  quota = "40000";
  for (const std::string point :
       {"store.trim.before_base", "store.trim.after_base", "store.trim.before_drop", "store.trim.after_drop"}) {
    SCOPED_TRACE(point);
    StartAfresh();
    for (const int passing : {1, 1, 2, 3, 5}) {
      ASSERT_TRUE(RunWriter(point + "=kill@" + std::to_string(passing), 0));
      ExpectSound();
      if (HasFatalFailure()) return;
    }
    EXPECT_GT(dropped_events, 0u);
  }
}

// Fault row 9: a sync or a write that fails once is final, and nothing is
// acknowledged after it, however the call would do the next time.
TEST_F(StoreCrash, AfterAFailedCallNothingIsAcknowledgedAndTheStoreRefusesToGoOn) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer's runtime must be loaded first";
#endif
  for (const std::string calls : {"sync", "write"}) {
    for (const int nth : {40, 41, 42, 55, 70}) {
      SCOPED_TRACE(calls + " " + std::to_string(nth));
      StartAfresh();
      std::filesystem::remove(scratch / "hit");
      const int status = RunWriterFor({{"LD_PRELOAD", BinFolder() + "/libfail_shim.so"},
                                       {"POINTSMAN_SHIM_UNDER", scratch / "s"},
                                       {"POINTSMAN_SHIM_CALLS", calls},
                                       {"POINTSMAN_SHIM_NTH", std::to_string(nth)},
                                       {"POINTSMAN_SHIM_ERRNO", std::to_string(EIO)},
                                       {"POINTSMAN_SHIM_HIT", scratch / "hit"}},
                                      0);
      ASSERT_TRUE(std::filesystem::exists(scratch / "hit")) << "no call was met";
      ASSERT_TRUE(WIFEXITED(status));
      EXPECT_EQ(WEXITSTATUS(status), 5);
      ExpectSound();
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace pointsman::store
