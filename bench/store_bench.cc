// The store against its floors: durable feedback, recovery, sizes.
//
//   P7  acknowledged reports a second through the commit queue, synced, against
//       clients that each write a batch of the same keys and sizes with sync straight
//       into RocksDB; one round of each in turn
//   P9  a log read and decoded; replayed in full; a restart from a checkpoint with a
//       tail of 10,000 events; 64 models, 1,000 clusters; replayed with 200 named subjects,
//       and with a bias surface installed after half of it besides
//   P8  the same without sync: written to the log, not synced, 16 clients
//   P10 resident memory an open decision, and growth when the bound on them is reached
//   P17 exec to READY of the daemon: no store, and the store of P9
//   S1  bytes of a logged decision
//   options: --rounds 7  --seconds 1  --events 1000000  --only ID  --short
//            --company 2000 (CommitQueueOptions::gather_sync_micros)
// Prints one line of JSON a figure. Exit: 0; 1 when something failed; 2 usage.
#include <fmt/format.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>
#include <semaphore.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/unit_draw.h"
#include "bench/floors.h"
#include "bench/latencies.h"
#include "policy/choice/decide.h"
#include "policy/learning/learner.h"
#include "store/bundle_file.h"
#include "store/codec.h"
#include "store/commit_queue.h"
#include "store/keys.h"
#include "tests/end_to_end/daemon_process.h"
#include "tests/policy/choice/small_world.h"
#include "tests/store/samples.h"

