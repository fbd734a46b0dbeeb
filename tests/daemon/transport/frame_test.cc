// The golden byte vectors of docs/WIRE.md, "Golden vectors".
#include "daemon/frame.h"

#include <gtest/gtest.h>

#include <string>

#include "daemon/error_reply.h"
#include "tests/daemon/transport/transport_support.h"

namespace pointsman::daemon::testing {
namespace {

std::string Hex(const std::string& bytes) {
  std::string text;
  for (const char byte : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    text.push_back(kDigits[static_cast<std::uint8_t>(byte) >> 4]);
    text.push_back(kDigits[static_cast<std::uint8_t>(byte) & 15]);
  }
  return text;
}

TEST(Frame, APingHasItsGoldenBytes) {
  EXPECT_EQ(Hex(PingBytes(0x0102030405060708ULL, "hello")),
            "07000000"  // 7 bytes of payload
            "01"
            "09"
            "0000"              // version, kind, flags
            "0807060504030201"  // correlation
            "0a0568656c6c6f");  // Ping{payload: "hello"}
}

TEST(Frame, ARouteWithFourFloatsHasItsGoldenBytes) {
  wire::Route route;
  for (const float value : {0.5F, -0.5F, 0.5F, 0.5F}) route.add_embedding(value);
  route.set_preset("balanced");
  EXPECT_EQ(Hex(FrameBytes(1, 1, route.SerializeAsString())),
            "1c000000"
            "01"
            "01"
            "0000"
            "0100000000000000"
            "1210"
            "0000003f"
            "000000bf"
            "0000003f"
            "0000003f"
            "1a08"
            "62616c616e636564");
}

TEST(Frame, AnErrorReplyHasItsGoldenBytes) {
  wire::ErrorReply reply;
  FillErrorReply(MakeError(Code::kResourceExhausted, "queue_full", "wait"), &reply);
  EXPECT_EQ(Hex(FrameBytes(255, 2, reply.SerializeAsString())),
            "18000000"
            "01"
            "ff"
            "0000"
            "0200000000000000"
            "080a"
            "120a"
            "71756575655f66756c6c"
            "1a04"
            "77616974"
            "2002"
            "2864");
}

TEST(Frame, AVoteAndItsReplyHaveTheirGoldenBytes) {
  wire::Vote vote;
  vote.set_token(std::string(32, '\x11'));
  vote.add_answers()->set_text("B");
  vote.add_answers()->set_text("(b)");
  vote.mutable_answers(1)->set_model("m");
  vote.set_kind("letter");
  std::string token;
  for (int i = 0; i < 32; ++i) token += "11";
  EXPECT_EQ(Hex(FrameBytes(10, 3, vote.SerializeAsString())),
            "39000000"
            "01"
            "0a"
            "0000"
            "0300000000000000"
            "0a20" + token +
            "12030a0142"
            "12080a0328622912016d"
            "1a066c6574746572");
  wire::VoteReply reply;
  reply.set_answer("B");
  reply.set_agreement(1);
  reply.add_groups()->add_answers(0);
  reply.mutable_groups(0)->add_answers(1);
  reply.set_kind("letter");
  EXPECT_EQ(Hex(FrameBytes(138, 3, reply.SerializeAsString())),
            "1a000000"
            "01"
            "8a"
            "0000"
            "0300000000000000"
            "120142"
            "21000000000000f03f"
            "32040a020001"
            "3a066c6574746572");
}

TEST(Frame, HeadersSurviveThereAndBack) {
  const FrameHeader header{.payload_bytes = 0xABCDE, .kind = FrameKind::kGold, .correlation = 0xF0E1D2C3B4A59687ULL};
  std::array<std::uint8_t, kFrameHeaderBytes> bytes{};
  EncodeFrameHeader(header, bytes);
  const auto decoded = DecodeFrameHeader(bytes, kFramePayloadBytesMax);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->payload_bytes, header.payload_bytes);
  EXPECT_EQ(decoded->kind, header.kind);
  EXPECT_EQ(decoded->correlation, header.correlation);
}

TEST(Frame, TheLengthIsComparedWithTheLimitAndNothingElse) {
  std::array<std::uint8_t, kFrameHeaderBytes> bytes{};
  EncodeFrameHeader({.payload_bytes = 100}, bytes);
  EXPECT_TRUE(DecodeFrameHeader(bytes, 100).ok());
  const auto refused = DecodeFrameHeader(bytes, 99);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kOutOfRange);
  EXPECT_EQ(refused.error().reason, "frame_too_large");
}

TEST(ErrorReply, CarriesTheRetryAdviceOfItsCode) {
  EXPECT_EQ(RetryAfterMs(Code::kInvalidArgument), 0U);
  EXPECT_EQ(RetryAfterMs(Code::kDeadlineExceeded), 0U);
  EXPECT_EQ(RetryAfterMs(Code::kResourceExhausted), 100U);
  EXPECT_EQ(RetryAfterMs(Code::kBusy), 250U);
  EXPECT_EQ(RetryAfterMs(Code::kUnavailable), 1000U);
}

}  // namespace
}  // namespace pointsman::daemon::testing
