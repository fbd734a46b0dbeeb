// What an operator does with a running daemon and wants back: re-fits and probes that are
// undone or not, subjects that are excluded, and a pool in which nothing can answer.
#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "base/unit_draw.h"
#include "tests/crash/audit.h"
#include "tests/end_to_end/daemon_process.h"

namespace pointsman::testing {
namespace {

using nlohmann::json;

class Operator : public ::testing::Test {
 protected:
  void Start(const std::string& config) {
    daemon_.emplace(folder_, config);
    ASSERT_TRUE(daemon_->Ready()) << daemon_->Log();
  }
  json Ask(const std::string& method, const std::string& path, const json& body, int status) {
    const std::string text = method == "GET" ? "" : body.dump();
    const HttpAnswer answer = Http(daemon_->admin_path(), method, path, text);
    EXPECT_EQ(answer.status, status) << path << answer.body;
    return json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
  }
  json Post(const std::string& path, const json& body = json::object(), int status = 200) {
    return Ask("POST", path, body, status);
  }
  void Bootstrap() {
    const std::string table = folder_.File("t.jsonl");
    WriteTable(table, 120);
    Post("/v1/bootstrap", {{"table_path", table}, {"labels", "scores"}, {"clusters_max", 6}}, 202);
    ASSERT_TRUE(Eventually([&] { return Ask("GET", "/v1/bootstrap", {}, 200)["state"] == "done"; })) << daemon_->Log();
  }
  // Ratings by `subject`, or each by another one.
  void Rate(int rounds, const std::string& subject = "") {
    auto client = daemon_->Connect();
    ASSERT_TRUE(client.ok());
    SplitMix64 random(1);
    for (int i = 0; i < rounds; ++i) {
      wire::Route route;
      route.set_text(i % 2 == 0 ? "python function loop bug" : "recipe oven butter flour");
      auto routed = client->Call(route);
      ASSERT_TRUE(routed.ok());
      for (const char* source : {"thumbs", "judge"}) {
        wire::Rate rate;
        rate.set_token(routed->token());
        rate.set_source(source);
        rate.set_subject(subject.empty() ? "user" + std::to_string(i) : subject);
        rate.set_value(random.Unit() < (i % 2 == 0 ? .3 : .7) ? 1 : 0);
        ASSERT_TRUE(client->Call(rate).ok());
      }
    }
  }
  // The events of one type in the log of the daemon, which ends; and that a replay comes to
  // the same state.
  std::vector<json> StopAndExport(const std::string& type) {
    daemon_->Kill(SIGTERM);
    EXPECT_EQ(daemon_->Wait(), 0) << daemon_->Log();
    EXPECT_EQ(RunProgram("pointsman", {"replay", "--verify", "--store", folder_.File("store"), "--json"}).exit, 0);
    std::vector<json> found;
    std::istringstream lines(RunProgram("pointsman", {"export", "--store", folder_.File("store")}).out);
    for (std::string line; std::getline(lines, line);) {
      const json event = json::parse(line, nullptr, /*allow_exceptions=*/false);
      if (event.is_object() && event["type"] == type) found.push_back(event["event"]);
    }
    return found;
  }

