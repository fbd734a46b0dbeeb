#include "tests/crash/crash_loop.h"

#include <atomic>
#include <cstdio>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/unit_draw.h"
#include "tests/crash/audit.h"
#include "tests/crash/oracle.h"
#include "tests/end_to_end/daemon_process.h"

namespace pointsman::testing {
namespace {

constexpr int kWriters = 16;
constexpr std::uint32_t kDuplicateOk = 1;
constexpr std::uint32_t kNotFound = 4;
constexpr std::uint32_t kUnavailable = 11;
constexpr std::size_t kSentAgainAfterRestart = 48;
// Between two rounds of a writer while a bootstrap is awaited: it runs at idle priority, and
// sixteen writers that never rest would hold it up for seconds and grow the log meanwhile.
constexpr int kBesideBootstrapMs = 40;

// Passed by the bootstrap's own process; the daemon does not die there.
bool IsInTheJob(std::string_view point) { return point.starts_with("daemon.job."); }

// Passed by a bootstrap and its activation only.
bool NeedsBootstrap(std::string_view point) {
  return IsInTheJob(point) || point.starts_with("store.bundle.") || point.starts_with("daemon.activate.") ||
         point.starts_with("daemon.gate.");
}

// One client: routes and reports until the daemon is gone.
class Writer {
 public:
  // `pause_ms`: between two rounds, may change.
  Writer(const DaemonProcess& daemon, std::uint64_t seed, std::atomic<std::uint64_t>* acknowledged,
         const std::atomic<int>* pause_ms)
      : daemon_(daemon), random_(seed), acknowledged_(acknowledged), pause_ms_(pause_ms) {}

  void Run() {
    auto client = daemon_.Connect();
    if (!client.ok()) return;
    while (!client->closed() && fault_.empty() && Round(*client)) {
      if (const int pause = *pause_ms_; pause > 0) ::poll(nullptr, 0, pause);
    }
  }
  Oracle& oracle() { return oracle_; }
  const std::string& fault() const { return fault_; }

 private:
  bool Round(client::Client& client) {
    wire::Route route;
    route.set_text(random_.Below(2) == 0 ? "How do I reverse a list in place?" : "Which emperor followed Nero?");
    auto routed = client.Call(route);
    if (!routed.ok()) return Gone(routed.failure(), "route");
    const std::string token = routed->token();
    oracle_.Routed(token);
    const double value = random_.Below(2) == 0 ? 0 : 1;
    if (!Tell(client, {Kind::kRating, token, "", "thumbs", value, 0})) return false;
    if (!Tell(client, {Kind::kOutcome, token, "", "", static_cast<double>(random_.Below(500)), 0})) return false;
    if (random_.Below(4) == 0 && !Tell(client, {Kind::kRating, token, "", "judge", 0.5, 0})) return false;
    if (random_.Below(8) == 0 && !Tell(client, {Kind::kGold, token, "", "gold", 0.25, 0})) return false;
    if (random_.Below(8) == 0 && !Tell(client, {Kind::kRating, token, "", "thumbs", 1 - value, 1})) return false;
    if (random_.Below(16) == 0 && !Tell(client, {Kind::kRetraction, token, "", "thumbs", 0, 2})) return false;
    if (!last_.empty() && random_.Below(8) == 0 && !Tell(client, {Kind::kPreference, token, last_, "thumbs", 1, 0})) {
      return false;
    }
    last_ = token;
    return true;
  }

  bool Tell(client::Client& client, const Operation& operation) {
    auto told = Send(client, operation);
    if (!told.ok()) {
      if (told.failure().code == kUnavailable || client.closed()) oracle_.InDoubt(operation);
      return Gone(told.failure(), "report");
    }
    oracle_.Acknowledged(operation);
    acknowledged_->fetch_add(1, std::memory_order_relaxed);
    // A client that is not sure sends again: nothing may come of it.
    if (random_.Below(32) == 0) {
      told = Send(client, operation);
      if (!told.ok()) return Gone(told.failure(), "repeated report");
      if (told->code() != kDuplicateOk) fault_ = "a report that was acknowledged was taken twice";
    }
    return fault_.empty();
  }

  // The daemon is gone, as planned, or it refused what it should have taken.
  bool Gone(const client::Failure& failure, const char* what) {
    if (failure.code != kUnavailable)
      fault_ = std::string(what) + " refused: " + failure.reason + ": " + failure.message;
    return false;
  }

  const DaemonProcess& daemon_;
  SplitMix64 random_;
  std::atomic<std::uint64_t>* acknowledged_;
  const std::atomic<int>* pause_ms_;
  Oracle oracle_;
  std::string last_;
  std::string fault_;
};

// One store and its lives.
class Loop {
 public:
  explicit Loop(const CrashOptions& options) : options_(options), random_(options.seed) {}

  CrashReport Run() {
    while (report_.kills < options_.kills && report_.Sound()) {
      if (report_.kills % options_.kills_per_store == 0) StartAfresh();
      Life();
    }
    return report_;
  }

