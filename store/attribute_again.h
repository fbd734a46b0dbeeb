// From an event back to the report that led to it, attributed to given rows: for
// making decision rows out of a log. Private to store/.
//
// Pure.
#pragma once

#include <optional>

#include "base/result.h"
#include "policy/learning/attribution.h"
#include "policy/learning/event.h"

namespace pointsman::store {

// The decision that an event is about (of a preference: the winner); none for others.
std::optional<DecisionId> DecisionOf(const policy::Payload& payload);
// The subject whose word an event is; none for others.
std::optional<SubjectHash> SubjectOf(const policy::Payload& payload);
// The other decision of a preference.
std::optional<DecisionId> OtherDecisionOf(const policy::Payload& payload);

// The row of a decision that was just made.
policy::DecisionRow NewRow(const policy::DecisionMade& made, LogSeq seq);

// The event's report again, on `row` (and `other`, for a preference). The payload is
// empty for a repeated report, which no log holds. Errors: those of Attribute*.
// `event` must be one that DecisionOf names a decision for, and not a DecisionMade.
Result<policy::Attributed> AttributeAgain(const policy::Event& event, const policy::DecisionRow& row,
                                          const policy::DecisionRow* other);

}  // namespace pointsman::store
