// Counters of the daemon, and their Prometheus text.
//
// Names start with pointsman_; counters end in _total; times are seconds. Every
// label set is fixed and seeded at zero: code, kind, source, model. What the log
// knows (decisions, ratings by source, models) is read from the status report and
// not counted twice.
//
// Threads: Count*, Observe* from any thread, relaxed atomics.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "admin/ports.h"
#include "base/error.h"
#include "daemon/frame.h"

namespace prometheus {
struct MetricFamily;
}

namespace pointsman::daemon {

class Metrics {
 public:
  void CountRequest(FrameKind kind);
  void CountRefused(Code code);
  // A decision never got into the log: the queue or the disk was full.
  void CountNotLogged() { not_logged_.fetch_add(1, std::memory_order_relaxed); }
  void CountForced() { forced_.fetch_add(1, std::memory_order_relaxed); }
  // Feedback that could not count: NOT_FOUND (its decision is not known or not the
  // sender's) or EXPIRED; other codes are not counted here.
  void CountFeedbackLost(Code code);
  // Feedback was synced. `kind`: 0 gold, 1 rating, 2 outcome.
  void NoteFeedback(std::size_t kind, std::int64_t now_us) {
    feedback_at_us_[kind].store(now_us, std::memory_order_relaxed);
  }
  // From the frame's arrival at the service to the reply's hand-over.
  void ObserveRoute(double seconds);

  std::uint64_t refused() const;
  std::uint64_t refused(Code code) const;
  std::uint64_t not_logged() const { return not_logged_.load(std::memory_order_relaxed); }

  // The whole exposition.
  std::string Text(const admin::StatusReport& status, const std::vector<admin::ModelReport>& models) const;

 private:
  void AddFeedback(std::vector<prometheus::MetricFamily>* families) const;

  static constexpr std::size_t kCodes = 15;
  static constexpr std::size_t kKinds = 11;
  // Upper bounds in seconds; the last bucket is +Inf.
  static constexpr std::array<double, 13> kBuckets{5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4,
                                                   1e-3, 2e-3, 5e-3, 1e-2, 1e-1, 1.0};

  std::array<std::atomic<std::uint64_t>, kKinds> requests_{};
  std::array<std::atomic<std::uint64_t>, kCodes> refused_{};
  std::array<std::atomic<std::uint64_t>, kBuckets.size() + 1> route_buckets_{};
  std::atomic<std::uint64_t> route_nanos_{0};
  std::atomic<std::uint64_t> not_logged_{0};
  std::atomic<std::uint64_t> forced_{0};
  std::atomic<std::uint64_t> feedback_unattributed_{0};
  std::atomic<std::uint64_t> feedback_late_{0};
  std::array<std::atomic<std::int64_t>, 3> feedback_at_us_{};  // since the start; 0: none yet
};

}  // namespace pointsman::daemon
