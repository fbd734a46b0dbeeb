// The C++ client of pointsmand's route socket.
//
//   auto client = pointsman::client::Client::Connect({.socket_path = "/run/pointsman/route.sock"});
//   pointsman::wire::Route route;
//   route.set_text("What is 2 + 2?");
//   auto reply = client->Call(route);          // wire::RouteReply
//   ... call reply->model() ...
//   pointsman::wire::Rate rate;
//   rate.set_token(reply->token()); rate.set_source("thumbs"); rate.set_value(1);
//   auto ack = client->Call(rate);
//
// Synchronous, one request in flight; Pipeline sends many and reads the replies.
// Threads: one Client per thread. Lifetime: closes its socket when destroyed.
// After a transport error the client is closed; Connect again.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "wire.pb.h"

namespace pointsman::client {

// Transport or daemon error. `code` is the wire number of docs/WIRE.md; transport
// faults use 11 (UNAVAILABLE) and 12 (DEADLINE_EXCEEDED).
struct Failure {
  std::uint32_t code = 14;
  std::string reason;
  std::string message;
  std::uint32_t retry_after_ms = 0;
};

template <typename T>
class [[nodiscard]] Outcome {
 public:
  Outcome(T value) : value_(std::make_unique<T>(std::move(value))) {}        // NOLINT(google-explicit-constructor)
  Outcome(Failure failure) : failure_(std::move(failure)) {}                 // NOLINT(google-explicit-constructor)
  bool ok() const { return value_ != nullptr; }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return value_.get(); }
  const T* operator->() const { return value_.get(); }
  const Failure& failure() const { return failure_; }

 private:
  std::unique_ptr<T> value_;
  Failure failure_;
};

struct Options {
  std::string socket_path;
  int timeout_ms = 5000;                      // per call
  std::uint32_t frame_bytes_max = 4U << 20;   // of a reply
};

class Client {
 public:
  static Outcome<Client> Connect(const Options& options);
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  Outcome<wire::RouteReply> Call(const wire::Route& request);
  Outcome<wire::RouteBatchReply> Call(const wire::RouteBatch& request);
  Outcome<wire::Ack> Call(const wire::Outcome& request);
  Outcome<wire::Ack> Call(const wire::Rate& request);
  Outcome<wire::Ack> Call(const wire::Prefer& request);
  Outcome<wire::Ack> Call(const wire::Gold& request);
  Outcome<wire::Ack> Call(const wire::Retract& request);
  Outcome<wire::StatusReply> Call(const wire::Status& request);
  Outcome<wire::Ping> Call(const wire::Ping& request);
  Outcome<wire::VoteReply> Call(const wire::Vote& request);

  // Sends many with up to 32 in flight; result i answers request i. The timeout
  // runs anew with each reply. After a transport error the rest carry it too.
  std::vector<Outcome<wire::RouteReply>> Pipeline(const std::vector<wire::Route>& requests);
  std::vector<Outcome<wire::Ack>> Pipeline(const std::vector<wire::Outcome>& requests);
  std::vector<Outcome<wire::Ack>> Pipeline(const std::vector<wire::Rate>& requests);
  std::vector<Outcome<wire::Ack>> Pipeline(const std::vector<wire::Gold>& requests);

  bool closed() const;

 private:
  struct Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// "d1_..." to the 32 bytes and back. Empty string when malformed.
std::string TokenToText(std::string_view token);
std::string TokenFromText(std::string_view text);

}  // namespace pointsman::client
