// Static word or subword vectors from a file: the mean of a text's words.
//
// Files: word2vec binary and safetensors (F32 or F16, two dimensions, its words line by
// line in vocab.txt beside it), both memory-mapped; text ("word x1 x2 ...", with or
// without word2vec's first line), read into memory. Words come in falling frequency, as
// all such files have them. A vocabulary with pieces ("##ing") is used by WordPiece's
// greedy longest match where a word is missing.
//
// Weights: SIF (Arora, Liang, Ma 2017), a / (a + p(w)) with p by Zipf's law from the
// word's rank; the common direction of the bootstrap queries is taken out.
//
// The bundle keeps the path, the file's hash and the common direction, not the vectors:
// the daemon must be able to read the same file.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "embed/embedder.h"

namespace pointsman::embed {

inline constexpr double kSifConstant = 1e-3;

// `texts`: the bootstrap queries, for the common direction.
// Errors: NOT_FOUND vectors_missing; INVALID_ARGUMENT vectors_unusable, naming the file
// and what is wrong; RESOURCE_EXHAUSTED above 10 million words.
Result<FittedEmbedder> MakeStatic(const std::string& path, std::span<const std::string> texts);

// Errors: FAILED_PRECONDITION vectors_missing or vectors_changed, naming the file;
// DATA_LOSS for parameters that are not of MakeStatic.
Result<std::shared_ptr<const Embedder>> LoadStatic(const policy::EmbedderIdentity& identity,
                                                   std::span<const std::uint8_t> model);

}  // namespace pointsman::embed
