#include "tests/crash/soak.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "base/unit_draw.h"
#include "tests/crash/audit.h"
#include "tests/crash/oracle.h"
#include "tests/end_to_end/daemon_process.h"

namespace pointsman::testing {
namespace {

constexpr int kClients = 8;
constexpr char kCanary[] = "zanzibarcanary";
// What the daemon keeps in memory is bounded by this, and is full well before the warm-up
// ends: what still grows after that should not.
constexpr char kLimits[] = "[limits]\nopen_decisions = 20000\n";
using SteadyClock = std::chrono::steady_clock;

// One client at its own pace.
class Client {
 public:
  Client(const DaemonProcess& daemon, std::uint64_t seed, double rounds_per_second)
      : daemon_(daemon), random_(seed), pause_(1 / rounds_per_second) {}

  void Run(const std::atomic<bool>& enough) {
    auto client = daemon_.Connect();
    auto next = SteadyClock::now();
    while (!enough && fault.empty()) {
      next += std::chrono::duration_cast<SteadyClock::duration>(pause_);
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(next - SteadyClock::now()).count();
      if (left > 0) ::poll(nullptr, 0, static_cast<int>(left));
      if (random_.Below(100) == 0) client = daemon_.Connect();
      if (!client.ok()) {
        fault = "no connection: " + client.failure().message;
      } else {
        Round(*client);
      }
    }
  }

  Oracle oracle;
  std::uint64_t routes = 0;
  std::string fault;

 private:
  void Round(client::Client& client) {
    wire::Route route;
    route.set_text(std::string("How do I reverse a list in place, ") + kCanary + "?");
    auto routed = client.Call(route);
    if (!routed.ok()) return Refused("route", routed.failure());
    ++routes;
    const std::string token = routed->token();
    const double value = random_.Below(2) == 0 ? 0 : 1;
    Tell(client, {Kind::kRating, token, "", "thumbs", value, 0});
    Tell(client, {Kind::kOutcome, token, "", "", static_cast<double>(random_.Below(500)), 0});
    if (random_.Below(8) == 0) Tell(client, {Kind::kGold, token, "", "gold", value, 0});
    if (random_.Below(16) == 0) Tell(client, {Kind::kRating, token, "", "thumbs", 1 - value, 1});
    if (random_.Below(32) == 0) Tell(client, {Kind::kRetraction, token, "", "thumbs", 0, 2});
  }
  void Tell(client::Client& client, const Operation& operation) {
    const auto told = Send(client, operation);
    if (!told.ok()) return Refused("report", told.failure());
    oracle.Acknowledged(operation);
  }
  void Refused(const std::string& what, const client::Failure& failure) {
    if (fault.empty()) fault = what + " refused: " + failure.reason + ": " + failure.message;
  }

