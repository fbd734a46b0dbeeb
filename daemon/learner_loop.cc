#include "daemon/learner_loop.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/fault_point.h"
#include "base/log.h"
#include "base/this_thread.h"
#include "policy/belief/posterior.h"
#include "policy/learning/learner.h"
#include "policy/learning/life_cycle.h"
#include "policy/learning/refit.h"

namespace pointsman::daemon {
namespace {

// Events read from the store at once. They are folded after the read, because an
// activation reads the log again from within the fold.
constexpr std::uint64_t kBatch = 4096;
constexpr std::size_t kInspectionsMax = 256;

struct Inspection {
  bool with_hash = false;
  std::function<void(const policy::State&, std::uint64_t)> look;
};

constexpr int kNice = 5;

}  // namespace

struct LearnerLoop::Impl {
  Impl(store::Store& store_in, const Clock& clock_in, SnapshotCell& cell_in, const LearnerLoopOptions& options_in)
      : store(store_in), clock(clock_in), cell(cell_in), options(options_in) {}

  store::Store& store;
  const Clock& clock;
  SnapshotCell& cell;
  const LearnerLoopOptions options;
  store::CommitQueue* queue = nullptr;

  // Learner thread only (the starting thread before Start, the stopping one after
  // the join).
  std::unique_ptr<policy::Learner> learner;
  policy::Publisher publisher;
  std::optional<BundleHash> embedder_of;
  std::shared_ptr<const embed::Embedder> embedder;
  std::shared_ptr<const policy::SearchIndex> index;
  std::uint64_t since_checkpoint = 0;
  std::int64_t checkpoint_nanos = 0;
  std::int64_t published_nanos = 0;
  std::optional<std::pair<LogSeq, std::uint64_t>> hash_at;

  // A Refitted event is on its way to the log; set by this thread, cleared when it
  // is folded or refused.
  std::shared_ptr<std::atomic<bool>> refit_pending = std::make_shared<std::atomic<bool>>(false);

  mutable std::mutex mutex;
  std::condition_variable work;    // for the learner thread
  std::condition_variable learnt;  // for those who wait for it
  LogSeq committed;                // the log's end, as far as told
  LogSeq learned;                  // published
  std::size_t waiters = 0;
  std::deque<Inspection> inspections;
  std::optional<Error> failure;
  bool stopping = false;
  bool stopped = false;
  bool thread_gone = false;  // left by an exception
  std::thread thread;

