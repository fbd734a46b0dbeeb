#include "store/high_water.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <array>
#include <cerrno>
#include <string_view>

#include "base/file_error.h"
#include "store/little_endian.h"

namespace pointsman::store {

namespace {

// magic "PMHW" | version u32 | serial u64 | synced u64 | issued u63, initialised 1
// in the top bit | checksum u64
constexpr std::size_t kSlotBytes = 40;
constexpr std::size_t kBodyBytes = kSlotBytes - 8;
constexpr std::array<off_t, 2> kSlots = {0, 512};
constexpr std::uint64_t kMagic = 0x57484d50;  // "PMHW"
constexpr std::uint64_t kVersion = 1;
constexpr std::uint64_t kInitialisedBit = 1ULL << 63;

using Slot = std::array<std::uint8_t, kSlotBytes>;

struct Numbered {
  HighWater mark;
  std::uint64_t serial = 0;
};

Slot EncodeSlot(const HighWater& mark, std::uint64_t serial) {
  Slot slot{};
  PutLittle(kMagic, 4, &slot[0]);
  PutLittle(kVersion, 4, &slot[4]);
  PutLittle(serial, 8, &slot[8]);
  PutLittle(mark.synced.value, 8, &slot[16]);
  PutLittle(mark.issued.value | (mark.initialised ? kInitialisedBit : 0), 8, &slot[24]);
  PutLittle(XXH3_64bits(slot.data(), kBodyBytes), 8, &slot[kBodyBytes]);
  return slot;
}

std::optional<Numbered> DecodeSlot(const Slot& slot) {
  if (GetLittle(&slot[0], 4) != kMagic || GetLittle(&slot[4], 4) != kVersion ||
      GetLittle(&slot[kBodyBytes], 8) != XXH3_64bits(slot.data(), kBodyBytes)) {
    return std::nullopt;
  }
  Numbered found;
  found.serial = GetLittle(&slot[8], 8);
  found.mark.synced = LogSeq{GetLittle(&slot[16], 8)};
  const std::uint64_t issued = GetLittle(&slot[24], 8);
  found.mark.issued = LogSeq{issued & ~kInitialisedBit};
  found.mark.initialised = (issued & kInitialisedBit) != 0;
  return found;
}

Result<Numbered> ReadNewest(int fd, const std::string& path) {
  std::optional<Numbered> newest;
  for (const off_t at : kSlots) {
    Slot slot{};
    const ssize_t got = ::pread(fd, slot.data(), slot.size(), at);
    if (got < 0) return FileError("read", path, errno);
    if (static_cast<std::size_t>(got) != slot.size()) continue;
    const auto found = DecodeSlot(slot);
    if (found && (!newest || found->serial > newest->serial)) newest = found;
  }
  if (newest) return *newest;
  return MakeError(Code::kDataLoss, "high_water_damaged",
                   path +
                       " cannot be read, so nobody can tell whether acknowledged events are missing; restore the "
                       "store from a backup");
}

std::string PathIn(const std::string& directory) { return directory + "/" + HighWaterFile::kName; }

}  // namespace

Result<std::optional<HighWater>> HighWaterFile::Read(const std::string& directory) {
  const std::string path = PathIn(directory);
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno == ENOENT) return std::optional<HighWater>{};
    return FileError("open", path, errno);
  }
  const auto newest = ReadNewest(fd.get(), path);
  if (!newest.ok()) return newest.error();
  return std::optional<HighWater>{newest->mark};
}

Result<HighWaterFile> HighWaterFile::Open(const std::string& directory) {
  const std::string path = PathIn(directory);
  if (::access(path.c_str(), F_OK) != 0) {
    const Slot zero = EncodeSlot(HighWater{}, 0);
    std::string bytes(static_cast<std::size_t>(kSlots[1]) + kSlotBytes, '\0');
    bytes.replace(0, kSlotBytes, reinterpret_cast<const char*>(zero.data()), kSlotBytes);
    if (const Status made = WriteFileAtomically(path, bytes, 0640); !made.ok()) return made.error();
  }
  FileDescriptor fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.valid()) return FileError("open", path, errno);
  const auto newest = ReadNewest(fd.get(), path);
  if (!newest.ok()) return newest.error();
  HighWaterFile file(std::move(fd), path);
  file.mark_ = newest->mark;
  file.serial_ = newest->serial;
  return file;
}

Status HighWaterFile::Store(const HighWater& mark) {
  const Slot slot = EncodeSlot(mark, serial_ + 1);
  const ssize_t written = ::pwrite(fd_.get(), slot.data(), slot.size(), kSlots[(serial_ + 1) % kSlots.size()]);
  if (written != static_cast<ssize_t>(slot.size())) return FileError("write", path_, written < 0 ? errno : EIO);
  ++serial_;
  mark_ = mark;
  return {};
}

Status HighWaterFile::Sync() {
  if (::fdatasync(fd_.get()) != 0) return FileError("sync", path_, errno);
  return {};
}

}  // namespace pointsman::store
