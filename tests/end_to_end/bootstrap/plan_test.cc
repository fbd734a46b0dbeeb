// A bootstrap from nothing: the real daemon and the real job buy queries, answers and
// labels over HTTP from the stand-in; what they do under SIGKILL, and what the gate says.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/unit_draw.h"
#include "bootstrap/data/table_writer.h"
#include "tests/crash/audit.h"
#include "tests/end_to_end/bootstrap/plan_support.h"

namespace pointsman::testing {
namespace {

using nlohmann::json;

TEST(BootstrapPlan, IsEstimatedCarriedOutOverHttpAndLive) {
  Folder folder;
  LlmServer server(StandIn(false));
  std::ofstream(folder.File("p.toml")) << PlanText(server);
  DaemonProcess daemon(folder, BasicConfig(folder, Pool()), kKey);
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  const json plan = {{"plan_path", folder.File("p.toml")}};
  const HttpAnswer estimate = Http(daemon.admin_path(), "POST", "/v1/bootstrap/plan", plan.dump());
  ASSERT_EQ(estimate.status, 200) << estimate.body;
  const json estimated = json::parse(estimate.body);
  EXPECT_GE(estimated["queries"], 120);
  EXPECT_GT(estimated["cost_usd"], 0);
  EXPECT_EQ(server.counts().requests, 0U) << "an estimate asks nobody";

  Start(daemon, plan);
  const json done = WaitForEnd(daemon);
  ASSERT_EQ(done["state"], "done") << done.dump(1) << daemon.Log();
  EXPECT_EQ(done["generation"], 1);
  EXPECT_GT(done["cost_usd"], 0);
  EXPECT_GE(done["asked"], 600);
  EXPECT_NE(done["gate"].get<std::string>().find("insufficient"), std::string::npos);
  const LlmCounts counts = server.counts();
  EXPECT_EQ(counts.paid_twice, 0U);
  auto client = daemon.Connect();
  ASSERT_TRUE(client.ok());
  auto routed = client->Call(TextRoute("whisk the butter and the flour, simmer the sauce in the oven"));
  ASSERT_TRUE(routed.ok());
  // The first in rank, not the one drawn: an audit draws another, six times a thousand.
  ASSERT_GT(routed->ranked_size(), 0);
  EXPECT_EQ(routed->ranked(0).name(), "cook") << routed->ShortDebugString();

  Start(daemon, plan);
  const json again = WaitForEnd(daemon);
  ASSERT_EQ(again["state"], "done") << again.dump(1);
  EXPECT_EQ(again["asked"], 0) << "nothing is bought twice";
  EXPECT_EQ(server.counts().answered, counts.answered);
}

TEST(BootstrapPlan, OfAWrongKeyOrWithoutPricesFailsWithTheFieldNamed) {
  Folder folder;
  LlmServer server(StandIn(false));
  DaemonProcess daemon(folder, BasicConfig(folder, Pool()), {{"STAND_IN_KEY", "wrong"}});
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  const json plan = {{"plan_path", folder.File("p.toml")}};
  const auto failure = [&](const std::string& text) {
    std::ofstream(folder.File("p.toml")) << text;
    Start(daemon, plan);
    const json report = WaitForEnd(daemon);
    EXPECT_EQ(report["state"], "failed") << report.dump(1);
    EXPECT_EQ(report["generation"], 0);
    return report["message"].get<std::string>();
  };
  EXPECT_NE(failure(PlanText(server)).find("key_env"), std::string::npos);
  std::string free = PlanText(server);
  free.erase(free.rfind("output_usd_per_million"));
  EXPECT_NE(failure(free).find("models[4].output_usd_per_million"), std::string::npos);
  EXPECT_NE(failure("name = \"x\"\nnonsense = 1\n").find("nonsense: unknown key"), std::string::npos);
  EXPECT_NE(failure("name = ").find("not valid TOML"), std::string::npos);
  EXPECT_NE(failure(PlanText(server) + "[[models]]\nname = \"cook\"\n").find("models[5]"), std::string::npos);
  EXPECT_EQ(server.counts().answered, 0U);
}

#ifdef POINTSMAN_FAULT_POINTS
std::vector<std::string> JobArguments(const Folder& folder) {
  return {"job", "--plan", folder.File("p.toml"), "--work", folder.File("work"), "--out", folder.File("out.bundle")};
}

std::string BytesOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct KillAt {
  std::string point;
  int passings = 1;  // it dies at this one
  int rounds = 1;
};
using KillPlan = std::vector<KillAt>;

// POINTSMAN_KILLS: so many at each point, instead of a few.
KillPlan Kills() {
  const char* asked = std::getenv("POINTSMAN_KILLS");
  const int many = asked == nullptr ? 0 : std::atoi(asked);
  // All answers together must last for all kills.
  const auto while_buying = [&](const char* point, int passings) {
    return KillAt{point, many > 0 ? 3 : passings, many > 0 ? many : 7};
  };
  const auto after = [&](const char* point, int passings) { return KillAt{point, passings, many > 0 ? many : 3}; };
  return {while_buying("bootstrap.call_log.after_sync", 23),
          while_buying("bootstrap.call_log.before_write", 29),
          while_buying("bootstrap.chat.answered", 31),
          after("daemon.job.bought", 1),
          after("daemon.job.fitting", 1),
          after("daemon.job.fitting", 4),
          after("daemon.job.fitted", 1)};
}

// The job is killed after every so many answers, from the first check to the last
// label, in between the stages and inside the fit; each run goes on where the last one died.
TEST(BootstrapPlan, KilledAnywhereGoesOnAndPaysForNothingTwice) {
  Folder folder;
  LlmServer server(StandIn(true));
  std::ofstream(folder.File("p.toml")) << PlanText(server);
  const KillPlan plan = Kills();
  int kills = 0;
  int wanted = 0;
  for (const auto& [point, passings, rounds] : plan) {
    const std::string fault = point + "=kill@" + std::to_string(passings);
    wanted += rounds;
    for (int i = 0; i < rounds; ++i) {
      const Ran ran = RunProgram("pointsmand", JobArguments(folder), {kKey[0], {"POINTSMAN_FAULT", fault}});
      kills += ran.exit > 128 ? 1 : 0;
      EXPECT_FALSE(std::filesystem::exists(folder.File("out.bundle"))) << "a killed job leaves no bundle";
    }
  }
  EXPECT_EQ(kills, wanted);
  const Ran last = RunProgram("pointsmand", JobArguments(folder), kKey);
  ASSERT_EQ(last.exit, 0) << last.out;
  EXPECT_EQ(server.counts().paid_twice, 0U);
  const std::string table = BytesOf(folder.File("work") + "/small/table.jsonl");

  Folder calm;
  LlmServer other(StandIn(true));
  std::ofstream(calm.File("p.toml")) << PlanText(other);
  ASSERT_EQ(RunProgram("pointsmand", JobArguments(calm), kKey).exit, 0);
  EXPECT_EQ(server.counts().answered, other.counts().answered) << "as many answers as without a kill";
  EXPECT_EQ(BytesOf(calm.File("work") + "/small/table.jsonl"), table);
}

// Without the endpoint's help only what was on its way when the job died is asked again.
TEST(BootstrapPlan, AKillCostsAtMostWhatWasUnderWay) {
  Folder folder;
  LlmServer server(StandIn(false));
  std::ofstream(folder.File("p.toml")) << PlanText(server);
  std::uint64_t kills = 0;
  for (int i = 0; i < 10; ++i) {
    const Ran ran = RunProgram("pointsmand", JobArguments(folder),
                               {kKey[0], {"POINTSMAN_FAULT", "bootstrap.call_log.after_sync=kill@40"}});
    kills += ran.exit > 128 ? 1 : 0;
  }
  ASSERT_EQ(RunProgram("pointsmand", JobArguments(folder), kKey).exit, 0);
  const std::uint64_t at_once = 2 * (kModels.size() + 1);  // concurrency of every endpoint
  EXPECT_GT(kills, 5U);
  EXPECT_LE(server.counts().paid_twice, kills * at_once);
  ::testing::Test::RecordProperty("paid_twice", static_cast<int>(server.counts().paid_twice));
}

TEST(BootstrapPlan, CancelledStopsAndTheNextRunGoesOn) {
  Folder folder;
  LlmServer server(StandIn(false));
  std::ofstream(folder.File("p.toml")) << PlanText(server);
  DaemonProcess daemon(folder, BasicConfig(folder, Pool()), kKey);
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  const json plan = {{"plan_path", folder.File("p.toml")}};
  server.Fail("cook", LlmFault::kSlow, 1);  // the check never ends by itself
  Start(daemon, plan);
  EXPECT_TRUE(Eventually([&] { return server.counts().failed > 0; }));
  EXPECT_EQ(Http(daemon.admin_path(), "POST", "/v1/bootstrap", plan.dump()).status, 409);
  EXPECT_EQ(Http(daemon.admin_path(), "POST", "/v1/bootstrap/cancel", "{}").status, 200);
  EXPECT_EQ(WaitForEnd(daemon)["state"], "cancelled");
  Start(daemon, plan);
  const json done = WaitForEnd(daemon);
  EXPECT_EQ(done["state"], "done") << done.dump(1);
  EXPECT_GT(done["reused"], 0);
}
#endif

// A table whose scores are `world`'s, or upside down.
void WriteWorld(const std::string& path, bool inverted) {
  bootstrap::Table table = SmallWorld(600, 7);
  for (bootstrap::TableRow& row : table.rows) {
    for (bootstrap::TableCell& cell : row.models) cell.score = inverted ? 1 - cell.score : cell.score;
  }
  ASSERT_TRUE(bootstrap::WriteTable(path, table).ok());
}

TEST(Gate, RefusesABundleFittedOnInvertedLabelsUntilItIsForced) {
  Folder folder;
  WriteWorld(folder.File("t.jsonl"), false);
  WriteWorld(folder.File("i.jsonl"), true);
  DaemonProcess daemon(folder, BasicConfig(folder, Pool()));
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  const auto run = [&](const std::string& table, bool force) {
    Start(daemon, {{"table_path", folder.File(table)}, {"labels", "scores"}, {"force", force}});
    return WaitForEnd(daemon);
  };
  const json first = run("t.jsonl", false);
  ASSERT_EQ(first["state"], "done") << first.dump(1) << daemon.Log();
  const bootstrap::Table stream = SmallWorld(900, 8);
  auto client = daemon.Connect();
  ASSERT_TRUE(client.ok());
  SplitMix64 random(3);
  for (const bootstrap::TableRow& row : stream.rows) {
    // Every model gets its share: what the gate sees is not what one router preferred.
    wire::Route route = TextRoute(row.query);
    const std::size_t column = random.Below(kModels.size());
    route.add_allowed(kModels[column]);
    auto routed = client->Call(route);
    ASSERT_TRUE(routed.ok()) << routed.failure().message;
    wire::Gold gold;
    gold.set_token(routed->token());
    gold.set_value(row.models[column].score);
    ASSERT_TRUE(client->Call(gold).ok());
  }
  const json same = run("t.jsonl", false);
  EXPECT_EQ(same["state"], "done") << same.dump(1);
  EXPECT_NE(same["gate"].get<std::string>().find("gate pass"), std::string::npos) << same.dump(1);
  const json refused = run("i.jsonl", false);
  EXPECT_EQ(refused["state"], "failed") << refused.dump(1);
  EXPECT_NE(refused["gate"].get<std::string>().find("contradicted"), std::string::npos) << refused.dump(1);
  auto status = client->Call(wire::Status());
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->generation(), 2U) << "the live generation stays";
  const json forced = run("i.jsonl", true);
  EXPECT_EQ(forced["state"], "done") << forced.dump(1);
  EXPECT_EQ(forced["generation"], 3);
  std::printf("same %s\nrefused %s\n", same["gate"].get<std::string>().c_str(),
              refused["gate"].get<std::string>().c_str());
}

// A bundle that the gate refuses is stored: the diff shows on the daemon's own log why.
TEST(Diff, ShowsWhatARefusedBundleWouldHaveChosenAndWhatThatIsWorth) {
  Folder folder;
  WriteWorld(folder.File("t.jsonl"), false);
  bootstrap::Table upside_down = SmallWorld(600, 7);
  for (bootstrap::TableRow& row : upside_down.rows) {
    for (bootstrap::TableCell& cell : row.models) cell.score = 1 - cell.score;
    row.models[3].present = false;  // knows no novice
  }
  ASSERT_TRUE(bootstrap::WriteTable(folder.File("i.jsonl"), upside_down).ok());
  std::string config = BasicConfig(folder, Pool());
  config.insert(config.find("[[models]]"), "gold_rate = 1\nexploration = \"epsilon\"\nepsilon = 0.5\n");
  DaemonProcess daemon(folder, config);
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  const auto run = [&](const std::string& table) {
    Start(daemon, {{"table_path", folder.File(table)}, {"labels", "scores"}});
    return WaitForEnd(daemon);
  };
  ASSERT_EQ(run("t.jsonl")["state"], "done") << daemon.Log();
  auto client = daemon.Connect();
  ASSERT_TRUE(client.ok());
  double earned = 0;
  const bootstrap::Table stream = SmallWorld(1500, 8);
  for (const bootstrap::TableRow& row : stream.rows) {
    wire::Route route = TextRoute(row.query);
    for (const std::string& model : kModels) route.add_allowed(model);
    auto routed = client->Call(route);
    ASSERT_TRUE(routed.ok()) << routed.failure().message;
    const auto column = std::find(kModels.begin(), kModels.end(), routed->model()) - kModels.begin();
    wire::Gold gold;
    gold.set_token(routed->token());
    gold.set_value(row.models[static_cast<std::size_t>(column)].score);
    earned += gold.value() / static_cast<double>(stream.rows.size());
    ASSERT_TRUE(client->Call(gold).ok());
  }
  const json refused = run("i.jsonl");
  ASSERT_EQ(refused["state"], "failed") << refused.dump(1);
  const std::string hash = refused["bundle"];
  const HttpAnswer answer = Http(daemon.admin_path(), "GET", "/v1/generation-diffs/1.." + hash);
  ASSERT_EQ(answer.status, 200) << answer.body;
  const json diff = json::parse(answer.body);
  EXPECT_EQ(diff["decisions"], stream.rows.size());
  EXPECT_TRUE(diff["comparable"]);
  EXPECT_FALSE(diff["clusters"].empty());
  double share_from = 0;
  double share_to = 0;
  for (const json& model : diff["models"]) {
    share_from += model["share_from"].get<double>();
    share_to += model["share_to"].get<double>();
    EXPECT_GT(model["prior_from"], 0) << model;
    EXPECT_EQ(model["prior_to"] == -1, model["name"] == "novice") << model;
  }
  EXPECT_NEAR(share_from, 1, 1e-9);
  EXPECT_NEAR(share_to, 1, 1e-9);
  const double from = diff["value_from"];
  const double to = diff["value_to"];
  EXPECT_GT(from, earned) << "without exploring";
  EXPECT_LT(to + 4 * diff["value_to_error"].get<double>(), from) << "upside down";
  const Ran shown = RunProgram("pointsman", {"--admin-socket", daemon.admin_path(), "generations", "diff", "1", hash});
  EXPECT_EQ(shown.exit, 0);
  EXPECT_NE(shown.out.find("on 1500 logged decisions: value"), std::string::npos) << shown.out;
  std::printf("%s", shown.out.c_str());
}

// Nobody gave gold, but many rated: kindly, and most kindly for one model.
TEST(Gate, WithoutGoldRefusesWhatRatingsContradict) {
  Folder folder;
  WriteWorld(folder.File("t.jsonl"), false);
  WriteWorld(folder.File("i.jsonl"), true);
  DaemonProcess daemon(folder, BasicConfig(folder, Pool()));
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  const auto run = [&](const std::string& table) {
    Start(daemon, {{"table_path", folder.File(table)}, {"labels", "scores"}});
    return WaitForEnd(daemon);
  };
  const json first = run("t.jsonl");
  ASSERT_EQ(first["state"], "done") << first.dump(1) << daemon.Log();
  const bootstrap::Table stream = SmallWorld(900, 8);
  auto client = daemon.Connect();
  ASSERT_TRUE(client.ok());
  SplitMix64 random(3);
  for (const bootstrap::TableRow& row : stream.rows) {
    wire::Route route = TextRoute(row.query);
    const std::size_t column = random.Below(kModels.size());
    route.add_allowed(kModels[column]);
    auto routed = client->Call(route);
    ASSERT_TRUE(routed.ok()) << routed.failure().message;
    const double kindness = column == 0 ? .6 : .2;
    wire::Rate rate;
    rate.set_token(routed->token());
    rate.set_source("thumbs");
    rate.set_value(random.Unit() < kindness ? 1 : row.models[column].score);
    ASSERT_TRUE(client->Call(rate).ok());
  }
  const json same = run("t.jsonl");
  EXPECT_EQ(same["state"], "done") << same.dump(1);
  EXPECT_NE(same["gate"].get<std::string>().find("gate insufficient"), std::string::npos) << same.dump(1);
  const json refused = run("i.jsonl");
  EXPECT_EQ(refused["state"], "failed") << refused.dump(1);
  EXPECT_NE(refused["gate"].get<std::string>().find("contradicted_by_ratings"), std::string::npos) << refused.dump(1);
  auto status = client->Call(wire::Status());
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->generation(), 2U) << "the live generation stays";
  std::printf("same %s\nrefused %s\n", same["gate"].get<std::string>().c_str(),
              refused["gate"].get<std::string>().c_str());
}

