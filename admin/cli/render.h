// Text for people: tables, numbers, times and progress.
//
// Plain ASCII without escapes unless the terminal takes colour. Whatever comes
// from outside is made printable, so that a name cannot steer the terminal.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace pointsman::cli {

// `text` with control and non-ASCII bytes replaced by '?'.
std::string Printable(std::string_view text);

// Columns as wide as their widest cell, two spaces apart.
class Table {
 public:
  enum class Align : std::uint8_t { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };
  explicit Table(std::vector<Column> columns);
  // One cell a column.
  void Row(std::vector<std::string> cells);
  // `bold`: the titles in bold type.
  void Print(std::ostream& out, bool bold) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

std::string Fixed(double value, int decimals);  // "-" for a number that is not finite
std::string Significant(double value);          // two significant digits
std::string Dollars(double value);              // "$0.001234", four significant digits, no exponent
std::string UtcTime(std::int64_t micros);       // "2026-01-31 12:00:00Z"; "-" for 0
std::string Duration(double seconds);           // "3d 4h", "5m 6s", "1.2s"

// A line that shows how far a job is. On a terminal it redraws itself; elsewhere it
// prints one line whenever the stage changes.
class Progress {
 public:
  Progress(std::ostream& err, bool terminal);
  // share in [0,1].
  void Show(double share, std::string_view stage);
  void Finish();

 private:
  std::ostream& err_;
  const bool terminal_;
  std::string last_stage_;
  std::size_t drawn_ = 0;
};

}  // namespace pointsman::cli
