#include "store/compaction_pace.h"

namespace pointsman::store {

namespace {
constexpr std::int64_t kPortionMicros = 20'000;
}  // namespace

CompactionPace::CompactionPace(std::int64_t bytes_per_second)
    : pace_(rocksdb::NewGenericRateLimiter(bytes_per_second, kPortionMicros)) {}

void CompactionPace::Request(std::int64_t bytes, rocksdb::Env::IOPriority priority, rocksdb::Statistics* statistics) {
  if (priority == rocksdb::Env::IO_LOW) pace_->Request(bytes, priority, statistics);
}

}  // namespace pointsman::store
