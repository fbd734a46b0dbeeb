// The loop through the real binary: route, feedback, restart, stop, re-bootstrap.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/end_to_end/daemon_process.h"

namespace pointsman::testing {
namespace {

wire::Route TextRoute(const std::string& text) {
  wire::Route route;
  route.set_text(text);
  route.set_explain(3);
  return route;
}

TEST(Daemon, KeepsAnAcknowledgedRatingAndGoldOverARestart) {
  Folder folder;
  std::uint64_t hash = 0;
  std::string token;
  {
    DaemonProcess daemon(folder, BasicConfig(folder));
    ASSERT_TRUE(daemon.Ready()) << daemon.Log();
    auto client = daemon.Connect();
    ASSERT_TRUE(client.ok()) << client.failure().message;
    auto routed = client->Call(TextRoute("What is 2 + 2?"));
    ASSERT_TRUE(routed.ok()) << routed.failure().message;
    EXPECT_FALSE(routed->model().empty());
    EXPECT_EQ(routed->ranked_size(), 2);
    EXPECT_EQ(routed->clusters_size(), 1);
    token = routed->token();
    ASSERT_EQ(token.size(), 32U);

    wire::Rate rate;
    rate.set_token(token);
    rate.set_source("thumbs");
    rate.set_value(1);
    auto rated = client->Call(rate);
    ASSERT_TRUE(rated.ok()) << rated.failure().message;
    EXPECT_EQ(rated->durability(), 2U);
    wire::Gold gold;
    gold.set_token(token);
    gold.set_value(0.5);
    ASSERT_TRUE(client->Call(gold).ok());
    wire::Outcome outcome;
    outcome.set_token(token);
    outcome.set_tokens_out(120);
    outcome.set_latency_ms(80);
    ASSERT_TRUE(client->Call(outcome).ok());
    ASSERT_TRUE(Eventually([&] {
      auto status = client->Call(wire::Status());
      if (!status.ok() || status->gold() != 1 || status->ratings() != 1 || status->outcomes() != 1) return false;
      hash = status->state_hash();
      return true;
    })) << daemon.Log();
    daemon.Kill(SIGKILL);
    daemon.Wait();
  }
  DaemonProcess daemon(folder, BasicConfig(folder));
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  auto client = daemon.Connect();
  ASSERT_TRUE(client.ok());
  auto status = client->Call(wire::Status());
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->ratings(), 1U);
  EXPECT_EQ(status->gold(), 1U);
  EXPECT_EQ(status->state_hash(), hash);
  wire::Rate again;
  again.set_token(token);
  again.set_source("thumbs");
  again.set_value(1);
  auto repeated = client->Call(again);
  ASSERT_TRUE(repeated.ok()) << repeated.failure().message;
  EXPECT_EQ(repeated->code(), 1U) << "a repeated rating is DUPLICATE_OK";
}

TEST(Daemon, ASecondOneOnTheSameStoreSaysTryLater) {
  Folder folder;
  DaemonProcess daemon(folder, BasicConfig(folder));
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  Folder other;
  std::string config = BasicConfig(other);
  const std::string own = other.File("store");
  config.replace(config.find(own), own.size(), folder.File("store"));
  DaemonProcess second(other, config);
  EXPECT_EQ(second.Wait(), 75) << second.Log();
  EXPECT_TRUE(daemon.Connect().ok());
}

TEST(Daemon, AWrongConfigurationIsReportedWholeAndExits78) {
  Folder folder;
  DaemonProcess daemon(folder, "[store]\ndirectry = \"/x\"\n[learning]\ngold_rate = 7\n");
  EXPECT_EQ(daemon.Wait(), 78);
  EXPECT_NE(daemon.Log().find("directory"), std::string::npos) << daemon.Log();
  EXPECT_NE(daemon.Log().find("gold_rate"), std::string::npos) << daemon.Log();
}

TEST(Daemon, DrainsUnderLoadOnSigtermAndKeepsWhatItAcknowledged) {
  Folder folder;
  std::atomic<std::uint64_t> acknowledged{0};
  {
    DaemonProcess daemon(folder, BasicConfig(folder));
    ASSERT_TRUE(daemon.Ready()) << daemon.Log();
    std::vector<std::thread> writers;
    for (int w = 0; w < 4; ++w) {
      writers.emplace_back([&] {
        auto client = daemon.Connect();
        while (client.ok() && !client->closed()) {
          auto routed = client->Call(TextRoute("How do I sort a list?"));
          if (!routed.ok()) break;
          wire::Rate rate;
          rate.set_token(routed->token());
          rate.set_source("thumbs");
          rate.set_value(1);
          if (client->Call(rate).ok()) ++acknowledged;
        }
      });
    }
    EXPECT_TRUE(Eventually([&] { return acknowledged.load() > 200; }));
    daemon.Kill(SIGTERM);
    for (std::thread& writer : writers) writer.join();
    EXPECT_EQ(daemon.Wait(), 0) << daemon.Log();
    EXPECT_FALSE(std::filesystem::exists(folder.File("r.sock")));
  }
  DaemonProcess daemon(folder, BasicConfig(folder));
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  auto client = daemon.Connect();
  ASSERT_TRUE(client.ok());
  auto status = client->Call(wire::Status());
  ASSERT_TRUE(status.ok());
  EXPECT_GE(status->ratings(), acknowledged.load());
}

TEST(Daemon, AdminSocketShowsStatusMetricsAndModels) {
  Folder folder;
  DaemonProcess daemon(folder, BasicConfig(folder));
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  EXPECT_EQ(Http(daemon.admin_path(), "GET", "/ready").status, 200);
  const HttpAnswer metrics = Http(daemon.admin_path(), "GET", "/metrics");
  EXPECT_EQ(metrics.status, 200);
  EXPECT_NE(metrics.body.find("pointsman_refused_total{code=\"NOT_FOUND\"} 0"), std::string::npos) << metrics.body;
  const HttpAnswer models = Http(daemon.admin_path(), "GET", "/v1/models");
  EXPECT_NE(models.body.find("\"large\""), std::string::npos) << models.body;
}

TEST(Daemon, ReloadsNewModelsOnSighup) {
  Folder folder;
  DaemonProcess daemon(folder, BasicConfig(folder));
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  std::ofstream(folder.File("pointsman.toml")) << BasicConfig(folder, "[[models]]\nname = \"third\"\n");
  daemon.Kill(SIGHUP);
  auto client = daemon.Connect();
  ASSERT_TRUE(client.ok());
  EXPECT_TRUE(Eventually([&] {
    auto status = client->Call(wire::Status());
    return status.ok() && status->models() == 3;
  })) << daemon.Log();
}

// Bootstraps over HTTP; true when it ended well.
bool Bootstrap(const DaemonProcess& daemon, const std::string& table, std::string* last, const std::string& more = "") {
  const HttpAnswer started =
      Http(daemon.admin_path(), "POST", "/v1/bootstrap",
           "{\"table_path\":\"" + table + "\",\"labels\":\"scores\",\"clusters_max\":6" + more + "}");
  *last = started.body;
  if (started.status / 100 != 2) return false;
  const bool ended = Eventually([&] {
    *last = Http(daemon.admin_path(), "GET", "/v1/bootstrap").body;
    return last->find("\"running\"") == std::string::npos && !last->empty();
  });
  return ended && last->find("\"done\"") != std::string::npos;
}

TEST(Daemon, TellsAfterABootstrapWhoIsSkilledAlikeAndWhere) {
  Folder folder;
  WriteTable(folder.File("t.jsonl"), 300);
  DaemonProcess daemon(folder, BasicConfig(folder, "[[models]]\nname = \"third\"\n"));
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  EXPECT_NE(Http(daemon.admin_path(), "GET", "/v1/model-tree").body.find("\"clusters\":0"), std::string::npos);
  std::string last;
  ASSERT_TRUE(Bootstrap(daemon, folder.File("t.jsonl"), &last)) << last << daemon.Log();
  const HttpAnswer tree = Http(daemon.admin_path(), "GET", "/v1/model-tree");
  EXPECT_EQ(tree.status, 200);
  for (const char* model : {"small", "large", "third"}) {
    EXPECT_NE(tree.body.find('"' + std::string(model) + '"'), std::string::npos) << tree.body;
    const HttpAnswer niches = Http(daemon.admin_path(), "GET", "/v1/models/" + std::string(model) + "/niches");
    EXPECT_EQ(niches.status, 200) << niches.body;
    EXPECT_NE(niches.body.find("\"bias\":"), std::string::npos) << niches.body;
  }
  EXPECT_EQ(Http(daemon.admin_path(), "GET", "/v1/models/nobody/niches").status, 404);
}

TEST(Daemon, BuildsTheWayTheOperatorChoosesAndNamesWhatItDoesNotKnow) {
  Folder folder;
  const std::string table = folder.File("t.jsonl");
  WriteTable(table, 300);
  DaemonProcess daemon(folder, BasicConfig(folder, "[[models]]\nname = \"third\"\n"));
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  for (const std::string wrong : {"method", "filter", "recogniser"}) {
    const HttpAnswer refused = Http(daemon.admin_path(), "POST", "/v1/bootstrap",
                                    "{\"table_path\":\"" + table + "\",\"" + wrong + "\":\"guess\"}");
    EXPECT_EQ(refused.status, 400) << refused.body;
    EXPECT_NE(refused.body.find(wrong + " must be one of"), std::string::npos) << refused.body;
  }
  std::string last;
  EXPECT_TRUE(Bootstrap(daemon, table, &last, R"(,"method":"scaled","recogniser":"dual")")) << last;
  EXPECT_TRUE(Bootstrap(daemon, table, &last, R"(,"method":"cascal")")) << last;
}

TEST(Daemon, RebootstrapsWhileServingAndRollsBack) {
  Folder folder;
  WriteTable(folder.File("t.jsonl"), 300);
  DaemonProcess daemon(folder, BasicConfig(folder, "[[models]]\nname = \"third\"\n"));
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();

  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> routed{0};
  std::atomic<std::uint64_t> failed{0};
  std::thread traffic([&] {
    auto client = daemon.Connect();
    while (!stop && client.ok() && !client->closed()) {
      auto reply = client->Call(TextRoute("question about algebra equations"));
      if (!reply.ok()) {
        ++failed;
        continue;
      }
      ++routed;
      wire::Gold gold;
      gold.set_token(reply->token());
      gold.set_value(reply->model() == "small" ? 1 : 0);
      if (!client->Call(gold).ok()) ++failed;
    }
  });
  std::string last;
  EXPECT_TRUE(Bootstrap(daemon, folder.File("t.jsonl"), &last)) << last << daemon.Log();
  auto client = daemon.Connect();
  ASSERT_TRUE(client.ok());
  auto first = client->Call(wire::Status());
  EXPECT_TRUE(first.ok());
  EXPECT_EQ(first->generation(), 1U) << last;
  const std::string first_bundle = first->bundle();
  EXPECT_EQ(first->embedder(), "lsa");

  WriteTable(folder.File("u.jsonl"), 360);
  EXPECT_TRUE(Bootstrap(daemon, folder.File("u.jsonl"), &last)) << last << daemon.Log();
  auto second = client->Call(wire::Status());
  EXPECT_TRUE(second.ok());
  EXPECT_EQ(second->generation(), 2U) << last;
  EXPECT_NE(second->bundle(), first_bundle);

  const HttpAnswer rolled = Http(daemon.admin_path(), "POST", "/v1/generations/rollback", "{}");
  EXPECT_EQ(rolled.status, 200) << rolled.body;
  auto third = client->Call(wire::Status());
  EXPECT_TRUE(third.ok());
  EXPECT_EQ(third->generation(), 3U);
  EXPECT_EQ(third->bundle(), first_bundle);

  const std::uint64_t before = routed;
  EXPECT_TRUE(Eventually([&] { return routed > before + 20 || failed > 0; }));
  stop = true;
  traffic.join();
  EXPECT_EQ(failed.load(), 0U);
  EXPECT_GT(third->gold(), 0U) << "gold of earlier generations stays counted";

  const HttpAnswer missing = Http(daemon.admin_path(), "POST", "/v1/bootstrap", "{\"table_path\":\"/nowhere\"}");
  EXPECT_EQ(missing.status, 404) << missing.body;
  daemon.Kill(SIGTERM);
  EXPECT_EQ(daemon.Wait(), 0);
}

TEST(Daemon, AFailedBootstrapLeavesTheGenerationAndSaysWhy) {
  Folder folder;
  std::ofstream(folder.File("bad.jsonl")) << "not json\n{}\n";
  DaemonProcess daemon(folder, BasicConfig(folder));
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  std::string last;
  EXPECT_FALSE(Bootstrap(daemon, folder.File("bad.jsonl"), &last));
  EXPECT_NE(last.find("\"failed\""), std::string::npos) << last;
  EXPECT_NE(last.find("line"), std::string::npos) << last;
  auto client = daemon.Connect();
  ASSERT_TRUE(client.ok());
  auto status = client->Call(wire::Status());
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->generation(), 0U);
}

