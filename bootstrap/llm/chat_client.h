// A chat endpoint of OpenAI's protocol: one model, asked politely, paid once.
//
// Ask looks into the call log first, then reserves the worst cost, waits for its
// place (requests at once, requests a minute), sends, and writes the answer to the
// log before it returns it. What may pass is tried again with growing pauses:
// 408, 409, 429, 5xx, a cut connection, a time limit, a reply that is not what the
// protocol says; Retry-After is obeyed up to two minutes. Each request carries an
// Idempotency-Key, for endpoints that know it.
//
// Threads: Ask from any number of threads. Waiting ends when the meter is stopped.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "bootstrap/llm/call_log.h"
#include "bootstrap/llm/meter.h"

namespace pointsman::bootstrap {

// Where a model is reached and what it costs.
struct ChatEndpointOptions {
  std::string field;  // where the plan names it, for messages: "models[2]"
  std::string name;   // of the model for people and in tables
  std::string base_url;
  std::string model;  // as the endpoint knows it
  std::string key;    // empty: none
  std::string ca_file;
  double input_usd_per_million = 0;
  double output_usd_per_million = 0;
  bool log_probabilities = false;  // ask for them
  std::uint32_t max_tokens = 1024;
  double temperature = 0.7;
  std::uint32_t concurrency = 4;       // requests at once
  double requests_per_minute = 0;      // 0: no limit
  std::uint32_t timeout_ms = 120'000;  // one request
  std::uint32_t connect_timeout_ms = 5'000;
  std::uint32_t tries = 6;           // of one request, at least 1
  double first_pause_seconds = 0.5;  // doubled after each try, at most 60
};

struct ChatQuestion {
  std::string system;  // may be empty
  std::string text;
  std::uint32_t max_tokens = 0;  // 0: the endpoint's
  double temperature = -1;       // negative: the endpoint's
  // Same question, another answer wanted: part of the call's key.
  std::uint32_t attempt = 0;
};

// Contract at the top of this file.
class ChatClient {
 public:
  // All must outlive the client. Errors: INVALID_ARGUMENT base_url, with the field.
  static Result<std::unique_ptr<ChatClient>> Create(const ChatEndpointOptions& options, const Clock& clock,
                                                    CallLog& log, Meter& meter);
  ~ChatClient();
  ChatClient(const ChatClient&) = delete;
  ChatClient& operator=(const ChatClient&) = delete;

  // Errors, each with the plan's field in its message:
  //   PERMISSION_DENIED key_refused, NOT_FOUND no_such_model: nobody need ask again
  //   INVALID_ARGUMENT question_refused: this question only (400, 413, 422)
  //   UNAVAILABLE or DEADLINE_EXCEEDED endpoint_down: after all tries
  //   of Meter::Reserve and of CallLog::Put
  Result<StoredCall> Ask(const ChatQuestion& question);

  const ChatEndpointOptions& options() const;
  // Ends requests under way.
  void Stop();

 private:
  struct Impl;
  explicit ChatClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// True for errors that concern one question and leave the others worth asking.
bool ConcernsOneQuestion(const Error& error);

// The body of the request, and what a good reply says; for tests and other clients.
std::string ChatRequestJson(const ChatEndpointOptions& endpoint, const ChatQuestion& question);
// Errors: DATA_LOSS malformed_reply. Tokens that the reply does not tell are
// estimated as a quarter of the characters.
Result<StoredCall> ReadChatReply(const std::string& body, const ChatQuestion& question);

}  // namespace pointsman::bootstrap