// While one request waits for a slow endpoint, the only io thread serves others.
TEST(Embedder, AnEndpointThatIsSlowHoldsUpNobodyElse) {
  Folder folder;
  WriteWorld(folder.File("t.jsonl"), false);
  LlmServer server(StandIn(false));
  DaemonProcess daemon(folder, BasicConfig(folder, Pool() + "[limits]\nio_threads = 1\n"), kKey);
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  Start(daemon, {{"table_path", folder.File("t.jsonl")},
                 {"labels", "scores"},
                 {"embedder", "http:" + server.base_url() + "|vectors-1|STAND_IN_KEY"}});
  const json done = WaitForEnd(daemon);
  ASSERT_EQ(done["state"], "done") << done.dump(1) << daemon.Log();
  auto other = daemon.Connect();
  ASSERT_TRUE(other.ok());
  EXPECT_TRUE(Eventually([&] {  // on a loaded machine its first answer may come too late
    const auto known = other->Call(TextRoute("whisk the butter and the flour"));
    return known.ok() && known->model() == "cook";
  }));
  // After a slow answer the endpoint is left alone for two seconds: nothing waits then.
  int number = 0;
  EXPECT_TRUE(Eventually([&] {
    server.Fail("", LlmFault::kSlow, 1);
    const std::uint64_t before = server.counts().failed;
    std::atomic<bool> answered{false};
    std::jthread waits([&, text = "a new text " + std::to_string(++number)] {
      auto client = daemon.Connect();
      EXPECT_TRUE(client.ok() && client->Call(TextRoute(text)).ok());
      answered = true;
    });
    while (!answered && server.counts().failed == before) ::poll(nullptr, 0, 1);
    const bool pinged = other->Call(wire::Ping()).ok();
    return pinged && !answered && server.counts().failed > before;
  })) << "a Ping is never answered before the request that waits";
  const std::string metrics = Http(daemon.admin_path(), "GET", "/metrics").body;
  EXPECT_EQ(metrics.find("texts_total{result=\"without_vector\"} 0\n"), std::string::npos) << "nobody counts them";
  EXPECT_NE(metrics.find("texts_total{result=\"without_vector\"} "), std::string::npos) << metrics;

  // A stop waits for what is owed.
  server.Fail("", LlmFault::kSlow, 1);
  const std::uint64_t before = server.counts().failed;
  std::atomic<int> served{0};
  std::jthread asks([&] {
    while (other->Call(TextRoute("another text " + std::to_string(served))).ok()) ++served;
  });
  EXPECT_TRUE(Eventually([&] { return server.counts().failed > before; }));
  const int waiting = served;
  daemon.Kill(SIGTERM);
  EXPECT_EQ(daemon.Wait(), 0) << daemon.Log();
  asks.join();
  EXPECT_GT(served, waiting) << "the one that waited has its answer";
}

