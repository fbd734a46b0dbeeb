#include "daemon/session.h"

#include <fmt/format.h>
#include <google/protobuf/message_lite.h>
#include <sys/socket.h>

#include <cerrno>

#include "daemon/error_reply.h"

namespace pointsman::daemon {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kFlushBytes = 64 * 1024;  // replies of a long batch leave in pieces of this size
constexpr std::int64_t kNanosPerMilli = 1'000'000;

void Add(TransportStatistics::Counter& counter, std::uint64_t count = 1) {
  counter.fetch_add(count, std::memory_order_relaxed);
}

bool Known(FrameKind kind) { return kind >= FrameKind::kRoute && kind <= FrameKind::kVote; }

// Feedback is stored, hence answered late.
bool Feedback(FrameKind kind) { return kind >= FrameKind::kOutcome && kind <= FrameKind::kRetract; }

Error TooLarge(std::size_t bytes, std::size_t limit) {
  return MakeError(Code::kInternal, "reply_too_large",
                   fmt::format("the reply would be {} bytes, at most {} are sent; ask for less at once", bytes, limit));
}

// Serialises into `out`, which has room for header and payload.
void EncodeFrame(FrameKind kind, std::uint64_t correlation, const google::protobuf::MessageLite& message,
                 std::size_t bytes, std::uint8_t* out) {
  const FrameHeader header{
      .payload_bytes = static_cast<std::uint32_t>(bytes), .kind = kind, .correlation = correlation};
  EncodeFrameHeader(header, std::span<std::uint8_t, kFrameHeaderBytes>(out, kFrameHeaderBytes));
  message.SerializeWithCachedSizesToArray(out + kFrameHeaderBytes);
}

// An answer owed by a service. Holds the loop, so that posting is safe for as
// long as the handle lives, and the session weakly.
class OwedReply final : public LateReply {
 public:
  OwedReply(std::shared_ptr<IoLoop> loop, std::weak_ptr<Session> session, FrameKind kind, std::uint64_t correlation)
      : loop_(std::move(loop)), session_(std::move(session)), kind_(kind), correlation_(correlation) {}

  ~OwedReply() override {
    if (answered_.exchange(true)) return;
    Add(loop_->shared().statistics.late_dropped);
    PostError(MakeError(Code::kInternal, "reply_dropped", "the request was lost inside the daemon; report this"));
  }

  void Send(const google::protobuf::MessageLite& message) override {
    REQUIRE(!answered_.exchange(true), "a LateReply is answered once");
    const std::size_t bytes = message.ByteSizeLong();
    const std::size_t limit = loop_->shared().options.reply_bytes_max;
    if (bytes > limit) return PostError(TooLarge(bytes, limit));
    Post(ReplyKind(kind_), message, bytes);
  }

  void Fail(const Error& error) override {
    REQUIRE(!answered_.exchange(true), "a LateReply is answered once");
    PostError(error);
  }

 private:
  void PostError(const Error& error) {
    wire::ErrorReply reply;
    FillErrorReply(error, &reply);
    Add(loop_->shared().statistics.errors);
    Post(FrameKind::kError, reply, reply.ByteSizeLong());
  }

  void Post(FrameKind kind, const google::protobuf::MessageLite& message, std::size_t bytes) {
    try {
      std::string frame(kFrameHeaderBytes + bytes, '\0');
      EncodeFrame(kind, correlation_, message, bytes, reinterpret_cast<std::uint8_t*>(frame.data()));
      loop_->DeliverLate(session_, std::move(frame));
    } catch (const std::exception&) {  // out of memory: the client's own deadline tells it
      Add(loop_->shared().statistics.handler_exceptions);
    }
  }

  const std::shared_ptr<IoLoop> loop_;
  const std::weak_ptr<Session> session_;
  const FrameKind kind_;
  const std::uint64_t correlation_;
  std::atomic<bool> answered_{false};
};

// Handed out when too many replies are owed: the client has its error already.
class RefusedReply final : public LateReply {
 public:
  void Send(const google::protobuf::MessageLite&) override {}
  void Fail(const Error&) override {}
};

Error TooManyLate(std::size_t limit) {
  return MakeError(
      Code::kResourceExhausted, "too_many_in_flight",
      fmt::format("{} answers are owed to this connection; wait for some of them before sending more", limit));
}

}  // namespace

