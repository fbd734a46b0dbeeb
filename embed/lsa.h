// LSA: the default embedder. Hashed word and character n-grams, TF-IDF, truncated
// SVD fitted on the bootstrap queries; no download, no network.
//
// Shape: 32,768 hash buckets x 256 dimensions, the projection kept as int8 with a
// scale per row; at most 512 n-grams of a text count, so the cost is bounded
// (at most 100 microseconds for 100 words). Deterministic: same texts and seed,
// same bytes.
//
// Text: Unicode lower-cased for ASCII only, split at non-alphanumerics; features
// are words, word bigrams and character 3- to 5-grams within word boundaries.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "embed/embedder.h"

namespace pointsman::embed {

struct LsaOptions {
  std::size_t dimension = 256;  // lowered to the number of texts where that is smaller
  std::uint64_t seed = 0;
};

using LsaFit = FittedEmbedder;

// Fits on `texts` (at least 2, not empty). Randomised truncated SVD.
// Errors: INVALID_ARGUMENT for too few texts, naming how many there are.
Result<LsaFit> FitLsa(std::span<const std::string> texts, const LsaOptions& options);

// Reads parameters written by FitLsa. Errors: DATA_LOSS.
Result<std::shared_ptr<const Embedder>> LoadLsa(const policy::EmbedderIdentity& identity,
                                                std::span<const std::uint8_t> model);

}  // namespace pointsman::embed
