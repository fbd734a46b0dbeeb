#include "store/commit_queue.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/this_thread.h"

namespace pointsman::store {

namespace {

// What is committed together. Requests lie as the store wants them, so that
// nothing is moved between Submit and Commit.
struct Batch {
  std::vector<Request> requests;
  std::vector<Completion> done;      // one a request, may be null
  std::vector<Preparation> prepare;  // likewise
  bool sync = false;                 // some request asked for it
  std::size_t sync_requests = 0;     // how many did

  void Clear() {
    requests.clear();
    done.clear();
    prepare.clear();
    sync = false;
    sync_requests = 0;
  }
};

// A caller of RunExclusive waits on its stack for this.
struct Exclusive {
  const std::function<Status(Store&)>* work = nullptr;
  std::optional<Status> outcome;
};

Error Stopped() {
  return MakeError(Code::kUnavailable, "stopping", "the daemon is stopping; send the request again when it is back");
}

}  // namespace

// Invariants, under `mutex`:
//   - waiting_count is the number of requests in `waiting` and <= options.capacity;
//   - a batch of `waiting` has 1 to options.batch_max requests;
//   - `rest` is kAwake, or the commit thread waits on `work_came`;
//   - once `failed` or `stopping`, nothing enters the queues;
//   - every request that entered gets its completion exactly once.
struct CommitQueue::Impl {
  Impl(Store& s, const Clock& c, const CommitQueueOptions& o, Hooks h)
      : store(s), clock(c), options(o), hooks(std::move(h)) {}

  // Constant.
  Store& store;
  const Clock& clock;
  const CommitQueueOptions options;
  const Hooks hooks;

  // Guarded by mutex.
  mutable std::mutex mutex;
  std::condition_variable work_came;
  std::condition_variable exclusive_done;
  enum class Rest { kAwake, kIdle, kGathering, kCompany };
  Rest rest = Rest::kAwake;
  std::deque<Batch> waiting;
  std::size_t waiting_count = 0;
  std::size_t waiting_sync = 0;  // batches of `waiting` with sync
  std::size_t waiting_sync_requests = 0;
  std::size_t company = 0;  // requests with sync that are expected in the next batch
  Batch spare;              // an empty one with its memory, for the next batch
  std::deque<Exclusive*> exclusives;
  bool stopping = false;
  CommitQueueStatistics statistics;

  std::atomic<std::size_t> preparations = 0;  // that wait

  // Commit thread only.
  std::int64_t idle_since_nanos = 0;
  LogSeq told;                    // the last event of which on_committed knows
  std::int64_t commit_nanos = 0;  // that the last commit with sync took
  int lonely_batches = 0;         // for which no company is waited for
  int lonely_next = 1;
  std::optional<Error> fatal;
  bool fatal_reported = false;

  std::thread thread;

