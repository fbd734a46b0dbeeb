// The log as it would be had one subject never said anything.
//
// Every event keeps its number, stamp, origin and uid. What the subject said becomes
// an AdminNote that folds to nothing; what others said later about the same decisions
// is attributed again (policy/learning/attribution.h), so that their events carry rows
// without the subject's words. What others' words weighed on arrival stays, although it
// was counted among theirs. All other events stay bit for bit. Decisions keep the
// predictions that were logged with them, and re-estimated values (Refitted) stay.
//
// Memory: about 300 bytes a decision that the subject spoke about. Threads: any, each
// call on its own.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_set>

#include "base/ids.h"
#include "base/result.h"
#include "policy/learning/learner.h"
#include "store/store.h"

namespace pointsman::store {

class SubjectFilter final : public policy::History {
 public:
  // Reads the whole log once. `store` must outlive the filter.
  // Errors: INVALID_ARGUMENT subject 0, which is the decision itself; OUT_OF_RANGE
  // history_begins_later when old events are gone; DATA_LOSS.
  static Result<SubjectFilter> Make(const Store& store, SubjectHash subject);

  // Events of the subject, and decisions that it spoke about.
  std::uint64_t events() const { return events_; }
  std::uint64_t decisions() const { return touched_.size(); }

  // Visits all events before `before` (0: all). Errors: DATA_LOSS where an event does
  // not follow from those before it; the visitor's.
  Status ForEach(LogSeq before, const std::function<Status(const policy::Event&)>& visit) const override;

 private:
  SubjectFilter(const Store& store, SubjectHash subject) : store_(&store), subject_(subject) {}

  const Store* store_;
  SubjectHash subject_;
  std::uint64_t events_ = 0;
  std::unordered_set<DecisionId> touched_;
};

}  // namespace pointsman::store
