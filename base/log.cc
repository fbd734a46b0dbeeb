#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

namespace pointsman::log {

namespace {

spdlog::logger& Logger() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made = std::make_shared<spdlog::logger>("pointsman", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
    made->set_level(spdlog::level::info);
    return made;
  }();
  return *logger;
}

spdlog::level::level_enum Translate(Level level) {
  switch (level) {
    case Level::kDebug: return spdlog::level::debug;
    case Level::kInfo: return spdlog::level::info;
    case Level::kWarning: return spdlog::level::warn;
    case Level::kError: return spdlog::level::err;
  }
  return spdlog::level::err;
}

}  // namespace

void SetLevel(Level level) { Logger().set_level(Translate(level)); }

void Write(Level level, std::string_view line) {
  Logger().log(Translate(level), "{}", std::string_view(line.data(), line.size()));
}

std::string Escape(std::string_view text) {
  constexpr std::size_t kLongest = 64;
  std::string out;
  for (const char c : text) {
    if (out.size() >= kLongest) {
      out += "...";
      break;
    }
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F && c != '\\') {
      out += c;
    } else {
      out += fmt::format("\\x{:02x}", byte);
    }
  }
  return out;
}

bool RateLimit::Allow(std::uint64_t* held_back) {
  const std::int64_t now = clock_.MonotonicNanos();
  std::int64_t next = next_nanos_.load();
  if (now >= next && next_nanos_.compare_exchange_strong(next, now + period_nanos_)) {
    *held_back = held_.exchange(0);
    return true;
  }
  ++held_;
  return false;
}

}  // namespace pointsman::log