 private:
  void StartAfresh() {
    folder_ = std::make_unique<Folder>();
    WriteTable(folder_->File("t.jsonl"), 120);
    oracle_ = Oracle();
    exported_.reset();
    replayed_.reset();
  }

  std::string Configuration() const {
    return BasicConfig(*folder_, "[limits]\ncheckpoint_events = 200\n");  // so that kills meet checkpoints too
  }
  void Fault(const std::string& what) {
    if (report_.fault.empty()) report_.fault = "kill " + std::to_string(report_.kills + 1) + ": " + what;
  }

  // A restart that is killed itself, perhaps in the middle of its recovery.
  void KillRestarts() {
    for (std::uint64_t left = random_.Below(4); left > 0; --left) {
      DaemonProcess daemon(*folder_, Configuration());
      ::poll(nullptr, 0, static_cast<int>(random_.Below(60)));
      daemon.Kill(SIGKILL);
      daemon.Wait();
      ++report_.startup_kills;
    }
  }

  void Life() {
    if (options_.startup_kills && report_.kills % 4 == 3) KillRestarts();
    const std::string armed = folder_->File("armed");
    std::filesystem::remove(armed);
    std::vector<std::pair<std::string, std::string>> environment;
    if (!options_.point.empty()) environment.emplace_back("POINTSMAN_FAULT", options_.point + "=kill?" + armed);
    // Every third life is on the plainest instruction set.
    if (report_.kills % 3 == 2) environment.emplace_back("POINTSMAN_ISA", "baseline");
    DaemonProcess daemon(*folder_, Configuration(), environment);
    if (!daemon.Ready()) return Fault("the daemon did not come up: " + daemon.Log());
    CompareThroughTheSocket(daemon);
    const std::uint64_t before = report_.acknowledged;
    if (report_.Sound()) Load(daemon, armed);
    daemon.Kill(SIGKILL);
    if (daemon.Wait() != 128 + SIGKILL) Fault("the daemon ended by itself: " + daemon.Log());
    if (!report_.Sound()) return;
    const std::uint64_t came = report_.acknowledged - before;
    if (came < options_.acknowledged_min) return Fault("only " + std::to_string(came) + " acknowledgements before it");
    report_.acknowledged_least = report_.kills == 0 ? came : std::min(report_.acknowledged_least, came);
    Audit();
    ++report_.kills;
    if (options_.progress) {
      std::fprintf(stderr, "kill %d of %d: %llu acknowledged since the last, %llu lost, %llu doubled, replay %s%s%s\n",
                   report_.kills, options_.kills, static_cast<unsigned long long>(came),
                   static_cast<unsigned long long>(report_.lost), static_cast<unsigned long long>(report_.doubled),
                   report_.replay_equal ? "equal" : "DIFFERENT", report_.fault.empty() ? "" : ": ",
                   report_.fault.c_str());
    }
  }

  void CompareThroughTheSocket(const DaemonProcess& daemon) {
    auto client = daemon.Connect();
    if (!client.ok()) return Fault("no connection: " + client.failure().message);
    auto status = client->Call(wire::Status());
    if (!status.ok()) return Fault("no status: " + status.failure().message);
    generation_ = status->generation();
    report_.generations = std::max(report_.generations, generation_);
    if (replayed_ && status->learned_sequence() == replayed_->events) {
      char hash[24];
      std::snprintf(hash, sizeof hash, "0x%016llx", static_cast<unsigned long long>(status->state_hash()));
      if (replayed_->state_hash != hash) report_.replay_equal = false;
      ++report_.hashes_compared_by_socket;
    }
    for (const Operation& doubt : oracle_.TakeDoubts()) {
      auto told = Send(*client, doubt);
      ++report_.sent_again;
      if (told.ok()) {
        oracle_.Acknowledged(doubt);
      } else if (told.failure().code != kNotFound || exported_->decisions.contains(Oracle::IdOf(doubt.token))) {
        Fault("what was in doubt is refused: " + told.failure().reason);
      }
    }
    for (const Operation& word : oracle_.LastWords(kSentAgainAfterRestart)) {
      auto told = Send(*client, word);
      ++report_.sent_again;
      if (!told.ok() || told->code() != kDuplicateOk) ++report_.lost;
    }
  }

