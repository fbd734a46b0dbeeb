// A re-fit of biases in the real daemon: the job fits, one event installs, a replay of the
// store comes to the same state.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/unit_draw.h"
#include "tests/crash/audit.h"
#include "tests/end_to_end/daemon_process.h"

namespace pointsman::testing {
namespace {

using nlohmann::json;

json Refit(const DaemonProcess& daemon, const json& body, int status) {
  const HttpAnswer answer = Http(daemon.admin_path(), "POST", "/v1/refit", body.dump());
  EXPECT_EQ(answer.status, status) << answer.body;
  return json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
}

void Rate(client::Client& client, int rounds) {
  SplitMix64 random(1);
  for (int i = 0; i < rounds; ++i) {
    wire::Route route;
    route.set_text(i % 2 == 0 ? "python function loop bug" : "recipe oven butter flour");
    auto routed = client.Call(route);
    ASSERT_TRUE(routed.ok());
    wire::Rate rate;
    rate.set_token(routed->token());
    rate.set_source("thumbs");
    rate.set_subject("user" + std::to_string(i));
    rate.set_value(random.Unit() < (i % 2 == 0 ? .3 : .7) ? 1 : 0);
    ASSERT_TRUE(client.Call(rate).ok());
  }
}

TEST(Refit, IsShownThenInstalledThenRepeatedByAReplay) {
  Folder folder;
  const std::string table = folder.File("t.jsonl");
  WriteTable(table, 120);
  DaemonProcess daemon(folder, BasicConfig(folder));
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  EXPECT_EQ(Refit(daemon, json::object(), 412)["reason"], "no_generation");

  const json start = {{"table_path", table}, {"labels", "scores"}, {"clusters_max", 6}};
  ASSERT_EQ(Http(daemon.admin_path(), "POST", "/v1/bootstrap", start.dump()).status, 202);
  ASSERT_TRUE(Eventually([&] {
    return json::parse(Http(daemon.admin_path(), "GET", "/v1/bootstrap").body, nullptr, false)["state"] == "done";
  })) << daemon.Log();
  auto client = daemon.Connect();
  ASSERT_TRUE(client.ok());
  Rate(*client, 150);

  const json shown = Refit(daemon, {{"dry_run", true}, {"learner", "dr"}, {"base", "forest"}}, 200);
  ASSERT_EQ(shown["sources"].size(), 2U);
  EXPECT_EQ(shown["sources"][0]["outcome"], "fitted");
  EXPECT_EQ(shown["sources"][0]["version"], 0);
  EXPECT_EQ(shown["sources"][0]["ratings"], 150);
  EXPECT_EQ(shown["sources"][1]["outcome"], "refused") << "the judge has rated nothing";
  for (const std::uint32_t version : {1U, 2U}) {
    const json installed = Refit(daemon, json::object(), 200);
    EXPECT_EQ(installed["sources"][0]["outcome"], "installed") << installed.dump(1);
    EXPECT_EQ(installed["sources"][0]["version"], version);
    EXPECT_EQ(installed["sources"][0]["learner"], "r ridge");
  }
  EXPECT_EQ(Refit(daemon, {{"learner", "x"}}, 400)["reason"], "unknown_learner");
  daemon.Kill(SIGTERM);
  ASSERT_EQ(daemon.Wait(), 0) << daemon.Log();
  const Ran verified = RunProgram("pointsman", {"replay", "--verify", "--store", folder.File("store"), "--json"});
  EXPECT_EQ(verified.exit, 0) << verified.out;
}

}  // namespace
}  // namespace pointsman::testing
