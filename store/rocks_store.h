// RocksStore: the store on RocksDB. Private to store/; see store.h for the
// contract and docs/RECORDS.md for what lies on disk.
//
// Invariants
//   - the log family holds exactly 1..last_seq, each sealed under its number;
//   - but for events up to dropped_up_to, of which only some are left;
//   - decision rows are exactly the decisions made after expired_up_to;
//   - dropped_up_to <= base <= checkpoint, and no open decision is dropped;
//   - high water: synced <= last_seq always, or opening fails;
//   - after a failed write or sync nothing is written any more (failed_).
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "store/checkpoint.h"
#include "store/high_water.h"
#include "store/log_merger.h"
#include "store/recent_rows.h"
#include "store/resolver.h"
#include "store/rocks_support.h"
#include "store/store.h"

namespace pointsman::store {

// Where history begins; see rocks_retention.cc.
struct BaseMark {
  CheckpointMark state;          // what a replay begins with
  LogSeq dropped_up_to;          // <= state.seq
  std::uint64_t kept_bytes = 0;  // of the events up to there that are left
  std::uint64_t dropped_events = 0;
  std::uint32_t fold_version = policy::kFoldVersion;  // of the rows
};

class RocksStore final : public Store, private CommittedRows {
 public:
  // What opening found; see rocks_open.cc.
  struct Opened {
    DirectoryLock lock;
    Database database;
    std::optional<HighWaterFile> high_water;  // none: read only
    LogPosition position;
    std::optional<CheckpointMark> checkpoint;
    LogSeq synced;
    std::uint64_t lost_unsynced = 0;
    std::optional<BaseMark> base;
  };
  RocksStore(const StoreOptions& options, Opened opened);
  ~RocksStore() override;

  Status Commit(std::span<const Request> requests, std::int64_t now_us, bool sync,
                std::vector<Result<Receipt>>* outcomes) override;
  Status CommitUnmarked(std::span<const Request> requests, std::int64_t now_us, bool sync,
                        std::vector<Result<Receipt>>* outcomes) override;
  Status KeepMark() override;
  Status ReadLog(LogSeq from, std::uint64_t limit,
                 const std::function<Status(const policy::Event&)>& visit) const override;
  Result<policy::DecisionRow> FindDecision(const DecisionId& id) const override;
  Status WriteCheckpoint(policy::State& state) override;
  Result<policy::State> LoadState() const override;
  Result<policy::State> LoadBase() const override;
  Status ForEach(LogSeq before, const std::function<Status(const policy::Event&)>& visit) const override;
  Status ForEachLasting(LogSeq before, const std::function<Status(const policy::Event&)>& visit) const override;
  void AdoptSubjects(const policy::SubjectBook& book) override { subjects_ = book; }
  Status PutBundle(const policy::Bundle& bundle) override;
  Result<std::uint64_t> DropSpareBundles(std::span<const BundleHash> needed, std::size_t spares) override;
  Result<std::shared_ptr<const policy::Bundle>> Find(const BundleHash& hash) const override;
  Status Compact(std::atomic<bool>& stop) const override;
  StoreStatistics Statistics() const override;
  LogSeq LastSeq() const override { return LogSeq{last_seq_.load()}; }
  Status CheckTelling(const Progress& progress) const override;

  // Reads what recovery starts from. Errors: DATA_LOSS.
  static Result<LogPosition> ReadPosition(const Database& database);
  static Result<std::optional<CheckpointMark>> ReadMark(const Database& database,
                                                        const rocksdb::Snapshot* snapshot = nullptr);
  static Result<std::optional<BaseMark>> ReadBase(const Database& database);
  // Gives a store of schema `from` the present one, in one synced batch.
  static Status Migrate(Database& database, std::uint32_t from);

 private:
  static constexpr std::size_t kRecentRows = 1024;  // below 1 MiB
  Result<policy::DecisionRow> FindRow(const DecisionId& id) const override;
  Status VisitLeft(LogSeq before, bool lasting_only, const std::function<Status(const policy::Event&)>& visit) const;
  const policy::SubjectBook& Subjects() const override { return subjects_; }
  Status VisitMade(LogSeq after, const std::function<bool(const MadeDecision&)>& visit) const override;

  Status CheckWritable() const;
  Status WritePlan(Plan& plan);
  // Syncs the WAL when anything is not synced yet.
  Status SyncLog();
  Status StoreHighWater();
  // After a checkpoint: makes room where the log is longer than its quota.
  Status TrimLog();
  Status WriteBase();
  Result<policy::State> RefoldBase(LogSeq last) const;
  Status DropEvents(LogSeq last, std::uint64_t target_bytes);
  // Bytes of the log that count against the quota: feedback that is kept does not.
  std::uint64_t QuotaBytes() const { return position_.log_bytes - (base_ ? base_->kept_bytes : 0); }
  LogSeq dropped_up_to() const { return LogSeq{dropped_up_to_.load()}; }
  // From here on nothing is acknowledged.
  Error Fail(const rocksdb::Status& status, const std::string& action);

  // Constant.
  const StoreOptions options_;
  const DirectoryLock lock_;
  const std::uint64_t lost_unsynced_;
  Database database_;

  // Commit thread only.
  std::optional<HighWaterFile> high_water_;
  LogPosition position_;
  std::optional<CheckpointMark> checkpoint_;
  std::optional<BaseMark> base_;
  LogSeq expire_up_to_;  // decisions that must expire so that the log can shrink
  policy::SubjectBook subjects_;
  RecentRows recent_{kRecentRows};
  bool failed_ = false;

  // Self-synchronised: what Statistics and ReadLog see.
  std::atomic<std::uint64_t> last_seq_;
  std::atomic<std::uint64_t> synced_seq_;
  std::atomic<std::uint64_t> checkpoint_seq_{0};
  std::atomic<std::uint64_t> state_hash_{0};
  std::atomic<std::uint64_t> open_decisions_;
  std::atomic<std::uint64_t> base_seq_{0};
  std::atomic<std::uint64_t> dropped_up_to_{0};
  std::atomic<std::uint64_t> dropped_events_{0};
  std::atomic<std::uint64_t> log_bytes_{0};

  mutable std::mutex bundles_mutex_;
  mutable std::map<BundleHash, std::weak_ptr<const policy::Bundle>> bundles_;  // guarded by bundles_mutex_

  std::optional<LogMerger> merger_;  // none: read only. The last member: it ends before the database
};

}  // namespace pointsman::store