  void Load(DaemonProcess& daemon, const std::string& armed) {
    std::atomic<std::uint64_t> acknowledged{0};
    std::atomic<int> pause_ms{0};
    std::vector<std::unique_ptr<Writer>> writers;
    std::vector<std::thread> threads;
    for (int i = 0; i < kWriters; ++i) {
      writers.push_back(std::make_unique<Writer>(daemon, random_(), &acknowledged, &pause_ms));
      threads.emplace_back([writer = writers.back().get()] { writer->Run(); });
    }
    const auto enough = [&] { return acknowledged.load() >= options_.acknowledged_min || daemon.Ended(); };
    const bool bootstrap = options_.bootstraps && (report_.kills % 2 == 1 || !options_.point.empty());
    const auto start_bootstrap = [&] {
      // Forced: the gold of this load is drawn at random, and so would the gate's verdict be.
      const std::string request = "{\"table_path\":\"" + folder_->File("t.jsonl") +
                                  "\",\"labels\":\"scores\",\"force\":true,\"seed\":" + std::to_string(report_.kills) +
                                  "}";
      const int status = Http(daemon.admin_path(), "POST", "/v1/bootstrap", request).status;
      // No answer at all: the daemon has reached its fault point already.
      const bool gone = status == 0 && !options_.point.empty();
      if (status / 100 != 2 && !gone) Fault("the bootstrap was refused with " + std::to_string(status));
    };
    if (options_.point.empty()) {
      if (bootstrap) start_bootstrap();
      if (!Eventually(enough)) Fault("the load does not move");
      // Some bootstraps come to their end, on however slow a machine.
      if (bootstrap && random_.Below(2) == 0) {
        pause_ms = kBesideBootstrapMs;
        AwaitGeneration(daemon);
        pause_ms = 0;
      }
      ::poll(nullptr, 0, static_cast<int>(random_.Below(200)));  // the random moment
      daemon.Kill(SIGKILL);
    } else {
      if (!Eventually(enough)) Fault("the load does not move");
      ::poll(nullptr, 0, static_cast<int>(random_.Below(30)));
      if (NeedsBootstrap(options_.point)) pause_ms = kBesideBootstrapMs;
      std::ofstream(armed) << "now\n";
      if (bootstrap) start_bootstrap();
      if (IsInTheJob(options_.point)) {
        AwaitDeadJob(daemon);
      } else if (!Eventually([&] { return daemon.Ended(); })) {
        Fault("the fault point was not passed");
      }
      daemon.Kill(SIGKILL);
    }
    for (std::thread& thread : threads) thread.join();
    for (const auto& writer : writers) {
      if (!writer->fault().empty()) Fault(writer->fault());
      oracle_.Merge(std::move(writer->oracle()));
    }
    report_.acknowledged += acknowledged.load();
  }

  // The job dies alone: nothing goes live, and the daemon says what happened.
  void AwaitDeadJob(const DaemonProcess& daemon) {
    const auto report = [&] { return Http(daemon.admin_path(), "GET", "/v1/bootstrap").body; };
    if (!Eventually([&] { return report().find("\"failed\"") != std::string::npos; })) {
      return Fault("the job does not fail: " + report());
    }
    auto client = daemon.Connect();
    if (!client.ok()) return Fault("no connection: " + client.failure().message);
    const auto status = client->Call(wire::Status());
    if (!status.ok()) return Fault("no status: " + status.failure().message);
    if (status->generation() != generation_) Fault("a dead job's bundle went live");
  }

  // Until a generation that was not there at the start of this life is live.
  void AwaitGeneration(DaemonProcess& daemon) {
    auto client = daemon.Connect();
    if (!client.ok()) return;
    const bool came = Eventually([&] {
      auto status = client->Call(wire::Status());
      if (!status.ok()) return true;
      report_.generations = std::max(report_.generations, status->generation());
      return status->generation() > generation_;
    });
    if (!came) Fault("the bootstrap does not end");
  }

  void Audit() {
    const std::string store = folder_->File("store");
    exported_ = Export(store);
    if (!exported_->fault.empty()) return Fault(exported_->fault);
    const Oracle::Difference found = oracle_.Compare(*exported_);
    report_.lost += found.lost;
    report_.doubled += found.doubled;
    report_.unlogged_routes += found.unlogged_routes;
    oracle_.ForgetRoutes();
    if (found.invented > 0 || found.lost > 0 || found.doubled > 0) Fault(found.first);
    replayed_ = Replay(store, "");
    const Replayed baseline = Replay(store, "baseline");
    for (const Replayed* one : std::initializer_list<const Replayed*>{&*replayed_, &baseline}) {
      if (!one->fault.empty()) Fault(one->fault);
      if (!one->equal) report_.replay_equal = false;
    }
    if (replayed_->state_hash != baseline.state_hash) report_.replay_equal = false;
  }

  const CrashOptions options_;
  SplitMix64 random_;
  CrashReport report_;
  std::unique_ptr<Folder> folder_;
  std::uint32_t generation_ = 0;  // live at the start of this life
  Oracle oracle_;
  std::optional<Exported> exported_;
  std::optional<Replayed> replayed_;
};

}  // namespace

std::string CrashReport::Line() const {
  return "{\"kills\": " + std::to_string(kills) + ", \"acknowledged\": " + std::to_string(acknowledged) +
         ", \"lost\": " + std::to_string(lost) + ", \"doubled\": " + std::to_string(doubled) +
         ", \"replay_equal\": " + (replay_equal ? "true" : "false") + "}";
}

CrashReport RunCrashLoop(const CrashOptions& options) { return Loop(options).Run(); }

}  // namespace pointsman::testing
