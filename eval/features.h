// What the baselines of one seed see of a query: its vector, its principal
// components, its cluster, its nearest neighbours.
//
// The embedder is the one of the learner's bundle where there is one, else LSA
// fitted on the bootstrap queries, so that arms differ in method and not in
// features. Components and clusters are fitted on the bootstrap rows. All three are
// computed when first asked for.
//
// Threads: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "embed/embedder.h"
#include "eval/table_world.h"

namespace pointsman::eval {

inline constexpr std::size_t kComponents = 25;
inline constexpr std::size_t kContext = kComponents + 1;  // and a constant 1

class Features {
 public:
  // `embedder` null: LSA is fitted. The world must outlive this.
  // Errors: those of the embedder.
  static Result<Features> Create(const TableWorld& world, const Split& split,
                                 std::shared_ptr<const embed::Embedder> embedder, std::uint64_t seed);

  // Unit vector of a table row, of the bootstrap set or the stream; empty for a
  // text without known words.
  std::span<const float> Embedding(std::size_t row) const;
  // kContext numbers: the projection on the principal components of the bootstrap
  // set, each scaled to unit variance there, and 1.
  std::span<const double> Context(std::size_t row);
  // Number of the nearest of up to 32 spherical k-means centroids.
  std::size_t Cluster(std::size_t row);
  std::size_t clusters();
  struct Neighbour {
    std::uint32_t row = 0;
    float similarity = 0;  // cosine
  };
  // The `count` most similar rows of bootstrap set and stream with another query
  // text, best first. `count` must be the same in every call.
  std::span<const Neighbour> Neighbours(std::size_t row, std::size_t count);

 private:
  Features(const TableWorld& world, std::uint64_t seed) : world_(&world), seed_(seed) {}
  Status EmbedAll(const Split& split, std::shared_ptr<const embed::Embedder> embedder);
  void FitComponents();
  void FitClusters();
  void FindNeighbours(std::size_t count);

  const TableWorld* world_;
  std::uint64_t seed_;
  std::size_t dimension_ = 0;
  std::vector<std::size_t> rows_;      // bootstrap, then stream
  std::size_t bootstrap_ = 0;          // rows of the bootstrap set
  std::vector<std::uint32_t> place_;   // by table row: index into rows_
  std::vector<float> vectors_;         // rows_ x dimension_; a row of zeros: no words
  std::vector<bool> known_;            // rows_
  std::vector<double> contexts_;       // rows_ x kContext, or empty
  std::vector<std::uint32_t> cluster_;  // rows_, or empty
  std::size_t clusters_ = 0;
  std::vector<std::vector<Neighbour>> neighbours_;  // rows_, or empty
};

}  // namespace pointsman::eval
