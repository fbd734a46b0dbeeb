// Blocks of a range on several threads.
//
// Threads: `work` runs on up to `threads` of them at once and must only write
// what belongs to its own block.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace pointsman::bootstrap {

// Calls work(begin, end) for every block of `block` indices in [0, count). Bounds
// do not depend on the number of threads, so neither does a result that is kept
// by block. `work` must not throw.
template <typename Work>
void ForEachBlock(std::size_t count, std::size_t block, std::size_t threads, Work work) {
  const std::size_t blocks = (count + block - 1) / block;
  std::atomic<std::size_t> next{0};
  const auto run = [&] {
    for (std::size_t b = next.fetch_add(1); b < blocks; b = next.fetch_add(1)) {
      work(b * block, std::min(count, (b + 1) * block));
    }
  };
  std::vector<std::jthread> helpers;
  for (std::size_t t = 1; t < std::min(threads, blocks); ++t) helpers.emplace_back(run);
  run();
}

}  // namespace pointsman::bootstrap
