// The HTTP API of a real daemon: what a service and an administrator do with it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/end_to_end/daemon_process.h"

namespace pointsman::testing {
namespace {

using nlohmann::json;

class Api : public ::testing::Test {
 protected:
  void SetUp() override {
    daemon_.emplace(folder_, BasicConfig(folder_, ""));
    ASSERT_TRUE(daemon_->Ready()) << daemon_->Log();
  }
  // A good answer of the API socket, or of the admin socket.
  json Service(const std::string& method, const std::string& path, const std::string& body = "") {
    return Good(Http(folder_.File("h.sock"), method, path, body), path);
  }
  json Admin(const std::string& method, const std::string& path, const std::string& body = "") {
    return Good(Http(folder_.File("a.sock"), method, path, body), path);
  }
  std::string Reason(const HttpAnswer& answer) {
    const json body = json::parse(answer.body, nullptr, false);
    return body.is_object() ? body.value("reason", "") : answer.body;
  }
  static json Good(const HttpAnswer& answer, const std::string& path) {
    EXPECT_EQ(answer.status, 200) << path << answer.body;
    return json::parse(answer.body, nullptr, false);
  }

  Folder folder_;
  std::optional<DaemonProcess> daemon_;
};

TEST_F(Api, AServiceRoutesReportsAndRatesOverHttp) {
  const json decision = Service("POST", "/v1/route", R"({"text":"What is 2 + 2?","preset":"quality","explain":3})");
  const std::string token = decision["token"];
  EXPECT_EQ(token.size(), 55u);
  EXPECT_EQ(decision["ranked"].size(), 2u);
  const std::string about = R"({"token":")" + token + "\",";
  EXPECT_EQ(Service("POST", "/v1/outcome", about + R"("tokens_out":12,"latency_ms":3.5,"verdict":"too_weak"})")["code"],
            "OK");
  const std::string rating = about + R"("source":"thumbs","value":true,"subject":"alice"})";
  EXPECT_EQ(Service("POST", "/v1/feedback", rating)["durability"], "synced");
  EXPECT_EQ(Service("POST", "/v1/feedback", rating)["code"], "DUPLICATE_OK");
  EXPECT_EQ(Service("POST", "/v1/feedback", about + R"("source":"gold","value":0.5})")["code"], "OK");
  const json other = Service("POST", "/v1/route", R"({"messages":[{"role":"user","content":"And 3 + 3?"}]})");
  EXPECT_EQ(Service("POST", "/v1/feedback",
                    R"({"winner":")" + token + R"(","loser":")" + other["token"].get<std::string>() +
                        R"(","source":"judge"})")["code"],
            "OK");
  EXPECT_EQ(Service("POST", "/v1/retract", about + R"("source":"thumbs","subject":"alice","revision":1})")["code"],
            "OK");
  EXPECT_EQ(
      Service("POST", "/v1/vote", about + R"("answers":[{"text":"B"},{"text":"b."}],"kind":"letter"})")["agreement"],
      1.0);
  const json batch = Service("POST", "/v1/route/batch", R"({"routes":[{"text":"a"},{"preset":"cost"}]})");
  EXPECT_TRUE(batch["items"][0]["reply"]["token"].is_string());
  EXPECT_EQ(batch["items"][1]["error"]["reason"], "empty_query");
  const json explained = Admin("GET", "/v1/explain/" + token);
  EXPECT_EQ(explained["tokens_out"], 12);
  EXPECT_EQ(explained["channels"].size(), 2u);
}

TEST_F(Api, WhatTheFramesRefuseHttpRefusesWithTheSameReason) {
  const std::string api = folder_.File("h.sock");
  const auto refused = [&](const std::string& path, const std::string& body, int status, const std::string& reason) {
    const HttpAnswer answer = Http(api, "POST", path, body);
    EXPECT_EQ(answer.status, status) << path << body << answer.body;
    EXPECT_EQ(Reason(answer), reason) << body;
  };
  refused("/v1/route", "{}", 400, "empty_query");
  refused("/v1/route", R"({"text":"x","quality_floor":3})", 422, "quality_floor");
  refused("/v1/route", R"({"text":"x","allowed":["nobody"]})", 404, "unknown_model");
  refused("/v1/outcome", R"({"token":"d1_nonsense"})", 400, "malformed_token");
  refused("/v1/outcome", R"({"token":"d1_)" + std::string(52, 'a') + R"("})", 400, "malformed_token");
  const std::string token = Service("POST", "/v1/route", R"({"text":"x","tenant":"acme"})")["token"];
  refused("/v1/feedback", R"({"token":")" + token + R"(","source":"thumbs","value":1})", 404, "forged_or_foreign");
  const std::string about = R"({"tenant":"acme","token":")" + token + "\",";
  refused("/v1/feedback", about + R"("source":"thumbs","value":7})", 422, "value");
  refused("/v1/feedback", about + R"("source":"tarot","value":1})", 404, "unknown_source");
  refused("/v1/feedback", about + R"("source":"gold","value":1,"subject":"a"})", 400, "gold_subject");
  refused("/v1/outcome", about + R"("verdict":"sublime"})", 400, "verdict");
  EXPECT_EQ(Http(api, "POST", "/v1/gold", "{}").status, 403);
  EXPECT_EQ(Http(api, "POST", "/v1/undo", "{}").status, 403);
  EXPECT_EQ(Http(api, "GET", "/").status, 403);
}

