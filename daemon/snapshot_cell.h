// The snapshot cell: where the learner puts what the routing threads read.
//
// Snapshot and embedder are one value, so that a request embeds and routes with
// the same generation. Readers copy one shared pointer under a mutex that is held
// for that copy only; what is replaced is destroyed outside of it.
//
// Threads: any. Lifetime: a view is valid as long as it is held.
#pragma once

#include <memory>
#include <mutex>

#include "embed/embedder.h"
#include "policy/belief/search_index.h"
#include "policy/belief/snapshot.h"

namespace pointsman::daemon {

struct LiveView {
  std::shared_ptr<const policy::Snapshot> snapshot;  // never null in a published view
  std::shared_ptr<const embed::Embedder> embedder;   // null when the bundle's is unusable here
  std::shared_ptr<const policy::SearchIndex> index;  // of the snapshot's bundle; may be null
};

class SnapshotCell {
 public:
  // Null before the first Store.
  std::shared_ptr<const LiveView> Load() const;
  void Store(std::shared_ptr<const LiveView> view);

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const LiveView> view_;
};

}  // namespace pointsman::daemon
