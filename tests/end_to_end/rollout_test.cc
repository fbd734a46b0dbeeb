// Rollouts of a real daemon: a canary that is seen everywhere, an apprentice that takes
// over when it is better and not before, and what-if over the socket.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/unit_draw.h"
#include "tests/crash/audit.h"
#include "tests/end_to_end/daemon_process.h"

namespace pointsman::testing {
namespace {

using nlohmann::json;

constexpr std::uint64_t kSeed = 20'261'123;

class RolloutOf : public ::testing::Test {
 protected:
  void Start(const std::string& more, const std::string& learning = "") {
    daemon_.reset();
    std::string config = BasicConfig(folder_, more);
    const std::string sources = "sources = [\"thumbs\", \"judge\"]\n";
    config.replace(config.find(sources), sources.size(), sources + learning);
    daemon_.emplace(folder_, config);
    ASSERT_TRUE(daemon_->Ready()) << daemon_->Log();
  }
  void Stop() {
    daemon_->Kill(SIGTERM);
    ASSERT_EQ(daemon_->Wait(), 0) << daemon_->Log();
  }
  HttpAnswer Ask(const std::string& method, const std::string& path, const std::string& body = "") {
    return Http(folder_.File("a.sock"), method, path, body);
  }
  json Good(const std::string& method, const std::string& path, const std::string& body = "") {
    const HttpAnswer answer = Ask(method, path, body);
    EXPECT_EQ(answer.status, 200) << path << answer.body;
    return json::parse(answer.body, nullptr, false);
  }
  std::string Reason(const HttpAnswer& answer) {
    const json body = json::parse(answer.body, nullptr, false);
    return body.is_object() ? body.value("reason", "") : answer.body;
  }
  std::vector<wire::RouteReply> RouteMany(client::Client& client, int count) {
    wire::RouteBatch request;
    for (int i = 0; i < count; ++i) {
      wire::Route* route = request.add_routes();
      route->set_text("query");
      route->mutable_weights()->set_quality(1);
      route->mutable_weights()->set_cost(0);
    }
    const auto replies = client.Call(request);
    EXPECT_TRUE(replies.ok());
    std::vector<wire::RouteReply> out;
    for (const auto& item : replies->items()) out.push_back(item.reply());
    return out;
  }
  // Routes and gives gold to whatever asked for it: "large" is right in `large` of the cases, "small" in `small`.
  void Live(client::Client& client, int count, double small, double large) {
    std::vector<wire::Gold> labels;
    for (const auto& reply : RouteMany(client, count)) {
      if (!reply.gold_wanted()) continue;
      wire::Gold& gold = labels.emplace_back();
      gold.set_token(reply.token());
      gold.set_value(random_.Unit() < (reply.model() == "large" ? large : small) ? 1 : 0);
    }
    for (const auto& stored : client.Pipeline(labels)) ASSERT_TRUE(stored.ok()) << stored.failure().message;
    // The next routes shall know of it.
    ASSERT_TRUE(Eventually([&] {
      const json status = Good("GET", "/status");
      return status["learned_sequence"] == status["last_sequence"];
    }));
  }

