#include "store/store.h"

namespace pointsman::store {

Status Store::ForEach(LogSeq before, const std::function<Status(const policy::Event&)>& visit) const {
  if (before.value <= 1) return {};
  return ReadLog(LogSeq{1}, before.value - 1, visit);
}

}  // namespace pointsman::store
