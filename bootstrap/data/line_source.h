// Lines of a plain or gzip file, one at a time, whatever their length: a line
// beyond the limit is skipped, not held.
//
// Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace pointsman::bootstrap {

class LineSource {
 public:
  LineSource(const std::string& path, std::uint64_t line_bytes_max);
  ~LineSource();
  LineSource(const LineSource&) = delete;
  LineSource& operator=(const LineSource&) = delete;

  // False when there is no such file or it may not be read.
  bool opened() const { return file_ != nullptr; }
  enum class Got { kLine, kTooLong, kEnd, kDamaged };
  // `line` without its newline. kDamaged: a gzip file that is broken or ends early.
  Got Next(std::string& line);

 private:
  void* file_;  // zlib's
  const std::uint64_t line_bytes_max_;
  std::vector<char> buffer_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
};

}  // namespace pointsman::bootstrap
