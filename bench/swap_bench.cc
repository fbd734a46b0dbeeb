// P12: Route while a generation is fitted, judged, swapped in and all feedback folded
// again, against the same traffic on the same daemon left alone.
//
//   swap_bench [--events 1000000] [--rows 20000] [--models 20] [--seconds 5] [--short]
//
// A pointsmand of its own is bootstrapped from a table of texts and warmed until its log
// has --events events, half decisions, half ratings. Capacity is what four clients reach
// that ask again at once. Then, at a quarter and at half of it: open-loop traffic (each
// request has its time; waiting for a late reply counts, a late timer does not) for --seconds with nobody else,
// during a whole `pointsman bootstrap run` of --rows x --models, and for --seconds again.
// Beside it one client rates a decision every 20 ms and waits for the acknowledgement.
// Prints a table and one line of JSON a figure. Exit: 0; 1 when a request failed or the
// bootstrap did; 2 usage; 71 no daemon.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/unit_draw.h"
#include "bench/latencies.h"
#include "tests/end_to_end/daemon_process.h"

namespace pointsman::bench {
namespace {

using testing::DaemonProcess;
using testing::Folder;
using testing::Http;

constexpr int kClients = 4;
constexpr int kTopics = 64;
constexpr int kFirstModels = 8;

struct Arguments {
  std::uint64_t events = 1'000'000;
  int rows = 20'000;
  int models = 20;
  double seconds = 5;
};

// Twelve words, most of them of one topic.
std::string TextOf(int topic, SplitMix64& random) {
  std::string text;
  for (int w = 0; w < 12; ++w) {
    const bool common = random.Unit() < .3;
    text +=
        fmt::format("{}{} ", common ? "common" : fmt::format("topic{}word", topic), random.Below(common ? 200 : 20));
  }
  return text;
}

std::string NameOf(int model) { return fmt::format("model-{}", model); }

void WriteTexts(const std::string& path, int rows, int models, std::uint64_t seed) {
  SplitMix64 random(seed);
  std::ofstream table(path);
  for (int r = 0; r < rows; ++r) {
    const int topic = static_cast<int>(random.Below(kTopics));
    table << fmt::format(R"({{"id":"q{}","query":"{}","task":"t{}","models":{{)", r, TextOf(topic, random), topic % 8);
    for (int m = 0; m < models; ++m) {
      const double chance = .3 + .5 * static_cast<double>((topic * 7 + m * 13) % 11) / 10;
      table << fmt::format(R"({}"{}":{{"score":{},"tokens_out":100}})", m == 0 ? "" : ",", NameOf(m),
                           random.Unit() < chance ? 1 : 0);
    }
    table << "}}\n";
  }
}

std::string ConfigOf(const Folder& folder, int models) {
  std::string config = fmt::format(
      "[store]\ndirectory = \"{}\"\n[sockets]\nroute = \"{}\"\napi = \"\"\nadmin = \"{}\"\n"
      "[learning]\nsources = [\"thumbs\"]\n",
      folder.File("store"), folder.File("r.sock"), folder.File("a.sock"));
  for (int m = 0; m < models; ++m) {
    config += fmt::format("[[models]]\nname = \"{}\"\ninput_usd_per_million = {}\noutput_usd_per_million = {}\n",
                          NameOf(m), .1 * (m + 1), .4 * (m + 1));
  }
  return config;
}

// What went wrong, the first time; afterwards nothing counts.
std::atomic<std::uint64_t> failed{0};
void Fail(const std::string& what) {
  if (failed.fetch_add(1) == 0) std::fprintf(stderr, "swap_bench: %s\n", what.c_str());
}

std::string Bootstrap(const DaemonProcess& daemon, const std::string& table) {
  return Http(daemon.admin_path(), "POST", "/v1/bootstrap",
              fmt::format(R"({{"table_path":"{}","labels":"scores","clusters_max":64,"force":true}})", table))
      .body;
}

// Until the job has ended; how long its last step took, the swap with its folding.
double AwaitBootstrap(const DaemonProcess& daemon) {
  std::int64_t activated = 0;
  while (true) {
    const std::string report = Http(daemon.admin_path(), "GET", "/v1/bootstrap").body;
    if (activated == 0 && report.find("\"activate\"") != std::string::npos) activated = Now();
    if (report.find("\"running\"") == std::string::npos) {
      if (report.find("\"done\"") == std::string::npos) Fail("the bootstrap: " + report);
      return activated == 0 ? 0 : static_cast<double>(Now() - activated) * 1e-9;
    }
    timespec pause{0, 20'000'000};
    nanosleep(&pause, nullptr);
  }
}

wire::Route RouteOf(SplitMix64& random) {
  wire::Route route;
  route.set_text(TextOf(static_cast<int>(random.Below(kTopics)), random));
  return route;
}

// `decisions` of them, each rated.
void Warm(const DaemonProcess& daemon, std::uint64_t decisions, std::uint64_t seed) {
  auto client = daemon.Connect();
  if (!client.ok()) return Fail(client.failure().message);
  constexpr std::uint64_t kAtOnce = 256;
  SplitMix64 random(seed);
  for (std::uint64_t done = 0; done < decisions && failed == 0; done += kAtOnce) {
    std::vector<wire::Route> routes;
    for (std::uint64_t i = 0; i < kAtOnce; ++i) {
      routes.push_back(RouteOf(random));
      routes.back().add_allowed(NameOf(static_cast<int>(random.Below(kFirstModels))));
    }
    std::vector<wire::Rate> rates;
    for (const auto& reply : client->Pipeline(routes)) {
      if (!reply.ok()) return Fail(reply.failure().message);
      wire::Rate& rate = rates.emplace_back();
      rate.set_token(reply->token());
      rate.set_source("thumbs");
      rate.set_value(random.Unit() < .6 ? 1 : 0);
    }
    for (const auto& ack : client->Pipeline(rates)) {
      if (!ack.ok()) return Fail(ack.failure().message);
    }
  }
}

// Requests a second of kClients that ask again at once.
double Capacity(const DaemonProcess& daemon, double seconds) {
  std::atomic<std::uint64_t> done{0};
  const std::int64_t until = Now() + static_cast<std::int64_t>(seconds * 1e9);
  std::vector<std::jthread> clients;
  for (int c = 0; c < kClients; ++c) {
    clients.emplace_back([&, c] {
      auto client = daemon.Connect();
      SplitMix64 random(static_cast<std::uint64_t>(100 + c));
      while (client.ok() && Now() < until) {
        if (client->Call(RouteOf(random)).ok()) ++done;
      }
    });
  }
  clients.clear();
  return static_cast<double>(done.load()) / seconds;
}

// Open-loop traffic of `rate` requests a second until `stop`.
class Traffic {
 public:
  Traffic(const DaemonProcess& daemon, double rate) : daemon_(daemon) {
    const auto apart = static_cast<std::int64_t>(kClients / rate * 1e9);
    for (int c = 0; c < kClients; ++c) {
      threads_.emplace_back([this, apart, c] { Route(apart, apart / kClients * c, c); });
    }
    threads_.emplace_back([this] { Rate(); });
  }
  Latencies End() {
    stop_ = true;
    threads_.clear();
    return std::move(all_);
  }

