#include <fmt/format.h>
#include <sys/eventfd.h>

#include <chrono>
#include <system_error>

#include "daemon/session.h"

namespace pointsman::daemon {

namespace asio = boost::asio;

// Hint 1: one thread runs the context, others only post.
IoLoop::IoLoop(std::shared_ptr<TransportShared> shared)
    : shared_(std::move(shared)),
      context_(1),
      work_(context_.get_executor()),
      watchdog_(context_),
      late_came_(context_) {}

IoLoop::~IoLoop() { ENSURE(!thread_.joinable(), "an io loop is joined before it goes"); }

Status IoLoop::Run(std::size_t number) {
  Descriptor event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  boost::system::error_code failed;
  if (event.get() >= 0) late_came_.assign(event.get(), failed);
  if (event.get() < 0 || failed) {
    return MakeError(Code::kResourceExhausted, "no_descriptor",
                     fmt::format("io thread {} has no descriptor to be woken by; raise LimitNOFILE", number));
  }
  event.Release();  // late_came_ closes it from here on
  AwaitLate();
  try {
    thread_ = std::thread([this] {
      // Handlers catch their own; what still arrives here is our bug.
      try {
        context_.run();
      } catch (const std::exception& failure) {
        ContractBroken("ENSURE", "no exception leaves a handler", __FILE__, __LINE__, failure.what());
      }
    });
  } catch (const std::system_error& failure) {
    return MakeError(Code::kResourceExhausted, "no_thread",
                     fmt::format("io thread {} cannot start: {}; raise the limit on tasks", number, failure.what()));
  }
  ::pthread_setname_np(thread_.native_handle(), fmt::format("io-{}", number).c_str());
  return {};
}

void IoLoop::Adopt(Descriptor connection, const Peer& peer) {
  asio::post(context_, [this, connection = std::move(connection), peer]() mutable {
    std::shared_ptr<Session> session;
    try {
      session = std::make_shared<Session>(*this, std::move(connection), peer);
      sessions_.push_back(session);
    } catch (const std::exception&) {
      session.reset();
    }
    shared_->statistics.connections_open.fetch_add(1, std::memory_order_relaxed);
    if (!session || !session->open_) {
      if (session) sessions_.pop_back();
      shared_->statistics.connections_open.fetch_sub(1, std::memory_order_relaxed);
      shared_->gate.Release(peer.uid);
      return;
    }
    session->index_ = sessions_.size() - 1;
    ArmWatchdog();
    try {
      session->Start();
    } catch (const std::exception&) {
      session->Close();
    }
    if (draining_) session->BeginDrain();
  });
}

void IoLoop::DeliverLate(std::weak_ptr<Session> session, std::string frame) {
  bool first = false;
  {
    const std::lock_guard lock(late_mutex_);
    first = late_.empty();
    late_.push_back({std::move(session), std::move(frame)});
  }
  // The counter never comes near its end: it is read whenever it is not zero.
  if (first) static_cast<void>(::eventfd_write(late_came_.native_handle(), 1));
}

void IoLoop::AwaitLate() {
  late_came_.async_wait(asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code& failed) {
    if (failed) return;
    TakeLate();
    AwaitLate();
  });
}

void IoLoop::TakeLate() {
  eventfd_t count = 0;
  static_cast<void>(::eventfd_read(late_came_.native_handle(), &count));  // before the frames: none is overlooked
  {
    const std::lock_guard lock(late_mutex_);
    std::swap(late_, taken_);
  }
  for (const Late& late : taken_) {
    if (const auto alive = late.session.lock()) {
      alive->DeliverLate(late.frame);
    } else {
      shared_->statistics.replies_lost.fetch_add(1, std::memory_order_relaxed);
    }
  }
  taken_.clear();
}

void IoLoop::Remove(Session& session) {
  const std::size_t index = session.index_;
  ENSURE(index < sessions_.size() && sessions_[index].get() == &session, "a session is in its loop's list");
  const std::shared_ptr<Session> alive = sessions_[index];
  sessions_[index] = sessions_.back();
  sessions_[index]->index_ = index;
  sessions_.pop_back();
  shared_->gate.Release(session.peer_.uid);
  {
    std::lock_guard lock(shared_->mutex);
    shared_->statistics.connections_open.fetch_sub(1, std::memory_order_relaxed);
  }
  shared_->gone.notify_all();
}

void IoLoop::ArmWatchdog() {
  if (watching_ || sessions_.empty()) return;
  watching_ = true;
  watchdog_.expires_after(std::chrono::milliseconds(shared_->options.tick_ms));
  watchdog_.async_wait([this](const boost::system::error_code& failed) {
    watching_ = false;
    if (!failed) Watch();
  });
}

void IoLoop::Watch() {
  const std::int64_t now = shared_->clock.MonotonicNanos();
  // Backwards, because a session that closes is replaced by the last one.
  for (std::size_t i = sessions_.size(); i > 0; --i) {
    if (i > sessions_.size()) continue;
    const std::shared_ptr<Session> session = sessions_[i - 1];
    try {
      session->CheckDeadlines(now);
    } catch (const std::exception&) {
      session->Close();
    }
  }
  ArmWatchdog();
}

void IoLoop::BeginDrain() {
  asio::post(context_, [this] {
    draining_ = true;
    for (const auto& session : std::vector(sessions_)) session->BeginDrain();
  });
}

void IoLoop::Finish() {
  asio::post(context_, [this] {
    for (const auto& session : std::vector(sessions_)) session->Close();
    watchdog_.cancel();
    work_.reset();
    context_.stop();
  });
}

void IoLoop::Join() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace pointsman::daemon
