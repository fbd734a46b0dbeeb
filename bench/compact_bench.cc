// P13: Route and feedback while the daemon compacts its own store, against the same traffic
// on the same daemon left alone.
//
//   compact_bench [--mib 5120] [--seconds 20] [--routes 500] [--short]
//
// A store is filled with logged decisions until its files have --mib, a pointsmand is started
// on it. Then, each for --seconds: quiet; `POST /v1/compact` again and again (which flushes,
// and writes every file anew), a thread at idle priority that only copies memory; quiet again.
// Routes are open loop (each has its time; a late timer does not count). Every 5 ms, in
// turn, one client rates and waits for the synced acknowledgement, and bare RocksDB writes a
// synced batch of the same keys and sizes on the same disk: the floor of feedback, under the
// same churn. --short: 256 MiB, 6 seconds.
// Prints a line for people and one line of JSON a figure. Exit: 0; 1 when anything failed or
// no compaction was on its way all the time; 2 usage; 71 no daemon.
#include <fmt/format.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/unit_draw.h"
#include "bench/latencies.h"
#include "store/codec.h"
#include "store/keys.h"
#include "tests/end_to_end/daemon_process.h"
#include "tests/store/samples.h"

namespace pointsman::bench {
namespace {

using pointsman::testing::BasicConfig;
using pointsman::testing::DaemonProcess;
using pointsman::testing::Folder;
using pointsman::testing::Http;

struct Arguments {
  std::uint64_t mib = 5120;
  double seconds = 20;
  double routes = 500;  // a second
};

constexpr std::int64_t kWritesApart = 5'000'000;  // nanoseconds

std::atomic<bool> failed{false};
void Fail(const std::string& what) {
  if (!failed.exchange(true)) std::fprintf(stderr, "compact_bench: %s\n", what.c_str());
}

void Sleep(double seconds) { SleepUntil(Now() + static_cast<std::int64_t>(seconds * 1e9)); }

// Decisions of the two configured models, with tenants that do not compress.
void Fill(const std::string& directory, std::uint64_t bytes) {
  auto opened = store::OpenRocksStore({.directory = directory});
  if (!opened.ok()) return Fail(opened.error().message);
  store::Store& store = **opened;
  SplitMix64 random(1);
  std::vector<Result<store::Receipt>> outcomes;
  std::vector<store::Request> requests;
  const std::int64_t now_us = SystemClock().WallMicros();
  for (std::uint64_t number = 0; !failed;) {
    requests.clear();
    for (int i = 0; i < 1024; ++i) {
      policy::DecisionMade made = store::DecisionOf(++number, now_us + 24 * store::kHourUs);
      made.context.decided_at_us = now_us;
      made.context.prior = random.Unit();
      for (int word = 0; word < 8; ++word) made.tenant += fmt::format("{:016x}", random());
      made.tenant.resize(128);
      requests.push_back(store::Ask(std::move(made)));
    }
    const Status done = store.Commit(requests, now_us, false, &outcomes);
    if (!done.ok()) return Fail(done.error().message);
    if (number % (1024 * 64) == 0 && store.Statistics().disk_bytes >= bytes) return;
  }
}

// A database of its own, in which a synced batch is what a rating writes.
class BareWriter {
 public:
  explicit BareWriter(const std::string& directory) {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.write_buffer_size = store::StoreOptions().write_buffer_bytes;
    Check(rocksdb::DB::Open(options, directory, &database_));
    for (const char* name : {"log", "decisions", "meta"}) {
      Check(database_->CreateColumnFamily(options, name, &families_.emplace_back()));
    }
  }
  ~BareWriter() {
    for (auto* family : families_) Check(database_->DestroyColumnFamilyHandle(family));
    delete database_;
  }
  void Write() {
    rocksdb::WriteBatch batch;
    batch.Put(families_[0], store::LogKey(LogSeq{++next_}), std::string(150, 'e'));
    const DecisionId id = store::IdOf(next_ % 64);
    batch.Put(families_[1], rocksdb::Slice(store::KeyOf(id).data(), store::KeyOf(id).size()), std::string(200, 'r'));
    batch.Put(families_[2], "open_decisions", "0123456789abcdef");
    rocksdb::WriteOptions synced;
    synced.sync = true;
    Check(database_->Write(synced, &batch));
  }

