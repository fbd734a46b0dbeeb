#include <sys/resource.h>

#include <thread>

#include "tests/daemon/transport/transport_support.h"

namespace pointsman::daemon::testing {
namespace {

class SessionTest : public TransportFixture {};

TEST_F(SessionTest, EchoesAPingWithItsCorrelationId) {
  Start();
  RawClient client(options.socket_path);
  ASSERT_TRUE(client.Send(PingBytes(0xFFFFFFFFFFFFFFFFULL, "payload")));
  const auto reply = client.Receive();
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->correlation, 0xFFFFFFFFFFFFFFFFULL);
  wire::Ping ping;
  ASSERT_TRUE(ping.ParseFromString(reply->payload));
  EXPECT_EQ(ping.payload(), "payload");
  EXPECT_EQ(dispatcher.last_uid, ::getuid());
}

TEST_F(SessionTest, AFrameSentByteByByteIsAnsweredLikeAWholeOne) {
  Start();
  RawClient client(options.socket_path);
  for (const char byte : PingBytes(7)) ASSERT_TRUE(client.Send(std::string_view(&byte, 1)));
  const auto reply = client.Receive();
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->correlation, 7U);
}

TEST_F(SessionTest, AFrameWithoutPayloadIsValid) {
  Start();
  RawClient client(options.socket_path);
  ASSERT_TRUE(client.Send(FrameBytes(9, 3, "")));
  const auto reply = client.Receive();
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->kind, 137);
  EXPECT_EQ(reply->payload, "");
}

