// The fault points that a loaded daemon passes: every write step of a decision, a
// report, a checkpoint and an activation (docs/RECORDS.md, "Order of a commit").
// tests/end_to_end/crash_test.cc holds this list against the sources.
#pragma once

#include <array>

namespace pointsman::testing {

inline constexpr std::array kFaultPoints = {
    "daemon.route.decided",         "daemon.route.submitted",        "daemon.feedback.validated",
    "store.commit.before_write",    "store.commit.after_write",      "store.commit.before_sync",
    "store.commit.after_sync",      "store.high_water.before_write", "store.high_water.after_write",
    "daemon.feedback.committed",    "daemon.learner.before_publish", "store.checkpoint.before_write",
    "store.checkpoint.after_write", "store.bundle.before_write",     "store.bundle.after_write",
    "daemon.activate.before_event", "daemon.activate.after_event",   "daemon.gate.folding",
    "daemon.gate.judged",
};

// Of the bootstrap's own process: it dies, the daemon lives on and says so.
inline constexpr std::array kJobFaultPoints = {
    "daemon.job.started",
    "daemon.job.bought",
    "daemon.job.fitting",
    "daemon.job.fitted",
};

// Those that the store's own crash tests pass (tests/crash/store_crash_test.cc,
// tests/store/retention_test.cc).
inline constexpr std::array kStoreFaultPoints = {
    "store.trim.before_base", "store.trim.after_base",      "store.trim.before_drop",
    "store.trim.after_drop",  "store.migrate.before_write", "store.migrate.after_write",
};

}  // namespace pointsman::testing
