#include "daemon/boot_epoch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>

namespace pointsman::daemon {
namespace {

Error IoError(const std::string& path, int code) {
  return MakeError(Code::kUnavailable, "boot_epoch",
                   fmt::format("{} cannot be written: {}", path, std::generic_category().message(code)));
}

std::optional<std::uint32_t> ReadNumber(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  if (!std::getline(file, text)) return std::nullopt;
  std::uint32_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value % kBootEpochs;
}

bool SyncDirectory(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool synced = fsync(descriptor) == 0;
  close(descriptor);
  return synced;
}

}  // namespace

Result<std::uint32_t> NextBootEpoch(const std::string& path) {
  std::uint32_t epoch = 0;
  if (const auto last = ReadNumber(path)) {
    epoch = (*last + 1) % kBootEpochs;
  } else {
    if (getrandom(&epoch, sizeof(epoch), 0) != sizeof(epoch)) {
      return MakeError(Code::kUnavailable, "boot_epoch", "the system gives no random bytes");
    }
    epoch %= kBootEpochs;
  }
  const std::string temporary = path + ".new";
  const int descriptor = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) return IoError(temporary, errno);
  const std::string text = std::to_string(epoch) + "\n";
  const bool written =
      write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && fsync(descriptor) == 0;
  const int fault = errno;
  close(descriptor);
  if (!written) return IoError(temporary, fault);
  if (rename(temporary.c_str(), path.c_str()) != 0) return IoError(path, errno);
  if (!SyncDirectory(std::filesystem::path(path).parent_path().string())) return IoError(path, errno);
  return epoch;
}

}  // namespace pointsman::daemon
