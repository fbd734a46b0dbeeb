// The learner loop: the one thread that folds the log into the state.
//
//   Create   checkpoint + tail of the log -> state, first snapshot (no thread yet)
//   Start    the thread: woken after each commit, folds, publishes, checkpoints
//   Stop     folds what is left, writes the last checkpoint, joins
//
// Errors in the fold or in reading the log stop the learning and nothing else:
// the last snapshot goes on routing and Health() says why (DESIGN 7, promise 5).
//
// The state belongs to this thread. Others ask for a look at it (Inspect, Query),
// which is granted between two batches.
#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "base/result.h"
#include "daemon/snapshot_cell.h"
#include "policy/belief/state.h"
#include "store/commit_queue.h"
#include "store/store.h"

namespace pointsman::daemon {

struct LearnerLoopOptions {
  std::uint64_t checkpoint_events = 10'000;
  std::uint32_t checkpoint_seconds = 60;
  // Snapshots follow each other at least this far apart, unless somebody waits.
  std::uint32_t publish_interval_ms = 5;
  // Weights of a request that names none: the pacers start with them.
  policy::Weights typical_weights;
};

class LearnerLoop {
 public:
  // Loads the checkpoint, folds the rest of the log and publishes into `cell`.
  // `progress` (may be empty) is called with (folded, last) after each batch.
  // All references must outlive the loop. Errors: DATA_LOSS, NOT_FOUND (bundle).
  static Result<std::unique_ptr<LearnerLoop>> Create(
      store::Store& store, const Clock& clock, SnapshotCell& cell, const LearnerLoopOptions& options,
      const std::function<void(std::uint64_t folded, std::uint64_t last)>& progress);
  ~LearnerLoop();  // Stop without a checkpoint, if Stop was not called
  LearnerLoop(const LearnerLoop&) = delete;
  LearnerLoop& operator=(const LearnerLoop&) = delete;

  // Starts the thread. Checkpoints go through `queue`, which must live until Stop.
  void Start(store::CommitQueue& queue);
  // For CommitQueue's hook: the log now ends at `last`. Never blocks for long.
  void Wake(LogSeq last);

  // Until a snapshot that has folded `seq` is published.
  // Errors: DEADLINE_EXCEEDED; the error that stopped the learning.
  Status WaitUntilLearned(LogSeq seq, std::chrono::milliseconds limit);

  // Runs `look` on the learner thread between two batches, with the state and its
  // hash when `with_hash`. The state has folded whatever was in the log when this was
  // called: who has an acknowledgement sees its effect. At most 256 wait. Must not
  // block.
  // Errors: RESOURCE_EXHAUSTED, UNAVAILABLE after Stop: `look` is then never run.
  Status Inspect(bool with_hash, std::function<void(const policy::State&, std::uint64_t hash)> look);

  // The same, waiting for the answer. Errors: also DEADLINE_EXCEEDED.
  template <typename T>
  Result<T> Query(std::chrono::milliseconds limit, std::function<T(const policy::State&)> look) {
    auto promise = std::make_shared<std::promise<T>>();
    auto future = promise->get_future();
    const Status asked = Inspect(false, [promise, look = std::move(look)](const policy::State& state, std::uint64_t) {
      promise->set_value(look(state));
    });
    if (!asked.ok()) return asked.error();
    if (future.wait_for(limit) != std::future_status::ready) {
      return MakeError(Code::kDeadlineExceeded, "learner_busy", "the learner is busy; try again later");
    }
    return future.get();
  }

  // OK while learning works; else the error that stopped it.
  Status Health() const;
  LogSeq learned() const;

  // Folds up to the end of the log, writes a checkpoint and joins. The commit
  // queue must have been stopped before. Idempotent.
  Status Stop();

 private:
  struct Impl;
  explicit LearnerLoop(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pointsman::daemon
