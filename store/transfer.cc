#include "store/transfer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "base/file_error.h"
#include "store/bundle_file.h"
#include "store/codec.h"
#include "store/folder_copy.h"
#include "store/high_water.h"
#include "store/keys.h"
#include "store/little_endian.h"
#include "store/rocks_support.h"
#include "store/store_builder.h"
#include "store/subject_filter.h"

namespace pointsman::store {

namespace {

namespace fs = std::filesystem;

// File: magic, u32 format; then items: u8 kind, u32 length, bytes.
constexpr std::string_view kMagic = "PMRECORD";
constexpr std::uint64_t kFormat = 1;
constexpr std::size_t kHeadBytes = 12;
constexpr std::size_t kItemHeadBytes = 5;
enum class Item : std::uint8_t { kBundle = 1, kEvent = 2, kEnd = 3 };
constexpr std::uint64_t kEventBytesMax = 1U << 20;
constexpr std::uint64_t kBundleBytesMax = 1U << 30;
constexpr std::size_t kBufferBytes = 1U << 20;

using Bundles = std::vector<std::shared_ptr<const policy::Bundle>>;

Result<Bundles> BundlesOf(const Store& store) {
  std::set<BundleHash> hashes;
  const Status read = store.ReadLog(LogSeq{1}, 0, [&hashes](const policy::Event& event) -> Status {
    const auto* activated = std::get_if<policy::GenerationActivated>(&event.payload);
    if (activated != nullptr && !activated->bundle.IsZero()) hashes.insert(activated->bundle);
    return {};
  });
  if (!read.ok()) return read.error();
  Bundles bundles;
  for (const BundleHash& hash : hashes) {
    auto found = store.Find(hash);
    if (!found.ok()) return found.error();
    bundles.push_back(std::move(*found));
  }
  return bundles;
}

class RecordsWriter {
 public:
  explicit RecordsWriter(const std::string& path)
      : path_(path), fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) {}
  bool valid() const { return fd_.valid(); }
  std::uint64_t bytes() const { return bytes_; }

  Status Start() {
    std::string head(kMagic);
    AppendLittle(kFormat, 4, &head);
    return Put(head);
  }
  Status PutItem(Item kind, std::string_view content) {
    std::string head(1, static_cast<char>(kind));
    AppendLittle(content.size(), 4, &head);
    if (const Status put = Put(head); !put.ok()) return put;
    return Put(content);
  }
  Status Flush() {
    const std::string pending = std::exchange(buffer_, {});
    for (std::size_t done = 0; done < pending.size();) {
      const ssize_t put = ::write(fd_.get(), pending.data() + done, pending.size() - done);
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) return FileError("write", path_, put < 0 ? errno : EIO);
      done += static_cast<std::size_t>(put);
    }
    return {};
  }
  Status Sync() { return ::fsync(fd_.get()) == 0 ? Status() : Status(FileError("sync", path_, errno)); }

 private:
  Status Put(std::string_view content) {
    buffer_ += content;
    bytes_ += content.size();
    return buffer_.size() >= kBufferBytes ? Flush() : Status();
  }

  const std::string path_;
  FileDescriptor fd_;
  std::string buffer_;
  std::uint64_t bytes_ = 0;
};

class RecordsReader {
 public:
  explicit RecordsReader(const std::string& path) : path_(path), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  bool valid() const { return fd_.valid(); }
  std::uint64_t bytes() const { return bytes_; }
  Error Damaged(const std::string& why) const {
    return MakeError(Code::kDataLoss, "records_damaged",
                     path_ + " at byte " + std::to_string(bytes_) + ": " + why + "; export it again");
  }

  Status Start() {
    const auto head = Take(kHeadBytes);
    if (!head.ok()) return head.error();
    if (head->substr(0, kMagic.size()) != kMagic) return Damaged("it is not a file of records");
    if (GetLittle(head->data() + kMagic.size(), 4) > kFormat) {
      return MakeError(Code::kFailedPrecondition, "newer_format", path_ + " was written by a newer version; use that");
    }
    return {};
  }
  Result<std::pair<Item, std::string>> Next() {
    const auto head = Take(kItemHeadBytes);
    if (!head.ok()) return head.error();
    const auto kind = static_cast<Item>((*head)[0]);
    const std::uint64_t length = GetLittle(head->data() + 1, 4);
    if (kind < Item::kBundle || kind > Item::kEnd) return Damaged("an unknown item");
    if (length > (kind == Item::kBundle ? kBundleBytesMax : kEventBytesMax)) return Damaged("an item is too long");
    auto content = Take(length);
    if (!content.ok()) return content.error();
    return std::pair{kind, std::move(*content)};
  }