  const DaemonProcess& daemon_;
  SplitMix64 random_;
  const std::chrono::duration<double> pause_;
};

double ResidentMb(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/statm");
  double size = 0;
  double resident = 0;
  file >> size >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1e6;
}

// What the daemon says of itself.
struct Memory {
  double allocated_mb = 0;
  double memtables_mb = 0;
  double read_cache_mb = 0;
};

Memory MemoryOf(const std::string& status) {
  const auto parsed = nlohmann::json::parse(status, nullptr, false);
  if (!parsed.is_object() || !parsed.contains("memory")) return {};
  const auto& memory = parsed["memory"];
  const auto megabytes = [&](const char* name) { return memory.value(name, 0.0) / 1e6; };
  return {megabytes("allocated_bytes"), megabytes("memtable_bytes"), megabytes("read_cache_bytes")};
}

struct Descriptors {
  std::int64_t others = 0;
  std::int64_t table_files = 0;
};

Descriptors DescriptorsOf(pid_t process) {
  Descriptors found;
  std::error_code error;
  for (std::filesystem::directory_iterator it("/proc/" + std::to_string(process) + "/fd", error), end;
       !error && it != end; it.increment(error)) {
    std::error_code gone;
    const bool table = std::filesystem::read_symlink(it->path(), gone).string().find(".sst") != std::string::npos;
    ++(table ? found.table_files : found.others);
  }
  return found;
}

// Slope of y over x by least squares.
double Slope(const std::vector<std::pair<double, double>>& points) {
  double x = 0;
  double y = 0;
  for (const auto& [a, b] : points) {
    x += a / static_cast<double>(points.size());
    y += b / static_cast<double>(points.size());
  }
  double above = 0;
  double below = 0;
  for (const auto& [a, b] : points) {
    above += (a - x) * (b - y);
    below += (a - x) * (a - x);
  }
  return below > 0 ? above / below : 0;
}

bool HoldsText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream whole;
  whole << file.rdbuf();
  return whole.str().find(kCanary) != std::string::npos;
}

// False while the last one still runs: on a busy machine it may take longer than the pause
// between two, and the next has to wait.
bool StartBootstrap(const DaemonProcess& daemon, const Folder& folder, std::uint64_t number, SoakReport* report) {
  constexpr int kConflict = 409;
  const std::string request = "{\"table_path\":\"" + folder.File("t.jsonl") +
                              "\",\"labels\":\"scores\",\"seed\":" + std::to_string(number) + "}";
  const int status = Http(daemon.admin_path(), "POST", "/v1/bootstrap", request).status;
  if (status == kConflict) return false;
  if (status / 100 != 2 && report->fault.empty())
    report->fault = "a bootstrap was refused with " + std::to_string(status);
  return true;
}

// Watches until the time is over, or something is wrong.
void Watch(const SoakOptions& options, const Folder& folder, DaemonProcess& daemon, SoakReport* report) {
  const auto start = SteadyClock::now();
  std::vector<std::pair<double, double>> memory;  // hours, MB
  std::uint64_t bootstraps = 0;
  double told_minutes = 0;
  std::vector<std::pair<double, double>> settled;  // hours, MB: without the memtables
  for (;;) {
    const double minutes = std::chrono::duration<double>(SteadyClock::now() - start).count() / 60;
    report->minutes = minutes;
    if (minutes >= options.minutes) break;
    if (daemon.Ended()) {
      report->fault = "the daemon ended: " + daemon.Log();
      return;
    }
    const Descriptors descriptors = DescriptorsOf(daemon.pid());
    const auto status = Http(daemon.admin_path(), "GET", "/status");
    if (status.status != 200) report->fault = "no status";
    const Memory parts = MemoryOf(status.body);
    report->memory_mb = ResidentMb(daemon.pid());
    if (minutes >= options.warm_minutes) {
      memory.emplace_back(minutes / 60, report->memory_mb);
      settled.emplace_back(minutes / 60, report->memory_mb - parts.memtables_mb);
      if (memory.size() == 1) {
        report->descriptors_least = report->descriptors_most = descriptors.others;
        report->table_files_least = report->table_files_most = descriptors.table_files;
      }
      report->descriptors_least = std::min(report->descriptors_least, descriptors.others);
      report->descriptors_most = std::max(report->descriptors_most, descriptors.others);
      report->table_files_least = std::min(report->table_files_least, descriptors.table_files);
      report->table_files_most = std::max(report->table_files_most, descriptors.table_files);
    }
    if (options.bootstrap_minutes > 0 &&
        minutes >= options.bootstrap_minutes * (static_cast<double>(bootstraps) + 0.5) &&
        StartBootstrap(daemon, folder, bootstraps + 1, report)) {
      ++bootstraps;
    }
    if (options.progress && minutes >= told_minutes + 1) {
      told_minutes = minutes;
      std::fprintf(stderr,
                   "minute %.0f: %.1f MB, %.1f of them memtables, %.1f read cache, %.1f allocated in all; %lld "
                   "descriptors and %lld table files\n",
                   minutes, report->memory_mb, parts.memtables_mb, parts.read_cache_mb, parts.allocated_mb,
                   static_cast<long long>(descriptors.others), static_cast<long long>(descriptors.table_files));
    }
    ::poll(nullptr, 0, 1000);
  }
  report->memory_mb_per_hour = Slope(memory);
  report->settled_mb_per_hour = Slope(settled);
}

void Audit(const Folder& folder, const Oracle& oracle, SoakReport* report) {
  const std::string store = folder.File("store");
  const Exported exported = Export(store);
  const Oracle::Difference found = oracle.Compare(exported);
  report->lost = found.lost;
  report->doubled = found.doubled;
  const Replayed replayed = Replay(store, "");
  const Replayed baseline = Replay(store, "baseline");
  report->replay_equal = replayed.equal && baseline.equal && replayed.state_hash == baseline.state_hash;
  for (const auto& entry : std::filesystem::directory_iterator(store)) {
    report->text_found = report->text_found || HoldsText(entry.path().string());
  }
  report->text_found = report->text_found || HoldsText(folder.File("log"));
  for (const std::string& fault : {exported.fault, found.first, replayed.fault, baseline.fault}) {
    if (report->fault.empty()) report->fault = fault;
  }
  if (report->fault.empty() && !report->replay_equal) report->fault = "the replay differs";
  if (report->fault.empty() && report->text_found) report->fault = "the text of a query was written somewhere";
}

}  // namespace

