// A transport with an echoing dispatcher, and a client that sends raw bytes.
//
// Purpose: the tests of transport, client and fuzzing share it. Threads: each
// class says. Limits: waits end after kPatienceMs and fail the test.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/clock.h"
#include "daemon/listener.h"
#include "wire.pb.h"

namespace pointsman::daemon::testing {

inline constexpr int kPatienceMs = 20'000;  // far beyond what a loaded machine needs

// Polls a counter until `reached`; false when patience ends.
inline bool Eventually(const std::function<bool()>& reached) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
  while (!reached()) {
    if (std::chrono::steady_clock::now() > end) return false;
    ::poll(nullptr, 0, 1);
  }
  return true;
}

// A temporary directory with a short name, removed at the end. One thread.
class ShortDirectory {
 public:
  ShortDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "pmXXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = pattern;
  }
  ~ShortDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ShortDirectory(const ShortDirectory&) = delete;
  ShortDirectory& operator=(const ShortDirectory&) = delete;
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// What each kind does:
//   Ping    echoed at once            Route    parsed; RouteReply or INVALID_ARGUMENT
//   Rate    held until Release        Outcome  answered late, by dropping the handle
//   Prefer  no answer at all          Gold     throws
//   Retract NOT_FOUND, a forgery      Status   a reply of `status_bytes`
class EchoDispatcher final : public Dispatcher {
 public:
  void Handle(const Peer& peer, const RequestFrame& request, ReplyChannel& reply) override {
    last_uid = peer.uid;
    const int bytes = static_cast<int>(request.payload.size());
    switch (request.kind) {
      case FrameKind::kPing: {
        wire::Ping ping;
        if (!ping.ParseFromArray(request.payload.data(), bytes)) return reply.Fail(Malformed());
        return reply.Now(ping);
      }
      case FrameKind::kRoute: {
        wire::Route route;
        if (!route.ParseFromArray(request.payload.data(), bytes)) return reply.Fail(Malformed());
        wire::RouteReply answer;
        answer.set_model("model-of-" + std::to_string(route.embedding_size()));
        return reply.Now(answer);
      }
      case FrameKind::kRate: {
        auto owed = reply.Later();
        std::lock_guard lock(mutex_);
        held_.push_back(std::move(owed));
        return;
      }
      case FrameKind::kOutcome: static_cast<void>(reply.Later()); return;
      case FrameKind::kGold: throw std::runtime_error("a broken service");
      case FrameKind::kRetract:
        gate.load()->Offend(peer.uid);
        return reply.Fail(MakeError(Code::kNotFound, "forged_or_foreign", "this token is not yours"));
      case FrameKind::kStatus: {
        wire::StatusReply status;
        status.set_version(std::string(status_bytes, 'v'));
        return reply.Now(status);
      }
      case FrameKind::kPrefer:
      case FrameKind::kVote:
      case FrameKind::kRouteBatch:
      case FrameKind::kError: return;
    }
  }

  std::size_t held() {
    std::lock_guard lock(mutex_);
    return held_.size();
  }
  // Takes one of the held replies, to answer it from the test's thread.
  std::shared_ptr<LateReply> Take(std::size_t index) {
    std::lock_guard lock(mutex_);
    auto taken = std::move(held_.at(index));
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(index));
    return taken;
  }

  std::atomic<PeerGate*> gate{nullptr};  // set by the fixture
  std::size_t status_bytes = 100;
  std::atomic<uid_t> last_uid{0};

 private:
  static Error Malformed() { return MakeError(Code::kInvalidArgument, "malformed_payload", "send a valid message"); }
  std::mutex mutex_;
  std::vector<std::shared_ptr<LateReply>> held_;
};

struct RawFrame {
  std::uint8_t kind = 0;
  std::uint64_t correlation = 0;
  std::string payload;

  wire::ErrorReply Error() const {
    wire::ErrorReply error;
    EXPECT_EQ(kind, 255) << "not an error";
    EXPECT_TRUE(error.ParseFromString(payload));
    return error;
  }
};

