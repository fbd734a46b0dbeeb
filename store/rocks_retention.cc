// Retention: old events make room, and a base state stands for them. Bundles that were
// never live make room too.
//
// What is dropped   decisions, outcomes, expiries and ticks, oldest first and only up to
//                   the checkpoint and the last expired decision. All that an activation
//                   folds again stays: ratings, gold, retractions, preferences, and what
//                   operators and the configuration said.
// The base state    a copy of the checkpoint's rows, written before anything is
//                   dropped. Replays begin there, so it is never older than what is
//                   gone. It is written anew only when an eighth of the quota is to go.
// Crash             base first, in one synced batch; then batches of deletions, each
//                   with the mark that says how far they went. After a crash between
//                   any two the store is whole and the next checkpoint goes on.
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <utility>

#include "base/fault_point.h"
#include "base/log.h"
#include "record.pb.h"
#include "store/codec.h"
#include "store/disk_guard.h"
#include "store/keys.h"
#include "store/meta_rows.h"
#include "store/rocks_store.h"

namespace pointsman::store {

namespace {

constexpr std::uint64_t kDropBatch = 4096;              // events in one write
constexpr std::uint64_t kDroppedMax = 32 * kDropBatch;  // after one checkpoint; the commit thread waits

std::string BaseRowKey(std::string_view key) { return std::string(kBaseRowPrefix) + std::string(key); }

void PutBase(const Database& database, const BaseMark& mark, rocksdb::WriteBatch* batch) {
  record::Base base;
  base.set_sequence(mark.state.seq.value);
  base.set_state_hash(mark.state.state_hash);
  base.set_rows(mark.state.rows);
  base.set_dropped_up_to(mark.dropped_up_to.value);
  base.set_dropped_events(mark.dropped_events);
  base.set_kept_bytes(mark.kept_bytes);
  base.set_fold_version(mark.fold_version);
  batch->Put(database.family(Family::kMeta), ToSlice(kBaseKey), SealedMessage(kBaseKey, base));
}

void PutOpen(const Database& database, const LogPosition& position, rocksdb::WriteBatch* batch) {
  record::OpenDecisions open;
  open.set_expired_up_to(position.expired_up_to.value);
  open.set_count(position.open_decisions);
  open.set_log_bytes(position.log_bytes);
  batch->Put(database.family(Family::kMeta), ToSlice(kOpenDecisionsKey), SealedMessage(kOpenDecisionsKey, open));
}

rocksdb::WriteOptions Synced() {
  rocksdb::WriteOptions options;
  options.sync = true;
  return options;
}

}  // namespace

Result<std::optional<BaseMark>> RocksStore::ReadBase(const Database& database) {
  const auto found = ReadMeta<record::Base>(database, kBaseKey);
  if (!found.ok()) return found.error();
  if (!found->has_value()) return std::optional<BaseMark>{};
  const record::Base& base = **found;
  BaseMark mark{{LogSeq{base.sequence()}, base.state_hash(), base.rows()},
                LogSeq{base.dropped_up_to()},
                base.kept_bytes(),
                base.dropped_events(),
                base.fold_version()};
  if (mark.dropped_up_to > mark.state.seq)
    return StoreDamaged("damaged_record", "events after the base state are gone");
  return std::optional<BaseMark>{mark};
}

Status RocksStore::Migrate(Database& database, std::uint32_t from) {
  REQUIRE(from == 1, "there is one older schema");
  // 1 -> 2: the bytes of the log are counted from now on.
  auto position = ReadPosition(database);
  if (!position.ok()) return position.error();
  const auto it = database.Scan(Family::kLog);
  for (it->SeekToFirst(); it->Valid(); it->Next()) position->log_bytes += it->key().size() + it->value().size();
  if (!it->status().ok()) return RocksError(it->status(), "count the bytes of the log");
  rocksdb::WriteBatch batch;
  PutOpen(database, *position, &batch);
  record::Schema schema;
  schema.set_version(kSchemaVersion);
  batch.Put(database.family(Family::kMeta), ToSlice(kSchemaKey), SealedMessage(kSchemaKey, schema));
  FAULT_POINT("store.migrate.before_write");
  const rocksdb::Status written = database->Write(Synced(), &batch);
  FAULT_POINT("store.migrate.after_write");
  if (!written.ok()) return RocksError(written, "bring the store to schema " + std::to_string(kSchemaVersion));
  log::Info("store: schema {} became {}", from, kSchemaVersion);
  return {};
}

Result<policy::State> RocksStore::LoadBase() const {
  const auto mark = ReadBase(database_);
  if (!mark.ok()) return mark.error();
  if (!mark->has_value()) return policy::State{};
  if ((*mark)->fold_version > policy::kFoldVersion) {
    return MakeError(Code::kFailedPrecondition, "newer_state",
                     "the base state was written by a newer pointsman; start that one, or restore a backup");
  }
  if ((*mark)->fold_version < policy::kFoldVersion) return RefoldBase((*mark)->state.seq);
  StateLoader loader;
  const auto it = database_.Scan(Family::kMeta);
  for (it->Seek(ToSlice(kBaseRowPrefix)); it->Valid() && it->key().starts_with(ToSlice(kBaseRowPrefix)); it->Next()) {
    const Status added = loader.Add(ToView(it->key()).substr(kBaseRowPrefix.size()), ToView(it->value()));
    if (!added.ok()) return added.error();
  }
  if (!it->status().ok()) return RocksError(it->status(), "read the base state");
  return loader.Finish((*mark)->state);
}

// A base state whose rows an older fold wrote: what is left is folded anew, with ticks
// for what is gone. Evidence, pool and options are those of the whole log; counts of
// decisions and outcomes, lengths of answers, pacers and health begin where the log is
// whole.
Result<policy::State> RocksStore::RefoldBase(LogSeq last) const {
  auto learner = policy::Learner::Create(*this, *this, policy::State{});
  if (!learner.ok()) return learner.error();
  policy::Learner& fold = **learner;
  const auto pass_to = [&fold](std::uint64_t seq) -> Status {
    while (fold.state().last_seq.value < seq) {
      const LogSeq next{fold.state().last_seq.value + 1};
      const Status passed = fold.Learn({next, fold.state().now_us, policy::Origin::kStore, 0, policy::Tick{}});
      if (!passed.ok()) return passed;
    }
    return {};
  };
  const Status folded = ForEach(LogSeq{last.value + 1}, [&](const policy::Event& event) -> Status {
    if (const Status passed = pass_to(event.seq.value - 1); !passed.ok()) return passed;
    return fold.Learn(event);
  });
  if (!folded.ok()) return folded.error();
  if (const Status passed = pass_to(last.value); !passed.ok()) return passed.error();
  log::Warning("store: the base state was of an older version and was made again from the feedback that is left");
  fold.mutable_state().dirty_rows.clear();
  return std::move(fold.mutable_state());
}

Status RocksStore::ForEach(LogSeq before, const std::function<Status(const policy::Event&)>& visit) const {
  return VisitLeft(before, false, visit);
}

Status RocksStore::ForEachLasting(LogSeq before, const std::function<Status(const policy::Event&)>& visit) const {
  return VisitLeft(before, true, visit);
}

Status RocksStore::VisitLeft(LogSeq before, bool lasting_only,
                             const std::function<Status(const policy::Event&)>& visit) const {
  const std::uint64_t last = std::min(last_seq_.load(), before.value - std::min<std::uint64_t>(before.value, 1));
  // The iterator first: what is dropped is announced before it goes.
  const auto it = database_.Scan(Family::kLog);
  const std::uint64_t dropped = dropped_up_to().value;
  std::uint64_t seen = dropped;  // from here on the log is dense
  const auto missing = [&] {
    return StoreDamaged("log_gap", "event " + std::to_string(seen + 1) + " is missing from the log");
  };
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const auto seq = ParseLogKey(ToView(it->key()));
    if (!seq) return StoreDamaged("damaged_record", "the log holds a key that is not ours");
    if (seq->value > last) break;
    if (seq->value > dropped) {
      if (seq->value != seen + 1) return missing();
      seen = seq->value;
    }
    if (lasting_only && policy::IsPassing(PeekEventType(ToView(it->value())))) continue;
    const auto event = DecodeEvent(*seq, ToView(it->value()));
    if (!event.ok()) return event.error();
    if (const Status visited = visit(*event); !visited.ok()) return visited;
  }
  if (!it->status().ok()) return RocksError(it->status(), "read the log");
  if (seen < last) return missing();
  return {};
}