 private:
  Result<std::string> Take(std::size_t count) {
    while (buffer_.size() - at_ < count) {
      buffer_.erase(0, std::exchange(at_, 0));
      const std::size_t before = buffer_.size();
      buffer_.resize(before + kBufferBytes);
      const ssize_t got = ::read(fd_.get(), buffer_.data() + before, kBufferBytes);
      buffer_.resize(before + (got > 0 ? static_cast<std::size_t>(got) : 0));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return FileError("read", path_, errno);
      if (got == 0) return Damaged("it ends too early");
    }
    std::string content = buffer_.substr(at_, count);
    at_ += count;
    bytes_ += count;
    return content;
  }

  const std::string path_;
  FileDescriptor fd_;
  std::string buffer_;
  std::size_t at_ = 0;
  std::uint64_t bytes_ = 0;
};

// The end item: number of the last event, and a running checksum over all events.
std::string EndOf(LogSeq last, std::uint64_t checksum) {
  std::string content;
  AppendLittle(last.value, 8, &content);
  AppendLittle(checksum, 8, &content);
  return content;
}

std::uint64_t Chain(std::uint64_t checksum, std::string_view record) {
  return XXH3_64bits_withSeed(record.data(), record.size(), checksum);
}

Status RequireFreePlace(const std::string& directory) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(directory, error))) return {};
  if (fs::is_directory(directory, error) && fs::is_empty(directory, error) && fs::remove(directory, error)) return {};
  return MakeError(Code::kConflict, "exists", directory + " exists and is not empty; name a new folder");
}

bool IsOfTheDatabase(const std::string& name) {
  return name == "CURRENT" || name == "LOCK" || name == "IDENTITY" || name == HighWaterFile::kName ||
         name.starts_with("MANIFEST-") || name.starts_with("OPTIONS-") || name.ends_with(".sst") ||
         name.ends_with(".log") || name.ends_with(".dbtmp");
}

// Keys and the count of starts go along, and everything gets the old store's owner.
Status TakeAlong(const std::string& directory, NewFolder* folder) {
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!it->is_regular_file(error) || it->is_symlink(error) || IsOfTheDatabase(name)) continue;
    if (const auto copied = folder->Copy(it->path().string(), name); !copied.ok()) return copied.error();
  }
  if (error) return FileError("list", directory, error.value());
  struct stat owner {};
  if (::stat(directory.c_str(), &owner) != 0) return FileError("inspect", directory, errno);
  std::vector<std::string> paths = {folder->path()};
  for (fs::directory_iterator it(folder->path(), error), end; !error && it != end; it.increment(error)) {
    paths.push_back(it->path().string());
  }
  for (const std::string& path : paths) {
    struct stat now {};
    if (::lstat(path.c_str(), &now) != 0) return FileError("inspect", path, errno);
    if (now.st_uid == owner.st_uid && now.st_gid == owner.st_gid) continue;
    if (::lchown(path.c_str(), owner.st_uid, owner.st_gid) != 0) return FileError("set the owner of", path, errno);
  }
  return {};
}

}  // namespace

Result<Transferred> ExportRecords(const std::string& directory, const std::string& path) {
  const auto opened = OpenRocksStoreReadOnly(directory);
  if (!opened.ok()) return opened.error();
  const Store& store = **opened;
  const auto bundles = BundlesOf(store);
  if (!bundles.ok()) return bundles.error();
  std::error_code error;
  if (fs::exists(fs::symlink_status(path, error))) {
    return MakeError(Code::kConflict, "exists", path + " exists already; name a new file");
  }
  const std::string partial = path + ".partial";
  fs::remove(partial, error);
  RecordsWriter file(partial);
  if (!file.valid()) return FileError("create", partial, errno);
  Status written = file.Start();
  for (const auto& bundle : *bundles) {
    if (written.ok()) written = file.PutItem(Item::kBundle, EncodeBundle(*bundle));
  }
  std::uint64_t checksum = 0;
  Transferred done;
  if (written.ok()) {
    written = store.ReadLog(LogSeq{1}, 0, [&](const policy::Event& event) {
      const std::string record = EncodeEvent(event);
      checksum = Chain(checksum, record);
      done.last_seq = event.seq;
      return file.PutItem(Item::kEvent, record);
    });
  }
  if (written.ok()) written = file.PutItem(Item::kEnd, EndOf(done.last_seq, checksum));
  if (written.ok()) written = file.Flush();
  if (written.ok()) written = file.Sync();
  if (written.ok() && ::renameat2(AT_FDCWD, partial.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) != 0) {
    written = FileError("name", path, errno);
  }
  if (!written.ok()) {
    fs::remove(partial, error);
    return written.error();
  }
  const std::string parent = fs::path(path).parent_path().string();
  if (const Status synced = SyncDirectory(parent.empty() ? "." : parent); !synced.ok()) return synced.error();
  done.bundles = bundles->size();
  done.bytes = file.bytes();
  return done;
}

