// Ping and Route over route.sock against a bare Unix-socket ping-pong of the same
// sizes, in the same rounds.
//
//   route_bench                       the two that follow
//   route_bench --mode echo           in process, with an echoing dispatcher: transport alone
//   route_bench --mode daemon         a pointsmand of its own on a bundle of the stated shape,
//                                     warmed with feedback; Route with a given embedding
//   route_bench --socket PATH         a running daemon
//   shape:   --clusters 64  --models 8  --tasks 55  --anchors 341  --dimension 256
//   options: --rounds 9  --exchanges 3000  --warm 4096  --explain 0  --cpu N (pins this process)
//
// Ping carries 256 bytes both ways. Route goes round 64 queries. Its floor sends as
// many bytes as the Route frame has, and as many back as the first RouteReply had.
// Prints a table and one line of JSON a mode. Exit: 0; 1 when a reply was wrong;
// 2 usage; 69 not reachable.
#include <fmt/format.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/unit_draw.h"
#include "bench/floors.h"
#include "bench/route_world.h"
#include "daemon/listener.h"
#include "wire.pb.h"

namespace pointsman::bench {
namespace {

struct Arguments {
  std::string socket;
  std::string mode;
  int clusters = 64;
  int models = 8;
  int tasks = 55;
  int anchors = 341;
  int dimension = 256;
  int rounds = 9;
  int exchanges = 3000;
  int warm = 4096;
  int explain = 0;
  int cpu = -1;
};

using Vectors = std::vector<std::vector<float>>;

// Answers Route with about as much as a daemon with 8 models does.
class EchoDispatcher final : public daemon::Dispatcher {
 public:
  EchoDispatcher() {
    reply_.set_token(std::string(32, 't'));
    reply_.set_model("model-0");
    reply_.set_propensity(0.9);
    for (int m = 0; m < 4; ++m) {
      auto* ranked = reply_.add_ranked();
      ranked->set_name(fmt::format("model-{}", m));
      ranked->set_quality(0.5);
      ranked->set_quality_deviation(0.1);
      ranked->set_cost_usd(0.001);
      ranked->set_utility(0.4);
      ranked->set_probability(0.1);
    }
  }

  void Handle(const daemon::Peer&, const daemon::RequestFrame& request, daemon::ReplyChannel& reply) override {
    const int bytes = static_cast<int>(request.payload.size());
    // One per io thread: parsing into a used message allocates nothing.
    thread_local wire::Ping ping;
    thread_local wire::Route route;
    if (request.kind == daemon::FrameKind::kRoute && route.ParseFromArray(request.payload.data(), bytes)) {
      return reply.Now(reply_);
    }
    if (request.kind == daemon::FrameKind::kPing && ping.ParseFromArray(request.payload.data(), bytes)) {
      return reply.Now(ping);
    }
    reply.Fail(MakeError(Code::kInvalidArgument, "unexpected", "Ping or Route"));
  }