TEST_F(SessionTest, TheLargestFrameIsTakenAndOneByteMoreIsRefusedThenClosed) {
  options.payload_bytes_max = 100'000;
  Start();
  RawClient client(options.socket_path);
  wire::Ping ping;
  ping.set_payload(std::string(100'000 - 4, 'x'));
  ASSERT_EQ(ping.ByteSizeLong(), 100'000U);
  ASSERT_TRUE(client.Send(FrameBytes(9, 1, ping.SerializeAsString())));
  const auto reply = client.Receive();
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->payload.size(), 100'000U);

  std::string announced = FrameBytes(9, 2, "");
  announced[0] = static_cast<char>(100'001 & 0xFF);
  announced[1] = static_cast<char>(100'001 >> 8 & 0xFF);
  announced[2] = static_cast<char>(100'001 >> 16);
  ASSERT_TRUE(client.Send(announced));
  const auto refused = client.Receive();
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->Error().code(), 3U);
  EXPECT_EQ(refused->Error().reason(), "frame_too_large");
  EXPECT_TRUE(client.AtEnd());
  EXPECT_EQ(Count().bad_frames, 1U);
}

TEST_F(SessionTest, ALengthOfFourGigabytesAllocatesNothing) {
  Start();
  RawClient client(options.socket_path);
  rusage before{};
  ::getrusage(RUSAGE_SELF, &before);
  std::string announced = FrameBytes(9, 2, "");
  announced.replace(0, 4, "\xFF\xFF\xFF\xFF");
  ASSERT_TRUE(client.Send(announced));
  const auto refused = client.Receive();
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->Error().reason(), "frame_too_large");
  EXPECT_TRUE(client.AtEnd());
  rusage after{};
  ::getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 64 * 1024) << "kilobytes of peak memory";
}

TEST_F(SessionTest, AnotherVersionOrUnknownFlagsAreAnsweredThenClosed) {
  Start();
  for (const std::size_t place : {4U, 6U}) {
    RawClient client(options.socket_path);
    std::string bytes = PingBytes(1);
    bytes[place] = 9;
    ASSERT_TRUE(client.Send(bytes));
    const auto refused = client.Receive();
    ASSERT_TRUE(refused.has_value());
    EXPECT_EQ(refused->correlation, 0U);
    EXPECT_EQ(refused->Error().code(), 2U);
    EXPECT_EQ(refused->Error().reason(), place == 4 ? "unknown_version" : "unknown_flags");
    EXPECT_EQ(refused->Error().retry(), 0U);
    EXPECT_TRUE(client.AtEnd());
  }
  EXPECT_EQ(Count().bad_frames, 2U);
  RawClient other(options.socket_path);
  ExpectPingWorks(other);
}

TEST_F(SessionTest, RequestsBeforeALostBoundaryAreStillAnswered) {
  Start();
  RawClient client(options.socket_path);
  ASSERT_TRUE(client.Send(PingBytes(1) + std::string(16, '\x7F') + PingBytes(2)));
  auto reply = client.Receive();
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->correlation, 1U);
  reply = client.Receive();
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->Error().reason(), "unknown_version");
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(SessionTest, AnUnknownKindIsAnsweredAndItsPayloadSkipped) {
  Start();
  RawClient client(options.socket_path);
  ASSERT_TRUE(
      client.Send(FrameBytes(77, 5, std::string(50'000, 'z')) + FrameBytes(0, 6, "") + FrameBytes(255, 7, "x")));
  for (const std::uint64_t correlation : {5U, 6U, 7U}) {
    const auto refused = client.Receive();
    ASSERT_TRUE(refused.has_value());
    EXPECT_EQ(refused->correlation, correlation);
    EXPECT_EQ(refused->Error().reason(), "unknown_kind");
  }
  ExpectPingWorks(client);
  EXPECT_EQ(Count().unknown_kinds, 3U);
}

TEST_F(SessionTest, ABadPayloadIsAnsweredAndTheConnectionLivesOn) {
  Start();
  RawClient client(options.socket_path);
  ASSERT_TRUE(client.Send(FrameBytes(1, 5, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF")));
  const auto refused = client.Receive();
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->correlation, 5U);
  EXPECT_EQ(refused->Error().reason(), "malformed_payload");
  ExpectPingWorks(client);
}

TEST_F(SessionTest, TenThousandPipelinedPingsAreAnsweredInOrderWithFewWrites) {
  Start();
  RawClient client(options.socket_path);
  constexpr std::uint64_t kPings = 10'000;
  std::thread sender([&client] {
    std::string bytes;
    for (std::uint64_t i = 0; i < kPings; ++i) bytes += PingBytes(i);
    EXPECT_TRUE(client.Send(bytes));
  });
  for (std::uint64_t i = 0; i < kPings; ++i) {
    const auto reply = client.Receive();
    if (!reply.has_value() || reply->correlation != i) {
      ADD_FAILURE() << "at reply " << i;
      break;
    }
  }
  sender.join();
  EXPECT_EQ(Count().frames_in, kPings);
  EXPECT_EQ(Count().replies, kPings);
}

TEST_F(SessionTest, AClientThatDoesNotReadIsNotReadFromAndThenClosed) {
  options.output_bytes_max = 64 * 1024;
  dispatcher.status_bytes = 16 * 1024;
  Start();
  RawClient client(options.socket_path);
  std::string requests;
  for (std::uint64_t i = 0; i < 1000; ++i) requests += FrameBytes(8, i, "");
  ASSERT_TRUE(client.Send(requests));
  ASSERT_TRUE(Eventually([this] { return Count().output_overflow >= 1; }));
  EXPECT_LT(Count().frames_in, 1000U) << "16 MB of replies wait for a reader";
  EXPECT_EQ(Count().connections_open, 1U);
  clock.Advance(4'900'000);
  RawClient other(options.socket_path);
  ExpectPingWorks(other);
  clock.Advance(200'000);
  ASSERT_TRUE(Eventually([this] { return Count().timeouts_output == 1; }));
  ExpectPingWorks(other);
}

TEST_F(SessionTest, AClientThatReadsSlowlyGetsEveryReply) {
  options.output_bytes_max = 64 * 1024;
  dispatcher.status_bytes = 16 * 1024;
  Start();
  RawClient client(options.socket_path);
  std::string requests;
  for (std::uint64_t i = 0; i < 1000; ++i) requests += FrameBytes(8, i, "");
  ASSERT_TRUE(client.Send(requests));
  ASSERT_TRUE(Eventually([this] { return Count().output_overflow >= 1; }));
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const auto reply = client.Receive();
    ASSERT_TRUE(reply.has_value()) << i;
    ASSERT_EQ(reply->correlation, i);
    ASSERT_GT(reply->payload.size(), 16U * 1024);
  }
}

TEST_F(SessionTest, AClientThatGoesInTheMiddleOfAReplyHarmsNobody) {
  dispatcher.status_bytes = 3 << 20;
  Start();
  {
    RawClient client(options.socket_path);
    ASSERT_TRUE(client.Send(FrameBytes(8, 1, "") + FrameBytes(8, 2, "")));
    ASSERT_TRUE(Eventually([this] { return Count().bytes_out > 0; }));
  }
  ASSERT_TRUE(Eventually([this] { return Count().connections_open == 0; }));
  EXPECT_GE(Count().replies_lost, 1U);
  RawClient other(options.socket_path);
  ExpectPingWorks(other);
}

TEST_F(SessionTest, AHalfSentFrameIsAnsweredAndClosedAtItsDeadline) {
  Start();
  RawClient header(options.socket_path);
  RawClient payload(options.socket_path);
  const std::string ping = PingBytes(1);
  ASSERT_TRUE(header.Send(ping.substr(0, 5)));
  ASSERT_TRUE(payload.Send(ping.substr(0, 18)));
  ASSERT_TRUE(Eventually([this] { return Count().bytes_in == 23; }));
  clock.Advance(2'100'000);
  auto refused = header.Receive();
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->Error().reason(), "frame_timeout");
  EXPECT_EQ(refused->Error().code(), 12U);
  EXPECT_TRUE(header.AtEnd());
  EXPECT_EQ(Count().timeouts_frame, 1U);
  clock.Advance(8'000'000);
  refused = payload.Receive();
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->Error().reason(), "frame_timeout");
  EXPECT_TRUE(payload.AtEnd());
  EXPECT_EQ(Count().timeouts_frame, 2U);
}

TEST_F(SessionTest, ADrippingClientDoesNotGainTimeByDripping) {
  Start();
  RawClient client(options.socket_path);
  const std::string ping = PingBytes(1, std::string(100, 'd'));
  ASSERT_TRUE(client.Send(ping.substr(0, 20)));
  std::uint64_t sent = 20;
  for (int second = 0; second < 10; ++second) {
    ASSERT_TRUE(Eventually([&] { return Count().bytes_in == sent; }));
    clock.Advance(990'000);
    ASSERT_TRUE(client.Send(ping.substr(sent, 1)));
    ++sent;
  }
  ASSERT_TRUE(Eventually([&] { return Count().bytes_in == sent; }));
  EXPECT_EQ(Count().timeouts_frame, 0U);
  clock.Advance(200'000);
  ASSERT_TRUE(client.Receive().has_value());
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(SessionTest, AHalfFrameThenTheEndIsCountedAndClosed) {
  Start();
  RawClient client(options.socket_path);
  ASSERT_TRUE(client.Send(PingBytes(1) + PingBytes(2).substr(0, 20)));
  client.EndSending();
  ASSERT_TRUE(client.Receive().has_value());
  EXPECT_TRUE(client.AtEnd());
  EXPECT_EQ(Count().bad_frames, 1U);
  EXPECT_EQ(Count().frames_in, 1U);
}

TEST_F(SessionTest, IdleConnectionsStayByDefaultAndEndWhenConfigured) {
  options.idle_ms = 60'000;
  Start();
  RawClient client(options.socket_path);
  ExpectPingWorks(client);
  RawClient owed(options.socket_path);
  ASSERT_TRUE(owed.Send(FrameBytes(4, 1, "")));
  ASSERT_TRUE(Eventually([this] { return dispatcher.held() == 1; }));
  clock.Advance(60'100'000);
  EXPECT_TRUE(client.AtEnd());
  EXPECT_EQ(Count().timeouts_idle, 1U);
  dispatcher.Take(0)->Send(wire::Ack());
  EXPECT_TRUE(owed.Receive().has_value()) << "a connection that waits for its reply is not idle";
  EXPECT_EQ(TransportOptions().idle_ms, 0);
}

TEST_F(SessionTest, LateRepliesOvertakeEachOtherAndQuickOnes) {
  Start();
  RawClient client(options.socket_path);
  ASSERT_TRUE(client.Send(FrameBytes(4, 1, "") + FrameBytes(4, 2, "") + PingBytes(3)));
  EXPECT_EQ(client.Receive()->correlation, 3U);
  ASSERT_TRUE(Eventually([this] { return dispatcher.held() == 2; }));
  wire::Ack ack;
  ack.set_sequence(42);
  dispatcher.Take(1)->Send(ack);
  auto reply = client.Receive();
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->correlation, 2U);
  EXPECT_EQ(reply->kind, 4 + 128);
  ASSERT_TRUE(ack.ParseFromString(reply->payload));
  EXPECT_EQ(ack.sequence(), 42U);
  dispatcher.Take(0)->Fail(MakeError(Code::kUnavailable, "storage_full", "free some space"));
  reply = client.Receive();
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->correlation, 1U);
  EXPECT_EQ(reply->Error().code(), 11U);
  EXPECT_EQ(reply->Error().retry(), 2U);
  EXPECT_EQ(reply->Error().retry_after_ms(), 1000U);
}

TEST_F(SessionTest, ADroppedLateReplyBecomesInternal) {
  Start();
  RawClient client(options.socket_path);
  ASSERT_TRUE(client.Send(FrameBytes(3, 9, "")));
  const auto reply = client.Receive();
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->correlation, 9U);
  EXPECT_EQ(reply->Error().code(), 14U);
  EXPECT_EQ(reply->Error().reason(), "reply_dropped");
  EXPECT_EQ(Count().late_dropped, 1U);
}

TEST_F(SessionTest, AThrowingOrSilentServiceCostsOneRequestOnly) {
  Start();
  RawClient client(options.socket_path);
  ASSERT_TRUE(client.Send(FrameBytes(6, 1, "") + FrameBytes(5, 2, "")));
  auto reply = client.Receive();
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->Error().reason(), "handler_failed");
  reply = client.Receive();
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->Error().reason(), "no_reply");
  EXPECT_EQ(Count().handler_exceptions, 1U);
  ExpectPingWorks(client);
}

TEST_F(SessionTest, MoreThanSixtyFourOwedRepliesAreRefusedBeforeTheServiceSeesThem) {
  Start();
  RawClient client(options.socket_path);
  std::string bytes;
  for (std::uint64_t i = 0; i < 65; ++i) bytes += FrameBytes(4, i, "");
  ASSERT_TRUE(client.Send(bytes));
  const auto refused = client.Receive();
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->correlation, 64U);
  EXPECT_EQ(refused->Error().code(), 10U);
  EXPECT_EQ(refused->Error().reason(), "too_many_in_flight");
  EXPECT_EQ(refused->Error().retry(), 2U);
  EXPECT_EQ(dispatcher.held(), 64U);
  dispatcher.Take(0)->Send(wire::Ack());
  EXPECT_EQ(client.Receive()->correlation, 0U);
  ASSERT_TRUE(client.Send(FrameBytes(4, 99, "")));
  ASSERT_TRUE(Eventually([this] { return dispatcher.held() == 64; }));
}

TEST_F(SessionTest, AnAnswerForAClientThatHasGoneGoesNowhere) {
  Start();
  {
    RawClient client(options.socket_path);
    ASSERT_TRUE(client.Send(FrameBytes(4, 1, "") + FrameBytes(4, 2, "")));
    ASSERT_TRUE(Eventually([this] { return dispatcher.held() == 2; }));
  }
  dispatcher.Take(0)->Send(wire::Ack());
  dispatcher.Take(0)->Send(wire::Ack());
  ASSERT_TRUE(Eventually([this] { return Count().connections_open == 0; }));
  transport.reset();
}

TEST_F(SessionTest, AReplyAboveTheLimitBecomesATypedError) {
  options.reply_bytes_max = 10'000;
  dispatcher.status_bytes = 20'000;
  Start();
  RawClient client(options.socket_path);
  ASSERT_TRUE(client.Send(FrameBytes(8, 1, "")));
  const auto reply = client.Receive();
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->Error().reason(), "reply_too_large");
  ExpectPingWorks(client);
}

TEST_F(SessionTest, AForgerLosesItsFeedbackAndNewConnectionsButNotItsRoutes) {
  options.peers.offences_max = 3;
  Start();
  RawClient client(options.socket_path);
  std::string bytes;
  for (std::uint64_t i = 0; i < 4; ++i) bytes += FrameBytes(7, i, "");
  ASSERT_TRUE(client.Send(bytes));
  for (std::uint64_t i = 0; i < 3; ++i) EXPECT_EQ(client.Receive()->Error().reason(), "forged_or_foreign");
  EXPECT_EQ(client.Receive()->Error().reason(), "penalised");
  ExpectPingWorks(client);
  RawClient other(options.socket_path);
  const auto refused = other.Receive();
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->Error().reason(), "penalised");
  EXPECT_EQ(Count().refused_penalty, 1U);
  clock.Advance(1'000'000);
  RawClient later(options.socket_path);
  ExpectPingWorks(later);
}

}  // namespace
}  // namespace pointsman::daemon::testing
