#include "embed/embedder.h"

#include <string>
#include <utility>

#include "embed/lsa.h"

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

Result<std::shared_ptr<const Embedder>> EmbedderFor(const policy::Bundle& bundle) {
  const policy::EmbedderIdentity& identity = bundle.embedder;
  if (identity.kind == "lsa") return LoadLsa(identity, bundle.embedder_model);
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
                       "\", which this build does not have; it knows lsa, caller and none");
}

}  // namespace pointsman::embed
