#include <sys/resource.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>

#include "base/descriptor.h"
#include "daemon/transport_metrics.h"
#include "tests/daemon/transport/transport_support.h"

namespace pointsman::daemon::testing {
namespace {

class ListenerTest : public TransportFixture {
 protected:
  Error StartError() {
    auto started = Transport::Start(options, dispatcher, clock);
    if (started.ok()) {
      ADD_FAILURE() << "started, though it must not";
      return {};
    }
    return started.error();
  }
  // A socket file that nobody answers on, as SIGKILL leaves it.
  void LeaveStaleSocket(const std::string& path) {
    const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
};

TEST_F(ListenerTest, TheSocketHasItsModeAndIsGoneAfterACleanStop) {
  Start();
  struct stat status {};
  ASSERT_EQ(::lstat(options.socket_path.c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 0777, 0660U);
  transport->Stop(1000);
  EXPECT_FALSE(std::filesystem::exists(options.socket_path));
}

TEST_F(ListenerTest, AStaleSocketIsReplaced) {
  LeaveStaleSocket(options.socket_path);
  Start();
  RawClient client(options.socket_path);
  ExpectPingWorks(client);
}

TEST_F(ListenerTest, ASecondListenerIsRefusedAndLeavesTheFirstServing) {
  Start();
  const Error refused = StartError();
  EXPECT_EQ(refused.code, Code::kBusy);
  EXPECT_EQ(refused.reason, "socket_in_use");
  RawClient client(options.socket_path);
  ExpectPingWorks(client);
}

TEST_F(ListenerTest, AServerThatDoesNotKnowOurLockIsNotUnlinkedEither) {
  Start();
  std::filesystem::remove(options.socket_path + ".lock");
  EXPECT_EQ(StartError().reason, "socket_in_use");
  RawClient client(options.socket_path);
  ExpectPingWorks(client);
}

TEST_F(ListenerTest, ASymbolicLinkIsRefusedAndKept) {
  LeaveStaleSocket(directory.File("real.sock"));
  std::filesystem::create_symlink(directory.File("real.sock"), options.socket_path);
  const Error refused = StartError();
  EXPECT_EQ(refused.code, Code::kFailedPrecondition);
  EXPECT_EQ(refused.reason, "symbolic_link");
  EXPECT_TRUE(std::filesystem::is_symlink(options.socket_path));
  EXPECT_TRUE(std::filesystem::exists(directory.File("real.sock")));
}

TEST_F(ListenerTest, AFileOrDirectoryInTheWayIsRefusedAndKept) {
  std::ofstream(options.socket_path) << "precious";
  EXPECT_EQ(StartError().reason, "not_a_socket");
  EXPECT_EQ(std::filesystem::file_size(options.socket_path), 8U);
  std::filesystem::remove(options.socket_path);
  std::filesystem::create_directory(options.socket_path);
  EXPECT_EQ(StartError().reason, "not_a_socket");
  EXPECT_TRUE(std::filesystem::is_directory(options.socket_path));
}

TEST_F(ListenerTest, APathOf107BytesWorksAndOneOf108IsRefusedWithItsLength) {
  const std::string stem = directory.path() + "/";
  options.socket_path = stem + std::string(107 - stem.size(), 's');
  Start();
  RawClient client(options.socket_path);
  ExpectPingWorks(client);
  transport.reset();
  options.socket_path += 's';
  const Error refused = StartError();
  EXPECT_EQ(refused.code, Code::kInvalidArgument);
  EXPECT_EQ(refused.reason, "socket_path_too_long");
  EXPECT_NE(refused.message.find("108"), std::string::npos);
}

TEST_F(ListenerTest, ADirectoryThatEverybodyMayWriteInIsRefused) {
  const std::string shared = directory.File("open");
  std::filesystem::create_directory(shared);
  ASSERT_EQ(::chmod(shared.c_str(), 01777), 0);
  options.socket_path = shared + "/r.sock";
  const Error refused = StartError();
  EXPECT_EQ(refused.code, Code::kPermissionDenied);
  EXPECT_EQ(refused.reason, "unsafe_directory");
  options.socket_path = directory.File("absent/r.sock");
  EXPECT_EQ(StartError().reason, "directory_missing");
}

TEST_F(ListenerTest, AnUnknownGroupOrOptionOutOfRangeIsRefused) {
  options.socket_group = "no-such-group-of-ours";
  EXPECT_EQ(StartError().reason, "unknown_group");
  EXPECT_FALSE(std::filesystem::exists(options.socket_path));
  options.socket_group.clear();
  options.tick_ms = 0;
  EXPECT_EQ(StartError().reason, "bad_option");
}

TEST_F(ListenerTest, ASocketThatIsNoLongerOursIsNotRemoved) {
  Start();
  std::filesystem::remove(options.socket_path);
  std::ofstream(options.socket_path) << "somebody else's";
  transport->Stop(0);
  EXPECT_TRUE(std::filesystem::is_regular_file(options.socket_path));
}

TEST_F(ListenerTest, ConnectionsBeyondTheQuotaOfAUidAreRefusedWithAnAnswer) {
  options.peers.connections_per_uid_max = 2;
  Start();
  RawClient first(options.socket_path);
  auto second = std::make_unique<RawClient>(options.socket_path);
  ExpectPingWorks(first);
  ExpectPingWorks(*second);
  RawClient third(options.socket_path);
  const auto refused = third.Receive();
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->correlation, 0U);
  EXPECT_EQ(refused->Error().code(), 10U);
  EXPECT_EQ(refused->Error().reason(), "too_many_connections_of_uid");
  EXPECT_TRUE(third.AtEnd());
  EXPECT_EQ(Count().refused_per_uid, 1U);
  second.reset();
  ASSERT_TRUE(Eventually([this] { return Count().connections_open == 1; }));
  RawClient fourth(options.socket_path);
  ExpectPingWorks(fourth);
}

TEST_F(ListenerTest, ConnectionsBeyondTheTotalAreRefusedWithAnAnswer) {
  options.peers.connections_max = 1;
  Start();
  RawClient first(options.socket_path);
  ExpectPingWorks(first);
  RawClient second(options.socket_path);
  const auto refused = second.Receive();
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->Error().reason(), "too_many_connections");
  EXPECT_EQ(Count().refused_total, 1U);
}

TEST_F(ListenerTest, RunningOutOfDescriptorsPausesAcceptingInsteadOfSpinning) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizers probe memory through a pipe and misjudge it where no descriptor is left";
#endif
  options.accept_pause_ms = 20;
  Start();
  RawClient early(options.socket_path);
  ExpectPingWorks(early);
  RawClient waiting;  // its descriptor is taken before none is left
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{static_cast<rlim_t>(waiting.descriptor()) + 1, before.rlim_max};
  std::vector<Descriptor> fill;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  while (true) {
    Descriptor taken(::dup(0));
    if (!taken.valid()) break;
    fill.push_back(std::move(taken));
  }
  const auto started = std::chrono::steady_clock::now();
  const bool connected = waiting.Connect(options.socket_path);
  const bool paused = Eventually([this] { return Count().accept_pauses >= 5; });
  const auto elapsed = std::chrono::steady_clock::now() - started;
  ExpectPingWorks(early);
  fill.clear();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(connected);
  EXPECT_TRUE(paused);
  EXPECT_GE(elapsed, std::chrono::milliseconds(4 * 20)) << "five failures need four pauses between them";
  ExpectPingWorks(waiting);
}

TEST_F(ListenerTest, ConnectionsAreSpreadOverTheLoops) {
  options.loops = 3;
  Start();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 9; ++i) {
    clients.push_back(std::make_unique<RawClient>(options.socket_path));
    ExpectPingWorks(*clients.back(), static_cast<std::uint64_t>(i));
  }
  EXPECT_EQ(Count().connections_open, 9U);
  EXPECT_EQ(Count().accepted, 9U);
}