 private:
  void Route(std::int64_t apart, std::int64_t offset, int number) {
    auto client = daemon_.Connect();
    if (!client.ok()) return Fail(client.failure().message);
    SplitMix64 random(static_cast<std::uint64_t>(200 + number));
    Latencies own;
    for (std::int64_t due = Now() + offset; !stop_; due += apart) {
      const wire::Route route = RouteOf(random);
      if (Now() < due) {  // else a late reply made this one wait, which counts
        SleepUntil(due);
        due = Now();  // a late timer is not the daemon's
      }
      const auto reply = client->Call(route);
      if (!reply.ok()) Fail("a route failed: " + reply.failure().message);
      own.route.push_back(Now() - due);
    }
    const std::lock_guard lock(mutex_);
    all_.Add(own);
  }
  void Rate() {
    auto client = daemon_.Connect();
    if (!client.ok()) return Fail(client.failure().message);
    SplitMix64 random(300);
    Latencies own;
    constexpr std::int64_t kApart = 20'000'000;
    for (std::int64_t due = Now(); !stop_; due = std::max(due + kApart, Now())) {
      SleepUntil(due);
      const auto routed = client->Call(RouteOf(random));
      if (!routed.ok()) Fail("a route failed: " + routed.failure().message);
      wire::Rate rate;
      rate.set_source("thumbs");
      rate.set_value(1);
      if (routed.ok()) rate.set_token(routed->token());
      const std::int64_t start = Now();
      const auto rated = client->Call(rate);
      if (!rated.ok()) Fail("a rating failed: " + rated.failure().message);
      own.feedback.push_back(Now() - start);
    }
    const std::lock_guard lock(mutex_);
    all_.Add(own);
  }

