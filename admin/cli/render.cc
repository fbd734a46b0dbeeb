#include "admin/cli/render.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <ostream>

#include "base/contract.h"

namespace pointsman::cli {
namespace {

constexpr int kBarCells = 30;

}  // namespace

std::string Printable(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n') || byte > 0x7E) c = '?';
  }
  return out;
}

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::Row(std::vector<std::string> cells) {
  REQUIRE(cells.size() == columns_.size(), "one cell a column");
  for (std::string& cell : cells) {
    cell = Printable(cell);
    std::replace(cell.begin(), cell.end(), '\n', ' ');
  }
  rows_.push_back(std::move(cells));
}

void Table::Print(std::ostream& out, bool bold) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = columns_[i].title.size();
    for (const auto& row : rows_) width = std::max(width, row[i].size());
    widths.push_back(width);
  }
  const auto line = [&](const auto& cell_of) {
    std::string text;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) text += "  ";
      const std::string& cell = cell_of(i);
      text += columns_[i].align == Align::kRight ? fmt::format("{:>{}}", cell, widths[i])
                                                 : fmt::format("{:<{}}", cell, widths[i]);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
  };
  const std::string titles = line([&](std::size_t i) -> const std::string& { return columns_[i].title; });
  out << (bold ? "\x1b[1m" + titles + "\x1b[0m" : titles) << "\n";
  for (const auto& row : rows_) out << line([&](std::size_t i) -> const std::string& { return row[i]; }) << "\n";
}

std::string Fixed(double value, int decimals) {
  return std::isfinite(value) ? fmt::format("{:.{}f}", value, decimals) : "-";
}

std::string Significant(double value) { return std::isfinite(value) ? fmt::format("{:.2g}", value) : "-"; }

std::string Dollars(double value) {
  if (!std::isfinite(value)) return "-";
  const double size = std::abs(value);
  if (size >= 1e-4 || size < 1e-12) return fmt::format("${:.4g}", value);
  return fmt::format("${:.{}f}", value, 3 - static_cast<int>(std::floor(std::log10(size))));
}

std::string UtcTime(std::int64_t micros) {
  if (micros == 0) return "-";
  const std::time_t seconds = static_cast<std::time_t>(micros / 1'000'000);
  std::tm parts{};
  if (::gmtime_r(&seconds, &parts) == nullptr) return "-";
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                     parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::string Duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "-";
  if (seconds < 60) return fmt::format("{:.1f}s", seconds);
  const auto whole = static_cast<std::uint64_t>(seconds);
  if (whole < 3600) return fmt::format("{}m {}s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{}h {}m", whole / 3600, whole % 3600 / 60);
  return fmt::format("{}d {}h", whole / 86400, whole % 86400 / 3600);
}

Progress::Progress(std::ostream& err, bool terminal) : err_(err), terminal_(terminal) {}

void Progress::Show(double share, std::string_view stage) {
  const double clamped = std::isfinite(share) ? std::clamp(share, 0.0, 1.0) : 0.0;
  const std::string name = Printable(stage);
  if (!terminal_) {
    if (name != last_stage_) err_ << fmt::format("{:3.0f}% {}\n", clamped * 100, name) << std::flush;
    last_stage_ = name;
    return;
  }
  const int filled = static_cast<int>(clamped * kBarCells);
  std::string line = fmt::format("[{}{}] {:3.0f}% {}", std::string(static_cast<std::size_t>(filled), '#'),
                                 std::string(static_cast<std::size_t>(kBarCells - filled), '.'), clamped * 100, name);
  const std::size_t width = line.size();
  if (width < drawn_) line.append(drawn_ - width, ' ');
  drawn_ = width;
  err_ << '\r' << line << std::flush;
}

void Progress::Finish() {
  if (terminal_ && drawn_ > 0) err_ << "\n" << std::flush;
  drawn_ = 0;
}

}  // namespace pointsman::cli
