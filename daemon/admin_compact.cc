// AdminPorts::Compact.
#include <fmt/format.h>

#include "base/log.h"
#include "daemon/admin_ports.h"

namespace pointsman::daemon {

Result<admin::CompactReport> AdminPorts::Compact(const admin::Caller& caller) {
  const std::unique_lock one(compact_mutex_, std::try_to_lock);
  if (!one.owns_lock()) {
    return MakeError(Code::kBusy, "compaction_running", "the store is being compacted already; wait for that");
  }
  log::Info("uid {} compacts the store", caller.uid);
  admin::CompactReport report;
  report.bytes_before = context_.store.Statistics().disk_bytes;
  const std::int64_t began = context_.clock.MonotonicNanos();
  const Status done = context_.store.Compact(context_.stopping);
  report.seconds = static_cast<double>(context_.clock.MonotonicNanos() - began) * 1e-9;
  report.bytes_after = context_.store.Statistics().disk_bytes;
  if (!done.ok()) {
    log::Warning("the compaction ended after {:.1f} s: {}", report.seconds, done.error().message);
    return done.error();
  }
  log::Info("the store was compacted in {:.1f} s: {} bytes became {}", report.seconds, report.bytes_before,
            report.bytes_after);
  return report;
}

}  // namespace pointsman::daemon