  Folder folder_;
  std::optional<DaemonProcess> daemon_;
};

TEST_F(Operator, ARefitIsUndoneForAllItsSourcesAndTheUndoIsUndone) {
  Start(BasicConfig(folder_));
  Bootstrap();
  Rate(150);
  const json refit = Post("/v1/refit");
  for (const json& source : refit["sources"]) ASSERT_EQ(source["outcome"], "installed") << source;
  json undone = Post("/v1/undo");
  EXPECT_EQ(undone["undone"], "the bias was fitted anew of thumbs, judge");
  EXPECT_EQ(undone["now"], "thumbs: no fitted bias (version 2); judge: no fitted bias (version 2)");
  undone = Post("/v1/undo");
  EXPECT_EQ(undone["now"], "thumbs: the fit before it (version 3); judge: the fit before it (version 3)");
  // A fit on a fit: what comes back is the first one.
  Post("/v1/refit", {{"learner", "dr"}});
  undone = Post("/v1/undo");
  EXPECT_EQ(undone["now"], "thumbs: the fit before it (version 5); judge: the fit before it (version 5)");
  const std::vector<json> surfaces = StopAndExport("BiasSurfaceInstalled");
  ASSERT_EQ(surfaces.size(), 10u);
  EXPECT_EQ(surfaces[2]["clusters"], json::array());
  for (const std::size_t source : {0u, 1u}) {
    EXPECT_EQ(surfaces[8 + source]["clusters"], surfaces[source]["clusters"]);
    EXPECT_EQ(surfaces[8 + source]["models"], surfaces[source]["models"]);
    EXPECT_NE(surfaces[6 + source]["learner"], surfaces[source]["learner"]);
  }
}

TEST_F(Operator, ARefitThatKnowsLessThanThePriorIsShownAndNotInstalled) {
  Start(BasicConfig(folder_,
                    "[learning.widths]\nmodel = 0.05\ntrust = 0.5\ncell = 0.1\nsource = 0.001\nsource_model = 0.1\n"
                    "source_cell = 0.06\ncommon = 0\n"));
  Bootstrap();
  Rate(150);
  const json source = Post("/v1/refit")["sources"][0];
  EXPECT_EQ(source["outcome"], "refused");
  EXPECT_GT(source["error"], 0.001);
  EXPECT_NE(source["message"].get<std::string>().find("known within 0.00 (0 gold labels"), std::string::npos) << source;
  EXPECT_EQ(source["version"], 0);
  EXPECT_TRUE(StopAndExport("BiasSurfaceInstalled").empty());
}

TEST_F(Operator, ProbesAreNotUndoneAndTheRefusalSaysWhatToDo) {
  Start(BasicConfig(folder_));
  Bootstrap();
  Post("/v1/models", {{"name", "third"}, {"input_usd_per_million", 1}, {"output_usd_per_million", 1}});
  json probes = json::array();
  for (int i = 0; i < 120; ++i) {
    const char* query = i % 2 == 0 ? "python function loop bug" : "recipe oven butter flour";
    probes.push_back({{"query", std::string(query) + " " + std::to_string(i)}, {"score", 0.5}});
  }
  Post("/v1/models/third/probes", {{"probes", probes}});
  const json refused = Post("/v1/undo", json::object(), 412);
  EXPECT_EQ(refused["reason"], "not_reversible");
  EXPECT_NE(refused["detail"].get<std::string>().find("`pointsman models retire third`"), std::string::npos) << refused;
}

TEST_F(Operator, AnExcludedSubjectCountsNoMoreAndASlipOfThePenExcludesNobody) {
  Start(BasicConfig(folder_));
  const std::string tenant = std::to_string(::getuid());
  const json alice = {{"subject", "alice"}, {"tenant", tenant}};
  Rate(20, "alice");
  Rate(5, "bob");
  EXPECT_EQ(Post("/v1/subjects/exclude", {{"subject", "alic"}, {"tenant", tenant}}, 404)["reason"], "unknown_subject");
  EXPECT_EQ(Post("/v1/subjects/exclude", {{"subject", "alice"}}, 400)["reason"], "no_tenant");
  EXPECT_EQ(Post("/v1/subjects/exclude", {{"subject", ""}, {"tenant", tenant}}, 400)["reason"], "no_tenant");
  EXPECT_EQ(Post("/v1/subjects/exclude", {{"subject", 7}}, 400)["reason"], "wrong_type");
  EXPECT_EQ(Ask("GET", "/status", {}, 200)["subjects"]["excluded"], 0);

  const json excluded = Post("/v1/subjects/exclude", alice);
  EXPECT_EQ(excluded["reports"], 40);
  EXPECT_EQ(excluded["before"], false);
  Rate(3, "alice");
  Rate(2, "bob");
  json status = Ask("GET", "/status", {}, 200);
  EXPECT_EQ(status["subjects"]["excluded"], 1);
  EXPECT_EQ(status["not_folded"], 6);
  EXPECT_EQ(Post("/v1/subjects/exclude", {{"subject", excluded["subject"]}})["before"], true) << "by its hash";
  EXPECT_EQ(Http(folder_.File("h.sock"), "POST", "/v1/subjects/exclude", alice.dump()).status, 403);
  EXPECT_EQ(StopAndExport("SubjectExcluded").size(), 1u);
}

TEST_F(Operator, AnExclusionIsTakenBackByIncludeOrUndoAndWhatWasSaidMeanwhileStaysOut) {
  Start(BasicConfig(folder_));
  const std::string tenant = std::to_string(::getuid());
  const json alice = {{"subject", "alice"}, {"tenant", tenant}};
  const auto not_folded = [&] { return Ask("GET", "/status", {}, 200)["not_folded"]; };
  Rate(4, "alice");
  EXPECT_EQ(Post("/v1/subjects/include", alice, 412)["reason"], "not_excluded");
  EXPECT_EQ(Post("/v1/subjects/include", {{"subject", "alice"}}, 400)["reason"], "no_tenant");
  EXPECT_EQ(Post("/v1/subjects/include", {{"subject", ""}, {"tenant", tenant}}, 400)["reason"], "no_tenant");
  EXPECT_EQ(Http(folder_.File("h.sock"), "POST", "/v1/subjects/include", alice.dump()).status, 403);
  Post("/v1/subjects/exclude", alice);
  Rate(3, "alice");
  EXPECT_EQ(not_folded(), 6);
  const json included = Post("/v1/subjects/include", alice);
  EXPECT_EQ(included["missed"], 6);
  Rate(2, "alice");
  EXPECT_EQ(not_folded(), 6) << "what came after it counts, what came before stays out";
  EXPECT_EQ(Ask("GET", "/status", {}, 200)["subjects"]["excluded"], 0);
  EXPECT_EQ(Post("/v1/subjects/include", alice, 412)["reason"], "not_excluded");

  EXPECT_NE(Post("/v1/undo")["undone"].get<std::string>().find("included again"), std::string::npos);
  EXPECT_EQ(Ask("GET", "/status", {}, 200)["subjects"]["excluded"], 1);
  const json undone = Post("/v1/undo");
  EXPECT_NE(undone["undone"].get<std::string>().find("was excluded"), std::string::npos) << undone;
  EXPECT_NE(undone["now"].get<std::string>().find("stays out"), std::string::npos) << undone;
  EXPECT_EQ(Ask("GET", "/status", {}, 200)["subjects"]["excluded"], 0);
  EXPECT_EQ(StopAndExport("SubjectIncluded").size(), 2u);
}

TEST_F(Operator, TheStoreIsCompactedWhileTheDaemonServesAndItsEndStopsThat) {
  Start(BasicConfig(folder_));
  std::atomic<bool> enough{false};
  std::atomic<int> compactions{0};
  std::thread compacting([&] {
    while (!enough) {
      const HttpAnswer answer = Http(daemon_->admin_path(), "POST", "/v1/compact", "{}");
      if (answer.status == 0) return;  // the daemon has ended
      // Another compaction is under way, or the daemon is stopping.
      if (answer.status == 200) {
        ++compactions;
      } else {
        EXPECT_TRUE(answer.status == 409 || answer.status == 503) << answer.body;
      }
    }
  });
  ASSERT_TRUE(Eventually([&] {
    Rate(20, "alice");
    return compactions >= 3;
  }));
  const Ran verb = RunProgram("pointsman", {"--admin-socket", daemon_->admin_path(), "compact", "--json"});
  const json report = json::parse(verb.out, nullptr, /*allow_exceptions=*/false);
  if (verb.exit == 0) {
    EXPECT_GT(report["bytes_before"], 0) << verb.out;
    EXPECT_GE(report["seconds"], 0) << verb.out;
  } else {
    EXPECT_EQ(verb.exit, 75) << verb.out;
  }
  EXPECT_EQ(Http(folder_.File("h.sock"), "POST", "/v1/compact", "{}").status, 403);
  daemon_->Kill(SIGTERM);
  EXPECT_EQ(daemon_->Wait(), 0) << daemon_->Log();
  enough = true;
  compacting.join();
  const Ran replay = RunProgram("pointsman", {"replay", "--verify", "--store", folder_.File("store")});
  EXPECT_EQ(replay.exit, 0) << replay.out;
}

TEST_F(Operator, ADaemonInWhichNoModelCanAnswerIsAliveAndNotReady) {
  Start("[store]\ndirectory = \"" + folder_.File("store") + "\"\n[sockets]\nroute = \"" + folder_.File("r.sock") +
        "\"\napi = \"" + folder_.File("h.sock") + "\"\nadmin = \"" + folder_.File("a.sock") + "\"\n");
  Ask("GET", "/health", {}, 200);
  EXPECT_EQ(Ask("GET", "/ready", {}, 503)["reason"], "no_model");
  Post("/v1/models", {{"name", "only"}, {"input_usd_per_million", 1}, {"output_usd_per_million", 1}});
  Ask("GET", "/ready", {}, 200);
  Post("/v1/models/only/state", {{"state", "draining"}});
  EXPECT_EQ(Ask("GET", "/ready", {}, 503)["reason"], "no_model");
  Post("/v1/undo");
  Ask("GET", "/ready", {}, 200);
  // Calls that fail in a row let a model rest.
  auto client = daemon_->Connect();
  ASSERT_TRUE(client.ok());
  for (int i = 0; i < 30; ++i) {
    wire::Route route;
    route.set_text("hello");
    auto routed = client->Call(route);
    ASSERT_TRUE(routed.ok());
    wire::Outcome outcome;
    outcome.set_token(routed->token());
    outcome.set_failed(true);
    ASSERT_TRUE(client->Call(outcome).ok());
  }
  EXPECT_TRUE(Eventually([&] {
    const HttpAnswer answer = Http(daemon_->admin_path(), "GET", "/ready");
    return answer.status == 503 && answer.body.find("no_healthy_model") != std::string::npos;
  }));
}

}  // namespace
}  // namespace pointsman::testing
