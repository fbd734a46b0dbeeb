#include "embed/static_vectors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "base/unit_draw.h"
#include "embed/text.h"
#include "embed/vector_file.h"

namespace pointsman::embed {
namespace {

constexpr char kMagic[] = "STV1";
constexpr std::size_t kPathBytesMax = 4096;
constexpr std::size_t kTextsForCommon = 5000;
constexpr int kPowerSteps = 20;

// Of Zipf's law over `words` ranks from 0.
double Frequency(std::uint32_t rank, std::size_t words) {
  const double harmonic = std::log(static_cast<double>(words) + 1) + 0.5772;
  return 1 / ((static_cast<double>(rank) + 1) * harmonic);
}

struct Parameters {
  std::string path;
  std::pair<std::uint64_t, std::uint64_t> file_hash;
  std::vector<float> common;  // unit, or all zero
};

std::vector<std::uint8_t> Serialise(const Parameters& parameters) {
  std::vector<std::uint8_t> bytes(kMagic, kMagic + 4);
  const auto append = [&](const void* data, std::size_t size) {
    const auto* from = static_cast<const std::uint8_t*>(data);
    bytes.insert(bytes.end(), from, from + size);
  };
  const auto path_bytes = static_cast<std::uint32_t>(parameters.path.size());
  append(&parameters.file_hash.first, 8);
  append(&parameters.file_hash.second, 8);
  append(&path_bytes, 4);
  append(parameters.path.data(), path_bytes);
  append(parameters.common.data(), parameters.common.size() * sizeof(float));
  return bytes;
}

Result<Parameters> Parse(std::span<const std::uint8_t> bytes, std::size_t dimension) {
  const auto broken = [] {
    return MakeError(Code::kDataLoss, "embedder_mismatch",
                     "the bundle's parameters of its word vectors are damaged; restore the bundle file");
  };
  constexpr std::size_t kHead = 4 + 8 + 8 + 4;
  if (bytes.size() < kHead || std::memcmp(bytes.data(), kMagic, 4) != 0) return broken();
  Parameters parameters;
  std::uint32_t path_bytes = 0;
  std::memcpy(&parameters.file_hash.first, bytes.data() + 4, 8);
  std::memcpy(&parameters.file_hash.second, bytes.data() + 12, 8);
  std::memcpy(&path_bytes, bytes.data() + 20, 4);
  if (path_bytes > kPathBytesMax || bytes.size() != kHead + path_bytes + dimension * sizeof(float)) return broken();
  parameters.path.assign(reinterpret_cast<const char*>(bytes.data()) + kHead, path_bytes);
  parameters.common.resize(dimension);
  std::memcpy(parameters.common.data(), bytes.data() + kHead + path_bytes, dimension * sizeof(float));
  for (const float value : parameters.common) {
    if (!std::isfinite(value)) return broken();
  }
  return parameters;
}

// The vectors' space: file, weights and common direction; not where the file lies.
policy::EmbedderIdentity IdentityOf(const Parameters& parameters) {
  policy::EmbedderIdentity identity;
  identity.kind = "static";
  identity.dimension = static_cast<std::uint32_t>(parameters.common.size());
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(parameters.common.data()),
                        parameters.common.size() * sizeof(float));
  const std::uint64_t words[4] = {parameters.file_hash.first, parameters.file_hash.second, Mix(bytes, 21),
                                  Mix(bytes, 22)};
  std::memcpy(identity.digest.data(), words, identity.digest.size());
  return identity;
}

// Adds the pieces of a word that the vocabulary lacks, longest first from the left.
void AddPieces(const VectorFile& file, std::string_view word, std::vector<double>* sum) {
  std::size_t at = 0;
  while (at < word.size()) {
    std::size_t length = word.size() - at;
    for (; length > 0; --length) {
      const std::string piece = (at == 0 ? "" : "##") + std::string(word.substr(at, length));
      const auto number = file.Find(piece);
      if (!number) continue;
      file.AddVector(*number, kSifConstant / (kSifConstant + Frequency(*number, file.words())), sum);
      break;
    }
    at += std::max<std::size_t>(length, 1);
  }
}

// Not yet unit; all zero where no word is known.
std::vector<double> WeightedSum(const VectorFile& file, std::string_view text) {
  std::vector<double> sum(file.dimension(), 0);
  for (const std::string& word : Words(text)) {
    if (const auto number = file.Find(word)) {
      file.AddVector(*number, kSifConstant / (kSifConstant + Frequency(*number, file.words())), &sum);
    } else if (file.has_pieces()) {
      AddPieces(file, word, &sum);
    }
  }
  return sum;
}

bool MakeUnit(std::vector<double>* vector) {
  double squares = 0;
  for (const double value : *vector) squares += value * value;
  if (!(squares > 1e-18)) return false;
  for (double& value : *vector) value /= std::sqrt(squares);
  return true;
}

// First right singular vector of the texts' unit vectors, by power iteration.
std::vector<float> CommonDirection(const VectorFile& file, std::span<const std::string> texts) {
  std::vector<std::vector<double>> rows;
  for (const std::string& text : texts.first(std::min(texts.size(), kTextsForCommon))) {
    if (!IsUtf8(text)) continue;
    auto row = WeightedSum(file, text);
    if (MakeUnit(&row)) rows.push_back(std::move(row));
  }
  std::vector<double> direction(file.dimension(), 1);
  for (int step = 0; step < kPowerSteps; ++step) {
    std::vector<double> next(file.dimension(), 0);
    for (const auto& row : rows) {
      double dot = 0;
      for (std::size_t j = 0; j < row.size(); ++j) dot += row[j] * direction[j];
      for (std::size_t j = 0; j < row.size(); ++j) next[j] += dot * row[j];
    }
    if (!MakeUnit(&next)) return std::vector<float>(file.dimension(), 0);
    direction = std::move(next);
  }
  return {direction.begin(), direction.end()};
}

class StaticEmbedder final : public Embedder {
 public:
  StaticEmbedder(policy::EmbedderIdentity identity, std::shared_ptr<const VectorFile> file, std::vector<float> common)
      : identity_(std::move(identity)), file_(std::move(file)), common_(std::move(common)) {}
  const policy::EmbedderIdentity& identity() const override { return identity_; }
  Result<std::vector<float>> Embed(std::string_view text) const override {
    if (text.empty()) return MakeError(Code::kInvalidArgument, "empty_text", "the text is empty; send the query");
    if (!IsUtf8(text)) {
      return MakeError(Code::kInvalidArgument, "text_not_utf8", "the text is not valid UTF-8; encode it as UTF-8");
    }
    std::vector<double> sum = WeightedSum(*file_, text);
    if (!MakeUnit(&sum)) return std::vector<float>{};
    double along = 0;
    for (std::size_t j = 0; j < sum.size(); ++j) along += sum[j] * static_cast<double>(common_[j]);
    for (std::size_t j = 0; j < sum.size(); ++j) sum[j] -= along * static_cast<double>(common_[j]);
    if (!MakeUnit(&sum)) return std::vector<float>{};
    return std::vector<float>(sum.begin(), sum.end());
  }

