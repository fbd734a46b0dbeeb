// A bootstrap whose disk fills up: nothing is switched, what was paid for is kept, and
// the next run goes on when there is space again.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "bootstrap/data/table_writer.h"
#include "tests/end_to_end/bootstrap/plan_support.h"
#include "tests/end_to_end/small_disk.h"

namespace pointsman::testing {
namespace {

using nlohmann::json;

class JobOnAFullDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!disk_.mounted()) GTEST_SKIP() << "only root may mount the small disk that this test fills";
  }

  Folder folder_;
  SmallDisk disk_{folder_.File("store")};
};

void ExpectRoutes(const DaemonProcess& daemon, std::uint32_t generation) {
  auto client = daemon.Connect();
  ASSERT_TRUE(client.ok());
  auto routed = client->Call(TextRoute("whisk the butter and the flour, simmer the sauce in the oven"));
  ASSERT_TRUE(routed.ok()) << routed.failure().message;
  EXPECT_EQ(routed->generation(), generation);
}

TEST_F(JobOnAFullDisk, ThatBuysStopsKeepsWhatItPaidForAndGoesOnWhenThereIsSpace) {
  LlmServer server(StandIn(false));
  std::ofstream(folder_.File("p.toml")) << PlanText(server);
  DaemonProcess daemon(folder_, BasicConfig(folder_, Pool() + std::string(kSmallDiskLimits)), kKey);
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  const json plan = {{"plan_path", folder_.File("p.toml")}};
  server.HoldAfter(60);
  Start(daemon, plan);
  ASSERT_TRUE(Eventually([&] { return server.counts().answered >= 60; }));
  disk_.TakeAllBut(0);
  server.LetGo();
  const json stopped = WaitForEnd(daemon);
  EXPECT_EQ(stopped["state"], "failed") << stopped.dump(1);
  EXPECT_NE(stopped["message"].get<std::string>().find("make space"), std::string::npos) << stopped.dump(1);
  EXPECT_EQ(stopped["generation"], 0);
  ExpectRoutes(daemon, 0);

  Start(daemon, plan);
  const json refused = WaitForEnd(daemon);
  EXPECT_EQ(refused["state"], "failed") << "still full: " << refused.dump(1);
  disk_.GiveBack();
  Start(daemon, plan);
  const json done = WaitForEnd(daemon);
  ASSERT_EQ(done["state"], "done") << done.dump(1) << daemon.Log();
  EXPECT_GT(done["reused"], 0);
  EXPECT_LE(server.counts().paid_twice, 2 * 2 * (kModels.size() + 1)) << "what was on its way, of two runs";
  ExpectRoutes(daemon, 1);
}

TEST_F(JobOnAFullDisk, ThatOnlyFitsLeavesTheLiveGenerationAndTellsWhy) {
  const std::string table = folder_.File("table.jsonl");
  ASSERT_TRUE(bootstrap::WriteTable(table, SmallWorld(600, 7)).ok());
  DaemonProcess daemon(folder_, BasicConfig(folder_, Pool() + std::string(kSmallDiskLimits)));
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  const json fit = {{"table_path", table}};
  Start(daemon, fit);
  const json first = WaitForEnd(daemon);
  ASSERT_EQ(first["state"], "done") << first.dump(1) << daemon.Log();
  for (const std::uint64_t left : {std::uint64_t{8} << 20, std::uint64_t{0}}) {
    disk_.TakeAllBut(left);
    Start(daemon, fit);
    const json stopped = WaitForEnd(daemon);
    EXPECT_EQ(stopped["state"], "failed") << stopped.dump(1);
    EXPECT_NE(stopped["message"].get<std::string>().find("space"), std::string::npos) << stopped.dump(1);
    ExpectRoutes(daemon, 1);
    disk_.GiveBack();
  }
  Start(daemon, fit);
  const json done = WaitForEnd(daemon);
  ASSERT_EQ(done["state"], "done") << done.dump(1) << daemon.Log();
  ExpectRoutes(daemon, 2);
}

}  // namespace
}  // namespace pointsman::testing
