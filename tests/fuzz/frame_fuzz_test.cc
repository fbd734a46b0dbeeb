// Runs the frame target on a seeded corpus and mutations of it, and the same
// streams against a real socket. POINTSMAN_FUZZ_RUNS and POINTSMAN_FUZZ_SEED
// change how many and which.
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/unit_draw.h"
#include "tests/daemon/transport/transport_support.h"
#include "tests/fuzz/frame_target.h"

namespace pointsman::fuzz {
namespace {

using daemon::testing::FrameBytes;

std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

std::vector<std::string> Corpus() {
  wire::Route route;
  for (int i = 0; i < 8; ++i) route.add_embedding(0.35F);
  route.set_preset("balanced");
  route.add_allowed("model-a");
  route.mutable_weights()->set_quality(1);
  wire::Route text;
  text.set_text("What is 2 + 2?");
  wire::RouteBatch batch;
  *batch.add_routes() = route;
  *batch.add_routes() = text;
  wire::Rate rate;
  rate.set_token(std::string(32, '\x01'));
  rate.set_source("thumbs");
  rate.set_value(1);
  wire::Outcome outcome;
  outcome.set_token(std::string(32, '\x02'));
  outcome.set_cost_usd(0.5);
  wire::Prefer prefer;
  prefer.set_winner(std::string(32, '\x03'));
  wire::Gold gold;
  gold.set_value(0.5);
  wire::Retract retract;
  retract.set_source("gold");
  const std::vector<std::string> single = {
      FrameBytes(1, 1, route.SerializeAsString()),
      FrameBytes(1, 2, text.SerializeAsString()),
      FrameBytes(2, 3, batch.SerializeAsString()),
      FrameBytes(3, 4, outcome.SerializeAsString()),
      FrameBytes(4, 5, rate.SerializeAsString()),
      FrameBytes(5, 6, prefer.SerializeAsString()),
      FrameBytes(6, 7, gold.SerializeAsString()),
      FrameBytes(7, 8, retract.SerializeAsString()),
      FrameBytes(8, 9, ""),
      daemon::testing::PingBytes(10),
      FrameBytes(200, 11, "unknown kind"),
      FrameBytes(1, 12, std::string(64, '\xFF')),
      FrameBytes(1, 13, "\x12\xFF\xFF\xFF\xFF\x0F"),  // a length of 4 GiB inside the payload
  };
  std::vector<std::string> corpus = single;
  std::string all;
  for (const auto& frame : single) all += frame;
  corpus.push_back(all);
  return corpus;
}

std::string Mutate(std::string bytes, const std::vector<std::string>& corpus, SplitMix64& random) {
  const std::uint64_t changes = 1 + random.Below(6);
  for (std::uint64_t i = 0; i < changes && !bytes.empty(); ++i) {
    const auto place = static_cast<std::size_t>(random.Below(bytes.size()));
    constexpr char kCorners[] = {'\x00', '\x01', '\x7F', '\x80', '\xFF'};
    switch (random.Below(6)) {
      case 0: bytes[place] = static_cast<char>(bytes[place] ^ (1 << random.Below(8))); break;
      case 1: bytes[place] = kCorners[random.Below(5)]; break;
      case 2: bytes.erase(place, 1 + random.Below(8)); break;
      case 3: bytes.insert(place, bytes.substr(place, 1 + random.Below(32))); break;
      case 4: bytes.resize(place); break;
      case 5: bytes += corpus[random.Below(corpus.size())]; break;
    }
  }
  return bytes;
}

TEST(FrameFuzz, TheCorpusItselfIsReadToItsEnd) {
  const auto corpus = Corpus();
  const std::string& all = corpus.back();
  EXPECT_EQ(FeedStream({reinterpret_cast<const std::uint8_t*>(all.data()), all.size()}), corpus.size() - 1);
}

TEST(FrameFuzz, NoMutationBreaksDecoderOrMessages) {
  const std::uint64_t seed = FromEnvironment("POINTSMAN_FUZZ_SEED", 20);
  const std::uint64_t runs = FromEnvironment("POINTSMAN_FUZZ_RUNS", 50'000);
  SCOPED_TRACE("seed " + std::to_string(seed));
  const auto corpus = Corpus();
  SplitMix64 random(seed);
  std::size_t frames = 0;
  for (std::uint64_t i = 0; i < runs; ++i) {
    const std::string bytes = Mutate(corpus[random.Below(corpus.size())], corpus, random);
    frames += FeedStream({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  }
  EXPECT_GT(frames, runs / 10) << "mutations that never reach a payload test nothing";
}

class SocketFuzz : public daemon::testing::TransportFixture {};

TEST_F(SocketFuzz, NoMutationStopsADaemonFromServingOthers) {
  const std::uint64_t seed = FromEnvironment("POINTSMAN_FUZZ_SEED", 21);
  const std::uint64_t runs = FromEnvironment("POINTSMAN_FUZZ_RUNS", 1'000);
  SCOPED_TRACE("seed " + std::to_string(seed));
  options.peers.offences_max = 1'000'000;
  Start();
  daemon::testing::RawClient steady(options.socket_path);
  const auto corpus = Corpus();
  SplitMix64 random(seed);
  for (std::uint64_t i = 0; i < runs; ++i) {
    const std::string bytes = Mutate(corpus[random.Below(corpus.size())], corpus, random);
    daemon::testing::RawClient client(options.socket_path);
    client.SendSome(bytes);
    if (random.Below(2) == 0) {
      // Whatever it was: it is answered or the stream ends; nothing hangs.
      client.EndSending();
      while (dispatcher.held() > 0) dispatcher.Take(0)->Send(wire::Ack());
    }
    if (i % 50 == 0) ExpectPingWorks(steady, i);
  }
  steady.Close();
  ASSERT_TRUE(daemon::testing::Eventually([this] {
    while (dispatcher.held() > 0) dispatcher.Take(0)->Send(wire::Ack());
    return Count().connections_open == 0;
  }));
  EXPECT_GT(Count().frames_in, runs / 10);
  EXPECT_GT(Count().bad_frames, 0U);
}

}  // namespace
}  // namespace pointsman::fuzz
