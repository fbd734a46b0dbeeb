#include "store/rocks_store.h"

#include <rocksdb/write_batch.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/fault_point.h"
#include "base/log.h"
#include "record.pb.h"
#include "store/bundle_file.h"
#include "store/check.h"
#include "store/codec.h"
#include "store/disk_guard.h"
#include "store/meta_rows.h"

namespace pointsman::store {

namespace {

// Keys of state rows begin with a small letter.
constexpr std::string_view kAfterStateRows = "{";

std::uint64_t BytesIn(const std::string& directory) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    const auto size = it->file_size(error);
    if (!error) bytes += size;
    error.clear();  // a file that RocksDB removed meanwhile
  }
  return bytes;
}

}  // namespace

RocksStore::RocksStore(const StoreOptions& options, Opened opened)
    : options_(options),
      lock_(std::move(opened.lock)),
      lost_unsynced_(opened.lost_unsynced),
      database_(std::move(opened.database)),
      high_water_(std::move(opened.high_water)),
      position_(opened.position),
      checkpoint_(opened.checkpoint),
      last_seq_(opened.position.last_seq.value),
      synced_seq_(opened.synced.value),
      open_decisions_(opened.position.open_decisions),
      log_bytes_(opened.position.log_bytes) {
  base_ = opened.base;
  if (base_) {
    base_seq_ = base_->state.seq.value;
    dropped_up_to_ = base_->dropped_up_to.value;
    dropped_events_ = base_->dropped_events;
  }
  if (checkpoint_) {
    checkpoint_seq_ = checkpoint_->seq.value;
    state_hash_ = checkpoint_->state_hash;
  }
  if (high_water_) {
    merger_.emplace(database_.get(), database_.family(Family::kLog), options_.directory, options_.free_space_min_bytes);
  }
}

RocksStore::~RocksStore() {
  if (!high_water_ || failed_) return;
  // A clean stop leaves nothing unsynced.
  Status synced = SyncLog();
  if (synced.ok()) synced = StoreHighWater();
  if (synced.ok()) synced = high_water_->Sync();
  if (!synced.ok()) log::Failure("store: {}", synced.error().message);
}

Result<LogPosition> RocksStore::ReadPosition(const Database& database) {
  LogPosition position;
  const auto it = database.Scan(Family::kLog);
  it->SeekToLast();
  if (!it->status().ok()) return RocksError(it->status(), "read the end of the log");
  if (it->Valid()) {
    const auto seq = ParseLogKey(ToView(it->key()));
    if (!seq || seq->value == 0) return StoreDamaged("damaged_record", "the log ends with a key that is not ours");
    const auto event = DecodeEvent(*seq, ToView(it->value()));
    if (!event.ok()) return event.error();
    position.last_seq = *seq;
    position.last_stamp_us = event->at_us;
  }
  const auto open = ReadMeta<record::OpenDecisions>(database, kOpenDecisionsKey);
  if (!open.ok()) return open.error();
  if (open->has_value()) {
    position.expired_up_to = LogSeq{(*open)->expired_up_to()};
    position.open_decisions = (*open)->count();
    position.log_bytes = (*open)->log_bytes();
  }
  return position;
}

Result<std::optional<CheckpointMark>> RocksStore::ReadMark(const Database& database,
                                                           const rocksdb::Snapshot* snapshot) {
  const auto found = ReadMeta<record::Checkpoint>(database, kCheckpointKey, snapshot);
  if (!found.ok()) return found.error();
  if (!found->has_value()) return std::optional<CheckpointMark>{};
  const record::Checkpoint& mark = **found;
  const std::uint32_t version = std::max<std::uint32_t>(mark.fold_version(), 1);
  if (version > policy::kFoldVersion) {
    return MakeError(Code::kFailedPrecondition, "newer_state",
                     "the checkpoint was written by a newer pointsman (fold " + std::to_string(version) +
                         ", this one knows " + std::to_string(policy::kFoldVersion) +
                         "); start that one, or restore a backup from before the upgrade");
  }
  // An older fold's: as if there were none, so that the whole log is folded again.
  if (version < policy::kFoldVersion) return std::optional<CheckpointMark>{};
  return std::optional<CheckpointMark>{CheckpointMark{LogSeq{mark.sequence()}, mark.state_hash(), mark.rows()}};
}