Result<Transferred> ImportRecords(const std::string& path, const std::string& directory) {
  RecordsReader file(path);
  if (!file.valid()) {
    if (errno == ENOENT) return MakeError(Code::kNotFound, "no_records", "there is no file " + path);
    return FileError("open", path, errno);
  }
  if (const Status started = file.Start(); !started.ok()) return started.error();
  if (const Status free = RequireFreePlace(directory); !free.ok()) return free.error();
  Bundles bundles;
  std::optional<StoreBuilder> builder;
  std::uint64_t checksum = 0;
  Transferred done;
  for (;;) {
    auto item = file.Next();
    if (!item.ok()) return item.error();
    auto& [kind, content] = *item;
    if (kind == Item::kBundle) {
      if (builder) return file.Damaged("a bundle after the first event");
      auto bundle = DecodeBundle(content);
      if (!bundle.ok()) return file.Damaged(bundle.error().message);
      bundles.push_back(std::make_shared<const policy::Bundle>(std::move(*bundle)));
      continue;
    }
    if (!builder) {
      auto made = StoreBuilder::Make(directory, bundles);
      if (!made.ok()) return made.error();
      builder.emplace(std::move(*made));
    }
    if (kind == Item::kEnd) {
      if (content != EndOf(done.last_seq, checksum)) return file.Damaged("its end does not fit its events");
      break;
    }
    const LogSeq next{done.last_seq.value + 1};
    const auto event = DecodeEvent(next, content);
    if (!event.ok()) return file.Damaged(event.error().message);
    if (const Status appended = builder->Append(*event); !appended.ok()) return appended.error();
    checksum = Chain(checksum, content);
    done.last_seq = next;
  }
  const auto ended = builder->End(std::nullopt, 0, 0);
  if (!ended.ok()) return ended.error();
  if (const Status finished = builder->folder().Finish(); !finished.ok()) return finished.error();
  done.bundles = bundles.size();
  done.bytes = file.bytes();
  done.state_hash = ended->state_hash;
  return done;
}

Result<Forgotten> ForgetSubject(const std::string& directory, SubjectHash subject, std::uint32_t uid,
                                std::int64_t now_us) {
  auto opened = OpenRocksStoreReadOnly(directory);
  if (!opened.ok()) return opened.error();
  const auto mark_before = HighWaterFile::Read(directory);
  if (!mark_before.ok()) return mark_before.error();
  const auto filter = SubjectFilter::Make(**opened, subject);
  if (!filter.ok()) return filter.error();
  Forgotten forgotten;
  forgotten.events = filter->events();
  forgotten.decisions = filter->decisions();
  forgotten.store.last_seq = (*opened)->LastSeq();
  if (forgotten.events == 0) return forgotten;
  const auto bundles = BundlesOf(**opened);
  if (!bundles.ok()) return bundles.error();
  auto builder = StoreBuilder::Make(directory + ".forgetting", *bundles);
  if (!builder.ok()) return builder.error();
  const Status built =
      filter->ForEach(LogSeq{}, [&builder](const policy::Event& event) { return builder->Append(event); });
  if (!built.ok()) return built.error();
  const auto ended = builder->End("a subject was forgotten: " + std::to_string(forgotten.events) + " reports on " +
                                      std::to_string(forgotten.decisions) + " decisions",
                                  uid, now_us);
  if (!ended.ok()) return ended.error();
  forgotten.store.last_seq = ended->last;
  forgotten.store.state_hash = ended->state_hash;
  forgotten.store.bundles = bundles->size();
  if (const Status taken = TakeAlong(directory, &builder->folder()); !taken.ok()) return taken.error();
  // The shared lock goes only when the exclusive one is asked for: a daemon that is
  // faster has changed the store, which its high-water mark tells.
  opened = MakeError(Code::kBusy, "", "");
  const auto lock = DirectoryLock::Acquire(directory, /*exclusive=*/true);
  if (!lock.ok()) return lock.error();
  const auto mark = HighWaterFile::Read(directory);
  if (!mark.ok()) return mark.error();
  if (*mark != *mark_before) {
    return MakeError(Code::kBusy, "store_changed", directory + " changed meanwhile; try again");
  }
  if (const Status swapped = builder->folder().ExchangeWith(directory); !swapped.ok()) return swapped.error();
  return forgotten;
}

}  // namespace pointsman::store