namespace pointsman::store {
namespace {

using bench::Row;

struct Arguments {
  int rounds = 7;
  double seconds = 1;
  std::uint64_t events = 1'000'000;
  std::int64_t company_micros = CommitQueueOptions().gather_sync_micros;
  int clients = 0;  // 0: all
  std::string only;
  bool Wants(std::string_view part) const { return only.empty() || only == part; }
};

std::atomic<bool> failed{false};

template <typename Outcome>
void Expect(const Outcome& outcome) {
  if (outcome.ok()) return;
  std::fprintf(stderr, "store_bench: %s\n", outcome.error().message.c_str());
  failed = true;
}

// Runs `work(client, until_nanos)` on `clients` threads; returns how often a second
// they count up.
template <typename Work>
double PerSecond(int clients, double seconds, const Work& work) {
  const SystemClock clock;
  std::atomic<std::uint64_t> done{0};
  const std::int64_t start = clock.MonotonicNanos();
  const std::int64_t until = start + static_cast<std::int64_t>(seconds * 1e9);
  std::vector<std::thread> threads;
  for (int c = 0; c < clients; ++c) {
    threads.emplace_back([&, c] {
      while (clock.MonotonicNanos() < until) {
        work(c);
        done.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return static_cast<double>(done.load()) / (static_cast<double>(clock.MonotonicNanos() - start) * 1e-9);
}

// Clients that each rate a decision of their own again and again, and wait.
class FeedbackClients {
 public:
  FeedbackClients(Store& store, const CommitQueueOptions& options) : queue_(store, clock_, options, {}) {
    for (sem_t& one : answered_) ::sem_init(&one, 0, 0);
    std::vector<Result<Receipt>> outcomes;
    std::vector<Request> requests;
    for (std::uint64_t i = 0; i < kClientsMax; ++i) {
      policy::DecisionMade made = DecisionOf(i, clock_.WallMicros() + 24 * kHourUs);
      made.context.decided_at_us = clock_.WallMicros();
      requests.push_back(Ask(made));
    }
    Expect(store.Commit(requests, clock_.WallMicros(), true, &outcomes));
  }

  double Run(int clients, double seconds, bool sync = true) {
    return PerSecond(clients, seconds, [this, sync](int c) { Rate(static_cast<std::uint64_t>(c), sync); });
  }
  static constexpr std::size_t kClientsMax = 64;

 private:
  void Rate(std::uint64_t client, bool sync) {
    const std::uint32_t revision = ++revisions_[client];
    const Status submitted = queue_.Submit(Ask(RatingOf(client, revision % 2, 7, revision)), sync,
                                           [&](const Result<Receipt>& outcome, Durability) {
                                             Expect(outcome);
                                             ::sem_post(&answered_[client]);
                                           });
    Expect(submitted);
    while (submitted.ok() && ::sem_wait(&answered_[client]) != 0) {
    }
  }

  const SystemClock clock_;
  std::array<std::uint32_t, kClientsMax> revisions_{};
  // One wake-up an answer: a condition variable under its mutex would wake each client twice,
  // and the standard library's semaphore yields before it sleeps.
  std::array<sem_t, kClientsMax> answered_{};
  CommitQueue queue_;
};

// Clients that write what a rating writes, without anything around it.
class BareClients {
 public:
  BareClients(const std::string& directory, std::size_t event_bytes, std::size_t row_bytes)
      : event_(event_bytes, 'e'), row_(row_bytes, 'r') {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.write_buffer_size = StoreOptions().write_buffer_bytes;
    Check(rocksdb::DB::Open(options, directory, &database_));
    for (const char* name : {"log", "decisions", "meta"}) {
      Check(database_->CreateColumnFamily(options, name, &families_.emplace_back()));
    }
  }
  ~BareClients() {
    for (auto* family : families_) Check(database_->DestroyColumnFamilyHandle(family));
    delete database_;
  }
  double Run(int clients, double seconds, bool sync = true) {
    return PerSecond(clients, seconds, [this, sync](int c) {
      rocksdb::WriteBatch batch;
      batch.Put(families_[0], LogKey(LogSeq{++next_}), event_);
      const DecisionId id = IdOf(static_cast<std::uint64_t>(c));
      batch.Put(families_[1], rocksdb::Slice(KeyOf(id).data(), KeyOf(id).size()), row_);
      batch.Put(families_[2], "open_decisions", "0123456789abcdef");
      rocksdb::WriteOptions synced;
      synced.sync = sync;
      Check(database_->Write(synced, &batch));
    });
  }

 private:
  static void Check(const rocksdb::Status& status) {
    if (status.ok()) return;
    std::fprintf(stderr, "store_bench: %s\n", status.ToString().c_str());
    failed = true;
  }
  rocksdb::DB* database_ = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;
  const std::string event_;
  const std::string row_;
  std::atomic<std::uint64_t> next_{0};
};

double Median(std::vector<double> values) { return bench::SpreadOf(std::move(values)).median; }

void MeasureFeedback(const Arguments& arguments) {
  const ScratchDirectory directory;
  auto opened = OpenRocksStore({.directory = directory / "store"});
  Expect(opened);
  if (failed) return;
  Store& store = **opened;
  CommitQueueOptions at_once;
  at_once.gather_micros = 0;  // unsynced feedback has somebody who waits
  at_once.gather_sync_micros = arguments.company_micros;
  FeedbackClients ours(store, at_once);
  ours.Run(1, 0.05);
  std::size_t event_bytes = 0;
  Expect(store.ReadLog(store.LastSeq(), 1, [&](const policy::Event& event) {
    event_bytes = EncodeEvent(event).size();
    return Status();
  }));
  const auto row = store.FindDecision(IdOf(0));
  Expect(row);
  if (failed) return;
  BareClients bare(directory / "bare", event_bytes, EncodeRow(*row).size());
  const auto measure = [&](const std::string& key, int clients, bool sync) {
    std::vector<double> mine;
    std::vector<double> floors;
    std::vector<double> ratios;
    for (int round = 0; round < arguments.rounds; ++round) {
      floors.push_back(bare.Run(clients, arguments.seconds, sync));
      mine.push_back(ours.Run(clients, arguments.seconds, sync));
      ratios.push_back(mine.back() / floors.back());
    }
    fmt::print("{{\"key\":\"{}/{}\",\"value\":{:.1f},\"floor\":{:.1f},\"ratio\":{:.4f}}}\n", key, clients, Median(mine),
               Median(floors), Median(ratios));
    std::fflush(stdout);
  };
  if (arguments.Wants("P7")) {
    for (const int clients : {1, 16, 64}) {
      if (arguments.clients == 0 || clients == arguments.clients) measure("feedback", clients, true);
    }
  }
  if (arguments.Wants("P8")) measure("relaxed", 16, false);
}

double ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  double size = 0;
  double resident = 0;
  file >> size >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

// Open decisions lie in the database, so memory should not grow with them.
void MeasureOpenDecisions(const Arguments& arguments) {
  const ScratchDirectory directory;
  const std::uint64_t bound = std::max<std::uint64_t>(arguments.events / 2, 200'000);
  auto store = OpenRocksStore({.directory = directory / "store", .open_decisions_max = bound});
  Expect(store);
  if (failed) return;
  policy::DecisionMade made = FullDecision();
  std::uint64_t number = 0;
  const auto decide_up_to = [&](std::uint64_t last) {
    std::vector<Result<Receipt>> outcomes;
    std::vector<Request> requests;
    while (number < last && !failed) {
      requests.clear();
      for (int i = 0; i < 512; ++i) {
        made.context.decision = IdOf(++number);
        made.expires_at_us = kNoonUs + 24 * kHourUs;
        requests.push_back(Ask(made));
      }
      Expect((*store)->Commit(requests, kNoonUs, false, &outcomes));
    }
    return ResidentBytes();
  };
  const double at_a_quarter = decide_up_to(bound / 4);
  const double at_the_bound = decide_up_to(bound);
  const double warm = decide_up_to(2 * bound);  // the database's own buffers and caches are filled now
  const double beyond = decide_up_to(3 * bound);
  const auto decisions = static_cast<double>(bound);
  Row("pending/bytes_each", std::max(0.0, at_the_bound - at_a_quarter) / (0.75 * decisions));
  Row("pending/bytes_each_beyond", std::max(0.0, beyond - warm) / decisions);
}

// Seconds from exec to READY=1.
double SecondsToReady(const pointsman::testing::Folder& folder) {
  const SystemClock clock;
  const std::int64_t start = clock.MonotonicNanos();
  pointsman::testing::DaemonProcess daemon(folder, pointsman::testing::BasicConfig(folder));
  const bool ready = daemon.Ready();
  const double seconds = static_cast<double>(clock.MonotonicNanos() - start) * 1e-9;
  if (!ready) {
    std::fprintf(stderr, "store_bench: the daemon did not come up\n%s\n", daemon.Log().c_str());
    failed = true;
  }
  daemon.Kill(SIGTERM);
  daemon.Wait();
  return seconds;
}

void MeasureColdStart(const Arguments& arguments) {
  std::vector<double> seconds;
  for (int round = 0; round < arguments.rounds && !failed; ++round) {
    const pointsman::testing::Folder folder;
    seconds.push_back(SecondsToReady(folder));
  }
  if (!failed) Row("start/empty_ms", Median(seconds) * 1e3);
}

constexpr std::uint32_t kModels = 64;
constexpr std::uint32_t kClusters = 1000;

// A day of a busy pool: decisions, their outcomes, most of them rated, some with gold.
class History {
 public:
  // `subjects` 0: nobody who rates is named.
  explicit History(const policy::Bundle& bundle, std::uint64_t subjects = 0) : bundle_(bundle), subjects_(subjects) {
    policy::OptionsChanged options;
    options.options.sources = {"thumbs"};
    pending_.push_back(Ask(policy::Payload{options}));
    for (std::uint32_t m = 0; m < kModels; ++m) {
      pending_.push_back(Ask(policy::Payload{policy::ModelAdded{ModelId{m + 1}, bundle.models[m], {1, 2}, 8000}}));
    }
    pending_.push_back(Ask(policy::Payload{policy::GenerationActivated{Generation{1}, bundle.hash, "bench"}}));
  }

  void InstallSurface() {
    policy::BiasSurfaceInstalled surface = FullSurface(bundle_.hash);
    surface.channel = 1;
    surface.version = 1;
    surface.fitted_from = surface.fitted_to = LogSeq{};
    surface.clusters.assign(kClusters + 1, 0.0625);
    surface.models = {{ModelId{1}, -0.03125}};
    pending_.push_back(Ask(policy::Payload{std::move(surface)}));
  }

  void Append(Store& store, std::uint64_t events) {
    std::vector<Result<Receipt>> outcomes;
    while (store.LastSeq().value < events && !failed) {
      while (pending_.size() < 512) Next();
      now_us_ += 100'000;
      Expect(store.Commit(pending_, now_us_, false, &outcomes));
      for (const auto& outcome : outcomes) Expect(outcome);
      pending_.clear();
    }
  }

 private:
  void Next() {
    const std::uint64_t id = ++decisions_;
    policy::DecisionMade made = FullDecision();
    policy::DecisionContext& context = made.context;
    context.decision = IdOf(id);
    context.model = ModelId{1 + static_cast<std::uint32_t>(random_.Below(kModels))};
    context.generation = Generation{1};
    context.bundle = bundle_.hash;
    context.decided_at_us = now_us_;
    const auto first = static_cast<std::uint32_t>(1 + random_.Below(kClusters - 8));
    context.clusters = {
        {kBackground, 0.125}, {ClusterId{first}, 0.25}, {ClusterId{first + 2}, 0.5}, {ClusterId{first + 7}, 0.125}};
    context.anchors = {};
    context.prior = 0.625;
    context.prior_centred = -0.03125;
    context.predicted_quality = 0.625;
    context.predicted_variance = 0.0078125;
    made.candidates[0].model = context.model;
    made.expires_at_us = now_us_ + 24 * kHourUs;
    pending_.push_back(Ask(std::move(made)));
    pending_.push_back(Ask(OutcomeOf(id, 100 + static_cast<std::uint32_t>(random_.Below(400)))));
    if (random_.Below(5) != 0) {
      const std::uint64_t subject = subjects_ == 0 ? 0 : 1 + id * 7 % subjects_;
      pending_.push_back(Ask(RatingOf(id, random_.Below(3) == 0 ? 0 : 1, subject)));
    }
    if (random_.Below(20) == 0) pending_.push_back(Ask(GoldOf(id, random_.Below(2) == 0 ? 0 : 1)));
  }

  const policy::Bundle& bundle_;
  const std::uint64_t subjects_;
  SplitMix64 random_{1};
  std::vector<Request> pending_;
  std::uint64_t decisions_ = 0;
  std::int64_t now_us_ = kNoonUs;
};

double SecondsOf(const std::function<void()>& work) {
  const SystemClock clock;
  const std::int64_t start = clock.MonotonicNanos();
  work();
  return static_cast<double>(clock.MonotonicNanos() - start) * 1e-9;
}

std::unique_ptr<policy::Learner> Fold(const Store& store, policy::State state) {
  auto learner = policy::Learner::Create(store, store, std::move(state));
  Expect(learner);
  if (failed) return nullptr;
  const LogSeq from{(*learner)->state().last_seq.value + 1};
  Expect(store.ReadLog(from, 0, [&](const policy::Event& event) { return (*learner)->Learn(event); }));
  return std::move(*learner);
}

// The same log with named subjects, without and with a surface after half of it: an install
// folds what came before it again.
void MeasureNamedReplay(const Arguments& arguments, const policy::Bundle& bundle, bool surface) {
  const pointsman::testing::Folder directory;
  auto store = OpenRocksStore({.directory = directory.File("store")});
  Expect(store);
  if (failed) return;
  Expect((*store)->PutBundle(bundle));
  History history(bundle, 200);
  history.Append(**store, arguments.events / 2);
  if (surface) history.InstallSurface();
  history.Append(**store, arguments.events);
  std::vector<double> replayed;
  for (int round = 0; round < 3 && !failed; ++round) {
    const double seconds = SecondsOf([&] { Fold(**store, {}); });
    replayed.push_back(static_cast<double>((*store)->LastSeq().value) / seconds);
  }
  if (!failed)
    Row(surface ? "recovery/replay_surface_per_second" : "recovery/replay_named_per_second", Median(replayed));
}

void MeasureRecovery(const Arguments& arguments) {
  constexpr std::uint64_t kTail = 10'000;
  const pointsman::testing::Folder directory;
  const StoreOptions options{.directory = directory.File("store")};
  auto store = OpenRocksStore(options);
  Expect(store);
  if (failed) return;
  const auto random = policy::testing::RandomBundle(
      {.dimension = 16, .clusters = kClusters, .models = kModels, .anchors = 0, .tasks = 0}, 1);
  policy::Bundle unnamed = *random;
  unnamed.hash = {};
  const auto bundle = DecodeBundle(EncodeBundle(unnamed));
  Expect(bundle);
  if (failed) return;
  Expect((*store)->PutBundle(*bundle));
  History history(*bundle);
  history.Append(**store, arguments.events - kTail);
  if (failed) return;
  if (auto learner = Fold(**store, {}); learner != nullptr) {
    Expect((*store)->WriteCheckpoint(learner->mutable_state()));
  }
  history.Append(**store, arguments.events);
  if (failed) return;
  const auto events = static_cast<double>((*store)->LastSeq().value);
  store->reset();
  const double open_seconds = SecondsOf([&] { store = OpenRocksStore(options); });
  Row("recovery/open_seconds", open_seconds);
  Expect(store);
  if (failed) return;
  if (arguments.Wants("P17")) {
    store->reset();
    Row("start/million_beyond_open", std::max(0.0, SecondsToReady(directory) - open_seconds));
    store = OpenRocksStore(options);
    Expect(store);
    if (failed || !arguments.Wants("P9")) return;
  }
  std::unique_ptr<policy::Learner> restarted;
  Row("recovery/restart_seconds", SecondsOf([&] {
        auto state = (*store)->LoadState();
        Expect(state);
        if (!failed) restarted = Fold(**store, std::move(*state));
      }));
  std::vector<double> read;
  std::vector<double> replayed;
  std::unique_ptr<policy::Learner> fresh;
  for (int round = 0; round < 3 && !failed; ++round) {
    read.push_back(events / SecondsOf([&] {
                     Expect((*store)->ReadLog(LogSeq{1}, 0, [](const policy::Event&) { return Status(); }));
                   }));
    replayed.push_back(events / SecondsOf([&] { fresh = Fold(**store, {}); }));
  }
  if (failed) return;
  Row("recovery/read_per_second", Median(read));
  Row("recovery/replay_per_second", Median(replayed));
  const bool equal = StateHash(fresh->state()) == StateHash(restarted->state());
  Row("recovery/hash_differs", equal ? 0 : 1);
  for (const bool surface : {false, true}) MeasureNamedReplay(arguments, *bundle, surface);
}

void MeasureSizes() {
  for (const std::size_t models : {8, 512}) {
    const auto bundle = policy::testing::RandomBundle(
        {.dimension = 64, .clusters = 64, .models = models, .anchors = 341, .tasks = 55}, 1);
    const policy::Snapshot snapshot = policy::testing::FreshSnapshot(bundle);
    const auto queries = policy::testing::UnitRows(1, 64, 2);
    policy::Query query;
    query.embedding = queries;
    query.tenant = "1000";
    query.tokens_in = 100;
    query.id = IdOf(1);
    const auto decision = policy::Decide(snapshot, query);
    Expect(decision);
    if (failed) return;
    policy::Event event;
    event.seq = LogSeq{1'000'000};
    event.at_us = kNoonUs;
    event.actor_uid = 1000;
    policy::DecisionMade made = policy::ToEvent(snapshot, query, *decision, kNoonUs);
    made.context.bundle.bytes.fill(7);
    made.tenant = "1000";
    made.owner_uid = 1000;
    made.expires_at_us = kNoonUs + 24 * kHourUs;
    event.payload = std::move(made);
    Row(fmt::format("decision_bytes/{}", models), static_cast<double>(EncodeEvent(event).size()));
  }
}

bool Parse(int count, char** words, Arguments* arguments) {
  for (int i = 1; i < count; ++i) {
    const std::string_view name = words[i];
    if (name == "--short") {
      arguments->rounds = 3;
      arguments->seconds = 0.3;
      arguments->events = 100'000;
      continue;
    }
    if (i + 1 == count) return false;
    const char* value = words[++i];
    if (name == "--rounds") {
      arguments->rounds = std::atoi(value);
    } else if (name == "--seconds") {
      arguments->seconds = std::atof(value);
    } else if (name == "--events") {
      arguments->events = std::strtoull(value, nullptr, 10);
    } else if (name == "--clients") {
      arguments->clients = std::atoi(value);
    } else if (name == "--company") {
      arguments->company_micros = std::atol(value);
    } else if (name == "--only") {
      arguments->only = value;
    } else {
      return false;
    }
  }
  return arguments->rounds > 0 && arguments->seconds > 0 && arguments->events >= 20'000;
}

}  // namespace
}  // namespace pointsman::store

int main(int count, char** words) {
  using namespace pointsman::store;  // NOLINT(google-build-using-namespace): the program is about the store
  Arguments arguments;
  if (!Parse(count, words, &arguments)) {
    std::fprintf(
        stderr,
        "usage: %s [--rounds N] [--seconds S] [--events N] [--company US] [--only P7|P8|P9|P10|P17|S1] [--short]\n",
        words[0]);
    return 2;
  }
  ::setenv("POINTSMAN_BIN", std::filesystem::read_symlink("/proc/self/exe").parent_path().c_str(), 0);
  if (arguments.Wants("S1")) MeasureSizes();
  if ((arguments.Wants("P7") || arguments.Wants("P8")) && !failed) MeasureFeedback(arguments);
  if (arguments.Wants("P10") && !failed) MeasureOpenDecisions(arguments);
  if (arguments.Wants("P17") && !failed) MeasureColdStart(arguments);
  if ((arguments.Wants("P9") || arguments.Wants("P17")) && !failed) MeasureRecovery(arguments);
  return failed ? 1 : 0;
}
