#include "store/store_builder.h"

#include <rocksdb/write_batch.h>

#include <utility>

#include "record.pb.h"
#include "store/attribute_again.h"
#include "store/codec.h"
#include "store/disk_guard.h"
#include "store/high_water.h"

namespace pointsman::store {

namespace {

constexpr std::size_t kBatchEvents = 1024;

Error DoesNotFollow(LogSeq seq, const std::string& why) {
  return MakeError(
      Code::kDataLoss, "event_does_not_follow",
      "event " + std::to_string(seq.value) + " does not follow from those before it: " + why + "; no store was made");
}

StoreOptions OptionsFor(const std::string& folder) {
  StoreOptions options;
  options.directory = folder;
  return options;
}

}  // namespace

Result<StoreBuilder> StoreBuilder::Make(const std::string& place,
                                        const std::vector<std::shared_ptr<const policy::Bundle>>& bundles) {
  auto folder = NewFolder::Make(place);
  if (!folder.ok()) return folder.error();
  StoreBuilder builder(std::move(*folder));
  const StoreOptions options = OptionsFor(builder.folder_.path());
  {
    auto store = OpenRocksStore(options);
    if (!store.ok()) return store.error();
    for (const auto& bundle : bundles) {
      if (const Status put = (*store)->PutBundle(*bundle); !put.ok()) return put.error();
    }
  }
  auto database = Database::Open(options.directory, options.write_buffer_bytes, Database::Mode::kExisting);
  if (!database.ok()) return database.error();
  builder.database_.emplace(std::move(*database));
  return builder;
}

Result<policy::DecisionRow> StoreBuilder::Find(const DecisionId& id) const {
  if (const auto changed = rows_.find(id); changed != rows_.end()) {
    if (changed->second) return *changed->second;
    return MakeError(Code::kNotFound, "unknown_decision", "the decision has expired");
  }
  const auto value = database_->Get(Family::kDecisions, KeyOf(id));
  if (value.ok()) return DecodeRow(id, *value);
  if (value.error().code != Code::kNotFound) return value.error();
  return MakeError(Code::kNotFound, "unknown_decision", "its decision was never made");
}

Status StoreBuilder::Append(const policy::Event& event) {
  if (event.seq.value != position_.last_seq.value + 1) {
    return DoesNotFollow(event.seq, "event " + std::to_string(position_.last_seq.value + 1) + " was expected");
  }
  if (position_.last_seq.value > 0 && event.at_us < position_.last_stamp_us) {
    return DoesNotFollow(event.seq, "it is stamped before the one before it");
  }
  if (const Status sound = CheckPayload(event.payload); !sound.ok()) {
    return DoesNotFollow(event.seq, sound.error().message);
  }
  if (const Status taken = Take(event); !taken.ok()) return taken;
  position_.last_seq = event.seq;
  position_.last_stamp_us = event.at_us;
  events_.push_back(event);
  return events_.size() >= kBatchEvents ? Flush() : Status();
}

// What the event does to the rows of open decisions.
Status StoreBuilder::Take(const policy::Event& event) {
  if (const auto* expired = std::get_if<policy::DecisionExpired>(&event.payload)) return Expire(*expired, event.seq);
  const auto decision = DecisionOf(event.payload);
  if (!decision) return {};
  const auto row = Find(*decision);
  if (const auto* made = std::get_if<policy::DecisionMade>(&event.payload)) {
    if (row.ok()) return DoesNotFollow(event.seq, "its decision was made before");
    if (row.error().code != Code::kNotFound) return row.error();
    rows_[*decision] = NewRow(*made, event.seq);
    open_.emplace_back(event.seq, *decision);
    ++position_.open_decisions;
    return {};
  }
  if (!row.ok()) return DoesNotFollow(event.seq, row.error().message);
  std::optional<policy::DecisionRow> other;
  if (const auto id = OtherDecisionOf(event.payload)) {
    auto found = Find(*id);
    if (!found.ok()) return DoesNotFollow(event.seq, found.error().message);
    other = std::move(*found);
  }
  auto again = AttributeAgain(event, *row, other ? &*other : nullptr);
  if (!again.ok()) return DoesNotFollow(event.seq, again.error().message);
  if (!again->payload) return DoesNotFollow(event.seq, "it repeats an earlier report");
  // Preferences that were logged before they named their predecessor say 0.
  const auto* preference = std::get_if<policy::PreferenceGiven>(&event.payload);
  if (preference != nullptr && preference->last_folded.value == 0) {
    std::get<policy::PreferenceGiven>(*again->payload).last_folded = LogSeq{};
  }
  if (!(*again->payload == event.payload)) return DoesNotFollow(event.seq, "its row is another one");
  const DecisionId id = again->row.context.decision;
  rows_[id] = std::move(again->row);
  return {};
}

Status StoreBuilder::Expire(const policy::DecisionExpired& expired, LogSeq seq) {
  std::uint64_t count = 0;
  while (!open_.empty() && open_.front().first <= expired.up_to) {
    rows_[open_.front().second] = std::nullopt;
    open_.pop_front();
    ++count;
  }
  if (count != expired.count || expired.up_to >= seq) return DoesNotFollow(seq, "it expires other decisions");
  position_.expired_up_to = expired.up_to;
  position_.open_decisions -= count;
  return {};
}

Status StoreBuilder::Flush() {
  rocksdb::WriteBatch batch;
  for (const policy::Event& event : events_) {
    const std::string key = LogKey(event.seq);
    const std::string value = EncodeEvent(event);
    position_.log_bytes += key.size() + value.size();
    batch.Put(database_->family(Family::kLog), key, value);
  }
  for (const auto& [id, row] : rows_) {
    if (row) {
      batch.Put(database_->family(Family::kDecisions), ToSlice(KeyOf(id)), EncodeRow(*row));
    } else {
      batch.Delete(database_->family(Family::kDecisions), ToSlice(KeyOf(id)));
    }
  }
  record::OpenDecisions open;
  open.set_expired_up_to(position_.expired_up_to.value);
  open.set_count(position_.open_decisions);
  open.set_log_bytes(position_.log_bytes);
  batch.Put(database_->family(Family::kMeta), ToSlice(kOpenDecisionsKey),
            Seal(kOpenDecisionsKey, open.SerializeAsString()));
  const Status room = CheckFreeSpace(folder_.path(), StoreOptions{}.free_space_min_bytes, 2 * batch.GetDataSize());
  if (!room.ok()) return room;
  const rocksdb::Status written = (*database_)->Write({}, &batch);
  if (!written.ok()) return RocksError(written, "write the new store");
  events_.clear();
  rows_.clear();
  return {};
}

Result<StoreBuilder::Ended> StoreBuilder::End(const std::optional<std::string>& note, std::uint32_t uid,
                                              std::int64_t now_us) {
  if (const Status flushed = Flush(); !flushed.ok()) return flushed.error();
  if (const rocksdb::Status synced = (*database_)->SyncWAL(); !synced.ok()) {
    return RocksError(synced, "sync the new store");
  }
  database_.reset();
  {
    auto high_water = HighWaterFile::Open(folder_.path());
    if (!high_water.ok()) return high_water.error();
    Status kept = high_water->Store({position_.last_seq, position_.last_seq, true});
    if (kept.ok()) kept = high_water->Sync();
    if (!kept.ok()) return kept.error();
  }
  auto opened = OpenRocksStore(OptionsFor(folder_.path()));
  if (!opened.ok()) return opened.error();
  Store& store = **opened;
  if (note) {
    Request request;
    request.what = policy::Payload{policy::AdminNote{*note}};
    request.origin = policy::Origin::kOperator;
    request.actor_uid = uid;
    std::vector<Result<Receipt>> outcomes;
    if (const Status noted = store.Commit({&request, 1}, now_us, /*sync=*/true, &outcomes); !noted.ok()) {
      return noted.error();
    }
    if (!outcomes[0].ok()) return outcomes[0].error();
  }
  auto learner = policy::Learner::Create(store, store, policy::State{});
  if (!learner.ok()) return learner.error();
  policy::Learner& fold = **learner;
  const Status folded = store.ReadLog(LogSeq{1}, 0, [&fold](const policy::Event& event) {
    Status learnt = fold.Learn(event);
    fold.mutable_state().unpublished.clear();
    fold.mutable_state().dirty_rows.clear();  // the first checkpoint writes all rows
    return learnt;
  });
  if (!folded.ok()) return folded.error();
  if (const Status written = store.WriteCheckpoint(fold.mutable_state()); !written.ok()) return written.error();
  if (const Status sound = store.Check(); !sound.ok()) return sound.error();
  return Ended{store.LastSeq(), StateHash(fold.state())};
}

}  // namespace pointsman::store
