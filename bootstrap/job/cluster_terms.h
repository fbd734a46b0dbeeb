// Names of clusters for people: a few single words that many queries share.
//
// Pure and deterministic; one thread. Errors: none; a wrong shape aborts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace pointsman::bootstrap {

// At most three words per cluster, by TF-IDF of queries: words of ASCII letters
// alone (no digits: they may be someone's number) that occur in at least 5
// different queries of the cluster, so that a name never holds prompt text.
// "cluster N" (from 1) where there is no such word.
std::vector<std::string> NameClusters(std::span<const std::string> queries, std::span<const std::uint32_t> cluster,
                                      std::size_t clusters);

}  // namespace pointsman::bootstrap
