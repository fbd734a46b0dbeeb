// Disks that fail, fill up or are slow, under a real daemon: feedback is refused
// with a typed code, routing goes on, nothing that was acknowledged is lost.
// docs/OPERATIONS.md says what an operator sees. The failing disk is
// tests/support/fail_shim.c; the full one is a small file system of its own, which
// only root may mount.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <thread>

#include "tests/crash/audit.h"
#include "tests/crash/fail_loop.h"
#include "tests/crash/oracle.h"
#include "tests/end_to_end/daemon_process.h"
#include "tests/end_to_end/small_disk.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SKIP_WITH_SANITIZERS() GTEST_SKIP() << "a sanitizer bears no preloaded library and needs descriptors"
#else
#define SKIP_WITH_SANITIZERS() static_cast<void>(0)
#endif

namespace pointsman::testing {
namespace {

constexpr std::uint32_t kUnavailable = 11;

using Variables = std::vector<std::pair<std::string, std::string>>;

Variables Shim(const Folder& folder, const std::string& calls) {
  const char* bin = std::getenv("POINTSMAN_BIN");
  return {{"LD_PRELOAD", std::string(bin == nullptr ? "." : bin) + "/libfail_shim.so"},
          {"POINTSMAN_SHIM_UNDER", folder.File("store")},
          {"POINTSMAN_SHIM_CALLS", calls},
          {"POINTSMAN_SHIM_ARMED", folder.File("armed")}};
}

// Routes once and rates it; true when the rating was acknowledged.
bool RouteAndRate(client::Client& client, Oracle* oracle, client::Failure* refusal = nullptr) {
  wire::Route route;
  route.set_text("How do I reverse a list in place?");
  auto routed = client.Call(route);
  EXPECT_TRUE(routed.ok()) << "routing must go on: " << routed.failure().message;
  if (!routed.ok()) return false;
  const Operation rating{Kind::kRating, routed->token(), "", "thumbs", 1, 0};
  auto told = Send(client, rating);
  if (told.ok()) {
    oracle->Acknowledged(rating);
  } else {
    oracle->InDoubt(rating);
    if (refusal != nullptr) *refusal = told.failure();
  }
  return told.ok();
}

void ExpectKept(const std::string& store, const Oracle& oracle) {
  const Exported exported = Export(store);
  ASSERT_EQ(exported.fault, "");
  const Oracle::Difference found = oracle.Compare(exported);
  EXPECT_EQ(found.lost, 0u) << found.first;
  EXPECT_EQ(found.doubled, 0u) << found.first;
  for (const char* isa : {"", "baseline"}) {
    const Replayed replayed = Replay(store, isa);
    EXPECT_EQ(replayed.fault, "");
    EXPECT_TRUE(replayed.equal);
  }
}

TEST(Disk, AFailedSyncEndsAcknowledgingAtOnceAndTheDaemonWith74) {
  SKIP_WITH_SANITIZERS();
  Folder folder;
  Oracle oracle;
  {
    Variables variables = Shim(folder, "sync");
    variables.emplace_back("POINTSMAN_SHIM_ERRNO", "5");
    variables.emplace_back("POINTSMAN_SHIM_NTH", "1");
    DaemonProcess daemon(folder, BasicConfig(folder), variables);
    ASSERT_TRUE(daemon.Ready()) << daemon.Log();
    auto client = daemon.Connect();
    ASSERT_TRUE(client.ok());
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(RouteAndRate(*client, &oracle));
    std::ofstream(folder.File("armed")) << "now\n";
    const auto failed_at = std::chrono::steady_clock::now();
    client::Failure refusal;
    EXPECT_FALSE(RouteAndRate(*client, &oracle, &refusal)) << "an unsynced report was acknowledged";
    EXPECT_EQ(refusal.code, kUnavailable) << refusal.message;
    EXPECT_EQ(daemon.Wait(), 74) << daemon.Log();
    EXPECT_LT(std::chrono::steady_clock::now() - failed_at, std::chrono::seconds(5));
  }
  ExpectKept(folder.File("store"), oracle);
  DaemonProcess again(folder, BasicConfig(folder));
  ASSERT_TRUE(again.Ready()) << again.Log();
  auto client = again.Connect();
  ASSERT_TRUE(client.ok());
  EXPECT_TRUE(RouteAndRate(*client, &oracle));
}

// A file system that turns read-only under a running daemon (row 14): as a failed write.
TEST(Disk, AFileSystemThatTurnsReadOnlyEndsTheDaemonWith74AndLosesNothing) {
  SKIP_WITH_SANITIZERS();
  Folder folder;
  Oracle oracle;
  {
    Variables variables = Shim(folder, "write,sync,open,rename,unlink,size,mkdir");
    variables.emplace_back("POINTSMAN_SHIM_ERRNO", std::to_string(EROFS));
    DaemonProcess daemon(folder, BasicConfig(folder), variables);
    ASSERT_TRUE(daemon.Ready()) << daemon.Log();
    auto client = daemon.Connect();
    ASSERT_TRUE(client.ok());
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(RouteAndRate(*client, &oracle));
    std::ofstream(folder.File("armed")) << "now\n";
    EXPECT_FALSE(RouteAndRate(*client, &oracle));
    EXPECT_EQ(daemon.Wait(), 74) << daemon.Log();
  }
  ExpectKept(folder.File("store"), oracle);
}

// Row 15: connections take every descriptor that is left; those that are there go on,
// and the store, whose files are open, does not notice.
TEST(Disk, WithoutDescriptorsTheOpenConnectionsGoOnAndTheStoreIsWhole) {
  SKIP_WITH_SANITIZERS();
  Folder folder;
  Oracle oracle;
  {
    DaemonProcess daemon(folder, BasicConfig(folder));
    ASSERT_TRUE(daemon.Ready()) << daemon.Log();
    auto client = daemon.Connect();
    ASSERT_TRUE(client.ok());
    ASSERT_TRUE(RouteAndRate(*client, &oracle));
    std::size_t open = 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator("/proc/" + std::to_string(daemon.pid()) + "/fd")) {
      ++open;
    }
    const rlimit few{open + 8, open + 8};
    ASSERT_EQ(::prlimit(daemon.pid(), RLIMIT_NOFILE, &few, nullptr), 0);
    std::vector<client::Outcome<client::Client>> crowd;
    for (int i = 0; i < 100; ++i) crowd.push_back(daemon.Connect());
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(RouteAndRate(*client, &oracle)) << daemon.Log();
    crowd.clear();
    const bool served = Eventually([&] {
      auto late = daemon.Connect();
      return late.ok() && late->Call(wire::Status()).ok();
    });
    EXPECT_TRUE(served) << daemon.Log();
    daemon.Kill(SIGTERM);
    EXPECT_EQ(daemon.Wait(), 0) << daemon.Log();
  }
  ExpectKept(folder.File("store"), oracle);
}

// `crash_loop --calls 5` goes on to the last call.
TEST(Disk, OneFailingCallAnywhereEndsInAnAgreedCodeAndLosesNothing) {
  SKIP_WITH_SANITIZERS();
  for (const int error_number : {EIO, ENOSPC}) {
    FailOptions options;
    options.error_number = error_number;
    options.first = 1 + error_number % 7;
    options.step = 37;
    options.runs_max = 6;
    const FailReport report = RunFailLoop(options);
    EXPECT_EQ(report.fault, "") << report.Line();
    EXPECT_GT(report.runs, 1);
  }
}

TEST(Disk, ASlowSyncHoldsFeedbackBackButNotRoutes) {
  SKIP_WITH_SANITIZERS();
  Folder folder;
  Oracle oracle;
  Variables variables = Shim(folder, "sync");
  variables.emplace_back("POINTSMAN_SHIM_SLEEP", "1500");
  DaemonProcess daemon(folder, BasicConfig(folder), variables);
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  auto rater = daemon.Connect();
  auto router = daemon.Connect();
  ASSERT_TRUE(rater.ok() && router.ok());
  ASSERT_TRUE(RouteAndRate(*rater, &oracle));
  std::ofstream(folder.File("armed")) << "now\n";
  std::atomic<bool> acknowledged{false};
  std::thread rating([&] { acknowledged = RouteAndRate(*rater, &oracle); });
  wire::Route route;
  route.set_text("How do I reverse a list in place?");
  int answered = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(1000);
  while (std::chrono::steady_clock::now() < end) answered += router->Call(route).ok() ? 1 : 0;
  EXPECT_FALSE(acknowledged) << "the disk was not slow";
  EXPECT_GT(answered, 100);
  rating.join();
  EXPECT_TRUE(acknowledged) << "late is not never";
}

// What a power failure leaves is less than what SIGKILL leaves: only bytes that a
// sync has seen, under names that a sync of their folder has seen.
TEST(Disk, APowerFailureLosesNothingThatWasAcknowledged) {
  SKIP_WITH_SANITIZERS();
  for (const int reports : {0, 7, 90}) {
    SCOPED_TRACE(reports);
    Folder folder;
    Oracle oracle;
    const std::string config = BasicConfig(folder, "[limits]\ncheckpoint_events = 40\n");
    const std::string shadow = folder.File("shadow");
    std::filesystem::create_directory(shadow);
    std::filesystem::create_directory(shadow + ".inodes");
    {
      Variables variables = Shim(folder, "none");
      variables.emplace_back("POINTSMAN_SHIM_SHADOW", shadow);
      DaemonProcess daemon(folder, config, variables);
      ASSERT_TRUE(daemon.Ready()) << daemon.Log();
      auto client = daemon.Connect();
      ASSERT_TRUE(client.ok());
      for (int i = 0; i < reports; ++i) ASSERT_TRUE(RouteAndRate(*client, &oracle));
    }  // killed, and the power fails
    std::filesystem::remove_all(folder.File("store"));
    std::filesystem::rename(shadow, folder.File("store"));
    ExpectKept(folder.File("store"), oracle);
    DaemonProcess again(folder, config);
    ASSERT_TRUE(again.Ready()) << again.Log();
    auto client = again.Connect();
    ASSERT_TRUE(client.ok());
    for (const Operation& word : oracle.LastWords(100)) {
      auto told = Send(*client, word);
      ASSERT_TRUE(told.ok()) << "the token or its key is lost: " << told.failure().message;
      EXPECT_EQ(told->code(), 1U) << "it was taken twice";
    }
  }
}

// A store on a small disk that is then filled.
class FullDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!disk_.mounted()) GTEST_SKIP() << "only root may mount the small disk that this test fills";
  }
  std::string Configuration() const { return BasicConfig(folder_, kSmallDiskLimits); }
  void TakeAllBut(std::uint64_t left) { disk_.TakeAllBut(left); }
  void GiveBack() { disk_.GiveBack(); }

  Folder folder_;
  const std::string place_ = folder_.File("store");
  SmallDisk disk_{place_};
};

