#include "bootstrap/llm/chat_client.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/bootstrap/llm/support.h"

namespace pointsman::bootstrap {
namespace {

using testing::LlmFault;
using testing::LlmServer;

testing::LlmServerOptions Small() { return {testing::SmallWorld(12, 1), "", false, {}, "", "", 0}; }

ChatQuestion AskFor(const LlmServer&, const std::string& text) {
  ChatQuestion question;
  question.text = text;
  return question;
}

ChatQuestion Candidate(const bootstrap::Table& table, std::size_t row) {
  ChatQuestion question;
  question.text = table.rows[row].query + "\n\nThe answer is?";
  return question;
}

TEST(ChatClient, AsksOnceAndFindsTheAnswerInTheLogAfterwards) {
  LlmServer server(Small());
  ChatEndpointOptions options = EndpointAt(server, "models[0]", "cook").chat;
  options.log_probabilities = true;
  ClientWorld world(options);
  const ChatQuestion question = Candidate(testing::SmallWorld(12, 1), 3);
  const auto first = world.client->Ask(question);
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_NE(first->text.find("The answer is ("), std::string::npos);
  EXPECT_GT(first->tokens_in, 10);
  EXPECT_DOUBLE_EQ(first->log_probability, -0.5);
  EXPECT_NEAR(first->cost_usd, (first->tokens_in * 1 + first->tokens_out * 2) / 1e6, 1e-12);
  const auto second = world.client->Ask(question);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->text, first->text);
  EXPECT_EQ(server.counts().answered, 1U);
  ChatQuestion again = question;
  again.attempt = 1;
  ASSERT_TRUE(world.client->Ask(again).ok());
  EXPECT_EQ(server.counts().answered, 2U) << "another attempt is another question";
  EXPECT_EQ(world.meter.reading().asked, 2U);
  EXPECT_EQ(world.meter.reading().reused, 1U);
}

TEST(ChatClient, TriesAgainWhatMayPass) {
  LlmServer server(Small());
  for (const LlmFault fault : {LlmFault::kTooMany, LlmFault::kServerError, LlmFault::kCut, LlmFault::kMalformed}) {
    server.Fail("cook", fault, 1);
  }
  ClientWorld world(EndpointAt(server, "models[0]", "cook").chat);
  const auto answer = world.client->Ask(AskFor(server, "ready?"));
  ASSERT_TRUE(answer.ok()) << answer.error().message;
  EXPECT_EQ(server.counts().failed, 4U);
  EXPECT_EQ(server.counts().answered, 1U);
  EXPECT_EQ(server.counts().paid_twice, 0U);
  EXPECT_GE(world.meter.reading().retries, 4U) << "a connection that a fault broke may add its own";
}

TEST(ChatClient, EndsASlowRequestAtItsDeadlineAndNamesTheEndpoint) {
  LlmServer server(Small());
  server.Fail("cook", LlmFault::kSlow, 2);
  ChatEndpointOptions options = EndpointAt(server, "models[0]", "cook").chat;
  options.timeout_ms = 150;
  options.tries = 2;
  ClientWorld world(options);
  const auto begun = std::chrono::steady_clock::now();
  const auto answer = world.client->Ask(AskFor(server, "ready?"));
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code, Code::kDeadlineExceeded);
  EXPECT_EQ(answer.error().message.find("models[0].base_url"), 0U) << answer.error().message;
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(15));
}

TEST(ChatClient, AWrongKeyIsNamedAndNotTriedAgain) {
  testing::LlmServerOptions locked = Small();
  locked.key = "secret-one";
  LlmServer server(locked);
  ChatEndpointOptions options = EndpointAt(server, "models[0]", "cook").chat;
  options.key = "secret-two";
  ClientWorld world(options);
  const auto refused = world.client->Ask(AskFor(server, "ready?"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kPermissionDenied);
  EXPECT_EQ(refused.error().message.find("models[0].key_env"), 0U) << refused.error().message;
  EXPECT_EQ(refused.error().message.find("secret"), std::string::npos);
  EXPECT_EQ(server.counts().requests, 1U);
  options.key = "secret-one";
  ClientWorld right(options);
  EXPECT_TRUE(right.client->Ask(AskFor(server, "ready?")).ok());
}

TEST(ChatClient, NobodyListeningIsUnavailableWithTheField) {
  auto server = std::make_unique<LlmServer>(Small());
  ChatEndpointOptions options = EndpointAt(*server, "judge", "cook").chat;
  server.reset();
  options.tries = 2;
  ClientWorld world(options);
  const auto answer = world.client->Ask({});
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().reason, "endpoint_down");
  EXPECT_EQ(answer.error().message.find("judge.base_url"), 0U) << answer.error().message;
  options.base_url = "ftp://host/";
  const auto wrong = ChatClient::Create(options, world.clock, *world.log, world.meter);
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().message.find("judge.base_url"), 0U);
}

