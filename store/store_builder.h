// Makes a new store out of a stream of events that already have their numbers:
// for `import` and `forget`. Private to store/ and its tests.
//
// The events must be a whole log from 1 on. Decision rows are made again by
// attributing each report anew, and an event that does not follow from those before
// it is refused: a forged or damaged stream gives no store. The state is folded at
// the end and written as a checkpoint. The folder gets its name only when the result
// passes the check (store/folder_copy.h).
//
// Threads: one. Memory: the rows of one batch of 1,024 events and 24 bytes an open
// decision.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "store/folder_copy.h"
#include "store/resolver.h"
#include "store/rocks_support.h"
#include "store/store.h"

namespace pointsman::store {

class StoreBuilder {
 public:
  // `bundles`: all that the events name. Errors: CONFLICT exists; UNAVAILABLE;
  // those of Store::PutBundle.
  static Result<StoreBuilder> Make(const std::string& place,
                                   const std::vector<std::shared_ptr<const policy::Bundle>>& bundles);

  const NewFolder& folder() const { return folder_; }
  NewFolder& folder() { return folder_; }

  // The next event. Errors: DATA_LOSS with the place; UNAVAILABLE.
  Status Append(const policy::Event& event);

  // Writes what is left, folds, appends `note` as an event of the operator `uid`
  // where there is one, checks and closes the store. The folder is not named yet:
  // folder().Finish. Returns the last event's number.
  struct Ended {
    LogSeq last;
    std::uint64_t state_hash = 0;
  };
  Result<Ended> End(const std::optional<std::string>& note, std::uint32_t uid, std::int64_t now_us);

 private:
  explicit StoreBuilder(NewFolder folder) : folder_(std::move(folder)) {}

  Status Take(const policy::Event& event);
  Status Expire(const policy::DecisionExpired& expired, LogSeq seq);
  Result<policy::DecisionRow> Find(const DecisionId& id) const;
  Status Flush();

  NewFolder folder_;
  std::optional<Database> database_;
  LogPosition position_;
  std::vector<policy::Event> events_;                                        // of the batch
  std::unordered_map<DecisionId, std::optional<policy::DecisionRow>> rows_;  // of the batch; none: removed
  std::deque<std::pair<LogSeq, DecisionId>> open_;                           // in log order
};

}  // namespace pointsman::store
