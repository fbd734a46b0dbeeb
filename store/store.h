// The store: the ordered log and all that must survive a crash.
//
// Promises (tests/store has one contract suite for every implementation):
//   Order      events are numbered densely from 1 in the order that Commit saw
//              them; a decision precedes its feedback.
//   Atomic     one Commit is one write batch: all of it is there after a crash, or
//              none of it.
//   Durable    after a Commit with sync = true has returned OK, its events and all
//              before them survive SIGKILL and power loss. Without sync they
//              survive SIGKILL.
//   Once       a report that was acknowledged is in the log once, however often
//              it is repeated (policy/learning/attribution.h has the rules).
//   Time       stamps never decrease, whatever the wall clock does.
//   Damage     reading damaged bytes is DATA_LOSS, never a shorter history. The
//              high-water mark of synced events is kept beside the log.
//
// Threads: Commit, AdoptSubjects, WriteCheckpoint and PutBundle from the commit thread or with
// it stopped; everything const from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "policy/learning/attribution.h"
#include "policy/learning/event.h"
#include "policy/learning/learner.h"
#include "policy/world/bundle.h"

namespace pointsman::store {

// How safe an acknowledged write is. On the wire by number.
enum class Durability : std::uint8_t {
  kNone = 0,     // not in the log, or not yet
  kProcess = 1,  // in the log, not synced: survives a crash of the process
  kSynced = 2,   // synced: survives power loss
};

// Told now and then by work that takes long: the share of it that is done, in [0,1], and
// what it does now. On the thread that works; may be empty.
using Progress = std::function<void(double share, std::string_view stage)>;

// What may be asked of the log. Reports are attributed to their decision inside
// Commit; a payload is appended as it is.
using Submission = std::variant<policy::DecisionMade, policy::FeedbackReport, policy::OutcomeReport,
                                policy::PreferenceReport, policy::Payload>;

struct Request {
  Submission what;
  policy::Origin origin = policy::Origin::kClient;
  std::uint32_t actor_uid = 0;
};

struct Receipt {
  Code code = Code::kOk;  // kOk, or kDuplicateOk with no new event
  LogSeq seq;             // of the event; of the first one for a duplicate where known, else 0
  std::int64_t at_us = 0;
};

struct StoreStatistics {
  LogSeq last_seq;
  LogSeq synced_seq;  // high-water mark
  LogSeq checkpoint_seq;
  LogSeq base_seq;                   // a replay begins with the state after this one
  LogSeq dropped_up_to;              // of the events up to here only some are left
  std::uint64_t dropped_events = 0;  // that are gone, since the store was made
  std::uint64_t log_bytes = 0;
  std::uint64_t open_decisions = 0;
  std::uint64_t disk_bytes = 0;
  std::uint64_t memtable_bytes = 0;    // rows in memory that are not in a table file yet
  std::uint64_t read_cache_bytes = 0;  // blocks of table files in memory
  std::uint64_t lost_unsynced = 0;     // numbers of the unsynced tail lost in the last crash
  std::uint64_t state_hash = 0;        // of the last checkpoint
};

class Store : public policy::BundleCatalogue, public policy::History {
 public:
  // Appends a batch. `outcomes` gets one entry per request: the receipt, or why
  // that request was refused (NOT_FOUND unknown decision, EXPIRED, CONFLICT,
  // OUT_OF_RANGE, RESOURCE_EXHAUSTED): a refusal touches nothing else.
  // The Status is about the whole batch; when it is an error nothing may be
  // acknowledged and the process must stop (EIO is final, DESIGN 8):
  //   UNAVAILABLE storage_full   no space; nothing written; may be tried later
  //   DATA_LOSS                  the write or the sync failed
  // `now_us` is the wall clock; the stamp is max(now_us, last stamp).
  virtual Status Commit(std::span<const Request> requests, std::int64_t now_us, bool sync,
                        std::vector<Result<Receipt>>* outcomes) = 0;

  // The two halves of Commit, for who has somebody waiting: all of it but the high-water mark,
  // which need not be kept before the answer: a mark that lags weakens the check for missing
  // events and never the data. Errors: those of Commit.
  virtual Status CommitUnmarked(std::span<const Request> requests, std::int64_t now_us, bool sync,
                                std::vector<Result<Receipt>>* outcomes) {
    return Commit(requests, now_us, sync, outcomes);
  }
  virtual Status KeepMark() { return {}; }

