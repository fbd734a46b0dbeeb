#include <fmt/format.h>

#include <charconv>

#include "daemon/job.h"

namespace pointsman::daemon {
namespace {

// JSON text of printable ASCII; everything else becomes '?'.
std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c >= 0x20 && c < 0x7f ? c : '?';
  }
  return out + '"';
}

// The text after `"key":` in `line`, up to the value's end.
std::optional<std::string> Field(std::string_view line, std::string_view key) {
  const std::string wanted = fmt::format("\"{}\":", key);
  const std::size_t at = line.find(wanted);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = line.substr(at + wanted.size());
  if (rest.empty()) return std::nullopt;
  if (rest.front() != '"') return std::string(rest.substr(0, rest.find_first_of(",}")));
  std::string value;
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == '"') return value;
    if (rest[i] == '\\' && i + 1 < rest.size()) ++i;
    value += rest[i];
  }
  return std::nullopt;
}

template <typename Number>
Number NumberField(std::string_view line, std::string_view key) {
  const auto text = Field(line, key);
  Number value = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), value);
  return value;
}

}  // namespace

std::string ProgressLine(const JobProgress& progress) {
  std::string line =
      fmt::format("{{\"stage\":{},\"done\":{},\"total\":{}", Quoted(progress.stage), progress.done, progress.total);
  if (progress.asked > 0 || progress.reused > 0 || progress.cost_usd > 0) {
    line += fmt::format(",\"cost_usd\":{:.6f},\"asked\":{},\"reused\":{}", progress.cost_usd, progress.asked,
                        progress.reused);
  }
  if (!progress.message.empty()) line += ",\"message\":" + Quoted(progress.message);
  return line + "}";
}

std::optional<JobProgress> ParseProgressLine(std::string_view line) {
  if (line.empty() || line.front() != '{' || line.back() != '}') return std::nullopt;
  const auto stage = Field(line, "stage");
  if (!stage) return std::nullopt;
  JobProgress progress;
  progress.stage = *stage;
  progress.done = NumberField<std::uint64_t>(line, "done");
  progress.total = NumberField<std::uint64_t>(line, "total");
  progress.cost_usd = NumberField<double>(line, "cost_usd");
  progress.asked = NumberField<std::uint64_t>(line, "asked");
  progress.reused = NumberField<std::uint64_t>(line, "reused");
  progress.message = Field(line, "message").value_or("");
  return progress;
}

}  // namespace pointsman::daemon
