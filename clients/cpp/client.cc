#include "clients/cpp/client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <limits>
#include <optional>

namespace pointsman::client {
namespace {

constexpr std::size_t kHeaderBytes = 16;
constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kErrorKind = 255;
constexpr std::size_t kFirstBytes = 16 * 1024;
constexpr std::size_t kInFlightMax = 32;  // half of what the daemon owes one connection

// The wire's numbers; see docs/WIRE.md.
constexpr std::uint32_t kInvalidArgument = 1 + 1;
constexpr std::uint32_t kUnavailable = 11;
constexpr std::uint32_t kDeadlineExceeded = 12;
constexpr std::uint32_t kInternal = 14;

template <typename Request>
struct KindOf;
template <>
struct KindOf<wire::Route> {
  static constexpr std::uint8_t value = 1;
};
template <>
struct KindOf<wire::RouteBatch> {
  static constexpr std::uint8_t value = 2;
};
template <>
struct KindOf<wire::Outcome> {
  static constexpr std::uint8_t value = 3;
};
template <>
struct KindOf<wire::Rate> {
  static constexpr std::uint8_t value = 4;
};
template <>
struct KindOf<wire::Prefer> {
  static constexpr std::uint8_t value = 5;
};
template <>
struct KindOf<wire::Gold> {
  static constexpr std::uint8_t value = 6;
};
template <>
struct KindOf<wire::Retract> {
  static constexpr std::uint8_t value = 7;
};
template <>
struct KindOf<wire::Status> {
  static constexpr std::uint8_t value = 8;
};
template <>
struct KindOf<wire::Ping> {
  static constexpr std::uint8_t value = 9;
};
template <>
struct KindOf<wire::Vote> {
  static constexpr std::uint8_t value = 10;
};

template <typename T>
void Put(T value, char* out) {
  for (std::size_t i = 0; i < sizeof(T); ++i) out[i] = static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i));
}

template <typename T>
T Get(const char* in) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value |= static_cast<std::uint64_t>(static_cast<std::uint8_t>(in[i])) << (8 * i);
  }
  return static_cast<T>(value);
}

Failure MakeFailure(std::uint32_t code, std::string reason, std::string message) {
  return Failure{code, std::move(reason), std::move(message), 0};
}

Failure FromReply(const wire::ErrorReply& reply) {
  return Failure{reply.code(), reply.reason(), reply.message(), reply.retry_after_ms()};
}

class Deadline {
 public:
  explicit Deadline(int timeout_ms) : end_(std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms)) {}
  // For poll: at least 0.
  int LeftMs() const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - std::chrono::steady_clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, std::numeric_limits<int>::max()));
  }

 private:
  std::chrono::steady_clock::time_point end_;
};

}  // namespace