Result<std::uint64_t> RocksStore::DropSpareBundles(std::span<const BundleHash> needed, std::size_t spares) {
  if (const Status writable = CheckWritable(); !writable.ok()) return writable.error();
  std::vector<std::pair<std::int64_t, BundleHash>> found;
  const auto it = database_.Scan(Family::kBundles);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    BundleHash hash;
    if (it->key().size() != hash.bytes.size()) return StoreDamaged("damaged_record", "a bundle has a key of no hash");
    std::copy_n(it->key().data(), hash.bytes.size(), reinterpret_cast<char*>(hash.bytes.data()));
    if (std::find(needed.begin(), needed.end(), hash) != needed.end()) continue;
    const auto bundle = Find(hash);
    if (!bundle.ok()) return bundle.error();
    found.emplace_back((*bundle)->made_at_us, hash);
  }
  if (!it->status().ok()) return RocksError(it->status(), "read the bundles");
  if (found.size() <= spares) return std::uint64_t{0};
  std::sort(found.begin(), found.end());
  found.resize(found.size() - spares);
  rocksdb::WriteBatch batch;
  for (const auto& [made_at, hash] : found) batch.Delete(database_.family(Family::kBundles), ToSlice(KeyOf(hash)));
  const rocksdb::Status written = database_->Write(Synced(), &batch);
  if (!written.ok()) return Fail(written, "drop old bundles");
  const std::lock_guard<std::mutex> guard(bundles_mutex_);
  for (const auto& [made_at, hash] : found) bundles_.erase(hash);
  return static_cast<std::uint64_t>(found.size());
}