TEST_F(ListenerTest, StopAnswersWhatWasSentAndWaitsForOwedReplies) {
  Start();
  RawClient client(options.socket_path);
  ASSERT_TRUE(client.Send(FrameBytes(4, 1, "") + PingBytes(2)));
  EXPECT_EQ(client.Receive()->correlation, 2U);
  std::thread stopper([this] { transport->Stop(kPatienceMs); });
  ASSERT_TRUE(Eventually([this] { return !std::filesystem::exists(options.socket_path); }));
  dispatcher.Take(0)->Send(wire::Ack());
  const auto reply = client.Receive();
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->correlation, 1U);
  EXPECT_TRUE(client.AtEnd());
  stopper.join();
  EXPECT_EQ(Count().connections_open, 0U);
}

TEST_F(ListenerTest, StopUnderLoadAnswersEveryRequestThatWasTaken) {
  Start();
  constexpr int kClients = 8;
  std::vector<std::thread> threads;
  std::atomic<std::uint64_t> answered{0};
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([this, &answered] {
      RawClient client(options.socket_path);
      std::uint64_t id = 0;
      while (client.Send(PingBytes(++id)) && client.Receive().has_value()) ++answered;
    });
  }
  ASSERT_TRUE(Eventually([&] { return answered > 2000; }));
  transport->Stop(5000);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(Count().frames_in, Count().replies);
  EXPECT_EQ(answered, Count().replies) << "every reply reached its client";
  EXPECT_EQ(Count().replies_lost, 0U);
}

