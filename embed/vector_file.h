// A file of word vectors, open for reading: words by number, and their vectors.
// Threads: const methods, any. The file must not be changed while it is open.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"

namespace pointsman::embed {

// Contract at the top of this file; formats in embed/static_vectors.h.
class VectorFile {
 public:
  // Errors: NOT_FOUND vectors_missing; INVALID_ARGUMENT vectors_unusable.
  static Result<std::shared_ptr<const VectorFile>> Open(const std::string& path);
  ~VectorFile();
  VectorFile(const VectorFile&) = delete;
  VectorFile& operator=(const VectorFile&) = delete;

  std::size_t dimension() const { return dimension_; }
  std::size_t words() const { return words_.size(); }
  // Number in the file's order: rank of frequency.
  std::optional<std::uint32_t> Find(std::string_view word) const;
  bool has_pieces() const { return has_pieces_; }
  // Adds weight * vector to `sum` (dimension() long).
  void AddVector(std::uint32_t word, double weight, std::vector<double>* sum) const;
  // 128 bits of the whole file.
  const std::pair<std::uint64_t, std::uint64_t>& hash() const { return hash_; }

 private:
  enum class Number : std::uint8_t { kFloat32, kFloat16 };
  VectorFile() = default;
  Status Map(const std::string& path);
  Status ReadBinary();
  Status ReadText();
  Status ReadSafetensors(const std::string& path);
  Status AddWord(std::string_view word, std::size_t offset);

  std::string path_;
  const std::uint8_t* bytes_ = nullptr;  // mapped
  std::size_t size_ = 0;
  std::vector<float> read_;  // of a text file
  std::vector<std::string> owned_words_;
  Number number_ = Number::kFloat32;
  std::size_t dimension_ = 0;
  std::vector<std::size_t> offsets_;  // of the vectors, in bytes of the file (in read_ for text)
  std::unordered_map<std::string_view, std::uint32_t> words_;
  bool has_pieces_ = false;
  std::pair<std::uint64_t, std::uint64_t> hash_{};
};

}  // namespace pointsman::embed
