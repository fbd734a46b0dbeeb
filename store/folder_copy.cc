#include "store/folder_copy.h"

#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <system_error>
#include <vector>

#include "base/file_error.h"
#include "store/atomic_file.h"

namespace pointsman::store {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPieceBytes = 1U << 20;

struct HashDeleter {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

// Reads `from` in pieces; writes them to `into` where that is a descriptor.
Result<FileMark> Stream(const std::string& from, int into, const std::string& to) {
  const FileDescriptor source(::open(from.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!source.valid()) return FileError("open", from, errno);
  const std::unique_ptr<XXH3_state_t, HashDeleter> hash(XXH3_createState());
  REQUIRE(hash != nullptr, "no memory for a checksum");
  XXH3_64bits_reset(hash.get());
  std::vector<char> piece(kPieceBytes);
  FileMark mark;
  for (;;) {
    const ssize_t got = ::read(source.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError("read", from, errno);
    if (got == 0) break;
    XXH3_64bits_update(hash.get(), piece.data(), static_cast<std::size_t>(got));
    mark.bytes += static_cast<std::uint64_t>(got);
    for (ssize_t done = 0; into >= 0 && done < got;) {
      const ssize_t put = ::write(into, piece.data() + done, static_cast<std::size_t>(got - done));
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) return FileError("write", to, put < 0 ? errno : EIO);
      done += put;
    }
  }
  mark.checksum = XXH3_64bits_digest(hash.get());
  return mark;
}

}  // namespace

Result<NewFolder> NewFolder::Make(const std::string& place) {
  std::error_code error;
  if (fs::exists(fs::symlink_status(place, error))) {
    return MakeError(Code::kConflict, "exists", place + " exists already; name a new folder");
  }
  NewFolder folder;
  const std::string partial = place + ".partial";
  fs::remove_all(partial, error);
  if (!fs::create_directory(partial, error) || error) {
    return FileError("create", partial, error ? error.value() : EEXIST);
  }
  folder.place_ = place;
  folder.partial_ = partial;
  fs::permissions(partial, fs::perms::owner_all, error);
  if (error) return FileError("set the mode of", partial, error.value());
  return folder;
}

NewFolder::NewFolder(NewFolder&& other) noexcept
    : place_(std::move(other.place_)), partial_(std::move(other.partial_)) {
  other.partial_.clear();
}

NewFolder::~NewFolder() {
  if (partial_.empty()) return;
  std::error_code ignored;
  fs::remove_all(partial_, ignored);
}

Result<FileMark> NewFolder::Copy(const std::string& from, const std::string& name) {
  const std::string to = partial_ + "/" + name;
  const FileDescriptor target(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!target.valid()) return FileError("create", to, errno);
  const auto mark = Stream(from, target.get(), to);
  if (!mark.ok()) return mark;
  if (::fsync(target.get()) != 0) return FileError("sync", to, errno);
  return mark;
}

Status NewFolder::FinishAs(const std::string& place) {
  if (const Status synced = SyncDirectory(partial_); !synced.ok()) return synced;
  // No replacing: another process may have taken the place meanwhile.
  if (::renameat2(AT_FDCWD, partial_.c_str(), AT_FDCWD, place.c_str(), RENAME_NOREPLACE) != 0) {
    if (errno == EEXIST) return MakeError(Code::kConflict, "exists", place + " exists already; name a new folder");
    return FileError("name", place, errno);
  }
  partial_.clear();
  const std::string parent = fs::path(place).parent_path().string();
  return SyncDirectory(parent.empty() ? "." : parent);
}

Status NewFolder::ExchangeWith(const std::string& place) {
  if (const Status synced = SyncDirectory(partial_); !synced.ok()) return synced;
  if (::renameat2(AT_FDCWD, partial_.c_str(), AT_FDCWD, place.c_str(), RENAME_EXCHANGE) != 0) {
    return FileError("swap in", partial_, errno);
  }
  const std::string parent = fs::path(place).parent_path().string();
  if (const Status synced = SyncDirectory(parent.empty() ? "." : parent); !synced.ok()) return synced;
  std::error_code error;
  fs::remove_all(partial_, error);
  if (error) return FileError("remove", partial_, error.value());
  partial_.clear();
  return {};
}

Result<FileMark> MarkFile(const std::string& path) { return Stream(path, -1, ""); }

Result<std::map<std::string, FileMark>> MarkFiles(const std::string& folder) {
  std::map<std::string, FileMark> marks;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (!it->is_regular_file(error)) continue;
    const auto mark = MarkFile(it->path().string());
    if (!mark.ok()) return mark.error();
    marks[it->path().filename().string()] = mark.value();
  }
  if (error) return FileError("list", folder, error.value());
  return marks;
}

}  // namespace pointsman::store