Session::Session(IoLoop& loop, Descriptor connection, const Peer& peer)
    : loop_(loop), peer_(peer), socket_(loop.context()), descriptor_(connection.get()) {
  boost::system::error_code failed;
  socket_.assign(asio::local::stream_protocol(), connection.get(), failed);
  if (failed) {
    open_ = false;
  } else {
    connection.Release();  // socket_ closes it from here on
  }
}

Session::~Session() = default;

void Session::Start() {
  last_frame_nanos_ = NowNanos();
  Read();
}

void Session::BeginDrain() {
  if (!open_) return;
  // What the peer has sent stays readable; then comes the end of the stream.
  ::shutdown(descriptor_, SHUT_RD);
  CloseWhenDone();
}

void Session::Close() {
  if (!open_) return;
  open_ = false;
  boost::system::error_code ignored;
  socket_.close(ignored);
  loop_.Remove(*this);
}

void Session::Read() {
  if (!open_ || reading_ || paused_ || ended_ || closing_) return;
  std::size_t missing = kFrameHeaderBytes;
  if (input_.size() >= kFrameHeaderBytes) {
    // Checked by ProcessFrames, which left this partial frame here.
    const auto header = DecodeFrameHeader(
        std::span<const std::uint8_t, kFrameHeaderBytes>(input_.data(), kFrameHeaderBytes), Limits().payload_bytes_max);
    ENSURE(header.ok(), "a bad frame header waits for more bytes");
    missing = kFrameHeaderBytes + header->payload_bytes - input_.size();
  }
  const std::size_t step = std::max(input_.size(), ByteBuffer::kFirstBytes);
  input_.Reserve(std::max(std::min(missing, step), ByteBuffer::kFirstBytes / 4));
  const auto room = input_.Free();
  reading_ = true;
  socket_.async_read_some(asio::buffer(room.data(), room.size()),
                          [self = shared_from_this()](const boost::system::error_code& failed, std::size_t bytes) {
                            self->reading_ = false;
                            if (!self->open_) return;
                            if (!failed) return self->OnRead(bytes);
                            if (failed == asio::error::eof) return self->OnEnd();
                            self->Close();
                          });
}

void Session::OnRead(std::size_t bytes) {
  Add(Statistics().bytes_in, bytes);
  if (closing_) return;
  input_.Commit(bytes);
  Advance();
}

void Session::OnEnd() {
  ended_ = true;
  Advance();
}

void Session::Advance() {
  try {
    ProcessFrames();
    Flush();
    while (open_ && paused_ && output_.size() <= Limits().output_bytes_max / 2) {
      paused_ = false;
      output_stuck_nanos_ = -1;
      ProcessFrames();
      Flush();
    }
    CloseWhenDone();
    Read();
  } catch (const std::exception& failure) {  // no memory for this connection: it alone ends
    processing_ = false;
    Add(Statistics().handler_exceptions);
    std::uint64_t held = 0;
    if (loop_.shared().complaints.Allow(&held)) {
      log::Warning("connection of uid {} closed: {} ({} more such lines held back)", peer_.uid, failure.what(), held);
    }
    Close();
  }
}

void Session::ProcessFrames() {
  if (processing_) return;
  processing_ = true;
  std::uint64_t frames = 0;
  while (open_ && !paused_ && !closing_ && input_.size() >= kFrameHeaderBytes) {
    const auto header = DecodeFrameHeader(
        std::span<const std::uint8_t, kFrameHeaderBytes>(input_.data(), kFrameHeaderBytes), Limits().payload_bytes_max);
    if (!header.ok()) {
      LoseStream(header.error());
      break;
    }
    const std::size_t whole = kFrameHeaderBytes + header->payload_bytes;
    if (input_.size() < whole) break;
    ++frames;
    HandleFrame(header.value(), std::string_view(reinterpret_cast<const char*>(input_.data()) + kFrameHeaderBytes,
                                                 header->payload_bytes));
    input_.Consume(whole);
    frame_started_nanos_ = -1;
    if (output_.size() >= kFlushBytes) Flush();
    if (output_.size() > Limits().output_bytes_max) {
      paused_ = true;
      output_stuck_nanos_ = NowNanos();
      Add(Statistics().output_overflow);
    }
  }
  processing_ = false;
  if (frames > 0) {
    Add(Statistics().frames_in, frames);
    if (Limits().idle_ms > 0) last_frame_nanos_ = NowNanos();
  }
  NoteFrameStart();
}

