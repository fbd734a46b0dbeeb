// The learner: (state, event) -> state, a pure fold.
//
// Equal events in equal order give equal bits on every machine (DESIGN 6): only
// + - * / sqrt and base/exact_math, fixed order of sums, no clock, no randomness.
//
// Threads: one at a time. The daemon runs it on the learner thread.
#pragma once

#include <functional>
#include <memory>

#include "base/result.h"
#include "policy/belief/state.h"
#include "policy/learning/event.h"
#include "policy/world/bundle.h"

namespace pointsman::policy {

// Immutable bundles by hash.
class BundleCatalogue {
 public:
  virtual ~BundleCatalogue() = default;
  // Errors: NOT_FOUND, DATA_LOSS.
  virtual Result<std::shared_ptr<const Bundle>> Find(const BundleHash& hash) const = 0;
};

// Decisions, outcomes, expiries and ticks, by EventType: an activation folds none of
// them again.
constexpr bool IsPassing(std::uint8_t event_type) {
  return event_type == 1 || event_type == 2 || event_type == 7 || event_type == 8;
}

// The log before the event that is being folded; read only when a generation is
// activated, to fold all earlier feedback into the new bundle's cells.
class History {
 public:
  virtual ~History() = default;
  // Calls `visit` for each event with seq < `before`, in order, and stops at the
  // first error, which it returns. Errors: DATA_LOSS from the store.
  virtual Status ForEach(LogSeq before, const std::function<Status(const Event&)>& visit) const = 0;
  // The same, where events that are passing may be left out.
  virtual Status ForEachLasting(LogSeq before, const std::function<Status(const Event&)>& visit) const {
    return ForEach(before, visit);
  }
};

// Folds events; made with the bundles and the history that it may read.
class Learner {
 public:
  // Both must outlive the learner. `state` is empty or comes from a checkpoint.
  // Errors: NOT_FOUND when the state names a bundle that the catalogue lacks.
  static Result<std::unique_ptr<Learner>> Create(const BundleCatalogue& bundles, const History& history, State state);
  virtual ~Learner() = default;

  // Folds one event; event.seq must be state().last_seq + 1 (a gap is our bug
  // and aborts). On error the state is unchanged and the event must not be
  // skipped: stop and report (DESIGN 8).
  // Errors: DATA_LOSS, NOT_FOUND (bundle), INVALID_ARGUMENT (an event that the
  // daemon should have refused).
  virtual Status Learn(const Event& event) = 0;

  virtual const State& state() const = 0;
  // For clearing the dirty marks after a checkpoint or publication.
  virtual State& mutable_state() = 0;
  // The bundle of the live generation; the cold bundle in generation 0.
  virtual std::shared_ptr<const Bundle> bundle() const = 0;
};

}  // namespace pointsman::policy
