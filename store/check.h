// Check: one walk over a store that holds its parts against each other.
// Reads only; errors are DATA_LOSS with the place.
#pragma once

#include <functional>

#include "base/result.h"
#include "store/resolver.h"
#include "store/store.h"

namespace pointsman::store {

struct CheckedParts {
  LogPosition position;
  LogSeq dropped_up_to;  // the log is dense from the next event on
  // Visits every row of an open decision. Errors: DATA_LOSS.
  std::function<Status(const std::function<Status(const policy::DecisionRow&)>&)> visit_rows;
  Progress progress;
};

// Density and stamps of the log; open decisions against the log; the checkpoint
// against its hash and the log. Memory: about 50 bytes an open decision.
// Errors: DATA_LOSS with the place.
Status CheckConsistency(const Store& store, const CheckedParts& parts);

}  // namespace pointsman::store
