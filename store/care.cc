#include "store/care.h"

#include <rocksdb/write_batch.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>
#include <vector>

#include "base/file_error.h"
#include "store/folder_copy.h"
#include "store/high_water.h"
#include "store/rocks_store.h"
#include "store/store.h"

namespace pointsman::store {
namespace {

namespace fs = std::filesystem;

constexpr char kListName[] = "backup.list";
constexpr char kListHead[] = "pointsman backup 1";
constexpr std::uint64_t kListBytesMax = 16ULL << 20;

// What no copy takes along: a lock file, and the count of starts, without which the
// next start draws a random one, so that no decision id is made twice.
bool IsLeftOut(const std::string& name) {
  return name == "LOCK" || name.starts_with("boot_epoch") || name == kListName;
}

std::uint64_t BytesOf(const std::map<std::string, FileMark>& marks) {
  std::uint64_t bytes = 0;
  for (const auto& [name, mark] : marks) bytes += mark.bytes;
  return bytes;
}

// One line a file: checksum, size, name.
std::string ListText(const std::map<std::string, FileMark>& marks, LogSeq last) {
  std::string text = std::string(kListHead) + "\nlast_sequence " + std::to_string(last.value) + "\n";
  for (const auto& [name, mark] : marks) {
    std::array<char, 64> line{};
    std::snprintf(line.data(), line.size(), "%016llx %llu ", static_cast<unsigned long long>(mark.checksum),
                  static_cast<unsigned long long>(mark.bytes));
    text += line.data() + name + "\n";
  }
  return text;
}

struct BackupList {
  std::map<std::string, FileMark> files;
  LogSeq last;
};

Error DamagedBackup(const std::string& what) {
  return MakeError(Code::kDataLoss, "backup_damaged", what + "; use another backup");
}

template <typename Number>
bool TakeNumber(std::string_view* text, int base, Number* number) {
  const auto [end, fault] = std::from_chars(text->data(), text->data() + text->size(), *number, base);
  if (fault != std::errc() || end == text->data()) return false;
  text->remove_prefix(static_cast<std::size_t>(end - text->data()));
  if (!text->empty() && text->front() == ' ') text->remove_prefix(1);
  return true;
}

Result<BackupList> ReadList(const std::string& folder) {
  const std::string path = folder + "/" + kListName;
  const auto text = ReadFileBounded(path, kListBytesMax);
  if (!text.ok()) {
    if (text.error().code != Code::kNotFound) return text.error();
    return MakeError(Code::kNotFound, "no_backup", folder + " holds no backup (no " + kListName + ")");
  }
  BackupList list;
  std::string_view rest(*text);
  for (int number = 0; !rest.empty(); ++number) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) return DamagedBackup(path + " ends in the middle of a line");
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (number == 0) {
      if (line != kListHead) return DamagedBackup(path + " is not a list that this version knows");
    } else if (number == 1) {
      if (!line.starts_with("last_sequence ")) return DamagedBackup(path + " names no last event");
      line.remove_prefix(14);
      if (!TakeNumber(&line, 10, &list.last.value)) return DamagedBackup(path + " names no last event");
    } else {
      FileMark mark;
      const bool fine = TakeNumber(&line, 16, &mark.checksum) && TakeNumber(&line, 10, &mark.bytes);
      if (!fine || line.empty() || line.find('/') != std::string_view::npos) {
        return DamagedBackup(path + ": line " + std::to_string(number + 1) + " cannot be read");
      }
      list.files[std::string(line)] = mark;
    }
  }
  if (list.files.empty()) return DamagedBackup(path + " names no file");
  return list;
}

// What `progress` is to be told during a part of the work.
Progress PartOf(const Progress& progress, double begin, double end) {
  if (!progress) return {};
  return
      [&progress, begin, end](double share, std::string_view stage) { progress(begin + share * (end - begin), stage); };
}

// Tells how much of `bytes` is copied.
class CopyTold {
 public:
  CopyTold(const Progress& progress, std::uint64_t bytes)
      : progress_(progress), bytes_(std::max<std::uint64_t>(bytes, 1)) {
    Add(0);
  }
  void Add(std::uint64_t bytes) {
    done_ += bytes;
    const double share = static_cast<double>(done_) / static_cast<double>(bytes_);
    if (progress_) progress_(std::min(share, 1.0), "copying the files");
  }

 private:
  const Progress progress_;
  const std::uint64_t bytes_;
  std::uint64_t done_ = 0;
};

// Copies what belongs to a store from `from` into `folder`; about `bytes`.
Result<std::map<std::string, FileMark>> CopyAll(const std::string& from, NewFolder* folder, std::uint64_t bytes = 0,
                                                const Progress& progress = {}) {
  std::map<std::string, FileMark> marks;
  CopyTold told(progress, bytes);
  std::error_code error;
  for (fs::directory_iterator it(from, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!it->is_regular_file(error) || it->is_symlink(error) || IsLeftOut(name)) continue;
    const auto mark = folder->Copy(it->path().string(), name);
    if (!mark.ok()) return mark.error();
    marks[name] = mark.value();
    told.Add(mark->bytes);
  }
  if (error) return FileError("list", from, error.value());
  return marks;
}

