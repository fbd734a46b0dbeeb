// The program's log: one line an event, on stderr, for people and journald.
//
//   log::Info("generation {} is live after {} ms", generation, millis);
//
// Threads: any. Lines never hold prompt text, embeddings, tokens or keys; values
// that come from outside are passed through Escape. Rate limit: a call site that
// can be driven by outside input uses a RateLimit.
#pragma once

#include <fmt/format.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace pointsman::log {

enum class Level { kDebug, kInfo, kWarning, kError };

// Chooses what is written; the default is kInfo.
void SetLevel(Level level);
// Writes one line. Prefer the functions below.
void Write(Level level, std::string_view line);

template <typename... Args>
void Debug(fmt::format_string<Args...> format, Args&&... args) {
  Write(Level::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void Info(fmt::format_string<Args...> format, Args&&... args) {
  Write(Level::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void Warning(fmt::format_string<Args...> format, Args&&... args) {
  Write(Level::kWarning, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void Failure(fmt::format_string<Args...> format, Args&&... args) {
  Write(Level::kError, fmt::format(format, std::forward<Args>(args)...));
}

// `text` with control and non-ASCII bytes written as \xNN, cut to 64 characters.
std::string Escape(std::string_view text);

// Lets one line through per `period_ms`; counts what it held back.
// Threads: any.
class RateLimit {
 public:
  RateLimit(const Clock& clock, std::int64_t period_ms) : clock_(clock), period_nanos_(period_ms * 1'000'000) {}
  // True when a line may be written now; `held_back` gets the number of lines
  // refused since the last one.
  bool Allow(std::uint64_t* held_back);

 private:
  const Clock& clock_;
  const std::int64_t period_nanos_;
  std::atomic<std::int64_t> next_nanos_{0};
  std::atomic<std::uint64_t> held_{0};
};

}  // namespace pointsman::log
