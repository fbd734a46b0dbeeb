#include "bootstrap/job/cluster_terms.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <string_view>

#include "base/contract.h"
#include "embed/text.h"

namespace pointsman::bootstrap {
namespace {

constexpr std::uint32_t kQueriesMin = 5;
constexpr std::size_t kWordsPerName = 3;
constexpr std::array<std::string_view, 76> kCommon = {
    "about", "all",   "and",   "any",   "are",   "because", "been",  "both",  "but",   "can",      "could",
    "did",   "does",  "each",  "for",   "from",  "given",   "had",   "has",   "have",  "her",      "him",
    "his",   "how",   "into",  "its",   "just",  "many",    "may",   "more",  "most",  "much",     "must",
    "none",  "not",   "one",   "only",  "other", "our",     "over",  "same",  "she",   "should",   "some",
    "such",  "than",  "that",  "the",   "their", "them",    "then",  "there", "these", "they",     "this",
    "those", "two",   "under", "use",   "used",  "using",   "was",   "were",  "what",  "when",     "where",
    "which", "while", "who",   "whose", "will",  "with",    "would", "you",   "your",  "following"};

bool IsPlainWord(const std::string& word) {
  if (word.size() < 3 || word.size() > 24) return false;
  const bool letters = std::all_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  return letters && std::find(kCommon.begin(), kCommon.end(), word) == kCommon.end();
}

}  // namespace

std::vector<std::string> NameClusters(std::span<const std::string> queries, std::span<const std::uint32_t> cluster,
                                      std::size_t clusters) {
  REQUIRE(queries.size() == cluster.size(), "one cluster per query");
  std::map<std::string, std::uint32_t> everywhere;
  std::vector<std::map<std::string, std::uint32_t>> inside(clusters);
  std::vector<std::uint32_t> sizes(clusters, 0);
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const auto words = embed::Words(queries[i]);
    for (const std::string& word : std::set<std::string>(words.begin(), words.end())) {
      if (!IsPlainWord(word)) continue;
      ++everywhere[word];
      ++inside[cluster[i]][word];
    }
    ++sizes[cluster[i]];
  }
  std::vector<std::string> names(clusters);
  for (std::size_t k = 0; k < clusters; ++k) {
    std::vector<std::pair<double, std::string>> ranked;
    for (const auto& [word, count] : inside[k]) {
      if (count < kQueriesMin) continue;
      const double rarity = std::log(static_cast<double>(queries.size()) / static_cast<double>(everywhere[word]));
      ranked.emplace_back(-static_cast<double>(count) / static_cast<double>(sizes[k]) * rarity, word);
    }
    std::sort(ranked.begin(), ranked.end());
    for (std::size_t rank = 0; rank < std::min(ranked.size(), kWordsPerName); ++rank) {
      names[k] += (rank == 0 ? "" : ", ") + ranked[rank].second;
    }
    if (names[k].empty()) names[k] = "cluster " + std::to_string(k + 1);
  }
  return names;
}

}  // namespace pointsman::bootstrap
