#include "daemon/watchdog.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "daemon/frame.h"

namespace pointsman::daemon {
namespace {

Error Failed(const char* step) {
  return MakeError(Code::kUnavailable, "self_check", fmt::format("the route socket does not answer: {}", step));
}

}  // namespace

Status PingSocket(const std::string& path, int limit_ms) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) return Failed("path");
  std::memcpy(address.sun_path, path.data(), path.size());
  const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return Failed("socket");
  struct Closer {
    int descriptor;
    ~Closer() { close(descriptor); }
  } closer{descriptor};
  const timeval limit{limit_ms / 1000, (limit_ms % 1000) * 1000};
  setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  if (connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return Failed("connect");
  std::array<std::uint8_t, kFrameHeaderBytes> header{};
  EncodeFrameHeader({0, kFrameVersion, FrameKind::kPing, 0, 1}, header);
  if (send(descriptor, header.data(), header.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(header.size())) {
    return Failed("send");
  }
  if (recv(descriptor, header.data(), header.size(), MSG_WAITALL) != static_cast<ssize_t>(header.size())) {
    return Failed("receive");
  }
  const auto answer = DecodeFrameHeader(header, kFramePayloadBytesMax);
  if (!answer.ok() || answer->kind != ReplyKind(FrameKind::kPing)) return Failed("answer");
  return {};
}

struct Watchdog::Impl {
  Impl(const Notifier& notifier_in, std::function<Status()> check_in)
      : notifier(notifier_in), check(std::move(check_in)) {}

  const Notifier notifier;
  const std::function<Status()> check;
  std::mutex mutex;
  std::condition_variable changed;
  bool stopping = false;
  std::thread thread;

  void Run() {
    const std::chrono::microseconds pause(notifier.watchdog_us() / 3);
    while (true) {
      const Status alive = check();
      if (alive.ok()) {
        notifier.Send("WATCHDOG=1");
      } else {
        log::Failure("no sign of life is sent: {}", alive.error().message);
      }
      std::unique_lock lock(mutex);
      if (changed.wait_for(lock, pause, [this] { return stopping; })) return;
    }
  }
};

Watchdog::Watchdog(const Notifier& notifier, std::function<Status()> check)
    : impl_(std::make_unique<Impl>(notifier, std::move(check))) {
  if (notifier.watchdog_us() > 0) impl_->thread = std::thread([impl = impl_.get()] { impl->Run(); });
}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
    impl_->changed.notify_all();
  }
  if (impl_->thread.joinable()) impl_->thread.join();
}

}  // namespace pointsman::daemon
