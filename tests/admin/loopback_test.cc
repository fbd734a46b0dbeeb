// The loopback port: who gets in, and what he gets.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>

#include "admin/http_server.h"
#include "tests/admin/fake_ports.h"

namespace pointsman::admin {
namespace {

const std::string kSecret = "0123456789abcdef0123456789abcdef";

// The whole answer to `request` on a port of this machine.
std::string Exchange(std::uint16_t port, const std::string& request) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval limit{30, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  std::string answer;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
      ::send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
    std::array<char, 65536> buffer{};
    ssize_t got = 0;
    while ((got = ::recv(fd, buffer.data(), buffer.size(), 0)) > 0) {
      answer.append(buffer.data(), static_cast<std::size_t>(got));
    }
  }
  ::close(fd);
  return answer;
}

std::string Request(const std::string& line, const std::string& headers) {
  return line + " HTTP/1.1\r\n" + headers + "Connection: close\r\n\r\n";
}

class Loopback : public ::testing::Test {
 protected:
  void SetUp() override {
    HttpOptions options;
    options.loopback_port = 0;
    options.bearer_token = kSecret;
    auto started = HttpServer::Start(options, ports_, Role::kApi);
    ASSERT_TRUE(started.ok()) << started.error().message;
    server_ = std::move(started).value();
    ASSERT_NE(server_->port(), 0);
  }
  std::string Get(const std::string& path, const std::string& headers) {
    return Exchange(server_->port(), Request("GET " + path, headers));
  }

  FakePorts ports_;
  std::unique_ptr<HttpServer> server_;
  const std::string host_ = "Host: 127.0.0.1\r\n";
  const std::string bearer_ = "Authorization: Bearer " + kSecret + "\r\n";
};

TEST_F(Loopback, TheTokenOpensTheApiAndNothingElseDoes) {
  EXPECT_EQ(Get("/status", host_ + bearer_).substr(9, 3), "200");
  for (const std::string& headers :
       {host_, host_ + "Authorization: Bearer wrong\r\n", host_ + "Authorization: Bearer " + kSecret + "x\r\n",
        host_ + "Authorization: Basic " + kSecret + "\r\n", host_ + "Authorization: Bearer \r\n"}) {
    const std::string answer = Get("/status", headers);
    EXPECT_EQ(answer.substr(9, 3), "401") << headers;
    EXPECT_NE(answer.find("WWW-Authenticate: Bearer"), std::string::npos);
    EXPECT_EQ(answer.find(kSecret), std::string::npos);
  }
}

TEST_F(Loopback, APageThatRebindsItsNameDoesNotGetIn) {
  EXPECT_EQ(Get("/status", "Host: evil.example\r\n" + bearer_).substr(9, 3), "403");
  EXPECT_EQ(Get("/status", "Host: localhost.evil.example\r\n" + bearer_).substr(9, 3), "403");
  EXPECT_EQ(Get("/status", bearer_).substr(9, 3), "403");
  EXPECT_EQ(Get("/status", "Host: localhost:1\r\n" + bearer_).substr(9, 3), "200");
  EXPECT_EQ(Get("/status", "Host: [::1]:80\r\n" + bearer_).substr(9, 3), "200");
}

TEST_F(Loopback, AdministrationIsNotServedThere) {
  EXPECT_EQ(Get("/v1/explain/0123", host_ + bearer_).substr(9, 3), "403");
  EXPECT_EQ(Get("/", host_ + bearer_).substr(9, 3), "403");
  const std::string body = "{\"frozen\":true}";
  const std::string post = "POST /v1/learning HTTP/1.1\r\n" + host_ + bearer_ +
                           "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
                           "\r\nConnection: close\r\n\r\n" + body;
  EXPECT_EQ(Exchange(server_->port(), post).substr(9, 3), "403");
  EXPECT_TRUE(ports_.calls().empty());
}

TEST_F(Loopback, AllWhoComeThroughItAreOneCallerThatIsNoUserOfTheMachine) {
  const std::string body = "{\"text\":\"hi\"}";
  const std::string post =
      "POST /v1/route HTTP/1.1\r\n" + host_ + bearer_ +
      "REMOTE_ADDR: 0\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
      "\r\nConnection: close\r\n\r\n" + body;
  EXPECT_EQ(Exchange(server_->port(), post).substr(9, 3), "200");
  ASSERT_EQ(ports_.calls().size(), 1u);
  EXPECT_EQ(ports_.calls()[0].uid, kTokenUid);
}

TEST_F(Loopback, AWeakTokenAndATakenPortAreRefusedAtTheStart) {
  HttpOptions options;
  options.loopback_port = 0;
  for (const char* weak : {"", "short", "spaces in the token are not taken"}) {
    options.bearer_token = weak;
    EXPECT_EQ(HttpServer::Start(options, ports_, Role::kApi).error().reason, "bearer_token");
  }
  options.bearer_token = kSecret;
  options.loopback_port = server_->port();
  EXPECT_EQ(HttpServer::Start(options, ports_, Role::kApi).error().code, Code::kBusy);
}

}  // namespace
}  // namespace pointsman::admin