TEST_F(FullDisk, RefusesFeedbackRoutesOnAndTakesFeedbackAgainWhenThereIsSpace) {
  Oracle oracle;
  {
    DaemonProcess daemon(folder_, Configuration());
    ASSERT_TRUE(daemon.Ready()) << daemon.Log();
    auto client = daemon.Connect();
    ASSERT_TRUE(client.ok());
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(RouteAndRate(*client, &oracle));
    std::vector<Operation> waiting;  // of decisions that are in the log
    for (int i = 0; i < 20; ++i) {
      wire::Route route;
      route.set_text("Which emperor followed Nero?");
      auto routed = client->Call(route);
      ASSERT_TRUE(routed.ok());
      waiting.push_back({Kind::kRating, routed->token(), "", "thumbs", 0, 0});
    }
    ASSERT_TRUE(RouteAndRate(*client, &oracle));
    TakeAllBut(8U << 20);
    for (const Operation& rating : waiting) {
      auto told = Send(*client, rating);
      ASSERT_FALSE(told.ok());
      EXPECT_EQ(told.failure().code, kUnavailable);
      EXPECT_EQ(told.failure().reason, "storage_full") << told.failure().message;
    }
    for (int i = 0; i < 20; ++i) {  // a decision of this time is not in the log, and its feedback learns so
      client::Failure refusal;
      ASSERT_FALSE(RouteAndRate(*client, &oracle, &refusal));
      EXPECT_TRUE(refusal.reason == "storage_full" || refusal.reason == "decision_not_logged") << refusal.message;
    }
    GiveBack();
    for (const Operation& rating : waiting) {
      ASSERT_TRUE(Send(*client, rating).ok());
      oracle.Acknowledged(rating);
    }
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(RouteAndRate(*client, &oracle)) << daemon.Log();
    daemon.Kill(SIGTERM);
    EXPECT_EQ(daemon.Wait(), 0) << daemon.Log();
  }
  ExpectKept(place_, oracle);
}