 private:
  wire::RouteReply reply_;
};

std::string Frame(daemon::FrameKind kind, const google::protobuf::MessageLite& message) {
  std::string frame(daemon::kFrameHeaderBytes, '\0');
  daemon::EncodeFrameHeader(
      {.payload_bytes = static_cast<std::uint32_t>(message.ByteSizeLong()), .kind = kind, .correlation = 1},
      std::span<std::uint8_t, daemon::kFrameHeaderBytes>(reinterpret_cast<std::uint8_t*>(frame.data()),
                                                         daemon::kFrameHeaderBytes));
  message.AppendToString(&frame);
  return frame;
}

int ConnectTo(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return -1;
  path.copy(address.sun_path, path.size());
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return descriptor;
  ::close(descriptor);
  return -1;
}

// One exchange of frames; returns the reply's whole size, or 0 when it is an
// error or not a reply to `kind`.
std::size_t Exchange(int descriptor, const std::string& request, daemon::FrameKind kind, std::string* buffer) {
  if (!SendAll(descriptor, request.data(), request.size())) return 0;
  std::size_t held = 0;
  std::size_t whole = daemon::kFrameHeaderBytes;
  while (held < whole) {
    const ssize_t got = ::recv(descriptor, buffer->data() + held, buffer->size() - held, 0);
    if (got <= 0) return 0;
    held += static_cast<std::size_t>(got);
    if (held < daemon::kFrameHeaderBytes) continue;
    const auto header =
        daemon::DecodeFrameHeader(std::span<const std::uint8_t, daemon::kFrameHeaderBytes>(
                                      reinterpret_cast<const std::uint8_t*>(buffer->data()), daemon::kFrameHeaderBytes),
                                  static_cast<std::uint32_t>(buffer->size() - daemon::kFrameHeaderBytes));
    if (!header.ok() || header->kind != daemon::ReplyKind(kind)) return 0;
    whole = daemon::kFrameHeaderBytes + header->payload_bytes;
  }
  return whole;
}

bool RunExchanges(int descriptor, const std::vector<std::string>& requests, daemon::FrameKind kind, int count,
                  Rounds* rounds) {
  const SystemClock clock;
  std::string buffer(1U << 20, '\0');
  std::vector<std::int64_t> nanos;
  for (int i = 0; i < count; ++i) {
    const std::string& request = requests[static_cast<std::size_t>(i) % requests.size()];
    const std::int64_t start = clock.MonotonicNanos();
    if (Exchange(descriptor, request, kind, &buffer) == 0) return false;
    nanos.push_back(clock.MonotonicNanos() - start);
  }
  if (rounds != nullptr) AddRound(nanos, rounds);
  return true;
}

void RunFloor(PingPongFloor& floor, int count, Rounds* rounds) {
  std::vector<std::int64_t> nanos;
  floor.Run(static_cast<std::size_t>(count), &nanos);
  if (rounds != nullptr) AddRound(nanos, rounds);
}

std::string Row(std::string_view name, const Rounds& rounds) {
  const Spread p50 = SpreadOf(rounds.p50);
  const Spread p99 = SpreadOf(rounds.p99);
  return fmt::format("{:<12} {:>9.2f}  [{:.2f}, {:.2f}] {:>10.2f}\n", name, p50.median, p50.low, p50.high, p99.median);
}

std::string Json(std::string_view name, const Rounds& rounds) {
  const Spread p50 = SpreadOf(rounds.p50);
  return fmt::format("\"{}\":{{\"p50_us\":{:.3f},\"q1_us\":{:.3f},\"q3_us\":{:.3f},\"p99_us\":{:.3f}}}", name,
                     p50.median, p50.low, p50.high, SpreadOf(rounds.p99).median);
}

// Round by round, because thing and floor share the machine's mood of a round.
double Ratio(const Rounds& thing, const Rounds& floor) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < thing.p50.size(); ++i) ratios.push_back(thing.p50[i] / floor.p50[i]);
  return SpreadOf(ratios).median;
}

// Directions without a pattern, for a daemon whose bundle is not ours.
Vectors RandomQueries(int count, int dimension) {
  SplitMix64 random(1);
  Vectors queries;
  for (int q = 0; q < count; ++q) {
    auto& query = queries.emplace_back();
    double squares = 0;
    for (int i = 0; i < dimension; ++i) {
      query.push_back(static_cast<float>(random.Normal()));
      squares += static_cast<double>(query.back()) * static_cast<double>(query.back());
    }
    for (float& value : query) value = static_cast<float>(value / std::sqrt(squares));
  }
  return queries;
}

std::vector<std::string> RouteFrames(const Vectors& queries, int explain) {
  std::vector<std::string> frames;
  for (const auto& query : queries) {
    wire::Route route;
    route.mutable_embedding()->Assign(query.begin(), query.end());
    route.set_explain(static_cast<std::uint32_t>(explain));
    frames.push_back(Frame(daemon::FrameKind::kRoute, route));
  }
  return frames;
}