  // Visits events from `from` on, in order, at most `limit` (0: all).
  // Errors: DATA_LOSS (gap, checksum, iterator), OUT_OF_RANGE history_begins_later
  // (`from` is not after dropped_up_to), or the visitor's.
  virtual Status ReadLog(LogSeq from, std::uint64_t limit,
                         const std::function<Status(const policy::Event&)>& visit) const = 0;
  // policy::History: all events before `before` that are left. What an activation
  // folds again (feedback and operators' events) is never dropped.
  Status ForEach(LogSeq before, const std::function<Status(const policy::Event&)>& visit) const override;

  // The row of an open decision. Errors: NOT_FOUND, DATA_LOSS.
  virtual Result<policy::DecisionRow> FindDecision(const DecisionId& id) const = 0;

  // Writes the state's dirty rows and its sequence in one batch, syncs, clears
  // the marks. Restart = LoadState, then fold the log from its sequence on.
  virtual Status WriteCheckpoint(policy::State& state) = 0;
  // The state of the last checkpoint; an empty one if there is none, or if it was
  // left by an older fold (policy::kFoldVersion).
  // Errors: DATA_LOSS when rows and stored hash disagree.
  virtual Result<policy::State> LoadState() const = 0;

  // The state that a replay begins with: that after base_seq, or an empty one.
  // Errors: DATA_LOSS.
  virtual Result<policy::State> LoadBase() const { return policy::State{}; }

  // Gives the store the counts from which arrival weights come: those of the state after
  // the last event. From then on it keeps them itself. Without it they begin empty.
  virtual void AdoptSubjects(const policy::SubjectBook&) {}

  // Stores a bundle under its hash, synced. Putting it again is fine.
  virtual Status PutBundle(const policy::Bundle& bundle) = 0;

  // Of the bundles that are not `needed` keeps the `spares` made last and drops the
  // others; returns how many. Every bundle that was ever live is needed: feedback of its
  // decisions is folded again through its anchors. A store may keep all.
  virtual Result<std::uint64_t> DropSpareBundles(std::span<const BundleHash>, std::size_t) { return std::uint64_t{0}; }

  // Writes all files anew, so that what was replaced or dropped leaves the disk and reading
  // has fewer files to look into. Threads: any; everything else goes on meanwhile. Ends early
  // once `stop` is set. Errors: UNAVAILABLE storage_full (there must be room for the largest
  // family once more), compaction_stopped, storage_io; FAILED_PRECONDITION read_only.
  virtual Status Compact(std::atomic<bool>& stop) const {
    static_cast<void>(stop);
    return {};
  }

  virtual StoreStatistics Statistics() const = 0;
  // Statistics().last_seq alone, cheap enough to ask after every batch.
  virtual LogSeq LastSeq() const { return Statistics().last_seq; }
  // Walks everything: density, checksums, rows against hash, decisions against
  // log. Errors: DATA_LOSS with the place.
  Status Check() const { return CheckTelling({}); }
  virtual Status CheckTelling(const Progress& progress) const = 0;
};

// XOR over all state rows of xxh3(key, value): equal iff the states are equal,
// but for chance 2^-64.
std::uint64_t StateHash(const policy::State& state);

struct StoreOptions {
  std::string directory;
  std::uint64_t write_buffer_bytes = 8ULL << 20;     // the WAL preallocates 1.1 times this
  std::uint64_t free_space_min_bytes = 64ULL << 20;  // below this nothing is written, >= 16 MiB
  std::uint64_t open_decisions_max = 1'000'000;      // beyond: the oldest expires first
  std::uint32_t expire_batch = 4096;                 // decisions expired per Tick at most
  // Beyond this the oldest decisions and outcomes leave the log at the next
  // checkpoint; open decisions expire for it where nothing else helps. Old ratings,
  // preferences and gold stay, and are not counted. 0: no bound.
  std::uint64_t log_bytes_max = 0;
};

// Opens or creates the store on RocksDB.
// Errors: BUSY store_locked (another process has it); DATA_LOSS (damage, with the
// repair hint); FAILED_PRECONDITION newer_schema; UNAVAILABLE storage_full;
// INVALID_ARGUMENT (directory).
Result<std::unique_ptr<Store>> OpenRocksStore(const StoreOptions& options);
// The same, for reading only; changes nothing on disk. Works only while no daemon
// holds the store. Errors: as above, and NOT_FOUND.
Result<std::unique_ptr<Store>> OpenRocksStoreReadOnly(const std::string& directory);
// In memory: for eval and tests. Keeps every promise but durability.
std::unique_ptr<Store> MakeMemoryStore(std::uint64_t open_decisions_max = 1'000'000);

}  // namespace pointsman::store