 private:
  static void Check(const rocksdb::Status& status) {
    if (!status.ok()) Fail(status.ToString());
  }
  rocksdb::DB* database_ = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;
  std::uint64_t next_ = 0;
};

wire::Route SomeRoute() {
  wire::Route route;
  route.set_text("How do I reverse a list in place?");
  return route;
}

void RouteUntil(const DaemonProcess& daemon, double rate, std::int64_t end, std::vector<std::int64_t>* nanos) {
  auto client = daemon.Connect();
  if (!client.ok()) return Fail(client.failure().message);
  const auto apart = static_cast<std::int64_t>(1e9 / rate);
  for (std::int64_t due = Now(); due < end && !failed; due += apart) {
    const wire::Route route = SomeRoute();
    if (Now() < due) {  // else a late reply made this one wait, which counts
      SleepUntil(due);
      due = Now();  // a late timer is not the daemon's
    }
    const auto reply = client->Call(route);
    if (!reply.ok()) return Fail("a route failed: " + reply.failure().message);
    nanos->push_back(Now() - due);
  }
}

// The latency of one synced rating, in nanoseconds, from `due` or now, whichever is later.
std::int64_t Rating(client::Client& client, std::int64_t due) {
  const auto routed = client.Call(SomeRoute());
  if (!routed.ok()) return Fail("a route failed: " + routed.failure().message), 0;
  wire::Rate rate;
  rate.set_token(routed->token());
  rate.set_source("thumbs");
  rate.set_value(1);
  SleepUntil(due);
  const std::int64_t start = Now();
  const auto rated = client.Call(rate);
  if (!rated.ok()) Fail("a rating failed: " + rated.failure().message);
  return Now() - start;
}

std::int64_t BareWrite(BareWriter& bare, std::int64_t due) {
  SleepUntil(due);
  const std::int64_t start = Now();
  bare.Write();
  return Now() - start;
}

// Routes all the time; ratings and bare writes in turn, one by one: what passes in a moment
// meets both alike.
Latencies Traffic(const Arguments& arguments, const DaemonProcess& daemon, BareWriter& bare) {
  Latencies all;
  const std::int64_t end = Now() + static_cast<std::int64_t>(arguments.seconds * 1e9);
  std::jthread router([&] { RouteUntil(daemon, arguments.routes, end, &all.route); });
  auto client = daemon.Connect();
  if (!client.ok()) Fail(client.failure().message);
  bool ours = true;
  for (std::int64_t due = Now(); due < end && !failed; due = std::max(due + kWritesApart, Now())) {
    if (ours) {
      all.feedback.push_back(Rating(*client, due));
    } else {
      all.bare.push_back(BareWrite(bare, due));
    }
    ours = !ours;
  }
  router.join();
  return all;
}

// Compacts the daemon's store again and again from construction to End.
class Churn {
 public:
  explicit Churn(const DaemonProcess& daemon) : thread_([this, &daemon] { Run(daemon); }) {}
  ~Churn() { End(); }
  void End() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  // Valid after End.
  int compactions() const { return compactions_; }
  double seconds() const { return seconds_; }

 private:
  void Run(const DaemonProcess& daemon) {
    while (!stop_ && !failed) {
      const std::int64_t start = Now();
      const auto answer = Http(daemon.admin_path(), "POST", "/v1/compact", "{}");
      if (answer.status != 200) return Fail("the compaction was refused: " + answer.body);
      seconds_ += static_cast<double>(Now() - start) * 1e-9;
      ++compactions_;
    }
  }
  std::atomic<bool> stop_{false};
  int compactions_ = 0;
  double seconds_ = 0;
  std::thread thread_;
};

// A thread at idle priority that copies memory and touches no disk, from construction to
// End: what any work beside the daemon costs on this machine.
class Neighbour {
 public:
  Neighbour() : thread_([this] { Run(); }) {}
  ~Neighbour() { End(); }
  void End() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }

 private:
  void Run() {
    const sched_param none{};
    if (::sched_setscheduler(0, SCHED_IDLE, &none) != 0) return Fail("no idle priority");
    std::vector<char> from(8 << 20, 'a');
    std::vector<char> to(from.size());
    while (!stop_) {
      std::copy(from.begin(), from.end(), to.begin());
      std::swap(from, to);
    }
  }
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

int Measure(const Arguments& arguments) {
  const auto beside = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  ::setenv("POINTSMAN_BIN", beside.c_str(), 0);
  const Folder folder;
  {
    DaemonProcess first(folder, BasicConfig(folder));  // the models, for decisions to name
    if (!first.Ready()) return std::fprintf(stderr, "compact_bench: %s\n", first.Log().c_str()), 71;
    first.Kill(SIGTERM);
    first.Wait();
  }
  Fill(folder.File("store"), arguments.mib << 20);
  if (failed) return 1;
  DaemonProcess daemon(folder, BasicConfig(folder));
  if (!daemon.Ready()) return std::fprintf(stderr, "compact_bench: %s\n", daemon.Log().c_str()), 71;
  BareWriter bare(folder.File("bare"));
  // Once before: what the filling left to compact is nobody's quiet.
  if (Http(daemon.admin_path(), "POST", "/v1/compact", "{}").status != 200) Fail("the compaction was refused");
  Latencies quiet = Traffic(arguments, daemon, bare);
  Churn churn(daemon);
  Sleep(.2);
  const Latencies busy = Traffic(arguments, daemon, bare);
  churn.End();
  Neighbour neighbour;
  const Latencies copying = Traffic(arguments, daemon, bare);
  neighbour.End();
  quiet.Add(Traffic(arguments, daemon, bare));
  if (failed) return 1;
  fmt::print(
      "{} MiB, compacted {} times in {:.1f} s; us: route quiet p50 {:.0f} p99 {:.0f} max {:.0f}, busy p50 {:.0f} p99 "
      "{:.0f} max {:.0f}; synced rating quiet p50 {:.0f} p99 {:.0f}, busy p50 {:.0f} p99 {:.0f} max {:.0f}; bare quiet "
      "p50 {:.0f} p99 {:.0f}, busy p50 {:.0f} p99 {:.0f} max {:.0f}\n",
      arguments.mib, churn.compactions(), churn.seconds(), Micros(quiet.route, .5), Micros(quiet.route, .99),
      Micros(quiet.route, 1), Micros(busy.route, .5), Micros(busy.route, .99), Micros(busy.route, 1),
      Micros(quiet.feedback, .5), Micros(quiet.feedback, .99), Micros(busy.feedback, .5), Micros(busy.feedback, .99),
      Micros(busy.feedback, 1), Micros(quiet.bare, .5), Micros(quiet.bare, .99), Micros(busy.bare, .5),
      Micros(busy.bare, .99), Micros(busy.bare, 1));
  Row("compaction/route_p99", Micros(busy.route, .99), Micros(quiet.route, .99));
  Row("compaction/route_p99_beside_copying", Micros(copying.route, .99), Micros(quiet.route, .99));
  Row("compaction/feedback_p99", Micros(busy.feedback, .99), Micros(busy.bare, .99));
  return 0;
}

bool Parse(int count, char** words, Arguments* arguments) {
  for (int i = 1; i < count; ++i) {
    const std::string_view name = words[i];
    if (name == "--short") {
      arguments->mib = 256;
      arguments->seconds = 6;
      continue;
    }
    if (i + 1 >= count) return false;
    const double value = std::atof(words[++i]);
    if (name == "--mib") {
      arguments->mib = static_cast<std::uint64_t>(value);
    } else if (name == "--seconds") {
      arguments->seconds = value;
    } else if (name == "--routes") {
      arguments->routes = value;
    } else {
      return false;
    }
  }
  return arguments->mib >= 1 && arguments->seconds >= 2 && arguments->routes > 0;
}

}  // namespace
}  // namespace pointsman::bench

int main(int count, char** words) {
  pointsman::bench::Arguments arguments;
  if (!pointsman::bench::Parse(count, words, &arguments)) {
    std::fprintf(stderr, "usage: %s [--mib N] [--seconds S] [--routes N] [--short]\n", words[0]);
    return 2;
  }
  return pointsman::bench::Measure(arguments);
}