  void Run();
  void RunExclusives(std::deque<Exclusive*> jobs);
  bool Urgent() const {
    return stopping || !exclusives.empty() || waiting_sync > 0 || waiting_count >= options.batch_max;
  }
  // Nothing more is worth waiting for, or something else is to be done.
  bool CompanyIsThere() const {
    return stopping || !exclusives.empty() || waiting_sync_requests >= company || waiting_count >= options.batch_max;
  }
  void AwaitCompany(std::unique_lock<std::mutex>& lock);
  bool AwaitWork(Batch* batch, std::deque<Exclusive*>* jobs);
  void Enqueue(Request&& request, bool sync, Completion&& done, Preparation&& prepare);
  void Prepare(Batch& batch);
  void Answer(const Batch& batch, std::size_t index, const Error& why);
  void CommitBatch(Batch& batch);
  void AfterCommit();
  void AppendTick();
  Status CommitRequests(const std::vector<Request>& requests, bool sync, std::vector<Result<Receipt>>* outcomes);
  void SetFatal(const Error& error);
  void ReportFatal();
  bool TickIsDue() const {
    return options.tick_seconds > 0 &&
           clock.MonotonicNanos() - idle_since_nanos >= options.tick_seconds * 1'000'000'000;
  }
};

void CommitQueue::Impl::AwaitCompany(std::unique_lock<std::mutex>& lock) {
  constexpr auto kPause = std::chrono::microseconds(100);  // without a newcomer nobody comes
  constexpr int kLonelyMax = 64;
  if (waiting_sync == 0 || options.gather_sync_micros <= 0 || CompanyIsThere()) return;
  if (lonely_batches > 0) {
    --lonely_batches;
    return;
  }
  const std::int64_t end =
      clock.MonotonicNanos() + std::min(commit_nanos, options.gather_sync_micros * std::int64_t{1000});
  rest = Rest::kCompany;
  for (std::size_t seen = 0; seen < waiting_sync_requests && clock.MonotonicNanos() < end;) {
    seen = waiting_sync_requests;
    if (work_came.wait_for(lock, kPause, [this] { return CompanyIsThere(); })) {
      lonely_next = 1;
      return;
    }
  }
  lonely_batches = lonely_next;
  lonely_next = std::min(2 * lonely_next, kLonelyMax);
}

// Waits for work and takes it; false when all is done after Stop.
bool CommitQueue::Impl::AwaitWork(Batch* batch, std::deque<Exclusive*>* jobs) {
  // The waits are on the machine's steady clock; whether a tick is due is asked of
  // `clock`, so a stalled or manual clock gives no ticks and a slow one late ones.
  const auto longest_wait = std::chrono::seconds(options.tick_seconds > 0 ? options.tick_seconds : 3600);
  std::unique_lock<std::mutex> lock(mutex);
  rest = Rest::kIdle;
  work_came.wait_for(lock, longest_wait, [this] { return stopping || waiting_count > 0 || !exclusives.empty(); });
  if (waiting_count > 0 && options.gather_micros > 0) {
    rest = Rest::kGathering;
    work_came.wait_for(lock, std::chrono::microseconds(options.gather_micros), [this] { return Urgent(); });
  }
  AwaitCompany(lock);
  rest = Rest::kAwake;
  if (stopping && waiting.empty() && exclusives.empty()) return false;
  jobs->swap(exclusives);
  if (!waiting.empty()) {
    std::swap(*batch, waiting.front());
    waiting.pop_front();
    waiting_count -= batch->requests.size();
    if (batch->sync) --waiting_sync;
    waiting_sync_requests -= batch->sync_requests;
  }
  return true;
}

void CommitQueue::Impl::Run() {
  idle_since_nanos = clock.MonotonicNanos();
  told = store.LastSeq();
  Batch batch;
  std::deque<Exclusive*> jobs;
  while (AwaitWork(&batch, &jobs)) {
    if (!batch.requests.empty()) {
      CommitBatch(batch);
      batch.Clear();
      const std::lock_guard<std::mutex> guard(mutex);
      std::swap(batch, spare);
      batch = {};
    }
    if (!jobs.empty()) RunExclusives(std::move(jobs));
    jobs.clear();
    if (!fatal && TickIsDue()) AppendTick();
    ReportFatal();
  }
}

// Under `mutex`.
void CommitQueue::Impl::Enqueue(Request&& request, bool sync, Completion&& done, Preparation&& prepare) {
  if (waiting.empty() || waiting.back().requests.size() >= options.batch_max) {
    waiting.emplace_back(std::exchange(spare, Batch()));
  }
  Batch& batch = waiting.back();
  batch.requests.push_back(std::move(request));
  batch.done.push_back(std::move(done));
  batch.prepare.push_back(std::move(prepare));
  if (sync && !batch.sync) ++waiting_sync;
  batch.sync = batch.sync || sync;
  if (sync) {
    ++batch.sync_requests;
    ++waiting_sync_requests;
  }
  ++waiting_count;
}

void CommitQueue::Impl::RunExclusives(std::deque<Exclusive*> jobs) {
  for (Exclusive* job : jobs) {
    Status outcome = fatal ? Status(Error{Code::kUnavailable, fatal->reason, fatal->message}) : (*job->work)(store);
    if (!fatal && !outcome.ok() && outcome.error().reason == "store_failed") SetFatal(outcome.error());
    const std::lock_guard<std::mutex> guard(mutex);
    job->outcome = std::move(outcome);
    exclusive_done.notify_all();
  }
}

Status CommitQueue::Impl::CommitRequests(const std::vector<Request>& requests, bool sync,
                                         std::vector<Result<Receipt>>* outcomes) {
  if (fatal) return Error{Code::kUnavailable, fatal->reason, fatal->message};
  const Status committed = store.CommitUnmarked(requests, clock.WallMicros(), sync, outcomes);
  if (!committed.ok()) {
    if (committed.error().reason != "storage_full") SetFatal(committed.error());
    return Error{Code::kUnavailable, committed.error().reason, committed.error().message};
  }
  ENSURE(outcomes->size() == requests.size(), "a commit has one outcome per request");
  return {};
}

// What nobody waits for, after the answers.
void CommitQueue::Impl::AfterCommit() {
  if (fatal) return;
  if (const Status kept = store.KeepMark(); !kept.ok()) return SetFatal(kept.error());
  const LogSeq last = store.LastSeq();
  if (last == told) return;
  told = last;
  idle_since_nanos = clock.MonotonicNanos();
  if (hooks.on_committed) hooks.on_committed(last);
}

void CommitQueue::Impl::Prepare(Batch& batch) {
  std::size_t prepared = 0;
  for (std::size_t i = 0; i < batch.prepare.size(); ++i) {
    if (!batch.prepare[i]) continue;
    batch.prepare[i](batch.requests[i]);
    ++prepared;
  }
  preparations.fetch_sub(prepared, std::memory_order_relaxed);
}

void CommitQueue::Impl::CommitBatch(Batch& batch) {
  Prepare(batch);
  std::vector<Result<Receipt>> outcomes;
  const std::int64_t began = clock.MonotonicNanos();
  const Status committed = CommitRequests(batch.requests, batch.sync, &outcomes);
  if (batch.sync) commit_nanos = clock.MonotonicNanos() - began;
  {
    const std::lock_guard<std::mutex> guard(mutex);
    ++statistics.batches;
    statistics.requests += batch.requests.size();
    if (batch.sync) company = batch.sync_requests + waiting_sync_requests;
  }
  const Durability durability = batch.sync ? Durability::kSynced : Durability::kProcess;
  for (std::size_t i = 0; i < batch.done.size(); ++i) {
    if (!committed.ok()) {
      Answer(batch, i, committed.error());
    } else if (!outcomes[i].ok()) {
      Answer(batch, i, outcomes[i].error());
    } else if (batch.done[i]) {
      batch.done[i](outcomes[i], durability);
    }
  }
  AfterCommit();
}

// Tells whoever wants to know that a request came to nothing.
void CommitQueue::Impl::Answer(const Batch& batch, std::size_t index, const Error& why) {
  if (batch.done[index]) {
    batch.done[index](why, Durability::kNone);
  } else if (hooks.on_lost) {
    hooks.on_lost(batch.requests[index], why);
  }
}

void CommitQueue::Impl::AppendTick() {
  idle_since_nanos = clock.MonotonicNanos();
  std::vector<Request> tick(1);
  tick[0].what = policy::Payload{policy::Tick{}};
  tick[0].origin = policy::Origin::kStore;
  std::vector<Result<Receipt>> outcomes;
  // A full disk is met again by the next tick; everything else is fatal and told.
  static_cast<void>(CommitRequests(tick, /*sync=*/false, &outcomes));
  AfterCommit();
}

void CommitQueue::Impl::SetFatal(const Error& error) {
  fatal = error;
  const std::lock_guard<std::mutex> guard(mutex);
  statistics.failed = true;
}

// After the failed batch has its answers: answers whoever waits, tells the owner.
void CommitQueue::Impl::ReportFatal() {
  if (!fatal || fatal_reported) return;
  fatal_reported = true;
  std::deque<Batch> orphans;
  {
    const std::lock_guard<std::mutex> guard(mutex);
    orphans.swap(waiting);
    waiting_count = 0;
    waiting_sync = 0;
    waiting_sync_requests = 0;
  }
  for (const Batch& batch : orphans) {
    for (std::size_t i = 0; i < batch.done.size(); ++i) {
      Answer(batch, i, Error{Code::kUnavailable, fatal->reason, fatal->message});
    }
  }
  if (hooks.on_fatal) hooks.on_fatal(*fatal);
}

CommitQueue::CommitQueue(Store& store, const Clock& clock, const CommitQueueOptions& options, Hooks hooks)
    : impl_(std::make_unique<Impl>(store, clock, options, std::move(hooks))) {
  REQUIRE(options.capacity > 0 && options.batch_max > 0, "a queue has room and a batch has requests");
  impl_->thread = std::thread([this] {
    NameThisThread("commit");
    impl_->Run();
  });
}

CommitQueue::~CommitQueue() { Stop(); }

Status CommitQueue::Submit(Request&& request, bool sync, Completion done, Preparation prepare) {
  if (prepare && impl_->preparations.load(std::memory_order_relaxed) >= kPreparationsMax) {
    std::exchange(prepare, nullptr)(request);
  }
  bool wake = false;
  {
    const std::lock_guard<std::mutex> guard(impl_->mutex);
    if (impl_->stopping) return Stopped();
    if (impl_->statistics.failed) {
      return MakeError(Code::kUnavailable, "store_failed", "the store failed; the daemon stops and starts again");
    }
    if (impl_->waiting_count >= impl_->options.capacity) {
      ++impl_->statistics.refused_full;
      return MakeError(Code::kResourceExhausted, "commit_queue_full",
                       std::to_string(impl_->options.capacity) + " requests wait for the disk; try again later");
    }
    if (prepare) impl_->preparations.fetch_add(1, std::memory_order_relaxed);
    impl_->Enqueue(std::move(request), sync, std::move(done), std::move(prepare));
    // A wake-up is a system call, and on a small machine costs a processor.
    wake = impl_->rest == Impl::Rest::kIdle || (impl_->rest == Impl::Rest::kGathering && impl_->Urgent()) ||
           (impl_->rest == Impl::Rest::kCompany && impl_->CompanyIsThere());
    if (wake) impl_->rest = Impl::Rest::kAwake;
  }
  if (wake) impl_->work_came.notify_one();
  return {};
}

Status CommitQueue::RunExclusive(const std::function<Status(Store&)>& work) {
  REQUIRE(std::this_thread::get_id() != impl_->thread.get_id(), "the commit thread cannot wait for itself");
  Exclusive job;
  job.work = &work;
  std::unique_lock<std::mutex> lock(impl_->mutex);
  if (impl_->stopping) return Stopped();
  impl_->exclusives.push_back(&job);
  impl_->work_came.notify_one();
  impl_->exclusive_done.wait(lock, [&job] { return job.outcome.has_value(); });
  return *job.outcome;
}

void CommitQueue::Stop() {
  {
    const std::lock_guard<std::mutex> guard(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->work_came.notify_one();
  if (impl_->thread.joinable()) impl_->thread.join();
}

CommitQueueStatistics CommitQueue::Statistics() const {
  const std::lock_guard<std::mutex> guard(impl_->mutex);
  CommitQueueStatistics statistics = impl_->statistics;
  statistics.waiting = impl_->waiting_count;
  return statistics;
}

}  // namespace pointsman::store
