// Where a decision's row lies in the live bundle.
//
// A decision made under the live bundle keeps its own clusters and prior. One made
// under another bundle is carried over by its anchors: each anchor of the origin
// has an image in the live embedding space (the anchor itself when the embedders
// are the same, else the live bundle's bridge), whose clusters, task types and
// priors under the live bundle are worked out once. The row gets their mix by
// anchor weight. Without an image it lies in the background with the model's mean
// prior. Only exact arithmetic: used in the fold, for the same row always alike.
//
// Threads: not synchronised; the learner thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "policy/belief/membership.h"
#include "policy/belief/prior.h"
#include "policy/belief/task_recogniser.h"
#include "policy/learning/event.h"
#include "policy/learning/learner.h"
#include "policy/world/bundle.h"
#include "policy/world/pool.h"

namespace pointsman::policy {

struct LiveRow {
  ClusterWeights clusters;   // of the live bundle
  double prior = 0;          // f
  double prior_centred = 0;  // x
};

class RowTranslator {
 public:
  // Bundles of earlier generations that are kept at hand, each of megabytes. The log has a
  // generation after the other; one that returns is read from the catalogue again.
  static constexpr std::size_t kOriginsMax = 4;

  // `live_hash` is the log's name of `live`: zero for the cold bundle.
  RowTranslator(const BundleCatalogue& bundles, BundleHash live_hash, std::shared_ptr<const Bundle> live);

  // Errors: NOT_FOUND or DATA_LOSS from the catalogue; INVALID_ARGUMENT for an
  // anchor that the origin bundle does not have.
  Result<LiveRow> Translate(const DecisionContext& context, const Pool& pool);

  std::size_t origins() const { return origins_.size(); }

 private:
  struct AnchorImage {
    Membership membership;
    TaskProbabilities tasks;
    HeadFeatures head;
  };
  struct Origin {
    std::uint64_t used = 0;  // when, in translations
    std::shared_ptr<const Bundle> bundle;
    std::span<const float> images;  // anchors x dimension of the live bundle; empty: none
    std::vector<std::optional<AnchorImage>> tabulated;
  };
  Result<Origin*> FindOrigin(const BundleHash& hash);
  const AnchorImage& Image(Origin& origin, std::uint32_t anchor);

  const BundleCatalogue& bundles_;
  BundleHash live_hash_;
  std::shared_ptr<const Bundle> live_;
  std::map<BundleHash, Origin> origins_;  // those used last, kOriginsMax at most
  std::uint64_t uses_ = 0;
};

}  // namespace pointsman::policy