inline std::string FrameBytes(std::uint8_t kind, std::uint64_t correlation, const std::string& payload) {
  std::string bytes(kFrameHeaderBytes, '\0');
  EncodeFrameHeader(
      {.payload_bytes = static_cast<std::uint32_t>(payload.size()),
       .kind = static_cast<FrameKind>(kind),
       .correlation = correlation},
      std::span<std::uint8_t, kFrameHeaderBytes>(reinterpret_cast<std::uint8_t*>(bytes.data()), kFrameHeaderBytes));
  return bytes + payload;
}

inline std::string PingBytes(std::uint64_t correlation, const std::string& content = "hello") {
  wire::Ping ping;
  ping.set_payload(content);
  return FrameBytes(9, correlation, ping.SerializeAsString());
}

// A client that sends what it is told to. Threads: one sends while one receives.
class RawClient {
 public:
  explicit RawClient(const std::string& path, int receive_buffer = 0) {
    descriptor_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer > 0) ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    connected_ = Connect(path);
  }
  // Connects later; the descriptor is taken now.
  RawClient() { descriptor_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }
  ~RawClient() { Close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool Connect(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    return ::connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }
  bool connected() const { return connected_; }
  int descriptor() const { return descriptor_; }
  void Close() {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
  }
  void EndSending() { ::shutdown(descriptor_, SHUT_WR); }

  // Blocking; false when the other side is gone.
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  // How much could be sent without blocking.
  std::size_t SendSome(std::string_view bytes) {
    const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent > 0 ? static_cast<std::size_t>(sent) : 0;
  }

  // The next frame; nothing at the end of the stream or when patience ends.
  std::optional<RawFrame> Receive() {
    while (true) {
      if (input_.size() >= kFrameHeaderBytes) {
        const auto header =
            DecodeFrameHeader(std::span<const std::uint8_t, kFrameHeaderBytes>(
                                  reinterpret_cast<const std::uint8_t*>(input_.data()), kFrameHeaderBytes),
                              64U << 20);
        if (!header.ok()) return std::nullopt;
        const std::size_t whole = kFrameHeaderBytes + header->payload_bytes;
        if (input_.size() >= whole) {
          RawFrame frame{static_cast<std::uint8_t>(header->kind), header->correlation,
                         input_.substr(kFrameHeaderBytes, header->payload_bytes)};
          input_.erase(0, whole);
          return frame;
        }
      }
      if (!Fill()) return std::nullopt;
    }
  }
  // True when the stream ends with nothing more to read.
  bool AtEnd() { return input_.empty() && !Fill() && ended_; }

 private:
  bool Fill() {
    pollfd watched{descriptor_, POLLIN, 0};
    if (::poll(&watched, 1, kPatienceMs) <= 0) return false;
    char bytes[64 * 1024];
    const ssize_t got = ::recv(descriptor_, bytes, sizeof(bytes), 0);
    if (got <= 0) {
      ended_ = true;
      return false;
    }
    input_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }

  int descriptor_ = -1;
  bool connected_ = false;
  bool ended_ = false;
  std::string input_;
};

// A running transport on a short path, with time under the test's control.
class TransportFixture : public ::testing::Test {
 protected:
  TransportFixture() {
    options.socket_path = directory.File("r.sock");
    options.loops = 2;
    options.tick_ms = 2;
  }
  void Start() {
    auto started = Transport::Start(options, dispatcher, clock);
    ASSERT_TRUE(started.ok()) << started.error().message;
    transport = std::move(started).value();
    dispatcher.gate = &transport->peers();
  }
  const TransportStatistics& Count() const { return transport->statistics(); }
  void ExpectPingWorks(RawClient& client, std::uint64_t correlation = 4711) {
    ASSERT_TRUE(client.Send(PingBytes(correlation)));
    const auto reply = client.Receive();
    ASSERT_TRUE(reply.has_value());
    EXPECT_EQ(reply->kind, 137);
    EXPECT_EQ(reply->correlation, correlation);
  }

  ShortDirectory directory;
  TransportOptions options;
  ManualClock clock;
  EchoDispatcher dispatcher;
  std::unique_ptr<Transport> transport;
};

}  // namespace pointsman::daemon::testing
