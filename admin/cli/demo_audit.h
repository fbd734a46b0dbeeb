// The store's audit: what a client saw acknowledged, compared with what is in the
// log, and the state folded anew compared with the state that the daemon reports.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "eval/socket_arm.h"

namespace pointsman::cli {

struct StoreAudit {
  std::uint64_t acknowledged = 0;
  std::uint64_t present = 0;  // in the log exactly once, with the acknowledged value
  std::uint64_t missing = 0;
  std::uint64_t doubled = 0;
  std::uint64_t replayed_events = 0;
  bool state_hash_equal = false;
};

// Opens the store for reading; no daemon may hold it.
//   learned_sequence, state_hash: as a daemon on this store reported them.
// Errors: those of OpenRocksStoreReadOnly and of the fold.
Result<StoreAudit> AuditStore(const std::string& directory, std::span<const eval::Acknowledged> acknowledged,
                              std::uint64_t learned_sequence, std::uint64_t state_hash);

}  // namespace pointsman::cli
