// RocksStore: the store on RocksDB. Private to store/; see store.h for the
// contract and docs/RECORDS.md for what lies on disk.
//
// Invariants
//   - the log family holds exactly 1..last_seq, each sealed under its number;
//   - decision rows are exactly the decisions made after expired_up_to;
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
#include "store/resolver.h"
#include "store/rocks_support.h"
#include "store/store.h"

namespace pointsman::store {

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
  };
  RocksStore(const StoreOptions& options, Opened opened);
  ~RocksStore() override;

  Status Commit(std::span<const Request> requests, std::int64_t now_us, bool sync,
                std::vector<Result<Receipt>>* outcomes) override;
  Status ReadLog(LogSeq from, std::uint64_t limit,
                 const std::function<Status(const policy::Event&)>& visit) const override;
  Result<policy::DecisionRow> FindDecision(const DecisionId& id) const override;
  Status WriteCheckpoint(policy::State& state) override;
  Result<policy::State> LoadState() const override;
  Status PutBundle(const policy::Bundle& bundle) override;
  Result<std::shared_ptr<const policy::Bundle>> Find(const BundleHash& hash) const override;
  StoreStatistics Statistics() const override;
  LogSeq LastSeq() const override { return LogSeq{last_seq_.load()}; }
  Status Check() const override;

  // Reads what recovery starts from. Errors: DATA_LOSS.
  static Result<LogPosition> ReadPosition(const Database& database);
  static Result<std::optional<CheckpointMark>> ReadMark(const Database& database,
                                                        const rocksdb::Snapshot* snapshot = nullptr);

 private:
  Result<policy::DecisionRow> FindRow(const DecisionId& id) const override { return FindDecision(id); }
  Status VisitMade(LogSeq after, const std::function<bool(const MadeDecision&)>& visit) const override;

  Status CheckWritable() const;
  Status WritePlan(const Plan& plan);
  // Syncs the WAL when anything is not synced yet.
  Status SyncLog();
  Status StoreHighWater();
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
  bool failed_ = false;

  // Self-synchronised: what Statistics and ReadLog see.
  std::atomic<std::uint64_t> last_seq_;
  std::atomic<std::uint64_t> synced_seq_;
  std::atomic<std::uint64_t> checkpoint_seq_{0};
  std::atomic<std::uint64_t> state_hash_{0};
  std::atomic<std::uint64_t> open_decisions_;

  mutable std::mutex bundles_mutex_;
  mutable std::map<BundleHash, std::weak_ptr<const policy::Bundle>> bundles_;  // guarded by bundles_mutex_
};

}  // namespace pointsman::store
