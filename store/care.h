// Care for a store's files while no daemon has them: check, back up, restore,
// repair. docs/OPERATIONS.md says when to use which.
//
// Rule: nothing here ever changes a store that exists. Backups, restored and
// repaired stores are new folders, made under a temporary name beside their place
// ("<place>.partial"), synced file by file, and renamed when they are whole; a
// partial folder left by a crash is removed by the next try.
//
// `progress` is told after each file or 65,536 events.
//
// Threads: one at a time on one folder. Files are read and written with plain calls,
// in pieces of 1 MiB. Common errors: BUSY store_locked (stop the daemon first);
// CONFLICT exists (the place is taken); UNAVAILABLE storage_full, storage_io.
#pragma once

#include <cstdint>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "store/store.h"

namespace pointsman::store {

struct CareReport {
  LogSeq last_seq;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};

// Everything that can be checked: RocksDB's own checksums of all table files, then
// Store::Check. Errors: DATA_LOSS with the place; NOT_FOUND no_store.
Result<CareReport> CheckStore(const std::string& directory, const Progress& progress = {});

// Copies the store, its keys and the high-water file into the new folder `to`, with
// a list of names, sizes and checksums ("backup.list"). The store is checked first,
// so a damaged one gives no backup. The copy holds the keys: keep it as safe.
Result<CareReport> BackUpStore(const std::string& directory, const std::string& to, const Progress& progress = {});

// Makes the store `directory` out of the backup `from`, after comparing every file
// with the list. A folder that holds a store already is refused, but for
// `accept_rollback`: it is then renamed to "<directory>.before-<last event>" (the
// returned report's `set_aside`), however much newer it is. The boot epoch goes up
// far enough that tokens issued after the backup never name a new decision.
// Errors: DATA_LOSS backup_damaged; FAILED_PRECONDITION store_exists, with both ends.
struct Restored {
  CareReport report;
  std::string set_aside;  // where the old store went; empty: there was none
};
Result<Restored> RestoreStore(const std::string& from, const std::string& directory, bool accept_rollback,
                              const Progress& progress = {});

// Makes a store that opens, in the new folder `to`, out of a damaged one: keeps the
// events before the first damage (RocksDB's point-in-time recovery) and says what is
// missing. The last event of the result is a note about the repair.
// Errors: DATA_LOSS when the rest does not fit together either: restore a backup.
struct Repaired {
  CareReport report;
  LogSeq kept;          // the last event that was kept
  LogSeq acknowledged;  // the last one that was synced before; 0: unknown
  std::uint64_t lost_acknowledged = 0;
  bool state_dropped = false;  // the checkpoint lay after the damage; it is folded anew
};
Result<Repaired> RepairStore(const std::string& directory, const std::string& to, std::int64_t now_us);

}  // namespace pointsman::store