// What a reply says about every model.
using Ranking = std::map<std::string, double>;

Ranking RankingOf(const wire::RouteReply& reply) {
  Ranking ranking;
  for (const wire::RankedModel& ranked : reply.ranked()) ranking[ranked.name()] = ranked.quality();
  return ranking;
}

// Two bundles with different model sets change places a hundred times. Nobody gives
// feedback, so each says one thing about a query: a reply of a mixed generation, or one
// that names another than it came from, would say something else.
TEST(Swaps, AHundredUnderTrafficEachReplyNamesOneGenerationAndItsModels) {
  Folder folder;
  for (const bool second : {false, true}) {
    bootstrap::Table table = SmallWorld(300, 7);
    for (bootstrap::TableRow& row : table.rows) row.models[second ? 0 : 4].present = false;
    ASSERT_TRUE(bootstrap::WriteTable(folder.File(second ? "b.jsonl" : "a.jsonl"), table).ok());
  }
  DaemonProcess daemon(folder, BasicConfig(folder, Pool()));
  ASSERT_TRUE(daemon.Ready()) << daemon.Log();
  wire::Route route = TextRoute("whisk the butter and the flour");
  route.set_no_explore(true);
  std::array<Ranking, 2> said;  // by generation % 2
  for (const char* table : {"a.jsonl", "b.jsonl"}) {
    Start(daemon, {{"table_path", folder.File(table)}, {"labels", "scores"}});
    const json done = WaitForEnd(daemon);
    ASSERT_EQ(done["state"], "done") << done.dump(1) << daemon.Log();
    auto client = daemon.Connect();
    ASSERT_TRUE(client.ok());
    const auto reply = client->Call(route);
    ASSERT_TRUE(reply.ok()) << reply.failure().message;
    said.at(reply->generation() % 2) = RankingOf(*reply);
    EXPECT_EQ(reply->model(), reply->generation() % 2 == 1 ? "cook" : "mixed") << "the second knows no cook";
  }
  ASSERT_EQ(said[0].size(), kModels.size() + 2);
  ASSERT_EQ(said[1].size(), kModels.size() + 2);
  ASSERT_NE(said[0], said[1]);

  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> failed{0};
  std::atomic<std::uint64_t> mixed{0};
  std::array<std::atomic<std::uint64_t>, 2> routed{};
  std::vector<std::jthread> traffic;
  for (int t = 0; t < 4; ++t) {
    traffic.emplace_back([&] {
      auto client = daemon.Connect();
      std::uint32_t latest = 0;
      while (!stop) {
        const auto reply = client.ok() ? client->Call(route) : client::Outcome<wire::RouteReply>(client.failure());
        if (!reply.ok()) {
          ++failed;
          return;
        }
        const std::uint32_t generation = reply->generation();
        if (generation < latest || RankingOf(*reply) != said.at(generation % 2)) ++mixed;
        latest = generation;
        ++routed.at(generation % 2);
        ::poll(nullptr, 0, 1);  // traffic, not a flood: each swap reads the log that it leaves
      }
    });
  }
  int swaps = 0;
  for (; swaps < 100; ++swaps) {
    // A loaded disk may say "later"; a swap that was refused is asked for again.
    HttpAnswer rolled;
    Eventually([&] {
      rolled = Http(daemon.admin_path(), "POST", "/v1/generations/rollback", "{}");
      return rolled.status != 429;
    });
    EXPECT_EQ(rolled.status, 200) << rolled.body;
    if (rolled.status != 200) break;
  }
  EXPECT_EQ(swaps, 100);
  EXPECT_TRUE(Eventually([&] { return routed[0] > 100 && routed[1] > 100; })) << routed[0] << " and " << routed[1];
  stop = true;
  traffic.clear();
  EXPECT_EQ(failed.load(), 0U);
  EXPECT_EQ(mixed.load(), 0U) << "of " << routed[0] + routed[1];
}

}  // namespace
}  // namespace pointsman::testing
