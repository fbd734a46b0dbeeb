#include "embed/embedder.h"

#include <string>
#include <utility>

#include "embed/http_embedder.h"
#include "embed/lsa.h"
#include "embed/static_vectors.h"

namespace pointsman::embed {
namespace {

// Stands where this process cannot turn text into vectors.
class NoTextEmbedder final : public Embedder {
 public:
  NoTextEmbedder(policy::EmbedderIdentity identity, Error refusal)
      : identity_(std::move(identity)), refusal_(std::move(refusal)) {}
  const policy::EmbedderIdentity& identity() const override { return identity_; }
  Result<std::vector<float>> Embed(std::string_view) const override { return refusal_; }

 private:
  const policy::EmbedderIdentity identity_;
  const Error refusal_;
};

}  // namespace

Result<std::vector<std::vector<float>>> Embedder::EmbedMany(std::span<const std::string> texts) const {
  std::vector<std::vector<float>> vectors;
  vectors.reserve(texts.size());
  for (const std::string& text : texts) {
    auto vector = Embed(text);
    if (!vector.ok() && vector.error().code != Code::kInvalidArgument) return vector.error();
    vectors.push_back(vector.ok() ? std::move(vector).value() : std::vector<float>{});
  }
  return vectors;
}

Result<std::shared_ptr<const Embedder>> EmbedderFor(const policy::Bundle& bundle) {
  const policy::EmbedderIdentity& identity = bundle.embedder;
  if (identity.kind == "lsa") return LoadLsa(identity, bundle.embedder_model);
  if (identity.kind == "static") return LoadStatic(identity, bundle.embedder_model);
  if (identity.kind == "http") return LoadHttpEmbedder(identity, bundle.embedder_model);
  if (identity.kind == "caller") {
    return std::shared_ptr<const Embedder>(std::make_shared<NoTextEmbedder>(
        identity, MakeError(Code::kFailedPrecondition, "embedding_required",
                            "this generation takes the caller's embeddings: send a vector of " +
                                std::to_string(identity.dimension) + " numbers instead of text")));
  }
  if (identity.kind == "none") {
    return std::shared_ptr<const Embedder>(std::make_shared<NoTextEmbedder>(
        identity, MakeError(Code::kFailedPrecondition, "no_embedder",
                            "this generation has no embedder, so text tells it nothing: run a bootstrap first, or "
                            "route without text")));
  }
  return MakeError(Code::kFailedPrecondition, "unknown_embedder",
                   "the bundle needs an embedder of kind \"" + identity.kind.substr(0, 64) +
                       "\", which this build does not have; it knows lsa, static, http, caller and none");
}

}  // namespace pointsman::embed
