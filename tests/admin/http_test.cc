// The HTTP server through real sockets: limits, identity, refusals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "admin/http_server.h"
#include "tests/admin/fake_ports.h"
#include "tests/admin/raw_client.h"

namespace pointsman::admin {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

class Http : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "pmhXXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    ASSERT_EQ(::chmod(directory_.c_str(), 0755), 0);
  }
  void TearDown() override {
    api_.reset();
    admin_.reset();
    std::filesystem::remove_all(directory_);
  }
  std::string ApiPath() const { return directory_ + "/api.sock"; }
  std::string AdminPath() const { return directory_ + "/admin.sock"; }
  HttpOptions Options(const std::string& path) const {
    HttpOptions options;
    options.socket_path = path;
    return options;
  }
  void StartApi(const std::function<void(HttpOptions&)>& change = {}) { Start(&api_, ApiPath(), Role::kApi, change); }
  void StartAdmin(const std::function<void(HttpOptions&)>& change = {}) {
    Start(&admin_, AdminPath(), Role::kAdmin, change);
  }

  FakePorts ports_;
  std::string directory_;
  std::unique_ptr<HttpServer> api_;
  std::unique_ptr<HttpServer> admin_;

 private:
  void Start(std::unique_ptr<HttpServer>* out, const std::string& path, Role role,
             const std::function<void(HttpOptions&)>& change) {
    HttpOptions options = Options(path);
    if (change) change(options);
    auto started = HttpServer::Start(options, ports_, role);
    ASSERT_TRUE(started.ok()) << started.error().message;
    *out = std::move(started).value();
  }
};

std::string Reason(const RawReply& reply) {
  const json body = json::parse(reply.body, nullptr, false);
  return body.is_object() ? body.value("reason", std::string("(none)")) : "(no JSON) " + reply.body;
}

TEST_F(Http, EveryReadOnlyRowAnswersOnTheSocketThatItsRowNames) {
  StartApi();
  StartAdmin();
  for (const RouteRow& row : Routes()) {
    if (row.method != "GET") continue;
    std::string path(row.path);
    if (const auto at = path.find("{n}"); at != std::string::npos) path.replace(at, 3, "1");
    if (const auto at = path.find("{name}"); at != std::string::npos) path.replace(at, 6, "alpha");
    if (const auto at = path.find("{decision}"); at != std::string::npos) path.replace(at, 10, "0123");
    if (const auto at = path.find("{file}"); at != std::string::npos) path.replace(at, 6, "app.js");
    EXPECT_EQ(Ask(AdminPath(), "GET", path).status, 200) << path;
    const RawReply api = Ask(ApiPath(), "GET", path);
    EXPECT_EQ(api.status, row.role == Role::kApi ? 200 : 403) << path;
    if (row.role != Role::kApi) {
      EXPECT_EQ(Reason(api), "admin_socket_only") << path;
    }
  }
}

TEST_F(Http, EveryMutatingRowIsRefusedOnTheApiSocketAndAsGet) {
  StartApi();
  StartAdmin();
  for (const RouteRow& row : Routes()) {
    if (row.effect != Effect::kChanges) continue;
    std::string path(row.path);
    if (const auto at = path.find("{name}"); at != std::string::npos) path.replace(at, 6, "alpha");
    EXPECT_EQ(Reason(Ask(ApiPath(), "POST", path, "{}")), "admin_socket_only") << path;
    const RawReply get = Ask(AdminPath(), "GET", path);
    const bool read_too = std::any_of(Routes().begin(), Routes().end(), [&](const RouteRow& other) {
      return other.method == "GET" && other.path == row.path;
    });
    if (read_too) continue;
    EXPECT_EQ(get.status, 405) << path;
    EXPECT_THAT(get.headers, HasSubstr("Allow: POST")) << path;
  }
  EXPECT_TRUE(ports_.calls().empty());
}

