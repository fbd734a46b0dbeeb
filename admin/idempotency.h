// What `Idempotency-Key` promises: of two requests with one key from one peer the
// second gets the first one's answer and nothing happens twice.
//
// Kept in memory, for the last `entries_max` keys: it covers retries within minutes,
// not a restart. Feedback needs no key for that: it is stored once by (decision,
// source, subject, revision) for ever; a route request is what a key is for.
// An answer of 429 or 5xx is not kept, so that the repetition tries again.
//
// Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "admin/routes.h"
#include "base/result.h"

namespace pointsman::admin {

inline constexpr std::size_t kIdempotencyKeyBytesMax = 255;

class IdempotencyMemory {
 public:
  explicit IdempotencyMemory(std::size_t entries_max = 4096) : entries_max_(entries_max) {}

  // Nothing: the caller runs the request and calls Finish, whatever happens. Else
  // the answer: the kept one, or a refusal: INVALID_ARGUMENT for a key that is not
  // 1..255 visible ASCII characters; CONFLICT when the key came with another
  // request; BUSY while the first one runs.
  std::optional<RouteReply> Begin(std::uint32_t uid, std::string_view key, std::string_view method,
                                  std::string_view path, std::string_view body);
  void Finish(std::uint32_t uid, std::string_view key, const RouteReply& reply);

 private:
  struct Entry {
    std::uint64_t fingerprint = 0;
    std::optional<RouteReply> reply;  // none: it runs
  };
  const std::size_t entries_max_;
  std::mutex mutex_;
  std::unordered_map<std::string, Entry> entries_;
  std::deque<std::string> order_;
};

}  // namespace pointsman::admin
