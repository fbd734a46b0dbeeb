#include "policy/belief/search_index.h"

namespace pointsman::policy {

std::shared_ptr<const SearchIndex> MakeSearchIndex(const std::shared_ptr<const Bundle>& bundle) {
  const std::size_t dimension = bundle->dimension();
  if (dimension == 0) return nullptr;
  auto index = std::make_shared<SearchIndex>();
  index->bundle = bundle;
  index->centroids = kernels::CoarseRows(bundle->centroids, {}, dimension);
  index->anchors = kernels::CoarseRows(bundle->anchors, {}, dimension);
  index->tasks = kernels::CoarseRows(bundle->task_weights, bundle->task_bias, dimension);
  return index;
}

}  // namespace pointsman::policy