Status RocksStore::CheckWritable() const {
  if (!high_water_) return MakeError(Code::kFailedPrecondition, "read_only", "the store is open for reading only");
  if (failed_) {
    return MakeError(Code::kDataLoss, "store_failed",
                     "an earlier write or sync failed; restart the daemon after looking at the disk");
  }
  return {};
}

Error RocksStore::Fail(const rocksdb::Status& status, const std::string& action) {
  failed_ = true;
  return MakeError(Code::kDataLoss, "store_failed",
                   "cannot " + action + ": " + status.ToString() +
                       "; nothing is acknowledged any more: look at the disk and restart");
}

Status RocksStore::Commit(std::span<const Request> requests, std::int64_t now_us, bool sync,
                          std::vector<Result<Receipt>>* outcomes) {
  Status done = CommitUnmarked(requests, now_us, sync, outcomes);
  if (done.ok()) done = StoreHighWater();
  if (!done.ok()) outcomes->clear();
  return done;
}

Status RocksStore::KeepMark() {
  if (const Status writable = CheckWritable(); !writable.ok()) return writable;
  return StoreHighWater();
}

Status RocksStore::CommitUnmarked(std::span<const Request> requests, std::int64_t now_us, bool sync,
                                  std::vector<Result<Receipt>>* outcomes) {
  outcomes->clear();
  if (const Status writable = CheckWritable(); !writable.ok()) return writable;
  Plan plan;
  const LogSeq expired_before = position_.expired_up_to;
  const ResolverLimits limits{options_.open_decisions_max, options_.expire_batch, expire_up_to_};
  Status done = ResolveBatch(requests, now_us, limits, *this, position_, &plan, outcomes);
  if (done.ok() && !plan.events.empty()) done = WritePlan(plan);
  if (done.ok() && sync) done = SyncLog();
  // Done, or there was no decision left that could expire.
  if (position_.expired_up_to >= expire_up_to_ || position_.expired_up_to == expired_before) expire_up_to_ = LogSeq{};
  if (!done.ok()) outcomes->clear();
  return done;
}

// Moves the rows out of `plan` once they are written.
Status RocksStore::WritePlan(Plan& plan) {
  rocksdb::WriteBatch batch;
  std::uint64_t log_bytes = plan.after.log_bytes;
  for (const policy::Event& event : plan.events) {
    const std::string key = LogKey(event.seq);
    const std::string value = EncodeEvent(event);
    log_bytes += key.size() + value.size();
    batch.Put(database_.family(Family::kLog), key, value);
  }
  for (const auto& [id, row] : plan.rows) {
    if (row) {
      batch.Put(database_.family(Family::kDecisions), ToSlice(KeyOf(id)), EncodeRow(*row));
    } else {
      batch.Delete(database_.family(Family::kDecisions), ToSlice(KeyOf(id)));
    }
  }
  record::OpenDecisions open;
  open.set_expired_up_to(plan.after.expired_up_to.value);
  open.set_count(plan.after.open_decisions);
  open.set_log_bytes(log_bytes);
  batch.Put(database_.family(Family::kMeta), ToSlice(kOpenDecisionsKey), SealedMessage(kOpenDecisionsKey, open));

  const Status room = CheckFreeSpace(options_.directory, options_.free_space_min_bytes, batch.GetDataSize());
  if (!room.ok()) return room;
  FAULT_POINT("store.commit.before_write");
  const rocksdb::Status written = database_->Write({}, &batch);
  if (!written.ok()) return Fail(written, "write to the log");
  FAULT_POINT("store.commit.after_write");
  position_ = plan.after;
  position_.log_bytes = log_bytes;
  log_bytes_ = log_bytes;
  last_seq_ = position_.last_seq.value;
  open_decisions_ = position_.open_decisions;
  for (const policy::Event& event : plan.events) policy::FoldSubjects(subjects_, event, nullptr);
  for (auto& [id, row] : plan.rows) {
    if (row) {
      recent_.Put(id, std::move(*row));
    } else {
      recent_.Erase(id);
    }
  }
  return {};
}

