#include "daemon/snapshot_cell.h"

#include <utility>

namespace pointsman::daemon {

std::shared_ptr<const LiveView> SnapshotCell::Load() const {
  const std::lock_guard lock(mutex_);
  return view_;
}

void SnapshotCell::Store(std::shared_ptr<const LiveView> view) {
  {
    const std::lock_guard lock(mutex_);
    view_.swap(view);
  }
  // `view` is the old one now and is released here, not under the mutex.
}

}  // namespace pointsman::daemon