  Status FoldBatch(std::uint64_t* folded);
  void Publish();
  bool AwaitWork();
  void Run();
  void Work();
  void RunInspections(std::deque<Inspection> asked);
  void MaybeCheckpoint();
  std::optional<policy::Payload> Due() const;
  void MaybeRefit();
  std::uint64_t Hash();
  bool Urgent() const { return waiters > 0 || !inspections.empty() || stopping; }
};

// Folds at most kBatch events from where the state ends.
Status LearnerLoop::Impl::FoldBatch(std::uint64_t* folded) {
  std::vector<policy::Event> events;
  const LogSeq from{learner->state().last_seq.value + 1};
  const Status read = store.ReadLog(from, kBatch, [&](const policy::Event& event) {
    events.push_back(event);
    return Status();
  });
  if (!read.ok()) return read;
  for (const policy::Event& event : events) {
    const bool own = event.origin == policy::Origin::kLearner;
    if (own && !std::holds_alternative<policy::BiasSurfaceInstalled>(event.payload)) *refit_pending = false;
    const Status learnt_event = learner->Learn(event);
    if (!learnt_event.ok()) {
      Error error = learnt_event.error();
      error.message = fmt::format("event {} ({}) cannot be folded: {}", event.seq.value,
                                  policy::EventTypeName(policy::EventType(event.payload)), error.message);
      return error;
    }
  }
  *folded = events.size();
  since_checkpoint += events.size();
  return {};
}

void LearnerLoop::Impl::Publish() {
  const auto bundle = learner->bundle();
  if (!embedder_of || *embedder_of != bundle->hash) {
    auto made = embed::EmbedderFor(*bundle);
    if (made.ok()) {
      embedder = made.value();
    } else {
      embedder.reset();
      log::Failure("texts cannot be embedded in this generation: {}", made.error().message);
    }
    embedder_of = bundle->hash;
  }
  auto view = std::make_shared<LiveView>();
  view->snapshot = publisher.Publish(learner->mutable_state(), bundle);
  view->embedder = embedder;
  if (index == nullptr || index->bundle != bundle) index = policy::MakeSearchIndex(bundle);
  view->index = index;
  ENSURE(view->snapshot != nullptr, "the publisher returns a snapshot");
  FAULT_POINT("daemon.learner.before_publish");
  cell.Store(std::move(view));
  published_nanos = clock.MonotonicNanos();
  const std::lock_guard lock(mutex);
  learned = learner->state().last_seq;
  learnt.notify_all();
}

std::uint64_t LearnerLoop::Impl::Hash() {
  const LogSeq now = learner->state().last_seq;
  if (!hash_at || hash_at->first != now) hash_at = std::pair{now, store::StateHash(learner->state())};
  return hash_at->second;
}

void LearnerLoop::Impl::RunInspections(std::deque<Inspection> asked) {
  for (Inspection& inspection : asked) {
    inspection.look(learner->state(), inspection.with_hash ? Hash() : 0);
  }
}

void LearnerLoop::Impl::MaybeCheckpoint() {
  const std::int64_t age = clock.MonotonicNanos() - checkpoint_nanos;
  const bool old = age >= static_cast<std::int64_t>(options.checkpoint_seconds) * 1'000'000'000;
  if (since_checkpoint == 0 || (since_checkpoint < options.checkpoint_events && !old)) return;
  // The commit thread writes while this thread, the state's owner, waits.
  const Status written =
      queue->RunExclusive([this](store::Store& target) { return target.WriteCheckpoint(learner->mutable_state()); });
  checkpoint_nanos = clock.MonotonicNanos();
  if (written.ok()) {
    since_checkpoint = 0;
  } else {
    log::Warning("no checkpoint at event {}: {}", learner->state().last_seq.value, written.error().message);
  }
}

std::optional<policy::Payload> LearnerLoop::Impl::Due() const {
  const std::shared_ptr<const LiveView> view = cell.Load();
  if (policy::RefitDue(learner->state())) {
    auto refitted = policy::DueRefit(learner->state(), *view->snapshot, publisher, options.typical_weights);
    if (refitted.has_value()) return policy::Payload{*std::move(refitted)};
  }
  const auto changed = policy::DueStateChange(*view->snapshot, options.typical_weights);
  if (changed.has_value()) return policy::Payload{*changed};
  return std::nullopt;
}

// Values that are due are computed here and learnt when they come back in the log.
void LearnerLoop::Impl::MaybeRefit() {
  if (*refit_pending || queue == nullptr) return;
  auto due = Due();
  if (!due.has_value()) return;
  *refit_pending = true;
  store::Request request;
  request.what = *std::move(due);
  request.origin = policy::Origin::kLearner;
  const Status submitted = queue->Submit(
      std::move(request), false, [pending = refit_pending](const Result<store::Receipt>& receipt, store::Durability) {
        if (!receipt.ok()) *pending = false;
      });
  if (!submitted.ok()) *refit_pending = false;
}

// One turn of the thread with something to do.
void LearnerLoop::Impl::Work() {
  bool may_learn = false;
  LogSeq target;
  std::deque<Inspection> asked;
  {
    const std::lock_guard lock(mutex);
    may_learn = !failure.has_value();
    target = committed;
    asked.swap(inspections);
  }
  if (may_learn) {
    std::uint64_t folded = 0;
    Status status;
    while (status.ok() && learner->state().last_seq < target) {
      status = FoldBatch(&folded);
      if (status.ok() && folded == 0) {
        status = MakeError(Code::kDataLoss, "log_too_short",
                           fmt::format("the log ends at event {} although {} was committed",
                                       learner->state().last_seq.value, target.value));
      }
    }
    if (learner->state().last_seq > learned) Publish();
    if (!status.ok()) {
      log::Failure("learning has stopped, routing goes on: {}", status.error().message);
      const std::lock_guard lock(mutex);
      failure = status.error();
      learnt.notify_all();
    } else {
      MaybeCheckpoint();
      MaybeRefit();
    }
  }
  RunInspections(std::move(asked));
}

// True when there is something to do; waits for it at most a second.
bool LearnerLoop::Impl::AwaitWork() {
  std::unique_lock lock(mutex);
  const auto due = [this] { return stopping || !inspections.empty() || (!failure && committed > learned); };
  if (!work.wait_for(lock, std::chrono::seconds(1), due)) return false;
  const std::int64_t pause =
      static_cast<std::int64_t>(options.publish_interval_ms) * 1'000'000 - (clock.MonotonicNanos() - published_nanos);
  if (pause > 0 && !Urgent()) {
    work.wait_for(lock, std::chrono::nanoseconds(pause), [this] { return Urgent(); });
  }
  return true;
}

void LearnerLoop::Impl::Run() {
  NameThisThread("learner");
  // A snapshot that is a little older costs nobody anything; a route that waits for the
  // folding of a million events does.
  YieldProcessorsToOthers(kNice);
  try {
    while (true) {
      if (AwaitWork()) {
        Work();
      } else {
        const bool healthy = [this] {
          const std::lock_guard lock(mutex);
          return !failure.has_value();
        }();
        if (healthy) MaybeCheckpoint();
      }
      const std::lock_guard lock(mutex);
      if (stopping && inspections.empty() && (failure || committed <= learned)) return;
    }
  } catch (const std::exception& fault) {
    log::Failure("learning has stopped, routing goes on: {}", fault.what());
    const std::lock_guard lock(mutex);
    failure = MakeError(Code::kInternal, "learner_exception", fault.what());
    thread_gone = true;
    inspections.clear();
    learnt.notify_all();
  }
}

LearnerLoop::LearnerLoop(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

LearnerLoop::~LearnerLoop() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
    impl_->work.notify_all();
  }
  if (impl_->thread.joinable()) impl_->thread.join();
}

