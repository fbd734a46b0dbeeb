// The gold that the gate keeps back and both bundles must predict: the latest label of each
// decision that is kept back, of the kGateGoldMax decisions labelled last. More labels would
// tell little more and cost memory without bound. Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <utility>

#include "base/ids.h"
#include "policy/learning/event.h"

namespace pointsman::daemon {

inline constexpr std::size_t kGateGoldMax = 5'000;

// True for decisions whose gold is kept back.
bool HeldBack(const DecisionId& decision);

class KeptGold {
 public:
  struct Label {
    policy::DecisionContext context;
    double gold = 0;
    LogSeq since;  // of the event with its first label that still counts
  };
  // Events in the order of the log.
  void See(const policy::Event& event);
  // Places kept in order to know the oldest label, for tests of the bound.
  std::size_t places() const { return order_.size(); }
  // By decision, so that sums have one order.
  const std::map<DecisionId, Label>& labels() const { return labels_; }

 private:
  std::map<DecisionId, Label> labels_;
  // May name some that are gone; at most 2 * kGateGoldMax, so that labels which are taken back
  // and given again without end take no more room.
  std::deque<std::pair<LogSeq, DecisionId>> order_;
};

}  // namespace pointsman::daemon
