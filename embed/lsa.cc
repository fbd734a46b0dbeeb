#include "embed/lsa.h"

#include <cmath>
#include <string>
#include <utility>

#include "base/exact_math.h"
#include "embed/lsa_model.h"
#include "embed/sparse_svd.h"
#include "embed/text.h"

namespace pointsman::embed {
namespace {

class LsaEmbedder final : public Embedder {
 public:
  LsaEmbedder(policy::EmbedderIdentity identity, LsaModel model)
      : identity_(std::move(identity)), model_(std::move(model)) {}
  const policy::EmbedderIdentity& identity() const override { return identity_; }
  Result<std::vector<float>> Embed(std::string_view text) const override {
    if (text.empty()) return MakeError(Code::kInvalidArgument, "empty_text", "the text is empty; send the query");
    if (!IsUtf8(text)) {
      return MakeError(Code::kInvalidArgument, "text_not_utf8", "the text is not valid UTF-8; encode it as UTF-8");
    }
    return model_.Project(HashedFeatures(text));
  }

 private:
  const policy::EmbedderIdentity identity_;
  const LsaModel model_;
};

// TF-IDF rows of unit length: (1 + ln tf) * (ln((1 + n) / (1 + df)) + 1).
SparseRows WeightedRows(const std::vector<std::vector<Feature>>& documents, std::vector<float>& idf) {
  std::vector<std::uint32_t> document_count(kBuckets, 0);
  for (const auto& document : documents) {
    for (const Feature& feature : document) ++document_count[feature.bucket];
  }
  idf.assign(kBuckets, 0);
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    if (document_count[bucket] == 0) continue;
    idf[bucket] = static_cast<float>(
        1 + exact::Log((1.0 + static_cast<double>(documents.size())) / (1.0 + document_count[bucket])));
  }
  SparseRows rows;
  rows.columns = kBuckets;
  for (const auto& document : documents) {
    const std::size_t begin = rows.values.size();
    double squares = 0;
    for (const Feature& feature : document) {
      const double value = (1 + exact::Log(static_cast<double>(feature.count))) * idf[feature.bucket];
      squares += value * value;
      rows.column.push_back(feature.bucket);
      rows.values.push_back(static_cast<float>(value));
    }
    const auto inverse = static_cast<float>(squares > 0 ? 1 / std::sqrt(squares) : 0);
    for (std::size_t i = begin; i < rows.values.size(); ++i) rows.values[i] *= inverse;
    rows.begin.push_back(rows.values.size());
  }
  return rows;
}

}  // namespace

Result<LsaFit> FitLsa(std::span<const std::string> texts, const LsaOptions& options) {
  if (texts.size() < 2) {
    return MakeError(Code::kInvalidArgument, "too_few_texts",
                     "fitting the embedder needs at least 2 texts; there are " + std::to_string(texts.size()));
  }
  if (options.dimension == 0 || options.dimension > policy::kDimensionMax) {
    return MakeError(Code::kInvalidArgument, "bad_dimension",
                     "the embedder's dimension must be 1 to " + std::to_string(policy::kDimensionMax) + ", not " +
                         std::to_string(options.dimension));
  }
  std::vector<std::vector<Feature>> documents;
  documents.reserve(texts.size());
  std::size_t with_words = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (!IsUtf8(texts[i])) {
      return MakeError(Code::kInvalidArgument, "text_not_utf8",
                       "text number " + std::to_string(i + 1) + " is not valid UTF-8; encode it as UTF-8");
    }
    documents.push_back(HashedFeatures(texts[i]));
    if (!documents.back().empty()) ++with_words;
  }
  if (with_words < 2) {
    return MakeError(Code::kInvalidArgument, "too_few_texts",
                     "fitting the embedder needs at least 2 texts with words; there are " + std::to_string(with_words));
  }
  std::vector<float> idf;
  const SparseRows rows = WeightedRows(documents, idf);
  const std::size_t dimension = std::min(options.dimension, texts.size());
  const std::vector<float> projection = RightSingularVectors(rows, dimension, options.seed);
  LsaModel model = LsaModel::Quantise(projection, idf, dimension);
  LsaFit fit;
  fit.model = model.Serialise();
  fit.identity = LsaIdentity(dimension, fit.model);
  fit.embedder = std::make_shared<LsaEmbedder>(fit.identity, std::move(model));
  return fit;
}

Result<std::shared_ptr<const Embedder>> LoadLsa(const policy::EmbedderIdentity& identity,
                                                std::span<const std::uint8_t> model) {
  auto parsed = LsaModel::Parse(model);
  if (!parsed.ok()) return parsed.error();
  if (identity != LsaIdentity(parsed->dimension(), model)) {
    return MakeError(Code::kDataLoss, "embedder_mismatch",
                     "the bundle's LSA parameters are not those that its identity names; restore the bundle file");
  }
  return std::shared_ptr<const Embedder>(std::make_shared<LsaEmbedder>(identity, std::move(*parsed)));
}

}  // namespace pointsman::embed