TEST_F(FullDisk, AtTheStartIsTryLaterNotACrashAndLaterAStart) {
  Oracle oracle;
  {
    DaemonProcess daemon(folder_, Configuration());
    ASSERT_TRUE(daemon.Ready()) << daemon.Log();
    auto client = daemon.Connect();
    ASSERT_TRUE(client.ok());
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(RouteAndRate(*client, &oracle));
  }  // killed
  for (const std::uint64_t left : {std::uint64_t{8} << 20, std::uint64_t{0}}) {
    TakeAllBut(left);
    DaemonProcess daemon(folder_, Configuration());
    EXPECT_FALSE(daemon.Ready());
    EXPECT_EQ(daemon.Wait(), 75) << daemon.Log();
    EXPECT_NE(daemon.Log().find("free"), std::string::npos);
    GiveBack();
  }
  {
    DaemonProcess daemon(folder_, Configuration());
    ASSERT_TRUE(daemon.Ready()) << daemon.Log();
    auto client = daemon.Connect();
    ASSERT_TRUE(client.ok());
    EXPECT_TRUE(RouteAndRate(*client, &oracle));
  }
  ExpectKept(place_, oracle);
}

// Row 13: a clean stop needs no space, so no file is held in reserve for it.
TEST_F(FullDisk, WithoutOneByteLeftAStopIsCleanAndKeepsEverything) {
  Oracle oracle;
  {
    DaemonProcess daemon(folder_, Configuration());
    ASSERT_TRUE(daemon.Ready()) << daemon.Log();
    auto client = daemon.Connect();
    ASSERT_TRUE(client.ok());
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(RouteAndRate(*client, &oracle));
    TakeAllBut(0);
    daemon.Kill(SIGTERM);
    EXPECT_EQ(daemon.Wait(), 0) << daemon.Log();
  }
  GiveBack();
  ExpectKept(place_, oracle);
}