#ifdef POINTSMAN_FAULT_POINTS
TEST(Daemon, ACrashAroundAnActivationLeavesOneWholeGeneration) {
  Folder folder;
  WriteTable(folder.File("t.jsonl"), 120);
  const std::string config = BasicConfig(folder);
  std::uint32_t expected = 0;
  for (const char* place : {"daemon.activate.before_event", "daemon.activate.after_event"}) {
    DaemonProcess daemon(folder, config, {{"POINTSMAN_FAULT", std::string(place) + "=kill@1"}});
    ASSERT_TRUE(daemon.Ready()) << daemon.Log();
    std::string last;
    EXPECT_EQ(Http(daemon.admin_path(), "POST", "/v1/bootstrap",
                   "{\"table_path\":\"" + folder.File("t.jsonl") + "\",\"labels\":\"scores\"}")
                      .status /
                  100,
              2);
    EXPECT_EQ(daemon.Wait(), 128 + SIGKILL) << daemon.Log();
    expected = std::string(place).ends_with("after_event") ? 1 : 0;
    DaemonProcess again(folder, config);
    ASSERT_TRUE(again.Ready()) << again.Log();
    auto client = again.Connect();
    ASSERT_TRUE(client.ok());
    auto status = client->Call(wire::Status());
    ASSERT_TRUE(status.ok());
    EXPECT_EQ(status->generation(), expected) << place;
    EXPECT_TRUE(client->Call(TextRoute("algebra equations")).ok());
    EXPECT_NE(Http(again.admin_path(), "GET", "/v1/bootstrap").body.find("\"none\""), std::string::npos);
    again.Kill(SIGTERM);
    EXPECT_EQ(again.Wait(), 0);
  }
}

