#include "clients/cpp/client.h"

#include "tests/daemon/transport/transport_support.h"

namespace pointsman::client {
namespace {

class ClientTest : public daemon::testing::TransportFixture {
 protected:
  Client Connected(int timeout_ms = daemon::testing::kPatienceMs) {
    auto client = Client::Connect({.socket_path = options.socket_path, .timeout_ms = timeout_ms});
    EXPECT_TRUE(client.ok()) << client.failure().message;
    return std::move(*client);
  }
};

TEST_F(ClientTest, CallsARouteAndReadsTheReply) {
  Start();
  Client client = Connected();
  wire::Route route;
  route.add_embedding(1);
  route.add_embedding(0);
  const auto reply = client.Call(route);
  ASSERT_TRUE(reply.ok()) << reply.failure().message;
  EXPECT_EQ(reply->model(), "model-of-2");
}

TEST_F(ClientTest, AReplyLargerThanTheFirstBufferArrivesWhole) {
  Start();
  Client client = Connected();
  for (const std::size_t size : {0U, 1U, 16'384U, 900'000U, 3U}) {
    wire::Ping ping;
    ping.set_payload(std::string(size, 'b'));
    const auto reply = client.Call(ping);
    ASSERT_TRUE(reply.ok()) << reply.failure().message;
    EXPECT_EQ(reply->payload(), ping.payload());
  }
}

TEST_F(ClientTest, ATypedErrorLeavesTheClientUsable) {
  Start();
  Client client = Connected();
  const auto reply = client.Call(wire::Retract());
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.failure().code, 4U);
  EXPECT_EQ(reply.failure().reason, "forged_or_foreign");
  EXPECT_FALSE(client.closed());
  EXPECT_TRUE(client.Call(wire::Ping()).ok());
}

TEST_F(ClientTest, APipelineKeepsTheOrderOfItsRequests) {
  Start();
  Client client = Connected();
  std::vector<wire::Route> routes(300);
  for (std::size_t i = 0; i < routes.size(); ++i) {
    for (std::size_t d = 0; d < i; ++d) routes[i].add_embedding(1);
  }
  const auto replies = client.Pipeline(routes);
  ASSERT_EQ(replies.size(), routes.size());
  for (std::size_t i = 0; i < replies.size(); ++i) {
    ASSERT_TRUE(replies[i].ok()) << replies[i].failure().message;
    EXPECT_EQ(replies[i]->model(), "model-of-" + std::to_string(i));
  }
  EXPECT_TRUE(client.Call(wire::Ping()).ok());
}

TEST_F(ClientTest, APipelineCarriesTheErrorOfEachRequestAndTheEndOfTheConnection) {
  Start();
  Client client = Connected();
  const auto dropped = client.Pipeline(std::vector<wire::Outcome>(3));
  ASSERT_EQ(dropped.size(), 3U);
  for (const auto& reply : dropped) {
    ASSERT_FALSE(reply.ok());
    EXPECT_EQ(reply.failure().reason, "reply_dropped");
  }
  transport->Stop(0);
  const auto lost = client.Pipeline(std::vector<wire::Route>(5));
  ASSERT_EQ(lost.size(), 5U);
  for (const auto& reply : lost) {
    ASSERT_FALSE(reply.ok());
    EXPECT_EQ(reply.failure().code, 11U);
  }
}

TEST_F(ClientTest, WithoutADaemonConnectSaysWhatToCheck) {
  const auto client = Client::Connect({.socket_path = options.socket_path});
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.failure().code, 11U);
  EXPECT_EQ(client.failure().reason, "not_reachable");
  EXPECT_NE(client.failure().message.find("pointsmand"), std::string::npos);
  EXPECT_EQ(Client::Connect({.socket_path = std::string(108, 'x')}).failure().code, 2U);
}

TEST_F(ClientTest, AnAnswerThatDoesNotComeIsATimeoutAndClosesTheClient) {
  Start();
  Client client = Connected(50);
  const auto reply = client.Call(wire::Rate());
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.failure().code, 12U);
  EXPECT_TRUE(client.closed());
  const auto again = client.Call(wire::Ping());
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.failure().reason, "closed");
}

TEST_F(ClientTest, ADaemonThatStopsIsReportedAsUnavailable) {
  Start();
  Client client = Connected();
  ASSERT_TRUE(client.Call(wire::Ping()).ok());
  transport->Stop(0);
  const auto reply = client.Call(wire::Ping());
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.failure().code, 11U);
  EXPECT_EQ(reply.failure().reason, "connection_lost");
  EXPECT_TRUE(client.closed());
}

TEST_F(ClientTest, ARefusedConnectionTellsItsReasonOnTheFirstCall) {
  options.peers.connections_per_uid_max = 1;
  Start();
  Client first = Connected();
  ASSERT_TRUE(first.Call(wire::Ping()).ok());
  Client second = Connected();
  const auto reply = second.Call(wire::Ping());
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.failure().code, 10U);
  EXPECT_EQ(reply.failure().reason, "too_many_connections_of_uid");
  EXPECT_EQ(reply.failure().retry_after_ms, 100U);
  EXPECT_TRUE(second.closed());
}

TEST_F(ClientTest, ARequestAboveTheFrameLimitIsRefusedByName) {
  Start();
  Client client = Connected();
  wire::Ping ping;
  ping.set_payload(std::string(2U << 20, 'x'));
  const auto reply = client.Call(ping);
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.failure().reason, "frame_too_large");
  EXPECT_TRUE(client.closed());
}

// Also in docs/WIRE.md and tests/store: both sides must agree.
TEST(TokenText, HasItsGoldenVectors) {
  std::string counting;
  for (int i = 0; i < 32; ++i) counting.push_back(static_cast<char>(i));
  const struct {
    std::string token;
    std::string text;
  } vectors[] = {
      {std::string(32, '\0'), "d1_" + std::string(52, 'a')},
      {std::string(32, '\xFF'), "d1_" + std::string(51, '7') + "q"},
      {counting, "d1_aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypq"},
  };
  for (const auto& vector : vectors) {
    EXPECT_EQ(TokenToText(vector.token), vector.text);
    EXPECT_EQ(TokenFromText(vector.text), vector.token);
  }
}

TEST(TokenText, MalformedTextGivesNothing) {
  const std::string good = "d1_" + std::string(52, 'a');
  EXPECT_EQ(TokenFromText(good).size(), 32U);
  EXPECT_EQ(TokenFromText(""), "");
  EXPECT_EQ(TokenFromText(good + "a"), "");
  EXPECT_EQ(TokenFromText(good.substr(0, 54)), "");
  EXPECT_EQ(TokenFromText("d2_" + std::string(52, 'a')), "");
  EXPECT_EQ(TokenFromText("d1_" + std::string(51, 'a') + "A"), "") << "upper case";
  EXPECT_EQ(TokenFromText("d1_" + std::string(51, 'a') + "b"), "") << "bits that carry nothing";
  EXPECT_EQ(TokenFromText("d1_" + std::string(51, 'a') + "1"), "");
  EXPECT_EQ(TokenToText("short"), "");
}

}  // namespace
}  // namespace pointsman::client
