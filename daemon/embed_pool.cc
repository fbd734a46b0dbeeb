#include "daemon/embed_pool.h"

#include <system_error>
#include <utility>

#include "base/log.h"
#include "base/this_thread.h"

namespace pointsman::daemon {

bool EmbedPool::Submit(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  if (stopping_ || waiting_.size() >= capacity_) return false;
  try {
    while (threads_.size() < threads_max_) {
      threads_.emplace_back([this] {
        NameThisThread("embed");
        Run();
      });
    }
  } catch (const std::system_error& fault) {
    log::Warning("no thread for embedding: {}", fault.what());
    if (threads_.empty()) return false;
  }
  waiting_.push_back(std::move(work));
  came_.notify_one();
  return true;
}

void EmbedPool::Run() {
  while (true) {
    std::function<void()> work;
    {
      std::unique_lock lock(mutex_);
      came_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      work = std::move(waiting_.front());
      waiting_.pop_front();
    }
    work();
  }
}

void EmbedPool::Stop() {
  std::vector<std::thread> ended;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    ended.swap(threads_);
    came_.notify_all();
  }
  for (std::thread& thread : ended) thread.join();
}

}  // namespace pointsman::daemon
