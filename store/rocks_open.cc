// Opening the store: what is looked at, in which order, before anything is
// written. docs/RECORDS.md, "Recovery", has the table of cases.
//
// An existing store is read first (RocksDB replays its WAL in memory, read only):
// schema, end of log and high-water mark must fit before the writing open, which
// truncates WAL tails, may touch a byte.
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/file_error.h"
#include "base/log.h"
#include "record.pb.h"
#include "store/codec.h"
#include "store/disk_guard.h"
#include "store/rocks_store.h"

namespace pointsman::store {

namespace {

namespace fs = std::filesystem;

// What the directory tells before RocksDB is asked.
struct Found {
  std::optional<HighWater> high_water;
  bool database = false;  // CURRENT is there
};

Result<Found> LookAround(const std::string& directory) {
  Found found;
  auto high_water = HighWaterFile::Read(directory);
  if (!high_water.ok()) return high_water.error();
  found.high_water = *high_water;
  std::error_code error;
  found.database = fs::exists(directory + "/CURRENT", error);
  if (found.high_water && found.high_water->initialised && !found.database) {
    return StoreDamaged("store_damaged", directory + " had a store whose CURRENT file is gone");
  }
  if (found.high_water) return found;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name == "CURRENT" || name.starts_with("MANIFEST-") || name.ends_with(".sst") || name.ends_with(".log")) {
      return StoreDamaged("high_water_missing", directory + " holds a database (" + name + ") but no " +
                                                    HighWaterFile::kName +
                                                    " file, so missing events could not be noticed");
    }
  }
  return found;
}

// The version of the store's schema, one that this program knows.
Result<std::uint32_t> ReadSchema(const std::string& directory) {
  const auto value = Database::PeekMeta(directory, kSchemaKey);
  if (!value.ok()) {
    if (value.error().code != Code::kNotFound) return value.error();
    return StoreDamaged("store_damaged", directory + " holds a database without a schema stamp");
  }
  const auto payload = Unseal(kSchemaKey, *value);
  record::Schema schema;
  if (!payload.ok() || !schema.ParseFromArray(payload->data(), static_cast<int>(payload->size())) ||
      schema.version() == 0) {
    return StoreDamaged("damaged_record", "the schema stamp is damaged");
  }
  if (schema.version() > kSchemaVersion) {
    return MakeError(Code::kFailedPrecondition, "newer_schema",
                     "the store in " + directory + " has schema " + std::to_string(schema.version()) +
                         ", this program knows " + std::to_string(kSchemaVersion) +
                         "; use the newer program (nothing was changed)");
  }
  return schema.version();
}

struct Recovered {
  LogPosition position;
  std::optional<CheckpointMark> checkpoint;
  std::optional<BaseMark> base;
};

// Holds the database against its high-water mark.
Result<Recovered> Recover(const Database& database, const HighWater& mark) {
  Recovered recovered;
  const auto position = RocksStore::ReadPosition(database);
  if (!position.ok()) return position.error();
  recovered.position = *position;
  const auto checkpoint = RocksStore::ReadMark(database);
  if (!checkpoint.ok()) return checkpoint.error();
  recovered.checkpoint = *checkpoint;
  const auto base = RocksStore::ReadBase(database);
  if (!base.ok()) return base.error();
  recovered.base = *base;
  const std::uint64_t last = position->last_seq.value;
  if (last < mark.synced.value) {
    return StoreDamaged("acknowledged_missing", "acknowledged events are missing: the log ends at event " +
                                                    std::to_string(last) + ", but " +
                                                    std::to_string(mark.synced.value) + " were synced");
  }
  if (recovered.checkpoint && recovered.checkpoint->seq > position->last_seq) {
    return StoreDamaged("acknowledged_missing", "the checkpoint lies after the end of the log");
  }
  return recovered;
}

Status MakeDirectory(const std::string& directory) {
  std::error_code error;
  if (fs::exists(directory, error)) {
    if (fs::is_directory(directory, error)) return {};
    return MakeError(Code::kInvalidArgument, "not_a_directory", directory + " is not a directory; name another one");
  }
  fs::create_directories(directory, error);
  if (error) return FileError("create", directory, error.value());
  fs::permissions(directory, fs::perms::owner_all, error);
  const std::string parent = fs::path(directory).parent_path().string();
  return SyncDirectory(parent.empty() ? "." : parent);
}

// Schema first, then the word in the high-water file that the store is complete.
Status FinishCreation(Database& database, HighWaterFile& high_water, const std::string& directory) {
  record::Schema schema;
  schema.set_version(kSchemaVersion);
  rocksdb::WriteOptions synced;
  synced.sync = true;
  const rocksdb::Status written = database->Put(synced, database.family(Family::kMeta), ToSlice(kSchemaKey),
                                                Seal(kSchemaKey, schema.SerializeAsString()));
  if (!written.ok()) return RocksError(written, "create the store in " + directory);
  HighWater mark = high_water.mark();
  mark.initialised = true;
  if (const Status stored = high_water.Store(mark); !stored.ok()) return stored;
  return high_water.Sync();
}

