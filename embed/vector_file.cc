#include "embed/vector_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <simdjson.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <span>

#include "base/unit_draw.h"

namespace pointsman::embed {
namespace {

constexpr std::size_t kWordsMax = 10'000'000;
constexpr std::size_t kDimensionMax = 8192;
constexpr std::size_t kWordBytesMax = 256;

Error Unusable(const std::string& path, const std::string& what) {
  return MakeError(Code::kInvalidArgument, "vectors_unusable", path + ": " + what);
}

// IEEE 754 half precision.
float Half(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  const float sign = (bits & 0x8000) != 0 ? -1.F : 1.F;
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(fraction), -24);
  if (exponent == 31) return 0;  // not finite: worth nothing here
  return sign * std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
}

}  // namespace

VectorFile::~VectorFile() {
  if (bytes_ != nullptr) munmap(const_cast<std::uint8_t*>(bytes_), size_);
}

Status VectorFile::Map(const std::string& path) {
  path_ = path;
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat facts {};
  if (file < 0 || fstat(file, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    if (file >= 0) close(file);
    return MakeError(Code::kNotFound, "vectors_missing", "the vector file " + path + " cannot be read");
  }
  size_ = static_cast<std::size_t>(facts.st_size);
  void* mapped = size_ == 0 ? MAP_FAILED : mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  if (mapped == MAP_FAILED) return Unusable(path, "it is empty or cannot be mapped");
  bytes_ = static_cast<const std::uint8_t*>(mapped);
  const std::span all(bytes_, size_);
  hash_ = {Mix(all, 11), Mix(all, 12)};
  return {};
}

Status VectorFile::AddWord(std::string_view word, std::size_t offset) {
  if (words_.size() >= kWordsMax) {
    return MakeError(Code::kResourceExhausted, "vectors_too_many",
                     fmt::format("{}: more than {} words", path_, kWordsMax));
  }
  if (word.empty() || word.size() > kWordBytesMax) return Unusable(path_, "a word is empty or longer than 256 bytes");
  has_pieces_ = has_pieces_ || (word.size() > 2 && word.starts_with("##"));
  // A word that occurs twice keeps its first, more frequent place; numbers stay dense.
  if (words_.emplace(word, static_cast<std::uint32_t>(offsets_.size())).second) offsets_.push_back(offset);
  return {};
}

// "words dimension\n", then for each word: the word, a blank, the floats, perhaps "\n".
Status VectorFile::ReadBinary() {
  const std::string_view all(reinterpret_cast<const char*>(bytes_), size_);
  std::size_t at = all.find('\n') + 1;
  std::size_t count = 0;
  const auto first = std::from_chars(all.data(), all.data() + at, count);
  const auto second = std::from_chars(first.ptr + 1, all.data() + at, dimension_);
  if (first.ec != std::errc() || second.ec != std::errc() || dimension_ == 0 || dimension_ > kDimensionMax) {
    return Unusable(path_, "its first line is not \"words dimension\"");
  }
  for (std::size_t w = 0; w < count; ++w) {
    while (at < size_ && all[at] == '\n') ++at;
    const std::size_t blank = all.substr(at, kWordBytesMax + 1).find(' ');
    if (blank == std::string_view::npos || at + blank + 1 + dimension_ * sizeof(float) > size_) {
      return Unusable(path_, fmt::format("it ends or breaks at word {} of {}", w + 1, count));
    }
    const Status added = AddWord(all.substr(at, blank), at + blank + 1);
    if (!added.ok()) return added;
    at += blank + 1 + dimension_ * sizeof(float);
  }
  return {};
}

Status VectorFile::ReadText() {
  std::string_view all(reinterpret_cast<const char*>(bytes_), size_);
  for (std::size_t number = 1; !all.empty(); ++number) {
    const std::size_t end = std::min(all.find('\n'), all.size());
    std::string_view line = all.substr(0, end);
    all.remove_prefix(std::min(end + 1, all.size()));
    const std::size_t blank = line.find(' ');
    if (blank == std::string_view::npos) {
      if (line.empty()) continue;
      return Unusable(path_, fmt::format("line {} has no vector", number));
    }
    const std::string_view word = line.substr(0, blank);
    const std::size_t offset = read_.size();
    const char* at = line.data() + blank;
    const char* const stop = line.data() + line.size();
    while (at < stop) {
      while (at < stop && (*at == ' ' || *at == '\r' || *at == '\t')) ++at;
      if (at == stop) break;
      float value = 0;
      const auto [next, fault] = std::from_chars(at, stop, value);
      if (fault != std::errc() || !std::isfinite(value)) {
        return Unusable(path_, fmt::format("line {} holds what is not a number", number));
      }
      read_.push_back(value);
      at = next;
    }
    const std::size_t numbers = read_.size() - offset;
    if (number == 1 && numbers == 1) {  // word2vec's first line
      read_.clear();
      continue;
    }
    if (dimension_ == 0) dimension_ = numbers;
    if (numbers != dimension_ || dimension_ > kDimensionMax) {
      return Unusable(path_, fmt::format("line {} has {} numbers, the first {}", number, numbers, dimension_));
    }
    const Status added = AddWord(word, offset * sizeof(float));
    if (!added.ok()) return added;
  }
  return {};
}

// u64 length, a JSON header {name: {dtype, shape, data_offsets}}, the data.
Status VectorFile::ReadSafetensors(const std::string& path) {
  std::uint64_t length = 0;
  std::memcpy(&length, bytes_, sizeof(length));
  if (length > size_ - 8) return Unusable(path, "its header is longer than the file");
  simdjson::dom::parser parser;
  simdjson::dom::object header;
  if (parser.parse(reinterpret_cast<const char*>(bytes_) + 8, length).get(header) != simdjson::SUCCESS) {
    return Unusable(path, "its header is not JSON");
  }
  std::ifstream vocabulary(path.substr(0, path.rfind('/') + 1) + "vocab.txt");
  for (std::string word; std::getline(vocabulary, word) && owned_words_.size() < kWordsMax;) {
    owned_words_.push_back(word);
  }
  if (owned_words_.empty()) return Unusable(path, "there is no vocab.txt beside it with a word a line");
  for (const auto [name, tensor] : header) {
    std::string_view type;
    std::uint64_t rows = 0;
    std::uint64_t columns = 0;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    const bool matrix = tensor["dtype"].get(type) == simdjson::SUCCESS &&
                        tensor["shape"].at(0).get(rows) == simdjson::SUCCESS &&
                        tensor["shape"].at(1).get(columns) == simdjson::SUCCESS &&
                        tensor["data_offsets"].at(0).get(begin) == simdjson::SUCCESS &&
                        tensor["data_offsets"].at(1).get(end) == simdjson::SUCCESS;
    if (!matrix || (type != "F32" && type != "F16") || rows != owned_words_.size()) continue;
    number_ = type == "F16" ? Number::kFloat16 : Number::kFloat32;
    const std::size_t width = type == "F16" ? 2 : 4;
    if (columns == 0 || columns > kDimensionMax || end < begin || end - begin != rows * columns * width ||
        8 + length + end > size_) {
      return Unusable(path, "tensor " + std::string(name) + " does not fit the file");
    }
    dimension_ = columns;
    for (std::size_t w = 0; w < owned_words_.size(); ++w) {
      const Status added = AddWord(owned_words_[w], 8 + length + begin + w * columns * width);
      if (!added.ok()) return added;
    }
    return {};
  }
  return Unusable(path, fmt::format("no F32 or F16 tensor has the {} rows of vocab.txt", owned_words_.size()));
}

Result<std::shared_ptr<const VectorFile>> VectorFile::Open(const std::string& path) {
  std::shared_ptr<VectorFile> file(new VectorFile());
  if (const Status mapped = file->Map(path); !mapped.ok()) return mapped.error();
  Status read;
  if (path.ends_with(".safetensors")) {
    read = file->size_ < 8 ? Status(Unusable(path, "it is too short")) : file->ReadSafetensors(path);
  } else if (path.ends_with(".bin")) {
    read = file->ReadBinary();
  } else {
    read = file->ReadText();
  }
  if (!read.ok()) return read.error();
  if (file->words_.empty()) return Unusable(path, "it holds no word");
  return std::shared_ptr<const VectorFile>(file);
}

std::optional<std::uint32_t> VectorFile::Find(std::string_view word) const {
  const auto at = words_.find(word);
  if (at == words_.end()) return std::nullopt;
  return at->second;
}

void VectorFile::AddVector(std::uint32_t word, double weight, std::vector<double>* sum) const {
  const std::uint8_t* from =
      (read_.empty() ? bytes_ : reinterpret_cast<const std::uint8_t*>(read_.data())) + offsets_[word];
  for (std::size_t j = 0; j < dimension_; ++j) {
    float value = 0;
    if (number_ == Number::kFloat16) {
      std::uint16_t bits = 0;
      std::memcpy(&bits, from + 2 * j, sizeof(bits));
      value = Half(bits);
    } else {
      std::memcpy(&value, from + 4 * j, sizeof(value));
    }
    if (std::isfinite(value)) (*sum)[j] += weight * static_cast<double>(value);
  }
}

}  // namespace pointsman::embed