TEST_F(ListenerTest, StopDoesNotWaitLongerThanItsDeadlineForAReplyThatNeverComes) {
  Start();
  RawClient client(options.socket_path);
  ASSERT_TRUE(client.Send(FrameBytes(4, 1, "")));
  ASSERT_TRUE(Eventually([this] { return dispatcher.held() == 1; }));
  transport->Stop(20);
  EXPECT_TRUE(client.AtEnd());
  const auto owed = dispatcher.Take(0);
  transport.reset();
  owed->Send(wire::Ack());
}

TEST_F(ListenerTest, EveryCounterIsInTheMetricsOnce) {
  options.peers.connections_per_uid_max = 1;
  Start();
  RawClient first(options.socket_path);
  ExpectPingWorks(first);
  RawClient second(options.socket_path);
  ASSERT_TRUE(second.Receive().has_value());
  const std::string text = TransportMetricsText(Count());
  EXPECT_NE(text.find("pointsman_connections_accepted_total 1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("{reason=\"too_many_connections_of_uid\"} 1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("pointsman_transport_frames_total 1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("{fault=\"bad_frame\"} 0\n"), std::string::npos) << text;
}

TEST(PeerGate, RefusesWhoHasNoIdentityAndWhoIsNotAllowed) {
  ManualClock clock;
  PeerRules rules;
  rules.client_uids = {1000};
  PeerGate gate(rules, clock);
  EXPECT_EQ(gate.Admit(Peer{kOverflowUid, 0, 5}).error().reason, "unknown_identity");
  EXPECT_EQ(gate.Admit(Peer{1000, 0, 0}).error().reason, "unknown_identity");
  const uid_t stranger = ::geteuid() == 1001 ? 1002 : 1001;
  const auto refused = gate.Admit(Peer{stranger, 0, 5});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kPermissionDenied);
  EXPECT_EQ(refused.error().reason, "uid_not_allowed");
  EXPECT_TRUE(gate.Admit(Peer{1000, 0, 5}).ok());
  EXPECT_TRUE(gate.Admit(Peer{0, 0, 5}).ok());
  EXPECT_EQ(gate.open(), 2U);
}

TEST(PeerGate, OffencesAreForgivenWithTimeAndBoundedAtTwoBuckets) {
  ManualClock clock;
  PeerRules rules;
  rules.offences_max = 10;
  rules.offences_forgiven_per_second = 5;
  PeerGate gate(rules, clock);
  EXPECT_FALSE(gate.Penalised(7));
  for (int i = 0; i < 9; ++i) gate.Offend(7);
  EXPECT_FALSE(gate.Penalised(7));
  for (int i = 0; i < 1000; ++i) gate.Offend(7);
  EXPECT_TRUE(gate.Penalised(7));
  EXPECT_FALSE(gate.Penalised(8));
  clock.Advance(2'100'000);
  EXPECT_FALSE(gate.Penalised(7));
}

TEST(PeerGate, GoldAndAdministrationNeedToBeListed) {
  PeerRules rules;
  rules.gold_uids = {2001};
  rules.admin_uids = {2002};
  EXPECT_TRUE(HoldsRole(rules, 2001, Role::kGold));
  EXPECT_FALSE(HoldsRole(rules, 2001, Role::kAdmin));
  EXPECT_TRUE(HoldsRole(rules, 2002, Role::kAdmin));
  EXPECT_FALSE(HoldsRole(rules, 2002, Role::kGold));
  EXPECT_TRUE(HoldsRole(rules, 2003, Role::kClient));
  EXPECT_TRUE(HoldsRole(rules, ::geteuid(), Role::kAdmin));
}

}  // namespace
}  // namespace pointsman::daemon::testing
