// The embed threads: routes whose text goes to an endpoint wait there, not on the io
// threads that serve everybody.
//
// Bounded: what waits too long is served without a vector (route_service.h), and when
// the queue is full Submit says so at once.
//
// Threads: Submit from any; the work runs on a thread of the pool.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace pointsman::daemon {

class EmbedPool {
 public:
  EmbedPool(std::size_t threads, std::size_t capacity) : threads_max_(threads), capacity_(capacity) {}
  ~EmbedPool() { Stop(); }
  EmbedPool(const EmbedPool&) = delete;
  EmbedPool& operator=(const EmbedPool&) = delete;

  // False, and `work` was not taken, when the queue is full, after Stop, or when the
  // system gives no thread. The threads are started by the first call.
  bool Submit(std::function<void()> work);
  // Runs what waits, joins. Idempotent.
  void Stop();

 private:
  void Run();

  const std::size_t threads_max_;
  const std::size_t capacity_;
  std::mutex mutex_;
  std::condition_variable came_;
  std::deque<std::function<void()>> waiting_;
  std::vector<std::thread> threads_;
  bool stopping_ = false;
};

}  // namespace pointsman::daemon