Status RocksStore::SyncLog() {
  if (synced_seq_.load() == position_.last_seq.value) return {};
  FAULT_POINT("store.commit.before_sync");
  const rocksdb::Status synced = database_->SyncWAL();
  if (!synced.ok()) return Fail(synced, "sync the log");
  FAULT_POINT("store.commit.after_sync");
  synced_seq_ = position_.last_seq.value;
  return {};
}

Status RocksStore::StoreHighWater() {
  const HighWater mark{LogSeq{synced_seq_.load()}, position_.last_seq, true};
  if (mark == high_water_->mark()) return {};
  FAULT_POINT("store.high_water.before_write");
  const Status stored = high_water_->Store(mark);
  FAULT_POINT("store.high_water.after_write");
  if (!stored.ok()) return Fail(rocksdb::Status::IOError(stored.error().message), "keep the high-water mark");
  return {};
}

Status RocksStore::ReadLog(LogSeq from, std::uint64_t limit,
                           const std::function<Status(const policy::Event&)>& visit) const {
  const std::uint64_t last = last_seq_.load();
  std::uint64_t next = std::max<std::uint64_t>(from.value, 1);
  std::uint64_t visited = 0;
  // The iterator first: what is dropped is announced before it goes.
  const auto it = database_.Scan(Family::kLog);
  if (next <= dropped_up_to().value) {
    return MakeError(Code::kOutOfRange, "history_begins_later",
                     "event " + std::to_string(next) + " is gone: the history begins at event " +
                         std::to_string(dropped_up_to().value + 1));
  }
  for (it->Seek(LogKey(LogSeq{next})); it->Valid(); it->Next()) {
    if (limit != 0 && visited == limit) return {};
    const auto seq = ParseLogKey(ToView(it->key()));
    if (!seq || seq->value != next) {
      return StoreDamaged("log_gap", "event " + std::to_string(next) + " is missing from the log");
    }
    const auto event = DecodeEvent(*seq, ToView(it->value()));
    if (!event.ok()) return event.error();
    if (const Status status = visit(*event); !status.ok()) return status;
    ++visited;
    ++next;
  }
  if (!it->status().ok()) return RocksError(it->status(), "read event " + std::to_string(next));
  if (next <= last && (limit == 0 || visited < limit)) {
    return StoreDamaged("log_gap", "the log ends before event " + std::to_string(next) + " of " + std::to_string(last));
  }
  return {};
}

Status RocksStore::VisitMade(LogSeq after, const std::function<bool(const MadeDecision&)>& visit) const {
  bool wanted = true;
  const Error stop = MakeError(Code::kOk, "", "");
  const LogSeq from{std::max(after, dropped_up_to()).value + 1};
  const Status read = ReadLog(from, 0, [&](const policy::Event& event) -> Status {
    const auto* made = std::get_if<policy::DecisionMade>(&event.payload);
    if (made == nullptr) return {};
    wanted = visit({event.seq, made->context.decision, made->expires_at_us});
    if (!wanted) return stop;
    return {};
  });
  if (!wanted) return {};
  return read;
}

Result<policy::DecisionRow> RocksStore::FindRow(const DecisionId& id) const {
  if (const policy::DecisionRow* recent = recent_.Find(id)) return *recent;
  return FindDecision(id);
}

Result<policy::DecisionRow> RocksStore::FindDecision(const DecisionId& id) const {
  const auto value = database_.Get(Family::kDecisions, KeyOf(id));
  if (value.ok()) return DecodeRow(id, *value);
  if (value.error().code != Code::kNotFound) return value.error();
  return MakeError(Code::kNotFound, "unknown_decision", "there is no open decision with that id");
}