struct Client::Impl {
  explicit Impl(const Options& chosen) : options(chosen), buffer(kFirstBytes, '\0') {}
  ~Impl() { Close(); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void Close() {
    if (descriptor >= 0) ::close(descriptor);
    descriptor = -1;
  }

  // Any fault of the transport leaves the stream in an unknown place.
  Failure Broken(std::uint32_t code, std::string reason, std::string message) {
    Close();
    return MakeFailure(code, std::move(reason), std::move(message));
  }

  // False when the deadline passed first.
  bool Await(short events, const Deadline& deadline) {
    while (true) {
      pollfd watched{descriptor, events, 0};
      const int ready = ::poll(&watched, 1, deadline.LeftMs());
      if (ready > 0) return true;
      if (ready == 0) return false;
      if (errno != EINTR) return true;  // the next call on the socket names the error
    }
  }

  template <typename Request>
  bool Append(const Request& request, std::uint64_t id, std::string* out) {
    const std::size_t bytes = request.ByteSizeLong();
    if (bytes > std::numeric_limits<std::int32_t>::max()) return false;
    const std::size_t start = out->size();
    out->resize(start + kHeaderBytes + bytes);
    char* header = out->data() + start;
    Put(static_cast<std::uint32_t>(bytes), header);
    Put(kVersion, header + 4);
    Put(KindOf<Request>::value, header + 5);
    Put(std::uint16_t{0}, header + 6);
    Put(id, header + 8);
    request.SerializeWithCachedSizesToArray(reinterpret_cast<std::uint8_t*>(header + kHeaderBytes));
    return true;
  }

  // Whether the daemon closed on us: then an error that it sent may still lie in
  // our socket, which Receive finds.
  std::optional<Failure> Send(std::string_view bytes, const Deadline& deadline) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent > 0) {
        bytes.remove_prefix(static_cast<std::size_t>(sent));
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        if (!Await(POLLOUT, deadline)) return TimedOut();
      } else if (errno == EPIPE || errno == ECONNRESET) {
        return std::nullopt;
      } else if (errno != EINTR) {
        return Broken(kUnavailable, "connection_lost", std::string("send: ") + std::strerror(errno));
      }
    }
    return std::nullopt;
  }

  Failure TimedOut() {
    return Broken(kDeadlineExceeded, "timeout",
                  "no complete answer within " + std::to_string(options.timeout_ms) +
                      " ms; connect again and repeat the request");
  }

  struct Frame {
    std::uint8_t kind = 0;
    std::uint64_t id = 0;
    std::string_view payload;  // until the next Receive
  };

  // The next frame. `failure` is set instead when there is none.
  Frame Receive(const Deadline& deadline, std::optional<Failure>* failure) {
    begin += consumed;
    consumed = 0;
    if (begin == end) begin = end = 0;
    while (true) {
      std::size_t missing = kHeaderBytes;
      if (end - begin >= kHeaderBytes) {
        const char* header = buffer.data() + begin;
        const auto bytes = Get<std::uint32_t>(header);
        if (static_cast<std::uint8_t>(header[4]) != kVersion || Get<std::uint16_t>(header + 6) != 0) {
          *failure =
              Broken(kInternal, "bad_reply", "the answer is no frame of version 1; is this pointsmand's socket?");
          return {};
        }
        if (bytes > options.frame_bytes_max) {
          *failure = Broken(kInternal, "reply_too_large",
                            "an answer of " + std::to_string(bytes) + " bytes; raise Options::frame_bytes_max");
          return {};
        }
        if (end - begin >= kHeaderBytes + bytes) {
          consumed = kHeaderBytes + bytes;
          return {static_cast<std::uint8_t>(header[5]), Get<std::uint64_t>(header + 8), {header + kHeaderBytes, bytes}};
        }
        missing = kHeaderBytes + bytes - (end - begin);
      }
      MakeRoom(missing);
      if (auto problem = ReadSome(deadline)) {
        *failure = std::move(problem);
        return {};
      }
    }
  }

  void MakeRoom(std::size_t missing) {
    if (buffer.size() - end >= missing) return;
    buffer.erase(0, begin);
    end -= begin;
    begin = 0;
    if (buffer.size() < end + missing) buffer.resize(std::max(end + missing, kFirstBytes));
  }

  std::optional<Failure> ReadSome(const Deadline& deadline) {
    while (true) {
      if (!Await(POLLIN, deadline)) return TimedOut();
      const ssize_t got = ::recv(descriptor, buffer.data() + end, buffer.size() - end, MSG_DONTWAIT);
      if (got > 0) {
        end += static_cast<std::size_t>(got);
        return std::nullopt;
      }
      if (got == 0 || errno == ECONNRESET || errno == EPIPE) {
        return Broken(kUnavailable, "connection_lost", "the daemon closed the connection; connect again");
      }
      if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        return Broken(kUnavailable, "connection_lost", std::string("recv: ") + std::strerror(errno));
      }
    }
  }

  template <typename Reply, typename Request>
  Outcome<Reply> Call(const Request& request) {
    if (descriptor < 0) return MakeFailure(kUnavailable, "closed", "this client is closed; connect again");
    const Deadline deadline(options.timeout_ms);
    const std::uint64_t id = ++last_id;
    sending.clear();
    if (!Append(request, id, &sending)) return MakeFailure(kInvalidArgument, "too_large", "the request is too large");
    if (auto failed = Send(sending, deadline)) return *failed;
    std::optional<Failure> failed;
    while (true) {
      const Frame frame = Receive(deadline, &failed);
      if (failed) return *failed;
      if (frame.id != id && frame.id != 0) continue;  // of a call that was given up
      return Parse<Reply>(frame, id, KindOf<Request>::value | 0x80);
    }
  }

  template <typename Reply, typename Request>
  std::vector<Outcome<Reply>> Pipeline(const std::vector<Request>& requests) {
    std::vector<Outcome<Reply>> replies;
    replies.reserve(requests.size());
    for (std::size_t i = 0; i < requests.size(); ++i) {
      replies.push_back(MakeFailure(kUnavailable, "closed", "this client is closed; connect again"));
    }
    if (descriptor < 0) return replies;
    std::vector<bool> answered(requests.size());
    const std::uint64_t first_id = last_id + 1;
    std::size_t sent = 0;
    std::size_t received = 0;
    std::optional<Failure> failed;
    while (received < requests.size() && !failed) {
      sending.clear();
      for (; sent < requests.size() && sent - received < kInFlightMax; ++sent) {
        if (!Append(requests[sent], ++last_id, &sending)) {
          failed = Broken(kInvalidArgument, "too_large", "a request is too large");
          break;
        }
      }
      if (!failed) failed = Send(sending, Deadline(options.timeout_ms));
      // Half of the window before sending again, so that requests share a send.
      const std::size_t until = sent == requests.size() ? sent : received + kInFlightMax / 2;
      while (!failed && received < until)
        failed = Collect(KindOf<Request>::value | 0x80, first_id, &answered, &replies, &received);
    }
    for (std::size_t i = 0; failed && i < replies.size(); ++i) {
      if (!answered[i]) replies[i] = *failed;
    }
    return replies;
  }

  // Puts the next reply into its place; gives the failure that ends the pipeline.
  template <typename Reply>
  std::optional<Failure> Collect(std::uint8_t kind, std::uint64_t first_id, std::vector<bool>* answered,
                                 std::vector<Outcome<Reply>>* replies, std::size_t* received) {
    std::optional<Failure> failed;
    const Frame frame = Receive(Deadline(options.timeout_ms), &failed);
    if (failed) return failed;
    const std::uint64_t index = frame.id - first_id;
    const bool about_connection = frame.id == 0;
    if (!about_connection && (index >= answered->size() || (*answered)[index])) return std::nullopt;
    auto reply = Parse<Reply>(frame, about_connection ? first_id : frame.id, kind);
    if (descriptor < 0) return reply.failure();
    (*replies)[index] = std::move(reply);
    (*answered)[index] = true;
    ++*received;
    return std::nullopt;
  }

  // `kind`: of the reply that fits the request.
  template <typename Reply>
  Outcome<Reply> Parse(const Frame& frame, std::uint64_t id, std::uint8_t kind) {
    const int bytes = static_cast<int>(frame.payload.size());
    if (frame.kind == kErrorKind) {
      wire::ErrorReply error;
      const bool parsed = error.ParseFromArray(frame.payload.data(), bytes);
      if (frame.id != id || !parsed) Close();  // about the connection, not about the request
      if (!parsed) return MakeFailure(kInternal, "bad_reply", "an error that cannot be read");
      return FromReply(error);
    }
    Reply reply;
    if (frame.id != id || frame.kind != kind || !reply.ParseFromArray(frame.payload.data(), bytes)) {
      return Broken(kInternal, "bad_reply", "an answer that does not fit the request");
    }
    return reply;
  }

  const Options options;
  int descriptor = -1;
  std::uint64_t last_id = 0;
  std::string sending;
  std::string buffer;  // of size(); bytes [begin, end) are unread
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t consumed = 0;  // the frame given out last
};

