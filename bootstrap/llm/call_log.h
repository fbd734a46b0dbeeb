// The call log: every answer that was paid for, on disk before it is used.
//
// A job that dies is run again from the start and finds its answers here, so that
// no answer that reached us is ever bought twice. Answers are found by what was
// asked (CallKey), so a changed plan pays only for what is new.
//
// One file of lines, `crc32 in 8 digits, blank, JSON`. A torn last line (the
// process died in the middle of writing) is cut off when the file is opened; a
// damaged line in the middle is left out and counted.
//
// Threads: all methods, any thread. One process at a time has the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pointsman::bootstrap {

// 128 bits of what was asked. Not for secrets.
struct CallKey {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  auto operator<=>(const CallKey&) const = default;
};
CallKey KeyOf(std::string_view asked);
std::string KeyText(const CallKey& key);  // 32 hexadecimal digits

struct StoredCall {
  std::string label;  // whom was asked and for what: for people
  std::string text;   // the answer
  double tokens_in = 0;
  double tokens_out = 0;
  double log_probability = std::numeric_limits<double>::quiet_NaN();  // mean a token; NaN: not given
  double latency_ms = 0;
  double cost_usd = 0;
  bool truncated = false;  // it ended at the token limit
};

struct CallLogStatistics {
  std::uint64_t calls = 0;
  double cost_usd = 0;
  std::uint64_t torn_bytes = 0;     // cut off at the end when opened
  std::uint64_t damaged_lines = 0;  // left out when opened
};

// Contract at the top of this file.
class CallLog {
 public:
  // Errors: BUSY call_log_busy (another process has it); UNAVAILABLE storage_io;
  // RESOURCE_EXHAUSTED beyond `bytes_max`.
  static Result<std::unique_ptr<CallLog>> Open(const std::string& path, std::uint64_t bytes_max = 4ULL << 30);
  ~CallLog();
  CallLog(const CallLog&) = delete;
  CallLog& operator=(const CallLog&) = delete;

  std::optional<StoredCall> Find(const CallKey& key) const;
  // Synced when it returns OK; calls that come together share a sync.
  // Errors: UNAVAILABLE storage_full or storage_io; nothing more is taken then.
  Status Put(const CallKey& key, const StoredCall& call);
  CallLogStatistics statistics() const;

 private:
  struct Impl;
  explicit CallLog(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pointsman::bootstrap