// A lost unsynced tail is told in the log itself, for operators and exports.
Status NoteLoss(Store& store, std::int64_t last_stamp_us, std::uint64_t lost, LogSeq last) {
  policy::AdminNote note;
  note.text = "after an unclean stop " + std::to_string(lost) + " events that were never synced are lost after event " +
              std::to_string(last.value);
  log::Warning("store: {}", note.text);
  Request request;
  request.what = policy::Payload{std::move(note)};
  request.origin = policy::Origin::kStore;
  std::vector<Result<Receipt>> outcomes;
  const Status committed = store.Commit({&request, 1}, last_stamp_us, /*sync=*/true, &outcomes);
  if (!committed.ok()) return committed;
  if (!outcomes[0].ok()) return outcomes[0].error();
  return {};
}

}  // namespace

Result<std::unique_ptr<Store>> OpenRocksStore(const StoreOptions& asked) {
  StoreOptions options = asked;
  if (options.directory.empty()) return MakeError(Code::kInvalidArgument, "no_directory", "name the store's directory");
  options.free_space_min_bytes = std::max(options.free_space_min_bytes, kFreeSpaceFloorBytes);
  if (const Status made = MakeDirectory(options.directory); !made.ok()) return made.error();
  auto lock = DirectoryLock::Acquire(options.directory, /*exclusive=*/true);
  if (!lock.ok()) return lock.error();
  const Status room = CheckFreeSpace(options.directory, options.free_space_min_bytes);
  if (!room.ok()) return room.error();
  const auto found = LookAround(options.directory);
  if (!found.ok()) return found.error();

  const bool complete = found->high_water && found->high_water->initialised;
  std::uint32_t version = kSchemaVersion;
  if (complete) {
    const auto schema = ReadSchema(options.directory);
    if (!schema.ok()) return schema.error();
    version = *schema;
    const auto looked = Database::Open(options.directory, options.write_buffer_bytes, Database::Mode::kReadOnly);
    if (!looked.ok()) return looked.error();
    const auto sound = Recover(*looked, *found->high_water);
    if (!sound.ok()) return sound.error();
  }
  auto high_water = HighWaterFile::Open(options.directory);
  if (!high_water.ok()) return high_water.error();
  auto database = Database::Open(options.directory, options.write_buffer_bytes,
                                 complete ? Database::Mode::kExisting : Database::Mode::kCreate);
  if (!database.ok()) return database.error();
  if (!complete) {
    const Status created = FinishCreation(*database, *high_water, options.directory);
    if (!created.ok()) return created.error();
  }
  if (version < kSchemaVersion) {
    const Status migrated = RocksStore::Migrate(*database, version);
    if (!migrated.ok()) return migrated.error();
  }
  const HighWater mark = high_water->mark();
  const auto recovered = Recover(*database, mark);
  if (!recovered.ok()) return recovered.error();
  const LogSeq last = recovered->position.last_seq;
  const std::uint64_t lost = mark.issued > last ? mark.issued.value - last.value : 0;
  // Recovery has moved what the WAL held into synced table files.
  RocksStore::Opened opened{std::move(*lock),
                            std::move(*database),
                            std::move(*high_water),
                            recovered->position,
                            recovered->checkpoint,
                            last,
                            lost,
                            recovered->base};
  auto store = std::make_unique<RocksStore>(options, std::move(opened));
  if (lost > 0) {
    const Status noted = NoteLoss(*store, recovered->position.last_stamp_us, lost, last);
    if (!noted.ok()) return noted.error();
  }
  return std::unique_ptr<Store>(std::move(store));
}

Result<std::unique_ptr<Store>> OpenRocksStoreReadOnly(const std::string& directory) {
  auto lock = DirectoryLock::Acquire(directory, /*exclusive=*/false);
  if (!lock.ok()) return lock.error();
  const auto found = LookAround(directory);
  if (!found.ok()) return found.error();
  if (!found->high_water || !found->high_water->initialised) {
    return MakeError(Code::kNotFound, "no_store", "there is no store in " + directory);
  }
  if (const auto schema = ReadSchema(directory); !schema.ok()) return schema.error();
  StoreOptions options;
  options.directory = directory;
  auto database = Database::Open(directory, options.write_buffer_bytes, Database::Mode::kReadOnly);
  if (!database.ok()) return database.error();
  const auto recovered = Recover(*database, *found->high_water);
  if (!recovered.ok()) return recovered.error();
  const LogSeq last = recovered->position.last_seq;
  const LogSeq issued = found->high_water->issued;
  RocksStore::Opened opened{std::move(*lock),
                            std::move(*database),
                            std::nullopt,
                            recovered->position,
                            recovered->checkpoint,
                            found->high_water->synced,
                            issued > last ? issued.value - last.value : 0,
                            recovered->base};
  return std::unique_ptr<Store>(std::make_unique<RocksStore>(options, std::move(opened)));
}

}  // namespace pointsman::store