TEST(ChatClient, StopsBeforeTheBudgetIsPassed) {
  LlmServer server(Small());
  ChatEndpointOptions options = EndpointAt(server, "models[0]", "cook").chat;
  options.output_usd_per_million = 10'000;  // 64 tokens at worst: .64 dollars
  ClientWorld world(options, 1.0);
  std::uint64_t answered = 0;
  Result<StoredCall> last = StoredCall{};
  for (std::uint32_t i = 0; i < 1000 && last.ok(); ++i) {
    ChatQuestion question = AskFor(server, "ready?");
    question.attempt = i;
    last = world.client->Ask(question);
    if (last.ok()) ++answered;
  }
  ASSERT_FALSE(last.ok());
  EXPECT_EQ(last.error().reason, "budget");
  EXPECT_NE(last.error().message.find("limits.budget_usd"), std::string::npos);
  EXPECT_LE(world.meter.reading().spent_usd, 1.0);
  EXPECT_GT(answered, 1U);
  EXPECT_EQ(server.counts().answered, answered);
}

TEST(ChatClient, KeepsToRequestsAtOnceAndAMinute) {
  LlmServer server(Small());
  ChatEndpointOptions options = EndpointAt(server, "models[0]", "cook").chat;
  options.concurrency = 2;
  options.requests_per_minute = 1200;  // 50 ms apart
  ClientWorld world(options);
  const auto begun = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> threads;
    for (std::uint32_t t = 0; t < 8; ++t) {
      threads.emplace_back([&, t] {
        ChatQuestion question = AskFor(server, "ready?");
        question.attempt = t;
        EXPECT_TRUE(world.client->Ask(question).ok());
      });
    }
  }
  EXPECT_GE(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(345));
  EXPECT_LE(server.counts().most_at_once, 2U);
  EXPECT_EQ(server.counts().answered, 8U);
}

TEST(ChatClient, StoppingTheMeterEndsABackOff) {
  LlmServer server(Small());
  server.Fail("", LlmFault::kServerError, 1000);
  ChatEndpointOptions options = EndpointAt(server, "models[0]", "cook").chat;
  options.first_pause_seconds = 50;
  ClientWorld world(options);
  std::jthread asker([&] {
    const auto answer = world.client->Ask(AskFor(server, "ready?"));
    ASSERT_FALSE(answer.ok());
    EXPECT_EQ(answer.error().reason, "cancelled");
  });
  while (world.meter.reading().retries == 0) std::this_thread::yield();
  world.meter.Stop(MakeError(Code::kUnavailable, "cancelled", "cancelled"));
}

// A certificate for 127.0.0.1 that signs itself.
void WriteCertificate(const std::string& certificate_path, const std::string& key_path) {
  EVP_PKEY* key = EVP_RSA_gen(2048);
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("stand-in"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_EXTENSION* names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1");
  X509_add_ext(certificate, names, -1);
  X509_EXTENSION_free(names);
  X509_sign(certificate, key, EVP_sha256());
  std::FILE* file = std::fopen(certificate_path.c_str(), "w");
  PEM_write_X509(file, certificate);
  std::fclose(file);
  file = std::fopen(key_path.c_str(), "w");
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

TEST(ChatClient, ACertificateOfAStrangerIsRefusedAndAStatedAuthorityTaken) {
  const TemporaryFolder folder;
  WriteCertificate(folder.File("c.pem"), folder.File("k.pem"));
  testing::LlmServerOptions secure = Small();
  secure.certificate = folder.File("c.pem");
  secure.private_key = folder.File("k.pem");
  LlmServer server(secure);
  ChatEndpointOptions options = EndpointAt(server, "models[0]", "cook").chat;
  options.tries = 1;
  ClientWorld strict(options);
  const auto refused = strict.client->Ask(AskFor(server, "ready?"));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message.find("certificate"), std::string::npos) << refused.error().message;
  EXPECT_EQ(server.counts().answered, 0U);
  options.ca_file = folder.File("c.pem");
  ClientWorld trusting(options);
  const auto answer = trusting.client->Ask(AskFor(server, "ready?"));
  EXPECT_TRUE(answer.ok()) << answer.error().message;
}

TEST(ChatReply, SaysWhatIsMissing) {
  for (const char* body : {"", "[]", "{}", "{\"choices\":[]}", "{\"choices\":[{\"message\":{}}]}",
                           "{\"choices\":[{\"message\":{\"content\":7}}]}"}) {
    const auto reply = ReadChatReply(body, {});
    ASSERT_FALSE(reply.ok()) << body;
    EXPECT_EQ(reply.error().reason, "malformed_reply");
  }
  const auto bare = ReadChatReply("{\"choices\":[{\"message\":{\"content\":\"abcdefgh\"}}]}", {});
  ASSERT_TRUE(bare.ok());
  EXPECT_DOUBLE_EQ(bare->tokens_out, 2) << "estimated where the endpoint does not count";
}

}  // namespace
}  // namespace pointsman::bootstrap
