// Whole stores as streams of events: export and import of all records, and a store
// without what one subject said. docs/OPERATIONS.md; the file: docs/RECORDS.md.
//
// Threads: one at a time on one folder. Common errors: BUSY store_locked; CONFLICT
// exists; UNAVAILABLE storage_full, storage_io; OUT_OF_RANGE history_begins_later
// where old events were folded into a base state.
#pragma once

#include <cstdint>
#include <string>

#include "base/ids.h"
#include "base/result.h"

namespace pointsman::store {

struct Transferred {
  LogSeq last_seq;
  std::uint64_t bundles = 0;
  std::uint64_t bytes = 0;       // of the records file
  std::uint64_t state_hash = 0;  // import, forget: of the new store
};

// Writes bundles and events of the store into the new file `path`; mode 0600. It
// holds no keys. Errors: CONFLICT exists.
Result<Transferred> ExportRecords(const std::string& directory, const std::string& path);

// Makes the new store `directory`, which must be absent or empty, out of such a file.
// Errors: DATA_LOSS records_damaged, event_does_not_follow; FAILED_PRECONDITION
// newer_format.
Result<Transferred> ImportRecords(const std::string& path, const std::string& directory);

// Replaces the store by one without the subject's words (store/subject_filter.h), with
// a note as its last event. The new files are swapped in by one rename and the old
// ones removed; other files of the folder (keys, boot epoch) are kept, and owners.
// After a crash either the old store is in place, whole, or the new one; then
// "<directory>.forgetting.partial" still holds the old one until the next run or until
// it is removed. Nothing happens where the subject said nothing.
struct Forgotten {
  Transferred store;
  std::uint64_t events = 0;     // that are gone
  std::uint64_t decisions = 0;  // that they were about
};
Result<Forgotten> ForgetSubject(const std::string& directory, SubjectHash subject, std::uint32_t uid,
                                std::int64_t now_us);

}  // namespace pointsman::store