Status RocksStore::TrimLog() {
  const std::uint64_t quota = options_.log_bytes_max;
  if (quota == 0 || QuotaBytes() <= quota || !checkpoint_) return {};
  const std::uint64_t target = quota - quota / 8;
  // Without open decisions all up to the checkpoint may go, but for the log's last
  // event: it says where the log ends.
  const LogSeq settled = position_.open_decisions == 0 ? checkpoint_->seq : position_.expired_up_to;
  const LogSeq last = std::min({settled, checkpoint_->seq, LogSeq{position_.last_seq.value - 1}});
  const std::uint64_t gone_before = dropped_events_.load();
  if (last > dropped_up_to()) {
    if (!base_ || base_->state.seq < last) {
      if (const Status written = WriteBase(); !written.ok()) return written;
    }
    if (const Status dropped = DropEvents(last, target); !dropped.ok()) return dropped;
    log::Info("store: {} old events left the log, which holds {} bytes now; history begins at event {}",
              dropped_events_.load() - gone_before, position_.log_bytes, dropped_up_to().value + 1);
  }
  if (QuotaBytes() <= quota || dropped_up_to() < last) return {};
  // What is left belongs to open decisions: the oldest expire before their time.
  const std::uint64_t events = position_.last_seq.value - dropped_up_to().value;
  const double share = static_cast<double>(QuotaBytes() - target) / static_cast<double>(QuotaBytes());
  expire_up_to_ = LogSeq{dropped_up_to().value + static_cast<std::uint64_t>(share * static_cast<double>(events))};
  log::Warning("store: the log's quota is full of open decisions; those up to event {} expire", expire_up_to_.value);
  return {};
}

Status RocksStore::WriteBase() {
  rocksdb::WriteBatch batch;
  const auto old = database_.Scan(Family::kMeta);
  for (old->Seek(ToSlice(kBaseRowPrefix)); old->Valid() && old->key().starts_with(ToSlice(kBaseRowPrefix));
       old->Next()) {
    batch.Delete(database_.family(Family::kMeta), old->key());
  }
  if (!old->status().ok()) return RocksError(old->status(), "read the base state");
  const auto it = database_.Scan(Family::kState);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    batch.Put(database_.family(Family::kMeta), BaseRowKey(ToView(it->key())), it->value());
  }
  if (!it->status().ok()) return RocksError(it->status(), "read the checkpoint");
  const BaseMark mark{*checkpoint_, dropped_up_to(), base_ ? base_->kept_bytes : 0, dropped_events_.load(),
                      policy::kFoldVersion};
  PutBase(database_, mark, &batch);
  const Status room = CheckFreeSpace(options_.directory, options_.free_space_min_bytes, batch.GetDataSize());
  if (!room.ok()) return room;
  FAULT_POINT("store.trim.before_base");
  const rocksdb::Status written = database_->Write(Synced(), &batch);
  if (!written.ok()) return Fail(written, "write the base state");
  FAULT_POINT("store.trim.after_base");
  base_ = mark;
  base_seq_ = mark.state.seq.value;
  return {};
}

