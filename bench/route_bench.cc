// Ping and Route over route.sock against a bare Unix-socket ping-pong of the same
// sizes, in the same rounds.
//
//   route_bench                       in process, with an echoing dispatcher: transport alone
//   route_bench --socket PATH         a running daemon; Route with a given embedding
//   options: --dimension 384  --rounds 9  --exchanges 3000  --cpu N (pins this process)
//
// Ping carries 256 bytes both ways. The Route floor sends as many bytes as the
// Route frame has, and as many back as the first RouteReply had. Prints a table
// and, last, one line of JSON. Exit: 0; 1 when a reply was wrong; 2 usage; 69 not
// reachable.
#include <fmt/format.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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
#include "daemon/listener.h"
#include "wire.pb.h"

namespace pointsman::bench {
namespace {

struct Arguments {
  std::string socket;
  int dimension = 384;
  int rounds = 9;
  int exchanges = 3000;
  int cpu = -1;
};

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

bool RunExchanges(int descriptor, const std::string& request, daemon::FrameKind kind, int count, Rounds* rounds) {
  const SystemClock clock;
  std::string buffer(1U << 20, '\0');
  std::vector<std::int64_t> nanos;
  for (int i = 0; i < count; ++i) {
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

wire::Route SomeRoute(int dimension) {
  wire::Route route;
  SplitMix64 random(1);
  double norm = 0;
  std::vector<double> values;
  for (int i = 0; i < dimension; ++i) {
    values.push_back(random.Normal());
    norm += values.back() * values.back();
  }
  for (const double value : values) route.add_embedding(static_cast<float>(value / std::sqrt(norm)));
  return route;
}

int Measure(const Arguments& arguments, const std::string& path) {
  wire::Ping ping;
  ping.set_payload(std::string(256, 'p'));
  const std::string ping_frame = Frame(daemon::FrameKind::kPing, ping);
  const std::string route_frame = Frame(daemon::FrameKind::kRoute, SomeRoute(arguments.dimension));
  const int descriptor = ConnectTo(path);
  if (descriptor < 0) {
    std::fprintf(stderr, "route_bench: nobody answers at %s; start the daemon first\n", path.c_str());
    return 69;
  }
  std::string buffer(1U << 20, '\0');
  const std::size_t route_reply_bytes = Exchange(descriptor, route_frame, daemon::FrameKind::kRoute, &buffer);
  if (route_reply_bytes == 0) {
    std::fprintf(stderr, "route_bench: Route was refused; is --dimension %d the daemon's?\n", arguments.dimension);
    return 1;
  }
  PingPongFloor ping_floor(ping_frame.size(), ping_frame.size());
  PingPongFloor route_floor(route_frame.size(), route_reply_bytes);
  Rounds floor_of_ping;
  Rounds floor_of_route;
  Rounds of_ping;
  Rounds of_route;
  bool right = true;
  for (int round = -1; round < arguments.rounds && right; ++round) {
    const bool warm = round >= 0;  // the first round only warms up
    RunFloor(ping_floor, arguments.exchanges, warm ? &floor_of_ping : nullptr);
    right =
        RunExchanges(descriptor, ping_frame, daemon::FrameKind::kPing, arguments.exchanges, warm ? &of_ping : nullptr);
    RunFloor(route_floor, arguments.exchanges, warm ? &floor_of_route : nullptr);
    right = right && RunExchanges(descriptor, route_frame, daemon::FrameKind::kRoute, arguments.exchanges,
                                  warm ? &of_route : nullptr);
  }
  ::close(descriptor);
  if (!right) {
    std::fprintf(stderr, "route_bench: a request was answered with an error or not at all\n");
    return 1;
  }
  const double ping_ratio = Ratio(of_ping, floor_of_ping);
  const double route_ratio = Ratio(of_route, floor_of_route);
  fmt::print("Unix socket, closed loop, 1 client; Ping {0}/{0} B, Route {1}/{2} B; {3} rounds of {4}\n",
             ping_frame.size(), route_frame.size(), route_reply_bytes, arguments.rounds, arguments.exchanges);
  fmt::print("{:<12} {:>9}  {} {:>10}\n", "", "p50 us", "[quartiles]", "p99 us");
  fmt::print("{}{}{}{}", Row("ping floor", floor_of_ping), Row("ping", of_ping), Row("route floor", floor_of_route),
             Row("route", of_route));
  fmt::print("ping / floor {:.2f}   route / floor {:.2f}\n", ping_ratio, route_ratio);
  fmt::print("{{\"bench\":\"route\",\"mode\":\"{}\",{},{},{},{},\"ping_ratio\":{:.3f},\"route_ratio\":{:.3f}}}\n",
             arguments.socket.empty() ? "echo" : "daemon", Json("ping_floor", floor_of_ping), Json("ping", of_ping),
             Json("route_floor", floor_of_route), Json("route", of_route), ping_ratio, route_ratio);
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
      status = Measure(arguments, options.socket_path);
    }
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory, ignored);
  return status;
}

bool Parse(int count, char** words, Arguments* arguments) {
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string_view name = words[i];
    const char* value = words[i + 1];
    if (name == "--socket") {
      arguments->socket = value;
    } else if (name == "--dimension") {
      arguments->dimension = std::atoi(value);
    } else if (name == "--rounds") {
      arguments->rounds = std::atoi(value);
    } else if (name == "--exchanges") {
      arguments->exchanges = std::atoi(value);
    } else if (name == "--cpu") {
      arguments->cpu = std::atoi(value);
    } else {
      return false;
    }
  }
  return count % 2 == 1 && arguments->dimension >= 1 && arguments->rounds >= 1 && arguments->exchanges >= 1;
}

}  // namespace
}  // namespace pointsman::bench

int main(int count, char** words) {
  pointsman::bench::Arguments arguments;
  if (!pointsman::bench::Parse(count, words, &arguments)) {
    std::fprintf(stderr, "usage: %s [--socket PATH] [--dimension N] [--rounds N] [--exchanges N] [--cpu N]\n",
                 words[0]);
    return 2;
  }
  if (arguments.cpu >= 0) {
    cpu_set_t chosen;
    CPU_ZERO(&chosen);
    CPU_SET(static_cast<unsigned>(arguments.cpu), &chosen);
    if (::sched_setaffinity(0, sizeof(chosen), &chosen) != 0) return 71;
  }
  if (!arguments.socket.empty()) return pointsman::bench::Measure(arguments, arguments.socket);
  return pointsman::bench::MeasureInProcess(arguments);
}
