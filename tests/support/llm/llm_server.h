// A stand-in for an LLM endpoint, for tests only: OpenAI's protocol over real HTTP(S),
// answers out of a table of recorded letters.
//
// It writes questions (the table's, by domain and level), answers them as each model
// did, judges by the table's gold, grows a small taxonomy, embeds text, streams; and
// fails as told. It counts what it answered, so that a test can ask the one who was
// paid and not the one who pays.
//
// Threads: all methods, any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "bootstrap/data/table_reader.h"

namespace pointsman::testing {

struct LlmServerOptions {
  bootstrap::Table table;
  std::string key;                 // wanted as bearer token; empty: anybody
  bool idempotency = false;        // a repeated Idempotency-Key gets the stored reply, free
  std::set<std::string> nonsense;  // models that answer no letter
  std::string certificate;         // PEM files: HTTPS
  std::string private_key;
  int port = 0;  // 0: any
};

enum class LlmFault { kNone, kTooMany, kServerError, kSlow, kMalformed, kCut, kUnauthorised };

struct LlmCounts {
  std::uint64_t requests = 0;
  std::uint64_t answered = 0;    // sent whole with status 200
  std::uint64_t paid_twice = 0;  // answers to a question that had been answered before
  std::uint64_t failed = 0;      // by a fault
  std::uint64_t most_at_once = 0;
  std::map<std::string, std::uint64_t> answered_by;  // model
};

class LlmServer {
 public:
  explicit LlmServer(LlmServerOptions options);
  ~LlmServer();
  LlmServer(const LlmServer&) = delete;
  LlmServer& operator=(const LlmServer&) = delete;

  int port() const;
  std::string base_url() const;  // http://127.0.0.1:PORT/v1
  // The next `times` requests for `model` (empty: any) fail so.
  void Fail(const std::string& model, LlmFault fault, int times);
  // Once `answers` have been sent, requests wait until LetGo: for what has to happen in
  // the midst of a job, however fast this machine is.
  void HoldAfter(std::uint64_t answers);
  void LetGo();
  LlmCounts counts() const;
  void Stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A world of its own where no recorded table is at hand: `rows` questions with four
// options over three domains, five models, each strong in one domain. Same seed, same table.
bootstrap::Table SmallWorld(std::size_t rows, std::uint64_t seed);

// One of: none, 429, 500, slow, malformed, cut, 401.
LlmFault LlmFaultFromName(const std::string& name);

}  // namespace pointsman::testing
