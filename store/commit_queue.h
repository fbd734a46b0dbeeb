// Group commit: many submitters, one commit thread, one sync per batch.
//
// Operation   Submit puts a request into a bounded queue; the commit thread takes
//             all that waits (at most batch_max), commits it, syncs when any
//             request of the batch asked for it, and calls each completion.
// Gathering   a request that needs no sync waits up to gather_micros for company, so
//             that under load the commit thread is woken once for many decisions and
//             not once for each. A request with sync, a full batch, RunExclusive and
//             Stop end the wait at once.
// Preparation what a request lacks and no caller of Submit should wait for is done by
//             the commit thread before its commit; while kPreparationsMax of them wait,
//             Submit does it itself, so that what they hold is bounded.
// Company     clients that wait for an answer tend to ask again at once: before a sync
//             the commit thread waits for as many requests as were just answered or
//             were waiting then, as long as they keep coming, at most as long as the
//             last commit took and at most gather_sync_micros. Where they do not come
//             back it does not wait for them in the next batches (up to 64).
// Order       first in, first out: a decision submitted before its feedback is
//             before it in the log.
// Full        Submit returns RESOURCE_EXHAUSTED at once and counts; nothing blocks.
// Failure     after a failed sync or write nothing is acknowledged any more: every
//             waiting and later request ends with UNAVAILABLE, and `on_fatal` is
//             called once, so that the process exits with the agreed code. A full
//             disk is not fatal: that batch ends with UNAVAILABLE storage_full.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/result.h"
#include "store/store.h"

namespace pointsman::store {

// Runs on the commit thread; must not block or throw.
using Completion = std::function<void(Result<Receipt> outcome, Durability durability)>;

// Completes a request before its commit. Runs once, on the commit thread or in Submit;
// must not block or throw.
using Preparation = std::function<void(Request&)>;
inline constexpr std::size_t kPreparationsMax = 4'096;

struct CommitQueueOptions {
  std::size_t capacity = 65'536;
  std::size_t batch_max = 1'024;
  std::int64_t gather_micros = 1'000;       // of the steady clock; 0: requests without sync are not held back
  std::int64_t gather_sync_micros = 2'000;  // 0: a request with sync never waits for others
  std::int64_t tick_seconds = 60;           // a Tick is appended after this long without an event
};

struct CommitQueueStatistics {
  std::size_t waiting = 0;
  std::uint64_t refused_full = 0;
  std::uint64_t batches = 0;
  std::uint64_t requests = 0;
  bool failed = false;
};

class CommitQueue {
 public:
  struct Hooks {
    std::function<void(LogSeq last)> on_committed;  // after each batch with new events
    std::function<void(const Error&)> on_fatal;
    // A request that was submitted without a completion did not get into the log.
    std::function<void(const Request& request, const Error& why)> on_lost{};
  };
  // Starts the thread. `store` and `clock` must outlive the queue.
  CommitQueue(Store& store, const Clock& clock, const CommitQueueOptions& options, Hooks hooks);
  // Stop()s.
  ~CommitQueue();
  CommitQueue(const CommitQueue&) = delete;
  CommitQueue& operator=(const CommitQueue&) = delete;

  // Threads: any. `sync`: acknowledge only after a sync. Until `done` is called the
  // request is in this process's memory only. A null `done` costs no allocation;
  // the hook on_lost tells of what failed. `request` is left as it was on an error.
  Status Submit(Request&& request, bool sync, Completion done, Preparation prepare = nullptr);

  // Runs `work` on the commit thread between two batches and waits for it: for
  // checkpoints and bundles. UNAVAILABLE after Stop.
  Status RunExclusive(const std::function<Status(Store&)>& work);

  // Takes no more, commits what waits, joins the thread. Idempotent.
  void Stop();

  CommitQueueStatistics Statistics() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pointsman::store
