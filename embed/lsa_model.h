// The parameters of LSA and the projection with them; shared by fit and load.
//
// Bytes (little-endian): "LSA1", u32 buckets, u32 dimension, u32 rows; then per
// bucket one float gain (idf times the row's int8 scale; 0: never seen, no row);
// then the rows of the seen buckets in ascending order, int8, `dimension` each.
//
// The projection is integer arithmetic but for one final normalisation, so that a
// text has the same vector on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "embed/text.h"
#include "policy/world/bundle.h"

namespace pointsman::embed {

// Threads: const methods, any.
class LsaModel {
 public:
  // `projection` is kBuckets x dimension, row-major; a row counts where idf > 0.
  static LsaModel Quantise(std::span<const float> projection, std::span<const float> idf, std::size_t dimension);
  // Errors: DATA_LOSS naming what does not fit.
  static Result<LsaModel> Parse(std::span<const std::uint8_t> bytes);

  std::size_t dimension() const { return dimension_; }
  std::vector<std::uint8_t> Serialise() const;
  // Unit vector, or empty when no feature has a row or all cancel.
  std::vector<float> Project(std::span<const Feature> features) const;

 private:
  LsaModel(std::size_t dimension, std::vector<float> gain);
  const std::int8_t* Row(std::uint32_t bucket) const { return table_.data() + row_of_[bucket] * stride_; }

  std::size_t dimension_;
  std::size_t stride_;               // dimension rounded up to 16
  std::vector<float> gain_;          // kBuckets
  std::vector<std::size_t> row_of_;  // kBuckets; of the seen ones
  std::size_t rows_ = 0;
  std::vector<std::int8_t> table_;  // rows_ x stride_
};

// The identity of the LSA embedder with these parameter bytes.
policy::EmbedderIdentity LsaIdentity(std::size_t dimension, std::span<const std::uint8_t> bytes);

}  // namespace pointsman::embed
