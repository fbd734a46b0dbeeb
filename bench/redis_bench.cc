// P7 against another program: acknowledged, synced reports a second of a whole daemon over
// its socket, against SETs of Redis with `appendfsync always` over its socket; as many
// clients, each of which waits for its answer; one round of each in turn.
//
//   redis_bench [--clients 16] [--rounds 7] [--seconds 1] [--short]
//
// A SET writes a key of 32 bytes and a value of as many bytes as a rating adds to the log and
// its row. Needs `redis-server` (Debian's package redis-server). Prints one line of JSON.
// Exit: 0; 1 when anything failed; 2 usage; 71 no daemon or no Redis.
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "bench/floors.h"
#include "bench/latencies.h"
#include "tests/end_to_end/daemon_process.h"

namespace pointsman::bench {
namespace {

using pointsman::testing::BasicConfig;
using pointsman::testing::DaemonProcess;
using pointsman::testing::Eventually;
using pointsman::testing::Folder;

constexpr std::size_t kValueBytes = 350;

struct Arguments {
  int clients = 16;
  int rounds = 7;
  double seconds = 1;
};

std::atomic<bool> failed{false};
void Fail(const std::string& what) {
  if (!failed.exchange(true)) std::fprintf(stderr, "redis_bench: %s\n", what.c_str());
}

int ConnectTo(const std::string& path) {
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof(address.sun_path), "%s", path.c_str());
  if (::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) return descriptor;
  ::close(descriptor);
  return -1;
}

// A Redis of our own; ends with the object.
class Redis {
 public:
  explicit Redis(const Folder& folder) : socket_(folder.File("redis.sock")) {
    const std::string directory = folder.File("redis");
    std::filesystem::create_directory(directory);
    std::vector<std::string> words = {"redis-server", "--port",    "0",        "--unixsocket", socket_, "--dir",
                                      directory,      "--save",    "",         "--appendonly", "yes",   "--appendfsync",
                                      "always",       "--logfile", "redis.log"};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    if (::posix_spawnp(&process_, words[0].c_str(), nullptr, nullptr, arguments.data(), environ) != 0) process_ = -1;
  }
  ~Redis() {
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  Redis(const Redis&) = delete;
  Redis& operator=(const Redis&) = delete;

  bool Ready() const {
    if (process_ <= 0) return false;
    return Eventually([this] {
      const int descriptor = ConnectTo(socket_);
      if (descriptor >= 0) ::close(descriptor);
      return descriptor >= 0 || ::waitpid(process_, nullptr, WNOHANG) == process_;
    });
  }
  // SETs of one client until `end`; how many.
  std::uint64_t Set(int number, std::int64_t end) const {
    const int descriptor = ConnectTo(socket_);
    if (descriptor < 0) return Fail("Redis does not answer"), 0;
    const std::string request = fmt::format("*3\r\n$3\r\nSET\r\n$32\r\n{:032}\r\n${}\r\n{}\r\n", number, kValueBytes,
                                            std::string(kValueBytes, 'v'));
    std::uint64_t done = 0;
    std::string reply(5, ' ');
    for (; Now() < end && !failed; ++done) {
      const bool answered =
          SendAll(descriptor, request.data(), request.size()) && ReceiveAll(descriptor, reply.data(), reply.size());
      if (!answered || reply != "+OK\r\n") Fail("Redis answered " + reply);
    }
    ::close(descriptor);
    return done;
  }

 private:
  const std::string socket_;
  pid_t process_ = -1;
};

// Ratings of one client, each a revision of the one before, until `end`; how many.
std::uint64_t RateUntil(const DaemonProcess& daemon, std::int64_t end) {
  auto client = daemon.Connect();
  if (!client.ok()) return Fail(client.failure().message), 0;
  wire::Route route;
  route.set_text("How do I reverse a list in place?");
  const auto routed = client->Call(route);
  if (!routed.ok()) return Fail(routed.failure().message), 0;
  wire::Rate rate;
  rate.set_token(routed->token());
  rate.set_source("thumbs");
  std::uint32_t revision = 0;
  for (; Now() < end && !failed; ++revision) {
    rate.set_revision(revision);
    rate.set_value(revision % 2);
    const auto rated = client->Call(rate);
    if (!rated.ok()) return Fail(rated.failure().reason + ": " + rated.failure().message), 0;
  }
  return revision;
}

double PerSecond(const Arguments& arguments, const std::function<std::uint64_t(int, std::int64_t)>& work) {
  std::atomic<std::uint64_t> done{0};
  const std::int64_t start = Now();
  const std::int64_t end = start + static_cast<std::int64_t>(arguments.seconds * 1e9);
  std::vector<std::jthread> threads;
  for (int c = 0; c < arguments.clients; ++c) threads.emplace_back([&, c] { done += work(c, end); });
  threads.clear();
  return static_cast<double>(done.load()) / (static_cast<double>(Now() - start) * 1e-9);
}

int Measure(const Arguments& arguments) {
  const auto beside = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  ::setenv("POINTSMAN_BIN", beside.c_str(), 0);
  const Folder folder;
  const Redis redis(folder);
  if (!redis.Ready()) return std::fprintf(stderr, "redis_bench: no redis-server; install that package\n"), 71;
  DaemonProcess daemon(folder, BasicConfig(folder));
  if (!daemon.Ready()) return std::fprintf(stderr, "redis_bench: %s\n", daemon.Log().c_str()), 71;
  std::vector<double> ours;
  std::vector<double> floors;
  std::vector<double> ratios;
  for (int round = 0; round < arguments.rounds && !failed; ++round) {
    floors.push_back(PerSecond(arguments, [&](int c, std::int64_t end) { return redis.Set(c, end); }));
    ours.push_back(PerSecond(arguments, [&](int, std::int64_t end) { return RateUntil(daemon, end); }));
    ratios.push_back(ours.back() / floors.back());
  }
  if (failed) return 1;
  fmt::print("{{\"key\":\"redis/{}\",\"value\":{:.1f},\"floor\":{:.1f},\"ratio\":{:.4f}}}\n", arguments.clients,
             SpreadOf(ours).median, SpreadOf(floors).median, SpreadOf(ratios).median);
  return 0;
}

bool Parse(int count, char** words, Arguments* arguments) {
  for (int i = 1; i < count; ++i) {
    const std::string_view name = words[i];
    if (name == "--short") {
      arguments->rounds = 5;
      arguments->seconds = 0.5;
      continue;
    }
    if (i + 1 >= count) return false;
    const double value = std::atof(words[++i]);
    if (name == "--clients") {
      arguments->clients = static_cast<int>(value);
    } else if (name == "--rounds") {
      arguments->rounds = static_cast<int>(value);
    } else if (name == "--seconds") {
      arguments->seconds = value;
    } else {
      return false;
    }
  }
  return arguments->clients >= 1 && arguments->rounds >= 1 && arguments->seconds > 0;
}

}  // namespace
}  // namespace pointsman::bench

int main(int count, char** words) {
  pointsman::bench::Arguments arguments;
  if (!pointsman::bench::Parse(count, words, &arguments)) {
    std::fprintf(stderr, "usage: %s [--clients N] [--rounds N] [--seconds S] [--short]\n", words[0]);
    return 2;
  }
  return pointsman::bench::Measure(arguments);
}