// Where a store ends, without checking it. Errors: those of the high-water file.
Result<std::optional<LogSeq>> EndOf(const std::string& directory) {
  const auto mark = HighWaterFile::Read(directory);
  if (!mark.ok()) return mark.error();
  if (!mark->has_value()) return std::optional<LogSeq>{};
  return std::optional<LogSeq>{(*mark)->issued};
}

// The place for a new store: free, or an old store that may be set aside.
Result<std::string> MakePlace(const std::string& directory, LogSeq last, bool accept_rollback) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(directory, error))) return std::string();
  if (fs::is_empty(directory, error) && !error) {
    fs::remove(directory, error);
    return std::string();
  }
  const auto end = EndOf(directory);
  const std::string told = end.ok() && *end ? "event " + std::to_string((*end)->value) : "an unknown event";
  if (!accept_rollback) {
    return MakeError(Code::kFailedPrecondition, "store_exists",
                     directory + " holds a store that ends at " + told + ", the backup ends at event " +
                         std::to_string(last.value) +
                         "; say --accept-rollback to set the old one aside and lose what came after the backup");
  }
  std::string aside = directory + ".before-" + std::to_string(last.value);
  for (int n = 2; fs::exists(fs::symlink_status(aside, error)); ++n) {
    aside = directory + ".before-" + std::to_string(last.value) + "-" + std::to_string(n);
  }
  const auto lock = DirectoryLock::Acquire(directory, /*exclusive=*/true);
  if (!lock.ok()) return lock.error();
  fs::rename(directory, aside, error);
  if (error) return FileError("set aside", directory, error.value());
  return aside;
}

Status DropCheckpoint(Database& database) {
  rocksdb::WriteBatch batch;
  const auto it = database.Scan(Family::kState);
  for (it->SeekToFirst(); it->Valid(); it->Next()) batch.Delete(database.family(Family::kState), it->key());
  // What cannot be read cannot be removed row by row.
  if (!it->status().ok()) return RocksError(it->status(), "drop the checkpoint");
  batch.Delete(database.family(Family::kMeta), ToSlice(kCheckpointKey));
  rocksdb::WriteOptions synced;
  synced.sync = true;
  const rocksdb::Status written = database->Write(synced, &batch);
  return written.ok() ? Status() : Status(RocksError(written, "drop the checkpoint"));
}

// Opens the copy in `folder` to the point of the first damage and gives it a
// high-water file that fits.
Status CutAtTheDamage(const std::string& folder, Repaired* repaired) {
  auto database = Database::Open(folder, StoreOptions{}.write_buffer_bytes, Database::Mode::kRepair);
  if (!database.ok()) return database.error();
  const auto position = RocksStore::ReadPosition(*database);
  if (!position.ok()) return position.error();
  repaired->kept = position->last_seq;
  const auto mark = RocksStore::ReadMark(*database);
  if (!mark.ok() || (*mark && (*mark)->seq > position->last_seq)) {
    if (const Status dropped = DropCheckpoint(*database); !dropped.ok()) return dropped;
    repaired->state_dropped = true;
  }
  auto high_water = HighWaterFile::Open(folder);
  if (!high_water.ok()) return high_water.error();
  if (const Status stored = high_water->Store({position->last_seq, position->last_seq, true}); !stored.ok()) {
    return stored;
  }
  return high_water->Sync();
}

Status NoteRepair(const std::string& folder, std::int64_t now_us, const Repaired& repaired) {
  StoreOptions options;
  options.directory = folder;
  auto store = OpenRocksStore(options);
  if (!store.ok()) return store.error();
  if (const Status sound = (*store)->Check(); !sound.ok()) return sound;
  policy::AdminNote note;
  note.text = "repaired: events after " + std::to_string(repaired.kept.value) + " were damaged; " +
              std::to_string(repaired.lost_acknowledged) + " acknowledged ones are lost";
  Request request;
  request.what = policy::Payload{std::move(note)};
  request.origin = policy::Origin::kStore;
  std::vector<Result<Receipt>> outcomes;
  const Status committed = (*store)->Commit({&request, 1}, now_us, /*sync=*/true, &outcomes);
  if (!committed.ok()) return committed;
  return outcomes[0].ok() ? Status() : Status(outcomes[0].error());
}

}  // namespace

