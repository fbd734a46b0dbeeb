// One connection of route.sock, and the io loop that owns it.
//
// Session: reads frames, hands them to the Dispatcher, writes replies. One
// read_some takes header and payload of as many frames as there are; their
// replies leave in one send.
//
// Invariants
//   1. A Session is touched by its loop's thread only. Others reach it through
//      boost::asio::post and a weak pointer.
//   2. Nothing is allocated for a payload before its length has been checked, and
//      the input buffer grows with what the peer has sent, not with what it
//      announces (at most twice that, or 16 KiB).
//   3. Each request gets exactly one reply, in any order, or the connection ends.
//   4. While unsent replies exceed output_bytes_max nothing is read.
//   5. A loop looks at all deadlines in one timer; no request arms a timer.
// Memory of a connection: at most payload_bytes_max + 16 of input, and of output
// output_bytes_max + one reply + late_replies_max replies.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/descriptor.h"
#include "base/log.h"
#include "daemon/asio.h"
#include "daemon/byte_buffer.h"
#include "daemon/dispatch.h"
#include "daemon/listener.h"
#include "wire.pb.h"

namespace pointsman::daemon {

class Session;

// What all loops share. Threads: any.
struct TransportShared {
  TransportShared(const TransportOptions& chosen, Dispatcher& handler, const Clock& time)
      : options(chosen), dispatcher(handler), clock(time), gate(chosen.peers, time), complaints(time, 1000) {}

  const TransportOptions options;
  Dispatcher& dispatcher;  // used on io threads only, which Transport::Stop joins
  const Clock& clock;
  PeerGate gate;
  TransportStatistics statistics;
  log::RateLimit complaints;

  // Told when a connection has gone, for the drain.
  std::mutex mutex;
  std::condition_variable gone;
};

// An io_context with its thread, its sessions and its watchdog.
class IoLoop : public std::enable_shared_from_this<IoLoop> {
 public:
  explicit IoLoop(std::shared_ptr<TransportShared> shared);
  ~IoLoop();
  IoLoop(const IoLoop&) = delete;
  IoLoop& operator=(const IoLoop&) = delete;

  // Errors: RESOURCE_EXHAUSTED no_thread, no_descriptor.
  Status Run(std::size_t number);
  // Any thread: takes over a connection that the gate has admitted.
  void Adopt(Descriptor connection, const Peer& peer);
  // Any thread. BeginDrain: serve what was sent, read no more. Finish: close all
  // and end the thread (joined by the caller's next line, Join).
  void BeginDrain();
  void Finish();
  void Join();

  // Any thread: the frame of an answer that was owed. Counted as lost when its session
  // has gone. Not a post: that one wakes the loop while it holds the loop's own lock, and
  // where the woken thread then takes the processor, it waits for whoever was driven out.
  void DeliverLate(std::weak_ptr<Session> session, std::string frame);

  boost::asio::io_context& context() { return context_; }
  TransportShared& shared() { return *shared_; }

 private:
  friend class Session;
  struct Late {
    std::weak_ptr<Session> session;
    std::string frame;
  };
  void Remove(Session& session);
  void AwaitLate();
  void TakeLate();
  void ArmWatchdog();
  void Watch();

  const std::shared_ptr<TransportShared> shared_;
  boost::asio::io_context context_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  boost::asio::steady_timer watchdog_;
  boost::asio::posix::stream_descriptor late_came_;  // an eventfd
  std::mutex late_mutex_;
  std::vector<Late> late_;   // under late_mutex_; bounded by what each session may be owed
  std::vector<Late> taken_;  // the loop's thread only
  bool watching_ = false;
  bool draining_ = false;
  std::vector<std::shared_ptr<Session>> sessions_;
  std::thread thread_;
};

// A connection, from adoption to its end. Threads: its loop's only, but for being
// held weakly. Lifetime: the loop's list and the handlers in flight hold it.
class Session final : public ReplyChannel, public std::enable_shared_from_this<Session> {
 public:
  // `loop` owns the session. Closed from the start when the connection cannot be watched.
  Session(IoLoop& loop, Descriptor connection, const Peer& peer);
  ~Session() override;

  void Start();
  void BeginDrain();
  void Close();
  // Closes the connection when one of its deadlines has passed.
  void CheckDeadlines(std::int64_t now_nanos);
  // The frame of an answer that was owed since Later.
  void DeliverLate(std::string_view frame);

  // ReplyChannel: during Handle.
  void Now(const google::protobuf::MessageLite& message) override;
  void Fail(const Error& error) override;
  std::shared_ptr<LateReply> Later() override;

 private:
  friend class IoLoop;
  void Read();
  void OnRead(std::size_t bytes);
  void OnEnd();
  void Advance();
  void ProcessFrames();
  void HandleFrame(const FrameHeader& header, std::string_view payload);
  bool RefuseBeforeHandling(const FrameHeader& header);
  void LoseStream(const Error& error);
  void NoteFrameStart();
  void AppendMessage(FrameKind kind, std::uint64_t correlation, const google::protobuf::MessageLite& message);
  void AppendError(std::uint64_t correlation, const Error& error);
  void Flush();
  void AwaitWritable();
  void CloseWhenDone();
  std::int64_t NowNanos() const { return loop_.shared().clock.MonotonicNanos(); }
  TransportStatistics& Statistics() const { return loop_.shared().statistics; }
  const TransportOptions& Limits() const { return loop_.shared().options; }

  IoLoop& loop_;
  const Peer peer_;
  std::size_t index_ = 0;  // in the loop's list
  boost::asio::local::stream_protocol::socket socket_;
  const int descriptor_;
  ByteBuffer input_;
  ByteBuffer output_;
  wire::ErrorReply error_scratch_;

  bool open_ = true;
  bool reading_ = false;       // a read is armed
  bool writing_ = false;       // a wait for writability is armed
  bool processing_ = false;    // inside ProcessFrames
  bool flush_posted_ = false;  // late answers wait for one common send
  bool paused_ = false;        // too many unsent replies
  bool ended_ = false;         // the peer sends no more
  bool closing_ = false;       // boundary lost: send what there is, then close

  // Of the request being handled.
  FrameKind kind_ = FrameKind::kPing;
  std::uint64_t correlation_ = 0;
  bool answered_ = false;

  std::size_t late_ = 0;                   // replies owed
  std::int64_t frame_started_nanos_ = -1;  // -1: between frames
  std::int64_t output_stuck_nanos_ = -1;   // since paused, ended or closing with replies unsent
  std::int64_t last_frame_nanos_ = 0;
};

}  // namespace pointsman::daemon
