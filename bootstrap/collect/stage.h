// What the stages of a job share: how they report, and work on several threads
// that ends at the first error.
//
// Threads: Report from any, one at a time; Run from one, `work` on many at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string_view>

#include "base/result.h"
#include "bootstrap/llm/meter.h"

namespace pointsman::bootstrap {

using StageProgress = std::function<void(std::string_view stage, std::uint64_t done, std::uint64_t total)>;

// One stage of `total` steps.
class Stage {
 public:
  // `progress` may be empty; it and the meter must outlive the stage. Reports the start.
  Stage(std::string_view name, std::uint64_t total, Meter& meter, const StageProgress& progress);

  // Calls work(i) for every i in [0, count), in order of i on up to `threads` threads,
  // and reports each as a step when `steps`. After the first error nothing is begun
  // any more, and the meter is stopped, so that waits end.
  Status Run(std::size_t count, std::size_t threads, bool steps, const std::function<Status(std::size_t)>& work);
  void Step();

 private:
  const std::string_view name_;
  const std::uint64_t total_;
  Meter& meter_;
  const StageProgress& progress_;
  std::mutex mutex_;
  std::uint64_t done_ = 0;
};

}  // namespace pointsman::bootstrap
