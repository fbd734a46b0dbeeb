#include "bootstrap/collect/stage.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <new>
#include <thread>
#include <vector>

namespace pointsman::bootstrap {

Stage::Stage(std::string_view name, std::uint64_t total, Meter& meter, const StageProgress& progress)
    : name_(name), total_(total), meter_(meter), progress_(progress) {
  if (progress_) progress_(name_, 0, total_);
}

void Stage::Step() {
  const std::lock_guard lock(mutex_);
  ++done_;
  if (progress_) progress_(name_, done_, total_);
}

Status Stage::Run(std::size_t count, std::size_t threads, bool steps, const std::function<Status(std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  std::atomic<bool> failed{false};
  Status first;
  const auto guarded = [&](std::size_t i) -> Status {
    try {
      return work(i);
    } catch (const std::bad_alloc&) {
      return MakeError(Code::kResourceExhausted, "memory", "out of memory; ask for fewer queries");
    } catch (const std::exception& fault) {
      return MakeError(Code::kInternal, "exception", fault.what());
    }
  };
  const auto run = [&] {
    while (!failed) {
      const std::size_t i = next.fetch_add(1);
      if (i >= count) return;
      const Status done = guarded(i);
      if (done.ok()) {
        if (steps) Step();
        continue;
      }
      {
        const std::lock_guard lock(mutex_);
        if (!failed.exchange(true)) first = done;
      }
      meter_.Stop(done.error());
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (std::size_t t = 1; t < std::min(threads, count); ++t) helpers.emplace_back(run);
    run();
  }
  return first;
}

}  // namespace pointsman::bootstrap