Result<std::unique_ptr<LearnerLoop>> LearnerLoop::Create(
    store::Store& store, const Clock& clock, SnapshotCell& cell, const LearnerLoopOptions& options,
    const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  auto impl = std::make_unique<Impl>(store, clock, cell, options);
  auto state = store.LoadState();
  if (!state.ok()) return state.error();
  auto learner = policy::Learner::Create(store, store, std::move(state).value());
  if (!learner.ok()) return learner.error();
  impl->learner = std::move(learner).value();
  impl->learner->mutable_state().republish_all = true;
  const LogSeq last = store.Statistics().last_seq;
  while (impl->learner->state().last_seq < last) {
    std::uint64_t folded = 0;
    const Status status = impl->FoldBatch(&folded);
    if (!status.ok()) return status.error();
    if (folded == 0) {
      return MakeError(Code::kDataLoss, "log_too_short",
                       fmt::format("the log ends at event {} although it should reach {}; run `pointsman check`",
                                   impl->learner->state().last_seq.value, last.value));
    }
    if (progress) progress(impl->learner->state().last_seq.value, last.value);
  }
  store.AdoptSubjects(impl->learner->state().subjects);
  impl->committed = last;
  impl->checkpoint_nanos = clock.MonotonicNanos();
  impl->Publish();
  return std::unique_ptr<LearnerLoop>(new LearnerLoop(std::move(impl)));
}

void LearnerLoop::Start(store::CommitQueue& queue) {
  REQUIRE(!impl_->thread.joinable(), "the learner loop is started once");
  impl_->queue = &queue;
  impl_->thread = std::thread([impl = impl_.get()] { impl->Run(); });
}

void LearnerLoop::Wake(LogSeq last) {
  const std::lock_guard lock(impl_->mutex);
  if (last > impl_->committed) impl_->committed = last;
  impl_->work.notify_one();
}

Status LearnerLoop::WaitUntilLearned(LogSeq seq, std::chrono::milliseconds limit) {
  std::unique_lock lock(impl_->mutex);
  ++impl_->waiters;
  impl_->work.notify_one();
  const bool done =
      impl_->learnt.wait_for(lock, limit, [&] { return impl_->learned >= seq || impl_->failure || impl_->stopped; });
  --impl_->waiters;
  if (impl_->learned >= seq) return {};
  if (impl_->failure) return *impl_->failure;
  if (!done) {
    return MakeError(
        Code::kDeadlineExceeded, "not_learned_in_time",
        fmt::format("event {} was written but is not learnt after {} ms; it will be", seq.value, limit.count()));
  }
  return MakeError(Code::kUnavailable, "shutting_down", "the daemon is shutting down");
}

Status LearnerLoop::Inspect(bool with_hash, std::function<void(const policy::State&, std::uint64_t)> look) {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->stopping || impl_->thread_gone || !impl_->thread.joinable()) {
    return MakeError(Code::kUnavailable, "learner_not_running", "the learner is not running");
  }
  if (impl_->inspections.size() >= kInspectionsMax) {
    return MakeError(Code::kResourceExhausted, "too_many_inspections",
                     "too many status requests wait; try again later");
  }
  // The commit thread answers before it wakes this loop; whoever has the answer must
  // find what it acknowledged.
  impl_->committed = std::max(impl_->committed, impl_->store.LastSeq());
  impl_->inspections.push_back({with_hash, std::move(look)});
  impl_->work.notify_one();
  return {};
}

Status LearnerLoop::Health() const {
  const std::lock_guard lock(impl_->mutex);
  if (impl_->failure) return *impl_->failure;
  return {};
}

LogSeq LearnerLoop::learned() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->learned;
}

Status LearnerLoop::Stop() {
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->stopped) return {};
    impl_->stopping = true;
    impl_->committed = std::max(impl_->committed, impl_->store.Statistics().last_seq);
    impl_->work.notify_all();
  }
  if (impl_->thread.joinable()) impl_->thread.join();
  Status status;
  if (impl_->failure) {
    status = *impl_->failure;
  } else {
    status = impl_->store.WriteCheckpoint(impl_->learner->mutable_state());
  }
  const std::lock_guard lock(impl_->mutex);
  impl_->stopped = true;
  impl_->learnt.notify_all();
  return status;
}

}  // namespace pointsman::daemon