Status RocksStore::WriteCheckpoint(policy::State& state) {
  if (const Status writable = CheckWritable(); !writable.ok()) return writable;
  REQUIRE(state.last_seq <= position_.last_seq, "a state cannot be ahead of its log");
  const auto plan = PlanCheckpoint(state, checkpoint_, [this](std::string_view key) -> Result<std::string> {
    auto value = database_.Get(Family::kState, key);
    if (!value.ok() && value.error().code == Code::kNotFound) return std::string();
    return value;
  });
  if (!plan.ok()) return plan.error();
  rocksdb::WriteBatch batch;
  if (!checkpoint_) {
    // Rows of an older fold may lie there.
    batch.DeleteRange(database_.family(Family::kState), rocksdb::Slice(), ToSlice(kAfterStateRows));
  }
  for (const auto& [key, value] : plan->changes) {
    if (value.empty()) {
      batch.Delete(database_.family(Family::kState), key);
    } else {
      batch.Put(database_.family(Family::kState), key, value);
    }
  }
  record::Checkpoint mark;
  mark.set_sequence(plan->mark.seq.value);
  mark.set_state_hash(plan->mark.state_hash);
  mark.set_rows(plan->mark.rows);
  mark.set_fold_version(policy::kFoldVersion);
  batch.Put(database_.family(Family::kMeta), ToSlice(kCheckpointKey), SealedMessage(kCheckpointKey, mark));

  const Status room = CheckFreeSpace(options_.directory, options_.free_space_min_bytes, batch.GetDataSize());
  if (!room.ok()) return room;
  FAULT_POINT("store.checkpoint.before_write");
  rocksdb::WriteOptions synced;
  synced.sync = true;
  const rocksdb::Status written = database_->Write(synced, &batch);
  if (!written.ok()) return Fail(written, "write the checkpoint");
  FAULT_POINT("store.checkpoint.after_write");
  checkpoint_ = plan->mark;
  checkpoint_seq_ = plan->mark.seq.value;
  state_hash_ = plan->mark.state_hash;
  state.dirty_rows.clear();
  // The WAL is one file in order: all events before the checkpoint are synced too.
  synced_seq_ = position_.last_seq.value;
  if (const Status stored = StoreHighWater(); !stored.ok()) return stored;
  const Status kept = high_water_->Sync();
  if (!kept.ok()) return Fail(rocksdb::Status::IOError(kept.error().message), "sync the high-water mark");
  merger_->Wake();
  return TrimLog();
}

Result<policy::State> RocksStore::LoadState() const {
  rocksdb::ManagedSnapshot snapshot(&database_.get());
  const auto mark = ReadMark(database_, snapshot.snapshot());
  if (!mark.ok()) return mark.error();
  if (!mark->has_value()) return LoadBase();
  StateLoader loader;
  const auto it = database_.Scan(Family::kState, snapshot.snapshot());
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    if (const Status added = loader.Add(ToView(it->key()), ToView(it->value())); !added.ok()) return added.error();
  }
  if (!it->status().ok()) return RocksError(it->status(), "read the checkpoint");
  return loader.Finish(**mark);
}

Status RocksStore::PutBundle(const policy::Bundle& bundle) {
  if (const Status writable = CheckWritable(); !writable.ok()) return writable;
  if (const Status valid = policy::ValidateBundle(bundle); !valid.ok()) return valid;
  const std::string bytes = EncodeBundle(bundle);
  const auto again = DecodeBundle(bytes);
  if (!again.ok()) return again.error();
  if (!bundle.hash.IsZero() && bundle.hash != again->hash) {
    return MakeError(Code::kInvalidArgument, "bundle_hash_mismatch", "the bundle was changed after it was hashed");
  }
  if (database_.Get(Family::kBundles, KeyOf(again->hash)).ok()) return {};
  const Status room = CheckFreeSpace(options_.directory, options_.free_space_min_bytes, bytes.size());
  if (!room.ok()) return room;
  FAULT_POINT("store.bundle.before_write");
  rocksdb::WriteOptions synced;
  synced.sync = true;
  const rocksdb::Status written =
      database_->Put(synced, database_.family(Family::kBundles), ToSlice(KeyOf(again->hash)), bytes);
  if (!written.ok()) return Fail(written, "store the bundle");
  FAULT_POINT("store.bundle.after_write");
  return {};
}

