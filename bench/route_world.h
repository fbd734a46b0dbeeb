// The world that route_bench measures in: a bundle of a stated shape and a real
// pointsmand on it, warmed with feedback.
//
// Queries lie near centroids, anchors too, as in a fitted bundle; task rows point
// anywhere. For one thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"

namespace pointsman::bench {

struct WorldShape {
  std::size_t dimension = 256;
  std::size_t clusters = 64;
  std::size_t models = 8;
  std::size_t tasks = 55;     // of the starter set's taxonomy
  std::size_t anchors = 341;  // of a fit on 2,000 rows
};

class RouteWorld {
 public:
  // Writes the bundle, starts the pointsmand beside this program and waits until
  // it serves. Errors: UNAVAILABLE with the daemon's own words.
  static Result<std::unique_ptr<RouteWorld>> Start(const WorldShape& shape);
  ~RouteWorld();  // ends the daemon, removes its directory

  const std::string& socket_path() const;
  // Unit vectors near centroids; the same for the same seed.
  std::vector<std::vector<float>> Queries(std::size_t count, std::uint64_t seed) const;
  // Routes `decisions` queries and rates each, so that cells hold evidence as in a
  // daemon that has worked. Errors: those of the client.
  Status Warm(std::size_t decisions);

 private:
  struct Impl;
  explicit RouteWorld(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pointsman::bench
