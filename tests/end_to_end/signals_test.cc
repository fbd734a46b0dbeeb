// Signals at awkward moments: storms, start-up, a stopped process.
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "tests/crash/audit.h"
#include "tests/crash/oracle.h"
#include "tests/end_to_end/daemon_process.h"

namespace pointsman::testing {
namespace {

void RouteAndRate(client::Client& client, Oracle* oracle) {
  wire::Route route;
  route.set_text("How do I reverse a list in place?");
  auto routed = client.Call(route);
  ASSERT_TRUE(routed.ok()) << routed.failure().message;
  const Operation rating{Kind::kRating, routed->token(), "", "thumbs", 1, 0};
  auto told = Send(client, rating);
  ASSERT_TRUE(told.ok()) << told.failure().message;
  oracle->Acknowledged(rating);
}

void ExpectKept(const Folder& folder, const Oracle& oracle) {
  const Exported exported = Export(folder.File("store"));
  ASSERT_EQ(exported.fault, "");
  const Oracle::Difference found = oracle.Compare(exported);
  EXPECT_EQ(found.lost + found.doubled + found.invented, 0u) << found.first;
}

TEST(Signals, AStormOfReloadsIsServedThroughAndDrainsCleanly) {
  Folder folder;
  Oracle oracle;
  DaemonProcess daemon(folder, BasicConfig(folder));
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  auto client = daemon.Connect();
  ASSERT_TRUE(client.ok());
  for (int i = 0; i < 100; ++i) {
    daemon.Kill(SIGHUP);
    RouteAndRate(*client, &oracle);
  }
  daemon.Kill(SIGTERM);
  EXPECT_EQ(daemon.Wait(), 0) << daemon.Log();
  ExpectKept(folder, oracle);
}

TEST(Signals, TermDuringTheStartEndsItAndTheNextStartServes) {
  Folder folder;
  std::set<int> codes;
  for (int wait_ms = 0; wait_ms < 60; wait_ms += 6) {
    DaemonProcess daemon(folder, BasicConfig(folder));
    ::poll(nullptr, 0, wait_ms);
    daemon.Kill(SIGTERM);
    codes.insert(daemon.Wait());
  }
  // Before its handlers are there the signal's default action ends it.
  for (const int code : codes) EXPECT_TRUE(code == 0 || code == 128 + SIGTERM) << code;
  DaemonProcess daemon(folder, BasicConfig(folder));
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
}

TEST(Signals, AStoppedProcessGoesOnWhereItWasAndAppliesNothingTwice) {
  Folder folder;
  Oracle oracle;
  {
    DaemonProcess daemon(folder, BasicConfig(folder));
    ASSERT_TRUE(daemon.Ready()) << daemon.Log();
    auto client = daemon.Connect();
    ASSERT_TRUE(client.ok());
    for (int i = 0; i < 3; ++i) {
      daemon.Kill(SIGSTOP);
      std::thread asking([&] { RouteAndRate(*client, &oracle); });
      ::poll(nullptr, 0, 300);
      daemon.Kill(SIGCONT);
      asking.join();
    }
    EXPECT_EQ(oracle.acknowledged(), 3u);
  }
  ExpectKept(folder, oracle);
}

}  // namespace
}  // namespace pointsman::testing