std::string SoakReport::Line() const {
  std::array<char, 512> line{};
  std::snprintf(line.data(), line.size(),
                "{\"minutes\": %.1f, \"routes\": %llu, \"acknowledged\": %llu, \"lost\": %llu, \"doubled\": %llu, "
                "\"replay_equal\": %s, \"generations\": %u, \"memory_mb\": %.1f, \"memory_mb_per_hour\": %.2f, "
                "\"settled_mb_per_hour\": %.2f, "
                "\"descriptors\": [%lld, %lld], \"table_files\": [%lld, %lld], \"text_found\": %s, \"sound\": %s}",
                minutes, static_cast<unsigned long long>(routes), static_cast<unsigned long long>(acknowledged),
                static_cast<unsigned long long>(lost), static_cast<unsigned long long>(doubled),
                replay_equal ? "true" : "false", generations, memory_mb, memory_mb_per_hour, settled_mb_per_hour,
                static_cast<long long>(descriptors_least), static_cast<long long>(descriptors_most),
                static_cast<long long>(table_files_least), static_cast<long long>(table_files_most),
                text_found ? "true" : "false", fault.empty() ? "true" : "false");
  return line.data();
}

SoakReport RunSoak(const SoakOptions& options) {
  SoakReport report;
  Folder folder;
  WriteTable(folder.File("t.jsonl"), 120);
  DaemonProcess daemon(folder, BasicConfig(folder, kLimits));
  if (!daemon.Ready()) {
    report.fault = "the daemon did not come up: " + daemon.Log();
    return report;
  }
  std::atomic<bool> enough{false};
  std::vector<std::unique_ptr<Client>> clients;
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<Client>(daemon, options.seed * kClients + static_cast<std::uint64_t>(i),
                                               static_cast<double>(options.routes_per_second) / kClients));
    threads.emplace_back([client = clients.back().get(), &enough] { client->Run(enough); });
  }
  Watch(options, folder, daemon, &report);
  enough = true;
  for (std::thread& thread : threads) thread.join();
  Oracle oracle;
  for (const auto& client : clients) {
    report.routes += client->routes;
    if (report.fault.empty()) report.fault = client->fault;
    oracle.Merge(std::move(client->oracle));
  }
  report.acknowledged = oracle.acknowledged();
  if (auto client = daemon.Connect(); client.ok()) {
    if (auto status = client->Call(wire::Status()); status.ok()) report.generations = status->generation();
  }
  report.text_found = Http(daemon.admin_path(), "GET", "/metrics").body.find(kCanary) != std::string::npos;
  daemon.Kill(SIGTERM);
  if (const int code = daemon.Wait(); code != 0 && report.fault.empty()) {
    report.fault = "the stop ended with " + std::to_string(code);
  }
  Audit(folder, oracle, &report);
  return report;
}

}  // namespace pointsman::testing