// By the pool of background threads, whose priority is the lowest; automatic compactions go
// on beside it, so that writes do not pile up.
Status RocksStore::Compact(std::atomic<bool>& stop) const {
  if (!high_water_) return MakeError(Code::kFailedPrecondition, "read_only", "the store is open for reading only");
  std::uint64_t largest = 0;
  for (std::size_t i = 0; i < kColumnFamilies.size(); ++i) {
    std::uint64_t bytes = 0;
    database_->GetIntProperty(database_.family(static_cast<Family>(i)), rocksdb::DB::Properties::kLiveSstFilesSize,
                              &bytes);
    largest = std::max(largest, bytes);
  }
  const Status room = CheckFreeSpace(options_.directory, options_.free_space_min_bytes, largest);
  if (!room.ok()) return room;
  rocksdb::CompactRangeOptions options;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  options.canceled = &stop;
  for (std::size_t i = 0; i < kColumnFamilies.size(); ++i) {
    const rocksdb::Status done =
        database_->CompactRange(options, database_.family(static_cast<Family>(i)), nullptr, nullptr);
    if (stop) {
      return MakeError(Code::kUnavailable, "compaction_stopped",
                       "the compaction was stopped half-way; nothing is lost, start it again");
    }
    if (!done.ok()) return RocksError(done, "compact the store");
  }
  return {};
}

// Drops from the oldest on, up to event `last`, until `target_bytes` count.
Status RocksStore::DropEvents(LogSeq last, std::uint64_t target_bytes) {
  const std::uint64_t dropped_max = dropped_events_.load() + kDroppedMax;
  while (QuotaBytes() > target_bytes && dropped_up_to() < last && dropped_events_.load() < dropped_max) {
    rocksdb::WriteBatch batch;
    BaseMark mark = *base_;
    LogPosition position = position_;
    const auto it = database_.Scan(Family::kLog);
    std::uint64_t looked_at = 0;
    for (it->Seek(LogKey(LogSeq{mark.dropped_up_to.value + 1})); it->Valid() && looked_at < kDropBatch; it->Next()) {
      const auto seq = ParseLogKey(ToView(it->key()));
      if (!seq) return StoreDamaged("damaged_record", "the log holds a key that is not ours");
      if (*seq > last || position.log_bytes - mark.kept_bytes <= target_bytes) break;
      const auto event = DecodeEvent(*seq, ToView(it->value()));
      if (!event.ok()) return event.error();
      ++looked_at;
      mark.dropped_up_to = *seq;
      const std::uint64_t bytes = it->key().size() + it->value().size();
      if (!policy::IsPassing(policy::EventType(event->payload))) {
        mark.kept_bytes += bytes;
        continue;
      }
      batch.Delete(database_.family(Family::kLog), it->key());
      position.log_bytes -= bytes;
      ++mark.dropped_events;
    }
    if (!it->status().ok()) return RocksError(it->status(), "read the oldest events");
    if (looked_at == 0) return StoreDamaged("log_gap", "the oldest events are missing from the log");
    PutBase(database_, mark, &batch);
    PutOpen(database_, position, &batch);
    FAULT_POINT("store.trim.before_drop");
    dropped_up_to_ = mark.dropped_up_to.value;  // announced to readers before it is true
    const rocksdb::Status written = database_->Write({}, &batch);
    if (!written.ok()) return Fail(written, "drop old events");
    FAULT_POINT("store.trim.after_drop");
    base_ = mark;
    position_ = position;
    log_bytes_ = position.log_bytes;
    dropped_events_ = mark.dropped_events;
  }
  return {};
}

}  // namespace pointsman::store
