#include "daemon/listener.h"

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <future>
#include <thread>

#include "base/unix_listener.h"
#include "daemon/error_reply.h"
#include "daemon/session.h"

namespace pointsman::daemon {
namespace {

namespace asio = boost::asio;

constexpr int kAcceptsPerWake = 64;  // then the loop's sessions get their turn
constexpr std::size_t kLoopsMax = 256;

void Add(TransportStatistics::Counter& counter) { counter.fetch_add(1, std::memory_order_relaxed); }

TransportStatistics::Counter& CounterFor(const Error& error, TransportStatistics& statistics) {
  if (error.reason == "uid_not_allowed") return statistics.refused_uid;
  if (error.reason == "too_many_connections") return statistics.refused_total;
  if (error.reason == "too_many_connections_of_uid") return statistics.refused_per_uid;
  if (error.reason == "penalised") return statistics.refused_penalty;
  return statistics.refused_identity;
}

Status CheckOptions(const TransportOptions& options) {
  const auto bad = [](std::string_view what) {
    return Status(MakeError(Code::kInvalidArgument, "bad_option", std::string(what)));
  };
  if (options.socket_mode > 0777) return bad("the socket's mode is given in permission bits, at most 0777");
  if (options.loops > kLoopsMax) return bad(fmt::format("at most {} io loops", kLoopsMax));
  if (options.backlog < 1) return bad("the backlog is at least 1");
  if (options.payload_bytes_max < 1 || options.payload_bytes_max > (64U << 20)) {
    return bad("payload_bytes_max lies between 1 byte and 64 MiB");
  }
  if (options.reply_bytes_max < 1024 || options.output_bytes_max < 1024) {
    return bad("reply_bytes_max and output_bytes_max are at least 1024 bytes");
  }
  if (options.late_replies_max < 1) return bad("late_replies_max is at least 1");
  if (options.tick_ms < 1 || options.accept_pause_ms < 1) return bad("tick_ms and accept_pause_ms are at least 1");
  if (options.peers.offences_max < 1 || !(options.peers.offences_forgiven_per_second > 0)) {
    return bad("offences_max is at least 1 and offences_forgiven_per_second above 0");
  }
  return {};
}

}  // namespace

class Transport::Impl {
 public:
  Impl(std::shared_ptr<TransportShared> shared, UnixListener bound)
      : shared_(std::move(shared)), bound_(std::move(bound)) {
    const std::size_t wanted = shared_->options.loops;
    const std::size_t loops = wanted > 0 ? wanted : std::max<std::size_t>(1, std::thread::hardware_concurrency());
    for (std::size_t i = 0; i < loops; ++i) loops_.push_back(std::make_shared<IoLoop>(shared_));
    listening_.emplace(loops_[0]->context());
    pause_.emplace(loops_[0]->context());
  }

  ~Impl() { Stop(0); }

  Status Run() {
    boost::system::error_code failed;
    listening_->assign(bound_.fd(), failed);
    if (failed) {
      return MakeError(Code::kResourceExhausted, "socket_setup",
                       fmt::format("the listening socket cannot be watched: {}", failed.message()));
    }
    asio::post(loops_[0]->context(), [this] { AwaitPeers(); });
    for (std::size_t i = 0; i < loops_.size(); ++i) {
      if (Status started = loops_[i]->Run(i); !started.ok()) return started;
      ++running_;
    }
    return {};
  }

  void Stop(std::int64_t deadline_ms) {
    if (stopped_) return;
    stopped_ = true;
    if (running_ > 0) {
      std::promise<void> closed;
      asio::post(loops_[0]->context(), [this, &closed] {
        StopAccepting();
        closed.set_value();
      });
      closed.get_future().wait();
    } else {
      StopAccepting();
    }
    bound_.Close();
    for (std::size_t i = 0; i < running_; ++i) loops_[i]->BeginDrain();
    if (deadline_ms > 0) {
      std::unique_lock lock(shared_->mutex);
      shared_->gone.wait_for(lock, std::chrono::milliseconds(deadline_ms),
                             [this] { return shared_->gate.open() == 0; });
    }
    for (std::size_t i = 0; i < running_; ++i) loops_[i]->Finish();
    for (const auto& loop : loops_) loop->Join();
  }

  TransportShared& shared() { return *shared_; }

 private:
  void AwaitPeers() {
    if (!accepting_) return;
    listening_->async_wait(asio::posix::stream_descriptor::wait_read, [this](const boost::system::error_code& failed) {
      if (!failed) AcceptPeers();
    });
  }