TEST_F(Api, TheGoldQueueGivesWhatAsksForALabelAndTakesIt) {
  // Of the first decisions one in a hundred is an audit and some more ask for gold.
  for (int i = 0; i < 300; ++i) Service("POST", "/v1/route", R"({"text":"question"})");
  json queue = Admin("GET", "/v1/gold/next")["decisions"];
  ASSERT_FALSE(queue.empty());
  for (const json& task : queue) {
    EXPECT_GT(task["gold_probability"], 0);
    EXPECT_GT(task["worth"], 0) << "two models of which nothing is known";
  }
  EXPECT_EQ(Admin("GET", "/v1/gold/next")["decisions"], queue) << "the order is drawn once";
  const std::string decision = queue[0]["decision"];
  const std::string label = R"({"decision":")" + decision + R"(","value":1})";
  EXPECT_EQ(Admin("POST", "/v1/gold", label)["code"], "OK");
  EXPECT_EQ(Admin("POST", "/v1/gold", label)["code"], "DUPLICATE_OK");
  queue = Admin("GET", "/v1/gold/next")["decisions"];
  for (const json& task : queue) EXPECT_NE(task["decision"], decision);
  const std::string admin = folder_.File("a.sock");
  EXPECT_EQ(Reason(Http(admin, "POST", "/v1/gold", R"({"decision":")" + decision + R"(","value":0})")),
            "revision_conflict");
  EXPECT_EQ(Reason(Http(admin, "POST", "/v1/gold", R"({"decision":"xyz","value":0})")), "bad_decision");
  EXPECT_EQ(Reason(Http(admin, "POST", "/v1/gold", R"({"decision":")" + decision + R"(","value":2})")), "value");
  EXPECT_EQ(Http(admin, "POST", "/v1/gold", R"({"decision":")" + std::string(32, '0') + R"(","value":0})").status, 404);
  const json traffic = Admin("GET", "/v1/traffic");
  EXPECT_EQ(traffic["decisions"], 300);
  EXPECT_EQ(traffic["models"].size(), 2u);
  EXPECT_EQ(traffic["dearest"]["model"], "large");
}

TEST_F(Api, StatusTellsHowMuchMemoryTheDaemonHasAsTheSystemDoes) {
  const json memory = Admin("GET", "/status")["memory"];
  std::ifstream statm("/proc/" + std::to_string(daemon_->pid()) + "/statm");
  double size = 0;
  double resident = 0;
  ASSERT_TRUE(statm >> size >> resident);
  resident *= static_cast<double>(::sysconf(_SC_PAGESIZE));
  EXPECT_NEAR(memory["resident_bytes"].get<double>(), resident, 0.2 * resident);
  EXPECT_GT(memory["memtable_bytes"], 0);
  EXPECT_LT(memory["memtable_bytes"], memory["resident_bytes"]);
  const std::string metrics = Http(folder_.File("a.sock"), "GET", "/metrics").body;
  EXPECT_NE(metrics.find("\npointsman_memory_resident_bytes "), std::string::npos);
}

TEST_F(Api, UndoReversesTheLastChangeOfAnOperatorAndItself) {
  const std::string admin = folder_.File("a.sock");
  EXPECT_EQ(Reason(Http(admin, "POST", "/v1/undo", "{}")), "nothing_to_undo");
  const auto price = [&] {
    const json answer = Admin("GET", "/v1/models");
    for (const json& model : answer["models"]) {
      if (model["name"] == "small") return model["price"]["input_usd_per_million"].get<double>();
    }
    return -1.0;
  };
  Admin("POST", "/v1/models/small/price", R"({"input_usd_per_million":5,"output_usd_per_million":6})");
  EXPECT_EQ(price(), 5);
  const json undone = Admin("POST", "/v1/undo", "{}");
  EXPECT_EQ(undone["undone"], "the price of small was changed");
  EXPECT_EQ(price(), 0.1);
  Admin("POST", "/v1/undo", "{}");
  EXPECT_EQ(price(), 5);
  Admin("POST", "/v1/learning", R"({"frozen":true})");
  Admin("POST", "/v1/undo");
  EXPECT_EQ(Admin("GET", "/status")["frozen"], false);
  Admin("POST", "/v1/models/large/state", R"({"state":"draining"})");
  EXPECT_EQ(Admin("POST", "/v1/undo")["now"], "large is active");
  Admin("POST", "/v1/models", R"({"name":"third","input_usd_per_million":1,"output_usd_per_million":1})");
  EXPECT_EQ(Admin("POST", "/v1/undo")["now"], "third is retired");
  EXPECT_EQ(Reason(Http(admin, "POST", "/v1/undo", "{}")), "not_reversible");
}

}  // namespace
}  // namespace pointsman::testing
