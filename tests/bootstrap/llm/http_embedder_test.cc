#include "embed/http_embedder.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/bootstrap/llm/support.h"

namespace pointsman::embed {
namespace {

using testing::LlmFault;
using testing::LlmServer;

HttpEmbedderOptions At(const LlmServer& server) { return {server.base_url(), "vectors-1", "", 60'000, 16}; }

std::unique_ptr<LlmServer> Server() {
  return std::make_unique<LlmServer>(testing::LlmServerOptions{{}, "", false, {}, "", "", 0});
}

TEST(HttpEmbedder, EmbedsInBatchesAndOneTextFromTheCacheTheSecondTime) {
  const auto server = Server();
  const auto made = MakeHttpEmbedder(At(*server));
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ(made->identity.dimension, 64U);
  std::vector<std::string> texts;
  for (int i = 0; i < 40; ++i) texts.push_back("text number " + std::to_string(i));
  texts[7].clear();
  const auto vectors = made->embedder->EmbedMany(texts);
  ASSERT_TRUE(vectors.ok()) << vectors.error().message;
  EXPECT_EQ(CountsOf(*made->embedder).asked, 3U) << "39 texts in batches of 16";
  EXPECT_TRUE(vectors.value()[7].empty());
  const auto one = made->embedder->Embed(texts[3]);
  ASSERT_TRUE(one.ok());
  EXPECT_EQ(*one, vectors.value()[3]);
  EXPECT_EQ(made->embedder->Embed(texts[3]).value(), *one);
  EXPECT_EQ(CountsOf(*made->embedder).cached, 1U);
  const auto loaded = LoadHttpEmbedder(made->identity, made->model);
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ((*loaded)->Embed(texts[3]).value(), *one);
  EXPECT_FALSE(made->embedder->Embed("").ok());
}

TEST(HttpEmbedder, WhenItIsDownARequestLiesInTheBackgroundAndABootstrapFails) {
  const auto server = Server();
  const auto made = MakeHttpEmbedder(At(*server));
  ASSERT_TRUE(made.ok());
  ASSERT_FALSE(made->embedder->Embed("known before").value().empty());
  server->Fail("", LlmFault::kServerError, 1000);
  const std::uint64_t before = server->counts().requests;
  for (int i = 0; i < 50; ++i) {
    const auto vector = made->embedder->Embed("new text " + std::to_string(i));
    ASSERT_TRUE(vector.ok());
    EXPECT_TRUE(vector->empty());
  }
  EXPECT_LE(server->counts().requests - before, 10U) << "a dead endpoint is left in peace";
  EXPECT_EQ(CountsOf(*made->embedder).fallbacks, 50U);
  EXPECT_FALSE(made->embedder->Embed("known before").value().empty()) << "the cache still knows";
  const std::vector<std::string> texts{"a", "b"};
  const auto many = made->embedder->EmbedMany(texts);
  ASSERT_FALSE(many.ok());
  EXPECT_EQ(many.error().reason, "embedder_down");
}

TEST(HttpEmbedder, ASlowEndpointCostsARequestNoMoreThanItsTimeLimit) {
  const auto server = Server();
  HttpEmbedderOptions options = At(*server);
  const auto probe = MakeHttpEmbedder(options);
  ASSERT_TRUE(probe.ok());
  options.timeout_ms = 100;
  const auto made = MakeHttpEmbedder(options);
  ASSERT_TRUE(made.ok());
  server->Fail("", LlmFault::kSlow, 1);
  EXPECT_TRUE(made->embedder->Embed("slow").value().empty());
  EXPECT_EQ(CountsOf(*made->embedder).fallbacks, 1U);
}

TEST(HttpEmbedder, SaysAtOnceWhatItKnowsAndAsksNobody) {
  const auto server = Server();
  const auto made = MakeHttpEmbedder(At(*server));
  ASSERT_TRUE(made.ok());
  EXPECT_TRUE(made->embedder->waits());
  const auto vector = made->embedder->Embed("known before").value();
  const std::uint64_t asked = server->counts().requests;
  EXPECT_EQ(made->embedder->EmbedNow("known before").value(), vector);
  EXPECT_TRUE(made->embedder->EmbedNow("new").value().empty());
  EXPECT_FALSE(made->embedder->EmbedNow("").ok());
  EXPECT_EQ(server->counts().requests, asked);
  EXPECT_FALSE(made->embedder->Embed("new").value().empty()) << "nobody was found down";
}

TEST(HttpEmbedder, RefusesWrongOptionsParametersAndReplies) {
  const auto server = Server();
  HttpEmbedderOptions options = At(*server);
  options.base_url = "nowhere";
  EXPECT_EQ(MakeHttpEmbedder(options).error().reason, "base_url");
  options = At(*server);
  options.key_env = "A_KEY_THAT_IS_NOT_SET";
  EXPECT_EQ(MakeHttpEmbedder(options).error().reason, "key_missing");
  options = At(*server);
  options.model = "";
  EXPECT_FALSE(MakeHttpEmbedder(options).ok());
  server->Fail("", LlmFault::kMalformed, 10);
  EXPECT_EQ(MakeHttpEmbedder(At(*server)).error().reason, "malformed_reply");
  server->Stop();
  const auto down = MakeHttpEmbedder(At(*server));
  ASSERT_FALSE(down.ok());
  EXPECT_EQ(down.error().reason, "embedder_down");
  policy::EmbedderIdentity identity{"http", 64, {}};
  EXPECT_EQ(LoadHttpEmbedder(identity, {}).error().code, Code::kDataLoss);
}

}  // namespace
}  // namespace pointsman::embed
