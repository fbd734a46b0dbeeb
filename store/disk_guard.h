// Disk guard: refuses to write before the disk is full.
//
// A RocksDB that runs into a full disk may abort or must be reopened (DESIGN 8),
// so the store keeps a reserve free. It holds against our own writes; another
// process can still fill the disk.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace pointsman::store {

inline constexpr std::uint64_t kFreeSpaceFloorBytes = 16ULL << 20;

// OK while `directory`'s file system has at least `free_bytes_min` + `about_to_write`
// free for us. Errors: UNAVAILABLE storage_full; storage_io when it cannot be asked.
Status CheckFreeSpace(const std::string& directory, std::uint64_t free_bytes_min, std::uint64_t about_to_write = 0);

}  // namespace pointsman::store
