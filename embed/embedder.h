// Text to vector.
//
// Threads: Embed is const and may run on any number of threads at once.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/world/bundle.h"

namespace pointsman::embed {

class Embedder {
 public:
  virtual ~Embedder() = default;
  virtual const policy::EmbedderIdentity& identity() const = 0;
  // A unit vector of identity().dimension floats. A text without a single known
  // n-gram gives an empty vector: the query lies in the background.
  // Errors: INVALID_ARGUMENT for empty text or invalid UTF-8; FAILED_PRECONDITION
  // for kind "caller", where the caller must send the vector.
  virtual Result<std::vector<float>> Embed(std::string_view text) const = 0;
  // True where Embed may wait for an endpoint: then not on a thread that serves others.
  virtual bool waits() const { return false; }
  // Embed without waiting: what is not known at once has an empty vector.
  virtual Result<std::vector<float>> EmbedNow(std::string_view text) const { return Embed(text); }
  // The same for many, as fast as it goes; a text that cannot be embedded (invalid, no
  // known words) gives an empty vector. Never a fallback: an endpoint that does not
  // answer is an error here. Errors: FAILED_PRECONDITION, UNAVAILABLE, DEADLINE_EXCEEDED.
  virtual Result<std::vector<std::vector<float>>> EmbedMany(std::span<const std::string> texts) const;
};

// An embedder with what a bundle keeps of it.
struct FittedEmbedder {
  policy::EmbedderIdentity identity;
  std::vector<std::uint8_t> model;  // Bundle::embedder_model
  std::shared_ptr<const Embedder> embedder;
};

// The embedder that a bundle names: lsa, static (word vectors in a file), http (an
// endpoint); "caller" and "none" refuse text with a clear message.
// Errors: FAILED_PRECONDITION unknown kind, or vectors that are not there; DATA_LOSS
// malformed or mismatching parameters.
Result<std::shared_ptr<const Embedder>> EmbedderFor(const policy::Bundle& bundle);

}  // namespace pointsman::embed