  Folder folder_;
  std::optional<DaemonProcess> daemon_;
  SplitMix64 random_{kSeed};
};

TEST_F(RolloutOf, ACanaryIsSetByAVerbSeenEverywhereOutlivesARestartAndIsUndone) {
  Start("");
  EXPECT_EQ(Good("GET", "/v1/rollout")["mode"], "full");
  EXPECT_EQ(Reason(Ask("POST", "/v1/rollout", R"({"mode":"canary","incumbent":"nobody"})")), "unknown_model");
  EXPECT_EQ(Reason(Ask("POST", "/v1/rollout", R"({"mode":"apprentice","share":1,"incumbent":"large"})")),
            "rollout_share");
  EXPECT_EQ(Http(folder_.File("h.sock"), "POST", "/v1/rollout", R"({"mode":"full"})").status, 403);
  const json set = Good("POST", "/v1/rollout", R"({"mode":"canary","share":0.25,"incumbent":"large"})");
  EXPECT_EQ(set["set_by"], "operator");
  auto client = daemon_->Connect();
  ASSERT_TRUE(client.ok());
  constexpr int kCount = 240;
  int followed = 0;
  std::string token;
  for (const auto& reply : RouteMany(*client, kCount)) {
    if (!reply.followed()) continue;
    ++followed;
    EXPECT_EQ(reply.model(), "large");
    EXPECT_GE(reply.propensity(), .75);
    token = reply.token();
  }
  EXPECT_NEAR(followed, .75 * kCount, 5 * std::sqrt(.25 * .75 * kCount));
  json rollout;
  ASSERT_TRUE(Eventually([&] {
    rollout = Good("GET", "/status")["rollout"];
    return rollout["routed"].get<int>() + rollout["followed"].get<int>() == kCount;
  })) << rollout;
  EXPECT_EQ(rollout["followed"], followed);
  const std::string metrics = Ask("GET", "/metrics").body;
  EXPECT_NE(metrics.find("pointsman_rollout_router_share 0.25"), std::string::npos);
  EXPECT_NE(metrics.find("pointsman_rollout_mode{mode=\"canary\"} 1"), std::string::npos);
  EXPECT_NE(metrics.find("pointsman_rollout_decisions_total{followed=\"incumbent\"} " + std::to_string(followed)),
            std::string::npos);
  std::string id;
  for (const char byte : token.substr(0, 16)) {
    constexpr char kDigits[] = "0123456789abcdef";
    id += kDigits[static_cast<std::uint8_t>(byte) >> 4];
    id += kDigits[static_cast<std::uint8_t>(byte) & 15];
  }
  const json why = Good("GET", "/v1/explain/" + id);
  EXPECT_EQ(why["incumbent"], "large");
  EXPECT_EQ(why["followed"], true);
  EXPECT_EQ(why["router_share"], .25);

  Stop();
  Start("[rollout]\nmode = \"canary\"\nshare = 0.5\nincumbent = \"small\"\n");
  rollout = Good("GET", "/v1/rollout");
  EXPECT_EQ(rollout["share"], .25) << "what an operator set stays";
  EXPECT_EQ(rollout["followed"], followed);
  EXPECT_NE(daemon_->Log().find("[rollout] in the configuration differs"), std::string::npos) << daemon_->Log();
  const json undone = Good("POST", "/v1/undo", "{}");
  EXPECT_EQ(undone["undone"], "the rollout was changed");
  EXPECT_EQ(Good("GET", "/v1/rollout")["mode"], "full");
  EXPECT_EQ(Good("POST", "/v1/undo", "{}")["now"], "canary: 25 % of the decisions are the router's");
}

TEST_F(RolloutOf, TheConfigurationsRolloutIsTakenAndFollowsItsChanges) {
  Start("[rollout]\nmode = \"canary\"\nshare = 0\nincumbent = \"large\"\n");
  auto client = daemon_->Connect();
  ASSERT_TRUE(client.ok());
  for (const auto& reply : RouteMany(*client, 50)) EXPECT_EQ(reply.model(), "large");
  EXPECT_EQ(Good("GET", "/v1/rollout")["set_by"], "config");
  Stop();
  Start("");
  EXPECT_EQ(Good("GET", "/v1/rollout")["mode"], "full") << "the section went away";
}

TEST_F(RolloutOf, AnApprenticeThatIsBetterTakesOverForGood) {
  const std::string apprentice = "[rollout]\nmode = \"apprentice\"\nshare = 0.5\nincumbent = \"small\"\n";
  Start(apprentice, "gold_rate = 1\n");
  auto client = daemon_->Connect();
  ASSERT_TRUE(client.ok());
  json rollout;
  for (int round = 0; round < 10; ++round) {
    Live(*client, 100, .3, .9);
    if (HasFatalFailure()) return;
  }
  ASSERT_TRUE(Eventually([&] {
    rollout = Good("GET", "/v1/rollout");
    return rollout["mode"] == "full";
  })) << rollout;
  EXPECT_EQ(rollout["set_by"], "learner");
  EXPECT_NE(rollout["reason"].get<std::string>().find("more than the incumbent's"), std::string::npos) << rollout;
  EXPECT_GT(rollout["look"]["gain"].get<double>(), .3);
  EXPECT_LE(rollout["look"]["chance"].get<double>(), rollout["look"]["level"].get<double>());
  for (const auto& reply : RouteMany(*client, 50)) EXPECT_FALSE(reply.followed());

  // The same log, asked over the socket.
  const json large = Good("POST", "/v1/whatif", R"({"model":"large"})");
  EXPECT_NEAR(large["dr"]["value"].get<double>(), .9, .1);
  EXPECT_EQ(Reason(Ask("POST", "/v1/whatif", R"({"events":0})")), "events");
  EXPECT_EQ(Reason(Ask("POST", "/v1/whatif", R"({"model":"nobody"})")), "unknown_model");
  std::ofstream(folder_.File("p.toml")) << "model = \"large\"\n";
  const Ran ran = RunProgram(
      "pointsman", {"whatif", "--policy", folder_.File("p.toml"), "--admin-socket", folder_.File("a.sock"), "--json"});
  EXPECT_EQ(ran.exit, 0) << ran.out;
  EXPECT_EQ(json::parse(ran.out, nullptr, false)["dr"], Good("POST", "/v1/whatif", R"({"model":"large"})")["dr"]);

  Stop();
  Start(apprentice, "gold_rate = 1\n");
  EXPECT_EQ(Good("GET", "/v1/rollout")["mode"], "full") << "what the learner decided stays";
}

TEST_F(RolloutOf, AnApprenticeThatIsNoBetterFollowsOn) {
  Start("[rollout]\nmode = \"apprentice\"\nshare = 0.5\nincumbent = \"large\"\n", "gold_rate = 1\n");
  auto client = daemon_->Connect();
  ASSERT_TRUE(client.ok());
  for (int round = 0; round < 7; ++round) {
    Live(*client, 100, .4, .8);  // the router can only learn to do as the incumbent does
    if (HasFatalFailure()) return;
  }
  json rollout;
  ASSERT_TRUE(Eventually([&] {
    rollout = Good("GET", "/v1/rollout");
    return rollout["look"]["number"].get<int>() >= 1;
  })) << rollout;
  EXPECT_EQ(rollout["mode"], "apprentice") << rollout;
  EXPECT_GT(rollout["next_look_labels"].get<int>(), rollout["labels"].get<int>());
}

}  // namespace
}  // namespace pointsman::testing