 private:
  const policy::EmbedderIdentity identity_;
  const std::shared_ptr<const VectorFile> file_;
  const std::vector<float> common_;
};

}  // namespace

Result<FittedEmbedder> MakeStatic(const std::string& path, std::span<const std::string> texts) {
  if (path.empty() || path.front() != '/' || path.size() > kPathBytesMax) {
    return MakeError(Code::kInvalidArgument, "vectors_unusable", "give the vector file's absolute path, not " + path);
  }
  auto file = VectorFile::Open(path);
  if (!file.ok()) return file.error();
  Parameters parameters{path, (*file)->hash(), CommonDirection(**file, texts)};
  FittedEmbedder fitted;
  fitted.identity = IdentityOf(parameters);
  fitted.model = Serialise(parameters);
  fitted.embedder =
      std::make_shared<StaticEmbedder>(fitted.identity, std::move(file).value(), std::move(parameters.common));
  return fitted;
}

Result<std::shared_ptr<const Embedder>> LoadStatic(const policy::EmbedderIdentity& identity,
                                                   std::span<const std::uint8_t> model) {
  auto parameters = Parse(model, identity.dimension);
  if (!parameters.ok()) return parameters.error();
  if (IdentityOf(parameters.value()) != identity) {
    return MakeError(Code::kDataLoss, "embedder_mismatch",
                     "the bundle's word vectors are not those that its identity names; restore the bundle file");
  }
  auto file = VectorFile::Open(parameters->path);
  if (!file.ok()) {
    return MakeError(Code::kFailedPrecondition, "vectors_missing",
                     "the live bundle needs its word vectors: " + file.error().message);
  }
  if ((*file)->hash() != parameters->file_hash || (*file)->dimension() != identity.dimension) {
    return MakeError(Code::kFailedPrecondition, "vectors_changed",
                     "the vector file " + parameters->path + " is not the one that the bundle was made with");
  }
  return std::shared_ptr<const Embedder>(
      std::make_shared<StaticEmbedder>(identity, std::move(file).value(), std::move(parameters->common)));
}

}  // namespace pointsman::embed