  const DaemonProcess& daemon_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  Latencies all_;
  std::vector<std::jthread> threads_;
};

Latencies Quiet(const DaemonProcess& daemon, double rate, double seconds) {
  Traffic traffic(daemon, rate);
  SleepUntil(Now() + static_cast<std::int64_t>(seconds * 1e9));
  return traffic.End();
}

int Measure(const Arguments& arguments) {
  const auto beside = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  ::setenv("POINTSMAN_BIN", beside.c_str(), 0);
  Folder folder;
  WriteTexts(folder.File("first.jsonl"), 3000, kFirstModels, 1);
  WriteTexts(folder.File("next.jsonl"), arguments.rows, arguments.models, 2);
  DaemonProcess daemon(folder, ConfigOf(folder, arguments.models));
  if (!daemon.Ready()) return std::fprintf(stderr, "swap_bench: %s\n", daemon.Log().c_str()), 71;
  Bootstrap(daemon, folder.File("first.jsonl"));
  AwaitBootstrap(daemon);
  {
    std::vector<std::jthread> warmers;
    for (std::uint64_t w = 0; w < 2; ++w) warmers.emplace_back([&, w] { Warm(daemon, arguments.events / 4, 10 + w); });
  }
  const double capacity = Capacity(daemon, arguments.seconds / 2);
  double longest = 0;
  double refold = 0;
  for (const int percent : {25, 50}) {
    const double rate = capacity * percent / 100;
    Latencies quiet = Quiet(daemon, rate, arguments.seconds);
    Traffic traffic(daemon, rate);
    const std::int64_t start = Now();
    Bootstrap(daemon, folder.File("next.jsonl"));
    const double swapped = AwaitBootstrap(daemon);
    const double took = static_cast<double>(Now() - start) * 1e-9;
    const Latencies busy = traffic.End();
    quiet.Add(Quiet(daemon, rate, arguments.seconds));
    refold = std::max(refold, swapped);
    longest = std::max(longest, Micros(busy.route, 1) * 1e-3);
    std::printf(
        "%d %% of %.0f routes/s; bootstrap %.1f s, of it the swap %.2f s; us: quiet p50 %.0f p99 %.0f max %.0f, "
        "busy p50 %.0f p99 %.0f max %.0f; acknowledged ratings p50, p99, max: quiet %.0f %.0f %.0f, busy %.0f "
        "%.0f %.0f\n",
        percent, capacity, took, swapped, Micros(quiet.route, .5), Micros(quiet.route, .99), Micros(quiet.route, 1),
        Micros(busy.route, .5), Micros(busy.route, .99), Micros(busy.route, 1), Micros(quiet.feedback, .5),
        Micros(quiet.feedback, .99), Micros(quiet.feedback, 1), Micros(busy.feedback, .5), Micros(busy.feedback, .99),
        Micros(busy.feedback, 1));
    Row(fmt::format("swap/route_p99_{}", percent), Micros(busy.route, .99), Micros(quiet.route, .99));
    Row(fmt::format("swap/feedback_p99_{}", percent), Micros(busy.feedback, .99), Micros(quiet.feedback, .99));
  }
  Row("swap/route_max_ms", longest);
  Row("swap/refold_seconds", refold);
  Row("swap/failed", static_cast<double>(failed.load()));
  return failed == 0 ? 0 : 1;
}

bool Parse(int count, char** words, Arguments* arguments) {
  for (int i = 1; i < count; ++i) {
    const std::string_view name = words[i];
    if (name == "--short") {
      *arguments = {100'000, 4'000, 10, 2};
      continue;
    }
    if (i + 1 >= count) return false;
    const double value = std::atof(words[++i]);
    if (name == "--events") {
      arguments->events = static_cast<std::uint64_t>(value);
    } else if (name == "--rows") {
      arguments->rows = static_cast<int>(value);
    } else if (name == "--models") {
      arguments->models = static_cast<int>(value);
    } else if (name == "--seconds") {
      arguments->seconds = value;
    } else {
      return false;
    }
  }
  return arguments->events >= 1 && arguments->rows >= 10 && arguments->models >= kFirstModels && arguments->seconds > 0;
}

}  // namespace
}  // namespace pointsman::bench

int main(int count, char** words) {
  pointsman::bench::Arguments arguments;
  if (!pointsman::bench::Parse(count, words, &arguments)) {
    std::fprintf(stderr, "usage: %s [--events N] [--rows N] [--models N] [--seconds S] [--short]\n", words[0]);
    return 2;
  }
  return pointsman::bench::Measure(arguments);
}