void Session::NoteFrameStart() {
  if (input_.empty() || paused_ || closing_) {
    frame_started_nanos_ = -1;
  } else if (frame_started_nanos_ < 0) {
    frame_started_nanos_ = NowNanos();
  }
}

void Session::HandleFrame(const FrameHeader& header, std::string_view payload) {
  kind_ = header.kind;
  correlation_ = header.correlation;
  answered_ = false;
  if (RefuseBeforeHandling(header)) return;
  try {
    loop_.shared().dispatcher.Handle(peer_, RequestFrame{header.kind, header.correlation, payload}, *this);
  } catch (const std::exception& failure) {
    Add(Statistics().handler_exceptions);
    std::uint64_t held = 0;
    if (loop_.shared().complaints.Allow(&held)) {
      log::Failure("a handler threw: {} ({} more such lines held back)", log::Escape(failure.what()), held);
    }
    if (!answered_)
      Fail(MakeError(Code::kInternal, "handler_failed", "the daemon failed on this request; report this"));
  }
  if (!answered_) {
    Add(Statistics().late_dropped);
    Fail(MakeError(Code::kInternal, "no_reply", "the daemon gave no answer to this request; report this"));
  }
}

bool Session::RefuseBeforeHandling(const FrameHeader& header) {
  if (!Known(header.kind)) {
    Add(Statistics().unknown_kinds);
    Fail(MakeError(Code::kInvalidArgument, "unknown_kind",
                   fmt::format("frame kind {} is not a request; docs/WIRE.md lists the kinds",
                               static_cast<unsigned>(header.kind))));
    return true;
  }
  if (!Feedback(header.kind)) return false;
  if (loop_.shared().gate.Penalised(peer_.uid)) {
    Fail(MakeError(Code::kResourceExhausted, "penalised",
                   fmt::format("uid {} sent too many broken frames or forged tokens; repair the client", peer_.uid)));
    return true;
  }
  // Before the service sees it, so that "nothing was stored" is true.
  if (late_ >= Limits().late_replies_max) {
    Add(Statistics().late_refused);
    Fail(TooManyLate(Limits().late_replies_max));
    return true;
  }
  return false;
}

void Session::LoseStream(const Error& error) {
  Add(Statistics().bad_frames);
  loop_.shared().gate.Offend(peer_.uid);
  std::uint64_t held = 0;
  if (loop_.shared().complaints.Allow(&held)) {
    log::Warning("bad frame from uid {}: {} ({} more such lines held back)", peer_.uid, error.reason, held);
  }
  closing_ = true;
  AppendError(0, error);
}

void Session::Now(const google::protobuf::MessageLite& message) {
  REQUIRE(processing_ && !answered_, "a request is answered once, during Handle");
  answered_ = true;
  AppendMessage(ReplyKind(kind_), correlation_, message);
}

void Session::Fail(const Error& error) {
  REQUIRE(processing_ && !answered_, "a request is answered once, during Handle");
  answered_ = true;
  AppendError(correlation_, error);
}

std::shared_ptr<LateReply> Session::Later() {
  REQUIRE(processing_ && !answered_, "a request is answered once, during Handle");
  if (late_ >= Limits().late_replies_max) {
    Add(Statistics().late_refused);
    Fail(TooManyLate(Limits().late_replies_max));
    return std::make_shared<RefusedReply>();
  }
  auto owed = std::make_shared<OwedReply>(loop_.shared_from_this(), weak_from_this(), kind_, correlation_);
  answered_ = true;
  ++late_;
  return owed;
}