struct Figures {
  std::size_t ping_bytes = 0;
  std::size_t route_bytes = 0;
  std::size_t reply_bytes = 0;
  Rounds floor_of_ping;
  Rounds ping;
  Rounds floor_of_route;
  Rounds route;
};

void Print(const Arguments& arguments, const std::string& name, const Figures& figures) {
  const double ping_ratio = Ratio(figures.ping, figures.floor_of_ping);
  const double route_ratio = Ratio(figures.route, figures.floor_of_route);
  fmt::print("Unix socket, closed loop, 1 client; Ping {0}/{0} B, Route {1}/{2} B; {3} rounds of {4}\n",
             figures.ping_bytes, figures.route_bytes, figures.reply_bytes, arguments.rounds, arguments.exchanges);
  fmt::print("{:<12} {:>9}  {} {:>10}\n", "", "p50 us", "[quartiles]", "p99 us");
  fmt::print("{}{}{}{}", Row("ping floor", figures.floor_of_ping), Row("ping", figures.ping),
             Row("route floor", figures.floor_of_route), Row("route", figures.route));
  fmt::print("ping / floor {:.2f}   route / floor {:.2f}\n", ping_ratio, route_ratio);
  fmt::print("{{\"bench\":\"route\",\"mode\":\"{}\",{},{},{},{},\"ping_ratio\":{:.3f},\"route_ratio\":{:.3f}}}\n", name,
             Json("ping_floor", figures.floor_of_ping), Json("ping", figures.ping),
             Json("route_floor", figures.floor_of_route), Json("route", figures.route), ping_ratio, route_ratio);
  std::fflush(stdout);
}

int Measure(const Arguments& arguments, const std::string& name, const std::string& path, const Vectors& queries) {
  wire::Ping ping;
  ping.set_payload(std::string(256, 'p'));
  const std::vector<std::string> ping_frames{Frame(daemon::FrameKind::kPing, ping)};
  const std::vector<std::string> route_frames = RouteFrames(queries, arguments.explain);
  const int descriptor = ConnectTo(path);
  if (descriptor < 0) {
    std::fprintf(stderr, "route_bench: nobody answers at %s; start the daemon first\n", path.c_str());
    return 69;
  }
  std::string buffer(1U << 20, '\0');
  Figures figures;
  figures.ping_bytes = ping_frames[0].size();
  figures.route_bytes = route_frames[0].size();
  figures.reply_bytes = Exchange(descriptor, route_frames[0], daemon::FrameKind::kRoute, &buffer);
  if (figures.reply_bytes == 0) {
    std::fprintf(stderr, "route_bench: Route was refused; is --dimension %d the daemon's?\n", arguments.dimension);
    return 1;
  }
  PingPongFloor ping_floor(figures.ping_bytes, figures.ping_bytes);
  PingPongFloor route_floor(figures.route_bytes, figures.reply_bytes);
  bool right = true;
  const int count = arguments.exchanges;
  for (int round = -1; round < arguments.rounds && right; ++round) {
    const bool warm = round >= 0;  // the first round only warms up
    RunFloor(ping_floor, count, warm ? &figures.floor_of_ping : nullptr);
    right = RunExchanges(descriptor, ping_frames, daemon::FrameKind::kPing, count, warm ? &figures.ping : nullptr);
    RunFloor(route_floor, count, warm ? &figures.floor_of_route : nullptr);
    right = right &&
            RunExchanges(descriptor, route_frames, daemon::FrameKind::kRoute, count, warm ? &figures.route : nullptr);
  }
  ::close(descriptor);
  if (!right) {
    std::fprintf(stderr, "route_bench: a request was answered with an error or not at all\n");
    return 1;
  }
  Print(arguments, name, figures);
  return 0;
}

