// How fast compaction may write: what shares the processor's caches and the disk with
// requests takes its time.
//
// At full speed a compaction doubles what a synced write waits for the disk, and a route's
// p99 is half as long again, as beside any thread that moves memory. At kCompactionPace,
// in portions of 20 ms, it runs a third of the time (bench/compact_bench.cc, P13).
// Flushes are never held up, nor is a compaction that writes wait for: RocksDB asks for
// those at a higher priority (IO_HIGH, IO_USER) than for the others (IO_LOW).
// Private to store/. Threads: safe from any.
#pragma once

#include <rocksdb/rate_limiter.h>

#include <cstdint>
#include <memory>

namespace pointsman::store {

constexpr std::int64_t kCompactionPace = 64LL << 20;  // bytes a second

class CompactionPace final : public rocksdb::RateLimiter {
 public:
  explicit CompactionPace(std::int64_t bytes_per_second = kCompactionPace);

  void SetBytesPerSecond(std::int64_t bytes_per_second) override { pace_->SetBytesPerSecond(bytes_per_second); }
  std::int64_t GetBytesPerSecond() const override { return pace_->GetBytesPerSecond(); }
  std::int64_t GetSingleBurstBytes() const override { return pace_->GetSingleBurstBytes(); }
  // Waits until `bytes`, at most GetSingleBurstBytes(), may be written.
  using RateLimiter::Request;
  void Request(std::int64_t bytes, rocksdb::Env::IOPriority priority, rocksdb::Statistics* statistics) override;
  // Of what was held to the pace only.
  std::int64_t GetTotalBytesThrough(rocksdb::Env::IOPriority priority) const override {
    return pace_->GetTotalBytesThrough(priority);
  }
  std::int64_t GetTotalRequests(rocksdb::Env::IOPriority priority) const override {
    return pace_->GetTotalRequests(priority);
  }

 private:
  std::unique_ptr<rocksdb::RateLimiter> pace_;
};

}  // namespace pointsman::store