TEST_F(Http, MutatingRowsReachThePortsWithTheirFields) {
  StartAdmin();
  EXPECT_EQ(Ask(AdminPath(), "POST", "/v1/models",
                R"({"name":"x","input_usd_per_million":1,"output_usd_per_million":2,"context_tokens":9})")
                .status,
            200);
  EXPECT_EQ(Ask(AdminPath(), "POST", "/v1/models/vendor%2Fbeta/price",
                R"({"input_usd_per_million":1,"output_usd_per_million":2})")
                .status,
            200);
  EXPECT_EQ(Ask(AdminPath(), "POST", "/v1/models/alpha/state", R"({"state":"retired"})").status, 200);
  EXPECT_EQ(Ask(AdminPath(), "POST", "/v1/generations/activate", R"({"target":2})").status, 200);
  EXPECT_EQ(Ask(AdminPath(), "POST", "/v1/generations/rollback").status, 200);
  const std::string job = R"({"table_path":"/t.jsonl","seed":18446744073709551615})";
  EXPECT_EQ(Ask(AdminPath(), "POST", "/v1/bootstrap", job).status, 202);
  EXPECT_EQ(Reason(Ask(AdminPath(), "POST", "/v1/bootstrap/cancel", "{}")), "nothing_runs");
  EXPECT_EQ(Ask(AdminPath(), "POST", "/v1/learning", R"({"frozen":true})").status, 200);
  std::vector<std::string> seen;
  for (const auto& call : ports_.calls()) {
    seen.push_back(call.what);
    EXPECT_EQ(call.uid, ::geteuid());
  }
  EXPECT_THAT(seen, ::testing::ElementsAre("add x 9", "price vendor/beta", "state alpha retired", "activate 2",
                                           "rollback", "bootstrap /t.jsonl consensus 32 18446744073709551615 activate",
                                           "cancel", "freeze"));
}

TEST_F(Http, TheCallerIsThePeerOfTheKernelWhateverAHeaderSays) {
  StartAdmin([](HttpOptions& options) {
    options.mode = 0666;
    options.admin_uids = {4242};
  });
  const std::string forged = "REMOTE_ADDR: 77\r\nREMOTE_PORT: 1\r\nX-Forwarded-For: 77\r\n";
  const std::string body = R"({"frozen":false})";
  EXPECT_EQ(Ask(AdminPath(), "POST", "/v1/learning", body, forged).status, 200);
  ASSERT_EQ(ports_.calls().size(), 1u);
  EXPECT_EQ(ports_.calls().front().uid, ::geteuid());
  if (::geteuid() != 0) GTEST_SKIP() << "the rest needs root, to connect as other users";

  // The system call changes this thread only; the library's wrapper changes all.
  const auto ask_as = [&](long uid) {
    RawReply reply;
    std::thread([&] {
      ASSERT_EQ(::syscall(SYS_setresuid, -1, uid, -1), 0);
      reply = Ask(AdminPath(), "POST", "/v1/learning", body, forged);
    }).join();
    return reply;
  };
  EXPECT_EQ(ask_as(4242).status, 200);
  ASSERT_EQ(ports_.calls().size(), 2u);
  EXPECT_EQ(ports_.calls().back().uid, 4242u);
  EXPECT_EQ(ask_as(4243).status, 403);
  EXPECT_EQ(ask_as(65534).status, 403);
  EXPECT_EQ(ports_.calls().size(), 2u);
  EXPECT_EQ(admin_->Statistics().refused_peer, 2u);
}

