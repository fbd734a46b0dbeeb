// The log as rows for a re-fit: for every decision with feedback its latest channels,
// under the live bundle.
//
// Feed it all events in order. What an excluded subject said, and what came while
// learning was frozen, is left out, as the fold leaves it out. Memory: about 300 bytes a
// decision with feedback, the latest kRefitRowsMax of them.
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "bootstrap/fit/bias_refit.h"
#include "policy/learning/learner.h"
#include "policy/learning/row_translation.h"
#include "policy/world/bundle.h"

namespace pointsman::bootstrap {

inline constexpr std::size_t kRefitRowsMax = 200'000;

class RefitLog {
 public:
  // `bundles` must outlive it. `live_hash` is the log's name of the live bundle `live`.
  RefitLog(const policy::BundleCatalogue& bundles, BundleHash live_hash, std::shared_ptr<const policy::Bundle> live);

  // Errors: DATA_LOSS or NOT_FOUND of a bundle; INVALID_ARGUMENT for events that do not fit.
  Status Take(const policy::Event& event);

  // Rows of the source on `channel` (and gold), in the order in which they were first rated.
  std::vector<RefitRow> RowsOf(std::uint8_t channel) const;
  LogSeq first() const { return first_; }  // of the feedback that the rows hold; 0: none
  LogSeq last() const { return last_; }
  std::uint64_t reports() const { return reports_; }
  const policy::Options& options() const { return options_; }

 private:
  struct Held {
    policy::LiveRow live;
    ModelId model;
    double gold_probability = 0;
    policy::Channels channels;
    std::uint64_t unit = 0;
    LogSeq seq;  // of its first feedback
  };
  policy::RowTranslator translator_;
  policy::Options options_;
  policy::Pool pool_;
  bool frozen_ = false;
  std::set<SubjectHash> excluded_;
  std::unordered_map<DecisionId, Held> rows_;
  std::deque<DecisionId> order_;
  LogSeq first_;
  LogSeq last_;
  std::uint64_t reports_ = 0;
};

}  // namespace pointsman::bootstrap
