// A small file system of its own for a store, and another process that fills it.
//
// One test's thread. Only root may mount: mounted() says whether it came to be.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>

namespace pointsman::testing {

// For the daemon whose store lies there.
inline constexpr std::string_view kSmallDiskLimits = "[limits]\nfree_space_min_mib = 16\n";

class SmallDisk {
 public:
  explicit SmallDisk(std::string place) : place_(std::move(place)) {
    std::filesystem::create_directory(place_);
    constexpr std::uint64_t kBytes = 96ULL << 20;
    const std::string size = "mode=0700,size=" + std::to_string(kBytes);
    mounted_ = ::mount("tmpfs", place_.c_str(), "tmpfs", 0, size.c_str()) == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(place_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool mounted() const { return mounted_; }
  // Another process takes the disk, but for `left` bytes.
  void TakeAllBut(std::uint64_t left) {
    const int file = ::open((place_ + "/ballast").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ASSERT_GE(file, 0);
    off_t taken = 0;
    for (int attempt = 0; attempt < 1000; ++attempt) {  // the daemon takes some at the same time
      const std::uint64_t free = std::filesystem::space(place_).available;
      if (free <= left) break;
      const auto more = static_cast<off_t>(free - left);
      if (::posix_fallocate(file, taken, more) == 0) taken += more;
    }
    ::close(file);
  }
  void GiveBack() { std::filesystem::remove(place_ + "/ballast"); }

 private:
  std::string place_;
  bool mounted_ = false;
};

}  // namespace pointsman::testing