Result<CareReport> CheckStore(const std::string& directory, const Progress& progress) {
  constexpr double kShareOfWalk = .8;
  CareReport report;
  {
    const auto store = OpenRocksStoreReadOnly(directory);
    if (!store.ok()) return store.error();
    const Status sound = (*store)->CheckTelling(PartOf(progress, 0, kShareOfWalk));
    if (!sound.ok()) return sound.error();
    report.last_seq = (*store)->LastSeq();
  }
  const auto lock = DirectoryLock::Acquire(directory, /*exclusive=*/false);
  if (!lock.ok()) return lock.error();
  const auto database = Database::Open(directory, StoreOptions{}.write_buffer_bytes, Database::Mode::kReadOnly);
  if (!database.ok()) return database.error();
  if (progress) progress(kShareOfWalk, "verifying the table files");
  const rocksdb::Status verified = (*database)->VerifyChecksum();
  if (!verified.ok()) return RocksError(verified, "verify the table files");
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    if (!it->is_regular_file(error)) continue;
    ++report.files;
    report.bytes += it->file_size(error);
  }
  return report;
}

Result<CareReport> BackUpStore(const std::string& directory, const std::string& to, const Progress& progress) {
  auto report = CheckStore(directory, PartOf(progress, 0, .5));
  if (!report.ok()) return report;
  const auto lock = DirectoryLock::Acquire(directory, /*exclusive=*/false);
  if (!lock.ok()) return lock.error();
  const auto end = EndOf(directory);
  if (!end.ok()) return end.error();
  // A daemon that ran between the check and the lock has written on.
  if (*end && (*end)->value > report->last_seq.value) {
    return MakeError(Code::kBusy, "store_changed", directory + " changed while it was checked; try again");
  }
  auto folder = NewFolder::Make(to);
  if (!folder.ok()) return folder.error();
  const auto marks = CopyAll(directory, &*folder, report->bytes, PartOf(progress, .5, 1));
  if (!marks.ok()) return marks.error();
  const Status listed = WriteFileAtomically(folder->path() + "/" + kListName, ListText(*marks, report->last_seq), 0600);
  if (!listed.ok()) return listed.error();
  if (const Status finished = folder->Finish(); !finished.ok()) return finished.error();
  report->files = marks->size();
  report->bytes = BytesOf(*marks);
  return report;
}

Result<Restored> RestoreStore(const std::string& from, const std::string& directory, bool accept_rollback,
                              const Progress& progress) {
  const auto list = ReadList(from);
  if (!list.ok()) return list.error();
  auto folder = NewFolder::Make(directory + ".restored");
  if (!folder.ok()) return folder.error();
  CopyTold told(PartOf(progress, 0, .5), BytesOf(list->files));
  for (const auto& [name, wanted] : list->files) {
    std::error_code error;
    if (!fs::is_regular_file(from + "/" + name, error)) return DamagedBackup(name + " is missing");
    const auto copied = folder->Copy(from + "/" + name, name);
    if (!copied.ok()) return copied.error();
    if (copied.value() != wanted) return DamagedBackup(name + " is not what was backed up");
    told.Add(copied->bytes);
  }
  const auto sound = CheckStore(folder->path(), PartOf(progress, .5, 1));
  if (!sound.ok()) return sound.error();
  Restored restored;
  restored.report = sound.value();
  auto aside = MakePlace(directory, list->last, accept_rollback);
  if (!aside.ok()) return aside.error();
  restored.set_aside = std::move(aside).value();
  if (const Status finished = folder->FinishAs(directory); !finished.ok()) return finished.error();
  return restored;
}

Result<Repaired> RepairStore(const std::string& directory, const std::string& to, std::int64_t now_us) {
  const auto lock = DirectoryLock::Acquire(directory, /*exclusive=*/false);
  if (!lock.ok()) return lock.error();
  std::error_code error;
  if (!fs::exists(directory + "/CURRENT", error)) {
    return MakeError(Code::kNotFound, "no_store", "there is no store in " + directory + " that could be repaired");
  }
  Repaired repaired;
  const auto before = HighWaterFile::Read(directory);
  if (before.ok() && *before) repaired.acknowledged = (*before)->synced;
  auto folder = NewFolder::Make(to);
  if (!folder.ok()) return folder.error();
  if (const auto copied = CopyAll(directory, &*folder); !copied.ok()) return copied.error();
  fs::remove(folder->path() + "/" + HighWaterFile::kName, error);
  if (const Status cut = CutAtTheDamage(folder->path(), &repaired); !cut.ok()) return cut.error();
  if (repaired.acknowledged > repaired.kept) {
    repaired.lost_acknowledged = repaired.acknowledged.value - repaired.kept.value;
  }
  if (const Status noted = NoteRepair(folder->path(), now_us, repaired); !noted.ok()) return noted.error();
  const auto sound = CheckStore(folder->path());
  if (!sound.ok()) return sound.error();
  repaired.report = sound.value();
  if (const Status finished = folder->Finish(); !finished.ok()) return finished.error();
  return repaired;
}

}  // namespace pointsman::store
