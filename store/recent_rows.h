// The rows that were written last, so that feedback on a decision just made costs no read
// and no decoding. Private to store/.
//
// Bounded by count: the row that came in longest ago goes first. A row here is what the
// database has, or there is none. Threads: one.
#pragma once

#include <cstddef>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/contract.h"
#include "base/ids.h"
#include "policy/learning/attribution.h"

namespace pointsman::store {

class RecentRows {
 public:
  explicit RecentRows(std::size_t rows_max) : order_(rows_max) { REQUIRE(rows_max > 0, "there is room for a row"); }

  // Null where it is not here. Valid until the next change.
  const policy::DecisionRow* Find(const DecisionId& id) const {
    const auto found = rows_.find(id);
    return found == rows_.end() ? nullptr : &found->second.row;
  }

  void Put(const DecisionId& id, policy::DecisionRow row) {
    const auto known = rows_.find(id);
    if (known != rows_.end()) {
      known->second.row = std::move(row);
      return;
    }
    // Whoever had this place goes, unless it has gone already.
    const auto oldest = rows_.find(order_[next_]);
    if (oldest != rows_.end() && oldest->second.place == next_) rows_.erase(oldest);
    order_[next_] = id;
    rows_.emplace(id, Placed{std::move(row), next_});
    next_ = (next_ + 1) % order_.size();
  }

  void Erase(const DecisionId& id) { rows_.erase(id); }

 private:
  struct Placed {
    policy::DecisionRow row;
    std::size_t place = 0;
  };
  std::unordered_map<DecisionId, Placed> rows_;
  std::vector<DecisionId> order_;
  std::size_t next_ = 0;
};

}  // namespace pointsman::store