TEST(Daemon, CancellingABootstrapLeavesNoTraceAndASecondOneIsBusy) {
  Folder folder;
  WriteTable(folder.File("t.jsonl"), 120);
  DaemonProcess daemon(folder, BasicConfig(folder), {{"POINTSMAN_FAULT", "daemon.job.started=sleep:60000"}});
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  const std::string request = "{\"table_path\":\"" + folder.File("t.jsonl") + "\"}";
  EXPECT_EQ(Http(daemon.admin_path(), "POST", "/v1/bootstrap", request).status / 100, 2);
  const HttpAnswer second = Http(daemon.admin_path(), "POST", "/v1/bootstrap", request);
  EXPECT_NE(second.body.find("bootstrap_running"), std::string::npos) << second.body;
  EXPECT_EQ(Http(daemon.admin_path(), "POST", "/v1/bootstrap/cancel", "{}").status / 100, 2);
  EXPECT_TRUE(Eventually([&] {
    return Http(daemon.admin_path(), "GET", "/v1/bootstrap").body.find("\"cancelled\"") != std::string::npos;
  }));
  EXPECT_FALSE(std::filesystem::exists(folder.File("store") + "/job"));
  EXPECT_NE(Http(daemon.admin_path(), "GET", "/status").body.find("\"generation\":0"), std::string::npos);
}
#endif

TEST(Daemon, TellsSystemdThatItLivesWhileItDoes) {
  Folder folder;
  DaemonProcess daemon(folder, BasicConfig(folder), {{"WATCHDOG_USEC", "300000"}});
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  EXPECT_TRUE(daemon.Notified("WATCHDOG=1"));
  daemon.Kill(SIGTERM);
  EXPECT_TRUE(daemon.Notified("STOPPING=1"));
  EXPECT_EQ(daemon.Wait(), 0);
}

}  // namespace
}  // namespace pointsman::testing