int MeasureInProcess(const Arguments& arguments) {
  std::string directory = (std::filesystem::temp_directory_path() / "pmbXXXXXX").string();
  if (::mkdtemp(directory.data()) == nullptr) return 71;
  EchoDispatcher dispatcher;
  const SystemClock clock;
  int status = 0;
  {
    daemon::TransportOptions options;
    options.socket_path = directory + "/r.sock";
    const auto transport = daemon::Transport::Start(options, dispatcher, clock);
    if (!transport.ok()) {
      std::fprintf(stderr, "route_bench: %s\n", transport.error().message.c_str());
      status = 71;
    } else {
      fmt::print("== transport alone, echoing\n");
      status = Measure(arguments, "echo", options.socket_path, RandomQueries(64, arguments.dimension));
    }
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  return status;
}

int MeasureWorld(const Arguments& arguments) {
  const auto size = [](int value) { return static_cast<std::size_t>(value); };
  const auto world = RouteWorld::Start({.dimension = size(arguments.dimension),
                                        .clusters = size(arguments.clusters),
                                        .models = size(arguments.models),
                                        .tasks = size(arguments.tasks),
                                        .anchors = size(arguments.anchors)});
  const Status warm = world.ok() ? (*world)->Warm(size(arguments.warm)) : Status(world.error());
  if (!warm.ok()) {
    std::fprintf(stderr, "route_bench: %s\n", warm.error().message.c_str());
    return 71;
  }
  fmt::print("== daemon: {} clusters x {} models, {} task types, {} anchors, {} dimensions, {} rated decisions\n",
             arguments.clusters, arguments.models, arguments.tasks, arguments.anchors, arguments.dimension,
             arguments.warm);
  return Measure(arguments, "daemon", (*world)->socket_path(), (*world)->Queries(64, 5));
}

bool Parse(int count, char** words, Arguments* arguments) {
  const std::pair<std::string_view, int*> numbers[] = {
      {"--clusters", &arguments->clusters},   {"--models", &arguments->models},
      {"--tasks", &arguments->tasks},         {"--anchors", &arguments->anchors},
      {"--dimension", &arguments->dimension}, {"--rounds", &arguments->rounds},
      {"--exchanges", &arguments->exchanges}, {"--warm", &arguments->warm},
      {"--explain", &arguments->explain},     {"--cpu", &arguments->cpu}};
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string_view name = words[i];
    const char* value = words[i + 1];
    const auto* number =
        std::find_if(std::begin(numbers), std::end(numbers), [name](const auto& one) { return one.first == name; });
    if (number != std::end(numbers)) {
      *number->second = std::atoi(value);
    } else if (name == "--socket") {
      arguments->socket = value;
    } else if (name == "--mode") {
      arguments->mode = value;
    } else {
      return false;
    }
  }
  const bool known_mode = arguments->mode.empty() || arguments->mode == "echo" || arguments->mode == "daemon";
  return count % 2 == 1 && known_mode && arguments->dimension >= 1 && arguments->clusters >= 1 &&
         arguments->models >= 1 && arguments->rounds >= 1 && arguments->exchanges >= 1;
}

int Run(const Arguments& arguments) {
  if (!arguments.socket.empty()) {
    return Measure(arguments, "socket", arguments.socket, RandomQueries(64, arguments.dimension));
  }
  int status = 0;
  if (arguments.mode != "daemon") status = MeasureInProcess(arguments);
  if (status == 0 && arguments.mode != "echo") status = MeasureWorld(arguments);
  return status;
}

}  // namespace
}  // namespace pointsman::bench

int main(int count, char** words) {
  pointsman::bench::Arguments arguments;
  if (!pointsman::bench::Parse(count, words, &arguments)) {
    std::fprintf(stderr,
                 "usage: %s [--mode echo|daemon] [--socket PATH] [--clusters N] [--models N] [--tasks N]\n"
                 "  [--anchors N] [--dimension N] [--rounds N] [--exchanges N] [--warm N] [--explain N] [--cpu N]\n",
                 words[0]);
    return 2;
  }
  if (arguments.cpu >= 0) {
    cpu_set_t chosen;
    CPU_ZERO(&chosen);
    CPU_SET(static_cast<unsigned>(arguments.cpu), &chosen);
    if (::sched_setaffinity(0, sizeof(chosen), &chosen) != 0) return 71;
  }
  return pointsman::bench::Run(arguments);
}