  void AcceptPeers() {
    for (int i = 0; i < kAcceptsPerWake; ++i) {
      Descriptor connection(::accept4(bound_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (connection.valid()) {
        Admit(std::move(connection));
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        break;
      } else if (errno != EINTR && errno != ECONNABORTED) {
        return PauseAccepting(errno);
      }
    }
    AwaitPeers();
  }

  // Without a free descriptor accept fails at once, for ever: a pause, not a spin.
  void PauseAccepting(int number) {
    Add(shared_->statistics.accept_pauses);
    std::uint64_t held = 0;
    if (shared_->complaints.Allow(&held)) {
      log::Warning("accepting pauses: {} ({} more such lines held back)", std::strerror(number), held);
    }
    pause_->expires_after(std::chrono::milliseconds(shared_->options.accept_pause_ms));
    pause_->async_wait([this](const boost::system::error_code& failed) {
      if (!failed && accepting_) AcceptPeers();
    });
  }

  void Admit(Descriptor connection) {
    const auto peer = PeerOf(connection.get());
    if (!peer.ok()) return Refuse(connection, peer.error());
    if (Status admitted = shared_->gate.Admit(peer.value()); !admitted.ok()) {
      return Refuse(connection, admitted.error());
    }
    Add(shared_->statistics.accepted);
    loops_[next_]->Adopt(std::move(connection), peer.value());
    next_ = (next_ + 1) % loops_.size();
  }

  void Refuse(const Descriptor& connection, const Error& error) {
    Add(CounterFor(error, shared_->statistics));
    std::uint64_t held = 0;
    if (shared_->complaints.Allow(&held)) {
      log::Warning("connection refused: {} ({} more such lines held back)", error.message, held);
    }
    wire::ErrorReply reply;
    FillErrorReply(error, &reply);
    std::string frame(kFrameHeaderBytes, '\0');
    EncodeFrameHeader(
        {.payload_bytes = static_cast<std::uint32_t>(reply.ByteSizeLong()), .kind = FrameKind::kError},
        std::span<std::uint8_t, kFrameHeaderBytes>(reinterpret_cast<std::uint8_t*>(frame.data()), kFrameHeaderBytes));
    reply.AppendToString(&frame);
    // A fresh socket's buffer takes it whole; who does not read it sees the end.
    [[maybe_unused]] const auto sent =
        ::send(connection.get(), frame.data(), frame.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }

  void StopAccepting() {
    accepting_ = false;
    pause_->cancel();
    if (listening_->is_open()) listening_->release();  // bound_ closes it
  }

  const std::shared_ptr<TransportShared> shared_;
  UnixListener bound_;
  std::vector<std::shared_ptr<IoLoop>> loops_;
  // Of loop 0 and its thread.
  std::optional<asio::posix::stream_descriptor> listening_;
  std::optional<asio::steady_timer> pause_;
  bool accepting_ = true;
  std::size_t next_ = 0;
  // Of the thread that starts and stops.
  std::size_t running_ = 0;
  bool stopped_ = false;
};

Result<std::unique_ptr<Transport>> Transport::Start(const TransportOptions& options, Dispatcher& dispatcher,
                                                    const Clock& clock) {
  if (Status checked = CheckOptions(options); !checked.ok()) return checked.error();
  // Protobuf would write a line of its own for each bad string that a peer sends,
  // without a limit; our typed errors and counters say it already.
  google::protobuf::SetLogHandler(nullptr);
  const auto group = GroupByName(options.socket_group);
  if (!group.ok()) return group.error();
  auto bound = UnixListener::Open({.path = options.socket_path,
                                   .mode = static_cast<mode_t>(options.socket_mode),
                                   .group = group.value(),
                                   .backlog = options.backlog,
                                   .inherited_fd = options.inherited_fd});
  if (!bound.ok()) return bound.error();
  try {
    auto shared = std::make_shared<TransportShared>(options, dispatcher, clock);
    auto impl = std::make_unique<Impl>(std::move(shared), std::move(bound).value());
    if (Status running = impl->Run(); !running.ok()) return running.error();
    return std::unique_ptr<Transport>(new Transport(std::move(impl)));
  } catch (const std::exception& failure) {  // epoll, timerfd or memory
    return MakeError(Code::kResourceExhausted, "socket_setup",
                     fmt::format("io loops cannot start: {}", failure.what()));
  }
}

Transport::Transport(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Transport::~Transport() = default;

void Transport::Stop(std::int64_t deadline_ms) { impl_->Stop(deadline_ms); }
const TransportStatistics& Transport::statistics() const { return impl_->shared().statistics; }
PeerGate& Transport::peers() { return impl_->shared().gate; }

}  // namespace pointsman::daemon