TEST_F(Http, SocketsHaveTheirModesAndTheAdminSocketIsClosedToOthers) {
  StartApi();
  StartAdmin();
  struct stat info {};
  ASSERT_EQ(::stat(ApiPath().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0660u);
  ASSERT_EQ(::stat(AdminPath().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(Http, AnUnknownPathIsNotFoundAndNamesTheHelp) {
  StartApi();
  const RawReply reply = Ask(ApiPath(), "GET", "/v2/models");
  EXPECT_EQ(reply.status, 404);
  EXPECT_THAT(reply.headers, HasSubstr("application/problem+json"));
  EXPECT_THAT(reply.body, HasSubstr("/v1/help"));
  EXPECT_EQ(Ask(ApiPath(), "GET", "/health%0a").status, 404);
  EXPECT_EQ(Ask(ApiPath(), "DELETE", "/v1/models").status, 405);
  EXPECT_EQ(Ask(ApiPath(), "OPTIONS", "/status").status, 405);
}

TEST_F(Http, APathOfTheLongestAllowedLengthIsServedAndALongerOneRefused) {
  StartAdmin();
  EXPECT_EQ(Reason(Ask(AdminPath(), "GET", "/v1/explain/" + std::string(8000, 'a'))), "unknown_decision");
  const RawReply longer = Ask(AdminPath(), "GET", "/v1/explain/" + std::string(9000, 'a'));
  EXPECT_EQ(longer.status, 414);
}

TEST_F(Http, HeadersBeyondTheLimitAreRefusedAndCounted) {
  StartApi();
  RawClient client(ApiPath());
  std::string request = "GET /health HTTP/1.1\r\n";
  while (request.size() < (80U << 10)) request += "X-Filler: " + std::string(1000, 'x') + "\r\n";
  static_cast<void>(client.Send(request + "\r\n"));
  const RawReply reply = client.Receive();
  EXPECT_EQ(reply.status, 431);
  EXPECT_EQ(Reason(reply), "headers_too_large");
  EXPECT_EQ(api_->Statistics().too_large, 1u);
  EXPECT_EQ(Ask(ApiPath(), "GET", "/health").status, 200);
}

TEST_F(Http, ABodyBeyondTheLimitIsRefusedBeforeItIsRead) {
  StartAdmin();
  RawClient client(AdminPath());
  ASSERT_TRUE(
      client.Send("POST /v1/learning HTTP/1.1\r\nContent-Type: application/json\r\n"
                  "Content-Length: 1048577\r\n\r\n"));
  const RawReply reply = client.Receive();
  EXPECT_EQ(reply.status, 413);
  EXPECT_EQ(Reason(reply), "body_too_large");
}

TEST_F(Http, ABodyOfTheLimitItselfIsRead) {
  StartAdmin();
  const std::string body = std::string((1U << 20) - 16, ' ') + R"({"frozen": true})";
  ASSERT_EQ(body.size(), 1U << 20);
  EXPECT_EQ(Ask(AdminPath(), "POST", "/v1/learning", body).status, 200);
}

TEST_F(Http, EndlessChunksAreCutAtTheBodyLimit) {
  StartAdmin();
  RawClient client(AdminPath());
  ASSERT_TRUE(
      client.Send("POST /v1/learning HTTP/1.1\r\nContent-Type: application/json\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n"));
  const std::string chunk = "1000\r\n" + std::string(0x1000, ' ') + "\r\n";
  std::size_t sent = 0;
  while (sent < (10U << 20) && client.Send(chunk)) sent += chunk.size();
  const RawReply reply = client.Receive();
  EXPECT_EQ(reply.status, 413);
  EXPECT_EQ(Reason(reply), "body_too_large");
  EXPECT_TRUE(ports_.calls().empty());
}

TEST_F(Http, EndlessTinyChunksAndEndlessChunkLinesAreCutToo) {
  StartAdmin();
  const std::string head =
      "POST /v1/learning HTTP/1.1\r\nContent-Type: application/json\r\n"
      "Transfer-Encoding: chunked\r\n\r\n";
  for (const std::string& piece : {std::string("1\r\n \r\n"), std::string("00000000000000")}) {
    RawClient client(AdminPath());
    ASSERT_TRUE(client.Send(head));
    std::string block;
    while (block.size() < 65536) block += piece;
    std::size_t sent = 0;
    while (sent < (10U << 20) && client.Send(block)) sent += block.size();
    EXPECT_EQ(client.Receive().status, 413) << piece;
  }
}

TEST_F(Http, AWellFormedChunkedBodyIsTaken) {
  StartAdmin();
  RawClient client(AdminPath());
  ASSERT_TRUE(
      client.Send("POST /v1/learning HTTP/1.1\r\nContent-Type: application/json\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n10\r\n{\"frozen\": true}\r\n0\r\n\r\n"));
  EXPECT_EQ(client.Receive().status, 200);
}

TEST_F(Http, CompressedFormAndUnlabelledBodiesAreRefused) {
  StartAdmin();
  const auto ask = [&](const std::string& headers, const std::string& body) {
    RawClient client(AdminPath());
    static_cast<void>(client.Send("POST /v1/learning HTTP/1.1\r\n" + headers + "\r\n" + body));
    return client.Receive().status;
  };
  EXPECT_EQ(ask("Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n", "{}"), 415);
  EXPECT_EQ(ask("Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 2\r\n", "{}"), 415);
  EXPECT_EQ(ask("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 2\r\n", "{}"), 415);
  EXPECT_EQ(ask("Content-Length: 2\r\n", "{}"), 415);
  EXPECT_EQ(ask("Content-Type: application/json\r\n", "{}"), 411);
  EXPECT_EQ(ask("Content-Type: application/json\r\nContent-Length: -1\r\n", "{}"), 400);
  EXPECT_EQ(ask("Content-Type: application/json\r\nContent-Length: 99999999999999999999\r\n", "{}"), 413);
  EXPECT_TRUE(ports_.calls().empty());
}

TEST_F(Http, ARangeOrAcceptEncodingHeaderDoesNotChangeTheAnswer) {
  StartApi();
  const RawReply reply =
      Ask(ApiPath(), "GET", "/metrics", "", "Range: bytes=0-1,0-1,0-1\r\nAccept-Encoding: gzip, br\r\n");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, ports_.MetricsText());
}

TEST_F(Http, AClientThatStopsWithinTheHeadersIsCut) {
  StartApi([](HttpOptions& options) { options.header_timeout_ms = 100; });
  RawClient client(ApiPath());
  ASSERT_TRUE(client.Send("GET /health HTTP/1.1\r\nX-Slow: y"));
  const RawReply reply = client.Receive();
  EXPECT_EQ(reply.status, 408);
  EXPECT_EQ(Reason(reply), "request_too_slow");
  EXPECT_EQ(api_->Statistics().timed_out, 1u);
}

TEST_F(Http, AClientThatDripsItsRequestLineIsCutAllTheSame) {
  StartApi([](HttpOptions& options) { options.header_timeout_ms = 150; });
  RawClient client(ApiPath());
  bool open = true;
  for (int i = 0; i < 4000 && open; ++i) {
    open = client.Send("G");
    if (api_->Statistics().timed_out > 0) break;
    ::poll(nullptr, 0, 1);  // the pace of the drip
  }
  EXPECT_EQ(client.Receive().status, 408);
  EXPECT_EQ(api_->Statistics().timed_out, 1u);
}

TEST_F(Http, AClientThatStopsWithinTheBodyIsCut) {
  StartAdmin([](HttpOptions& options) {
    options.header_timeout_ms = 100;
    options.request_timeout_ms = 200;
  });
  RawClient client(AdminPath());
  ASSERT_TRUE(
      client.Send("POST /v1/learning HTTP/1.1\r\nContent-Type: application/json\r\n"
                  "Content-Length: 20\r\n\r\n{"));
  EXPECT_EQ(client.Receive().status, 408);
  EXPECT_TRUE(ports_.calls().empty());
}

TEST_F(Http, ConnectionsBeyondTheLimitAreAnsweredBusyAndCounted) {
  StartApi([](HttpOptions& options) { options.connections_max = 2; });
  RawClient first(ApiPath());
  RawClient second(ApiPath());
  RawClient third(ApiPath());
  const RawReply reply = third.Receive();
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(Reason(reply), "too_many_connections");
  EXPECT_EQ(api_->Statistics().refused_full, 1u);
  ASSERT_TRUE(first.Send("GET /health HTTP/1.1\r\n\r\n"));
  EXPECT_EQ(first.Receive().status, 200);
}

TEST_F(Http, AHandlerThatThrowsIsAnInternalErrorAndTheServerLives) {
  StartAdmin();
  ports_.explain_throws = true;
  const RawReply reply = Ask(AdminPath(), "GET", "/v1/explain/0123");
  EXPECT_EQ(reply.status, 500);
  EXPECT_EQ(Reason(reply), "handler_failed");
  EXPECT_THAT(reply.body, Not(HasSubstr("a handler that throws")));
  EXPECT_EQ(Ask(AdminPath(), "GET", "/health").status, 200);
}

TEST_F(Http, GarbageIsAnsweredAndTheServerLives) {
  StartApi();
  for (const std::string& bytes : {std::string("\x16\x03\x01\x02\x00\x01\r\n\r\n", 10), std::string("GET\r\n\r\n"),
                                   std::string("GET / HTTP/9.9\r\n\r\n"), std::string("\r\n\r\n"),
                                   std::string("GET /%zz%00%ff HTTP/1.1\r\n\r\n")}) {
    RawClient client(ApiPath());
    static_cast<void>(client.Send(bytes));
    const int status = client.Receive().status;
    EXPECT_TRUE(status >= 400 && status < 500) << status;
  }
  EXPECT_EQ(Ask(ApiPath(), "GET", "/health").status, 200);
}

TEST_F(Http, AliveAndReadyAnswerUnavailableWithTheReason) {
  StartApi();
  ports_.alive = false;
  ports_.ready = false;
  EXPECT_EQ(Ask(ApiPath(), "GET", "/health").status, 503);
  const RawReply ready = Ask(ApiPath(), "GET", "/ready");
  EXPECT_EQ(ready.status, 503);
  EXPECT_EQ(json::parse(ready.body)["retry"], "after_backoff");
  EXPECT_EQ(Reason(ready), "loading");
}

TEST_F(Http, StopCutsASilentClientAtOnceAndRemovesTheSocket) {
  StartApi([](HttpOptions& options) { options.header_timeout_ms = options.request_timeout_ms = 60'000; });
  RawClient silent(ApiPath());
  ASSERT_TRUE(silent.Send("GET /hea"));
  EXPECT_EQ(Ask(ApiPath(), "GET", "/health").status, 200);
  const auto start = std::chrono::steady_clock::now();
  api_->Stop();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  EXPECT_FALSE(std::filesystem::exists(ApiPath()));
  api_->Stop();
}

TEST_F(Http, ALiveSocketASymlinkAFileAndALongPathAreRefused) {
  StartApi();
  auto again = HttpServer::Start(Options(ApiPath()), ports_, Role::kApi);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().reason, "socket_in_use");

  std::filesystem::create_symlink(ApiPath(), directory_ + "/link");
  auto link = HttpServer::Start(Options(directory_ + "/link"), ports_, Role::kApi);
  ASSERT_FALSE(link.ok());
  EXPECT_EQ(link.error().reason, "symbolic_link");

  std::ofstream(directory_ + "/file") << "precious";
  auto file = HttpServer::Start(Options(directory_ + "/file"), ports_, Role::kApi);
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.error().reason, "not_a_socket");
  EXPECT_TRUE(std::filesystem::exists(directory_ + "/file"));

  auto longer = HttpServer::Start(Options(directory_ + "/" + std::string(108, 'x')), ports_, Role::kApi);
  ASSERT_FALSE(longer.ok());
  EXPECT_EQ(longer.error().reason, "socket_path_too_long");
}

TEST_F(Http, AStaleSocketIsReplaced) {
  {
    StartApi();
    // A hard link keeps a path on the socket after its owner has gone.
    std::filesystem::create_hard_link(ApiPath(), directory_ + "/stale");
    api_.reset();
  }
  ASSERT_TRUE(std::filesystem::is_socket(directory_ + "/stale"));
  auto started = HttpServer::Start(Options(directory_ + "/stale"), ports_, Role::kApi);
  ASSERT_TRUE(started.ok()) << started.error().message;
  EXPECT_EQ(Ask(directory_ + "/stale", "GET", "/health").status, 200);
}

}  // namespace
}  // namespace pointsman::admin