TEST_F(FullDisk, ThatIsReadOnlyAtTheStartIsAnErrorOfTheDiskNotACrash) {
  {
    DaemonProcess daemon(folder_, Configuration());
    ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  }
  ASSERT_EQ(::mount("", place_.c_str(), "", MS_REMOUNT | MS_RDONLY, ""), 0);
  {
    DaemonProcess daemon(folder_, Configuration());
    EXPECT_FALSE(daemon.Ready());
    EXPECT_EQ(daemon.Wait(), 74) << daemon.Log();
  }
  ASSERT_EQ(::mount("", place_.c_str(), "", MS_REMOUNT, ""), 0);
  DaemonProcess again(folder_, Configuration());
  EXPECT_TRUE(again.Ready()) << again.Log();
}

// The guard cannot see what another process takes between its look and the write.
TEST_F(FullDisk, TakenToTheLastByteByAnotherProcessUnderLoadNeverAbortsTheDaemon) {
  Oracle oracle;
  {
    DaemonProcess daemon(folder_, Configuration());
    ASSERT_TRUE(daemon.Ready()) << daemon.Log();
    std::vector<Oracle> oracles(4);
    std::atomic<bool> enough{false};
    std::vector<std::thread> writers;
    for (Oracle& own : oracles) {
      writers.emplace_back([&daemon, &enough, &own] {
        auto client = daemon.Connect();
        while (client.ok() && !client->closed() && !enough) {
          wire::Route route;
          route.set_text("Which emperor followed Nero?");
          auto routed = client->Call(route);
          if (!routed.ok()) return;
          const Operation rating{Kind::kRating, routed->token(), "", "thumbs", 1, 0};
          if (Send(*client, rating).ok()) {
            own.Acknowledged(rating);
          } else {
            own.InDoubt(rating);
          }
        }
      });
    }
    for (int i = 0; i < 8 && !daemon.Ended(); ++i) {
      ::poll(nullptr, 0, 50);
      TakeAllBut(0);
      ::poll(nullptr, 0, 50);
      GiveBack();
    }
    enough = true;
    for (std::thread& writer : writers) writer.join();
    for (Oracle& own : oracles) oracle.Merge(std::move(own));
    EXPECT_GT(oracle.acknowledged(), 0u);
    const bool ended = daemon.Ended();
    daemon.Kill(SIGTERM);
    const int code = daemon.Wait();
    EXPECT_TRUE(code == 0 || (ended && (code == 74 || code == 75))) << code << "\n" << daemon.Log();
  }
  ExpectKept(place_, oracle);
  DaemonProcess again(folder_, Configuration());
  EXPECT_TRUE(again.Ready()) << again.Log();
}

}  // namespace
}  // namespace pointsman::testing