void Session::DeliverLate(std::string_view frame) {
  ENSURE(late_ > 0, "an answer that nobody waits for");
  --late_;
  if (!open_) return Add(Statistics().replies_lost);
  try {
    output_.Reserve(frame.size());
    std::memcpy(output_.Free().data(), frame.data(), frame.size());
    output_.Commit(frame.size());
    Add(Statistics().replies);
    // Answers of one group commit are in the queue already: send them together.
    if (flush_posted_) return;
    flush_posted_ = true;
    asio::post(loop_.context(), [self = shared_from_this()] {
      self->flush_posted_ = false;
      if (self->open_) self->Advance();
    });
  } catch (const std::exception&) {
    Add(Statistics().handler_exceptions);
    Close();
  }
}

void Session::AppendMessage(FrameKind kind, std::uint64_t correlation, const google::protobuf::MessageLite& message) {
  const std::size_t bytes = message.ByteSizeLong();
  if (bytes > Limits().reply_bytes_max) return AppendError(correlation, TooLarge(bytes, Limits().reply_bytes_max));
  output_.Reserve(kFrameHeaderBytes + bytes);
  EncodeFrame(kind, correlation, message, bytes, output_.Free().data());
  output_.Commit(kFrameHeaderBytes + bytes);
  Add(Statistics().replies);
}

void Session::AppendError(std::uint64_t correlation, const Error& error) {
  FillErrorReply(error, &error_scratch_);
  Add(Statistics().errors);
  AppendMessage(FrameKind::kError, correlation, error_scratch_);
}

void Session::Flush() {
  while (open_ && !writing_ && !output_.empty()) {
    const ssize_t sent = ::send(descriptor_, output_.data(), output_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      Add(Statistics().bytes_out, static_cast<std::uint64_t>(sent));
      output_.Consume(static_cast<std::size_t>(sent));
      if (!paused_ && !closing_) output_stuck_nanos_ = -1;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      AwaitWritable();
    } else if (errno != EINTR) {
      Add(Statistics().replies_lost);
      Close();
    }
  }
}

void Session::AwaitWritable() {
  writing_ = true;
  // A wait, not a write: the buffer may grow and move meanwhile.
  socket_.async_wait(asio::local::stream_protocol::socket::wait_write,
                     [self = shared_from_this()](const boost::system::error_code& failed) {
                       self->writing_ = false;
                       if (!self->open_) return;
                       if (failed) return self->Close();
                       self->Advance();
                     });
}

void Session::CloseWhenDone() {
  if (!open_ || !(closing_ || ended_)) return;
  if (ended_ && !closing_) {
    if (paused_) return;
    if (!input_.empty()) {  // cut off in the middle of a frame
      Add(Statistics().bad_frames);
      input_.Consume(input_.size());
      frame_started_nanos_ = -1;
    }
    if (late_ > 0 && output_.empty()) return;
  }
  if (output_.empty()) return Close();
  if (output_stuck_nanos_ < 0) output_stuck_nanos_ = NowNanos();
}

void Session::CheckDeadlines(std::int64_t now_nanos) {
  const TransportOptions& limits = Limits();
  const auto passed = [now_nanos](std::int64_t since, std::int64_t limit_ms) {
    return limit_ms > 0 && since >= 0 && now_nanos - since > limit_ms * kNanosPerMilli;
  };
  if (passed(output_stuck_nanos_, limits.output_ms)) {
    Add(Statistics().timeouts_output);
    return Close();
  }
  const bool in_header = input_.size() < kFrameHeaderBytes;
  if (passed(frame_started_nanos_, in_header ? limits.header_ms : limits.frame_ms)) {
    Add(Statistics().timeouts_frame);
    frame_started_nanos_ = -1;
    closing_ = true;
    AppendError(0, MakeError(Code::kDeadlineExceeded, "frame_timeout",
                             fmt::format("a frame was begun and not finished within {} ms; connect again",
                                         in_header ? limits.header_ms : limits.frame_ms)));
    return Advance();
  }
  if (input_.empty() && output_.empty() && late_ == 0 && passed(last_frame_nanos_, limits.idle_ms)) {
    Add(Statistics().timeouts_idle);
    Close();
  }
}

}  // namespace pointsman::daemon
