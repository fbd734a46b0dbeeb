#include "bootstrap/data/line_source.h"

#include <zlib.h>

#include <algorithm>

namespace pointsman::bootstrap {

LineSource::LineSource(const std::string& path, std::uint64_t line_bytes_max)
    : file_(gzopen(path.c_str(), "rb")), line_bytes_max_(line_bytes_max), buffer_(1U << 16) {
  if (file_ != nullptr) gzbuffer(static_cast<gzFile>(file_), 1U << 17);
}

LineSource::~LineSource() {
  if (file_ != nullptr) gzclose_r(static_cast<gzFile>(file_));
}

LineSource::Got LineSource::Next(std::string& line) {
  line.clear();
  bool too_long = false;
  bool any = false;
  while (true) {
    if (at_ == end_) {
      const int read = gzread(static_cast<gzFile>(file_), buffer_.data(), static_cast<unsigned>(buffer_.size()));
      if (read < 0) return Got::kDamaged;
      if (read == 0) {
        int code = Z_OK;
        gzerror(static_cast<gzFile>(file_), &code);
        if (code != Z_OK) return Got::kDamaged;  // a gzip file that ends in the middle
        if (!any) return Got::kEnd;
        return too_long ? Got::kTooLong : Got::kLine;
      }
      at_ = 0;
      end_ = static_cast<std::size_t>(read);
    }
    any = true;
    const char* begin = buffer_.data() + at_;
    const char* stop = std::find(begin, static_cast<const char*>(buffer_.data() + end_), '\n');
    const auto length = static_cast<std::size_t>(stop - begin);
    if (!too_long && line.size() + length > line_bytes_max_) {
      too_long = true;
      line.clear();
    }
    if (!too_long) line.append(begin, length);
    at_ += length;
    if (at_ == end_) continue;
    ++at_;  // the newline
    return too_long ? Got::kTooLong : Got::kLine;
  }
}

}  // namespace pointsman::bootstrap
