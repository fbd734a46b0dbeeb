// Resolver: from a batch of requests to the events and row changes that one
// write makes. Every implementation of Store uses it, so that they agree.
//
// Overlay   rows that earlier requests of the batch made, changed or removed are
//           seen by later ones: a decision and its feedback may share a batch.
// Refusal   a refused request changes nothing and takes no number.
// Expiry    decisions expire in the order in which they were made: `expired_up_to`
//           is a cursor over the log, and the open decisions are exactly those
//           made after it. A Tick sweeps at most `expire_batch`; the sweep stops
//           at the first decision that is not due. A row goes when its decision
//           expires, with or without feedback.
//
// Weights   ratings and preferences get their arrival weight here, from the counts
//           that the log so far has left (policy/learning/subject_book.h).
//
// Nothing is changed but the plan; a plan that is thrown away never happened.
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "policy/learning/subject_book.h"
#include "store/store.h"

namespace pointsman::store {

// Where the log stands; part of what a commit changes.
struct LogPosition {
  LogSeq last_seq;
  std::int64_t last_stamp_us = 0;
  LogSeq expired_up_to;
  std::uint64_t open_decisions = 0;
  std::uint64_t log_bytes = 0;  // not changed by ResolveBatch
};

struct MadeDecision {
  LogSeq seq;
  DecisionId id;
  std::int64_t expires_at_us = 0;
};

// Read access to what is committed.
class CommittedRows {
 public:
  virtual ~CommittedRows() = default;
  // Errors: NOT_FOUND, DATA_LOSS.
  virtual Result<policy::DecisionRow> FindRow(const DecisionId& id) const = 0;
  // Visits DecisionMade events with seq > `after` in order until `visit` says
  // stop (false). Errors: DATA_LOSS.
  virtual Status VisitMade(LogSeq after, const std::function<bool(const MadeDecision&)>& visit) const = 0;
  // Who rated how often, for the weight of what comes. Unchanged while a batch is resolved.
  virtual const policy::SubjectBook& Subjects() const = 0;
};

struct ResolverLimits {
  std::uint64_t open_decisions_max = 1'000'000;
  std::uint32_t expire_batch = 4096;
  LogSeq expire_up_to;  // decisions up to here expire whatever their time: the log is full
};

// What one write batch holds. A row without value is removed.
struct Plan {
  std::vector<policy::Event> events;
  std::unordered_map<DecisionId, std::optional<policy::DecisionRow>> rows;
  LogPosition after;
};

// Fills `plan` and one outcome per request. Errors: DATA_LOSS when the sweep
// cannot read; then nothing may be written.
Status ResolveBatch(std::span<const Request> requests, std::int64_t now_us, const ResolverLimits& limits,
                    const CommittedRows& committed, const LogPosition& before, Plan* plan,
                    std::vector<Result<Receipt>>* outcomes);

}  // namespace pointsman::store