Result<std::shared_ptr<const policy::Bundle>> RocksStore::Find(const BundleHash& hash) const {
  const std::lock_guard<std::mutex> guard(bundles_mutex_);
  if (auto known = bundles_[hash].lock()) return known;
  const auto bytes = database_.Get(Family::kBundles, KeyOf(hash));
  if (!bytes.ok()) {
    bundles_.erase(hash);
    if (bytes.error().code != Code::kNotFound) return bytes.error();
    return MakeError(Code::kNotFound, "unknown_bundle", "the store has no bundle with that hash");
  }
  auto bundle = DecodeBundle(*bytes);
  if (!bundle.ok()) return bundle.error();
  if (bundle->hash != hash) return StoreDamaged("damaged_bundle", "a bundle lies under the hash of another");
  auto shared = std::make_shared<const policy::Bundle>(std::move(*bundle));
  bundles_[hash] = shared;
  return shared;
}

StoreStatistics RocksStore::Statistics() const {
  StoreStatistics statistics;
  statistics.last_seq = LogSeq{last_seq_.load()};
  statistics.synced_seq = LogSeq{synced_seq_.load()};
  statistics.checkpoint_seq = LogSeq{checkpoint_seq_.load()};
  statistics.open_decisions = open_decisions_.load();
  statistics.disk_bytes = BytesIn(options_.directory);
  statistics.memtable_bytes = database_.MemtableBytes();
  statistics.read_cache_bytes = database_.ReadCacheBytes();
  statistics.lost_unsynced = lost_unsynced_;
  statistics.state_hash = state_hash_.load();
  statistics.base_seq = LogSeq{base_seq_.load()};
  statistics.dropped_up_to = dropped_up_to();
  statistics.dropped_events = dropped_events_.load();
  statistics.log_bytes = log_bytes_.load();
  return statistics;
}

Status RocksStore::CheckTelling(const Progress& progress) const {
  const auto position = ReadPosition(database_);
  if (!position.ok()) return position.error();
  CheckedParts parts;
  parts.position = *position;
  parts.dropped_up_to = dropped_up_to();
  parts.progress = progress;
  parts.visit_rows = [this](const std::function<Status(const policy::DecisionRow&)>& visit) -> Status {
    const auto it = database_.Scan(Family::kDecisions);
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      DecisionId id;
      if (it->key().size() != id.bytes.size())
        return StoreDamaged("damaged_record", "a decision row has a strange key");
      std::copy_n(it->key().data(), id.bytes.size(), reinterpret_cast<char*>(id.bytes.data()));
      const auto row = DecodeRow(id, ToView(it->value()));
      if (!row.ok()) return row.error();
      if (const Status status = visit(*row); !status.ok()) return status;
    }
    if (!it->status().ok()) return RocksError(it->status(), "read the decision rows");
    return {};
  };
  if (const Status consistent = CheckConsistency(*this, parts); !consistent.ok()) return consistent;
  const auto it = database_.Scan(Family::kBundles);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const auto bundle = DecodeBundle(ToView(it->value()));
    if (!bundle.ok()) return bundle.error();
    if (KeyOf(bundle->hash) != ToView(it->key())) {
      return StoreDamaged("damaged_bundle", "a bundle lies under the hash of another");
    }
  }
  if (!it->status().ok()) return RocksError(it->status(), "read the bundles");
  return {};
}

}  // namespace pointsman::store