Outcome<Client> Client::Connect(const Options& options) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (options.socket_path.empty() || options.socket_path.size() >= sizeof(address.sun_path)) {
    return MakeFailure(kInvalidArgument, "socket_path", "a socket path has 1 to 107 bytes: " + options.socket_path);
  }
  std::memcpy(address.sun_path, options.socket_path.data(), options.socket_path.size());
  auto impl = std::make_unique<Impl>(options);
  impl->descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (impl->descriptor < 0) return MakeFailure(kUnavailable, "socket", std::strerror(errno));
  // A full backlog blocks connect for as long as the send timeout says.
  const timeval patience{options.timeout_ms / 1000, (options.timeout_ms % 1000) * 1000};
  ::setsockopt(impl->descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  int connected = -1;
  do {
    connected = ::connect(impl->descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  } while (connected != 0 && errno == EINTR);
  if (connected != 0) {
    const int number = errno;
    return MakeFailure(number == EAGAIN ? kDeadlineExceeded : kUnavailable, "not_reachable",
                       "cannot connect to " + options.socket_path + ": " + std::strerror(number) +
                           "; is pointsmand running, and may this user use the socket?");
  }
  return Client(std::move(impl));
}

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Outcome<wire::RouteReply> Client::Call(const wire::Route& request) { return impl_->Call<wire::RouteReply>(request); }
Outcome<wire::RouteBatchReply> Client::Call(const wire::RouteBatch& request) {
  return impl_->Call<wire::RouteBatchReply>(request);
}
Outcome<wire::Ack> Client::Call(const wire::Outcome& request) { return impl_->Call<wire::Ack>(request); }
Outcome<wire::Ack> Client::Call(const wire::Rate& request) { return impl_->Call<wire::Ack>(request); }
Outcome<wire::Ack> Client::Call(const wire::Prefer& request) { return impl_->Call<wire::Ack>(request); }
Outcome<wire::Ack> Client::Call(const wire::Gold& request) { return impl_->Call<wire::Ack>(request); }
Outcome<wire::Ack> Client::Call(const wire::Retract& request) { return impl_->Call<wire::Ack>(request); }
Outcome<wire::StatusReply> Client::Call(const wire::Status& request) { return impl_->Call<wire::StatusReply>(request); }
Outcome<wire::Ping> Client::Call(const wire::Ping& request) { return impl_->Call<wire::Ping>(request); }
Outcome<wire::VoteReply> Client::Call(const wire::Vote& request) { return impl_->Call<wire::VoteReply>(request); }

std::vector<Outcome<wire::RouteReply>> Client::Pipeline(const std::vector<wire::Route>& requests) {
  return impl_->Pipeline<wire::RouteReply>(requests);
}
std::vector<Outcome<wire::Ack>> Client::Pipeline(const std::vector<wire::Outcome>& requests) {
  return impl_->Pipeline<wire::Ack>(requests);
}
std::vector<Outcome<wire::Ack>> Client::Pipeline(const std::vector<wire::Rate>& requests) {
  return impl_->Pipeline<wire::Ack>(requests);
}
std::vector<Outcome<wire::Ack>> Client::Pipeline(const std::vector<wire::Gold>& requests) {
  return impl_->Pipeline<wire::Ack>(requests);
}

bool Client::closed() const { return impl_->descriptor < 0; }

}  // namespace pointsman::client
