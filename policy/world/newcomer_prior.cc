#include "policy/world/newcomer_prior.h"

#include <algorithm>
#include <cmath>
#include <string_view>

namespace pointsman::policy {

namespace {

// A model of the pool that the bundle knows.
struct Peer {
  const Model* model = nullptr;
  double quality = 0;  // mean prior
  double distance = 0;
};

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool Contains(std::string_view text, std::string_view part) {
  return std::search(text.begin(), text.end(), part.begin(), part.end(),
                     [](char a, char b) { return Lower(a) == Lower(b); }) != text.end();
}

double Blended(const Price& price) { return price.input_usd_per_million + price.output_usd_per_million; }

// In which tenth of the peers' prices `price` lies, 0 to 10.
double Decile(const std::vector<Peer>& peers, const Price& price) {
  const auto cheaper = std::count_if(peers.begin(), peers.end(),
                                     [&](const Peer& peer) { return Blended(peer.model->price) < Blended(price); });
  return std::floor(10.0 * static_cast<double>(cheaper) / static_cast<double>(peers.size()));
}

std::vector<Peer> PeersOf(const Bundle& live, const Pool& pool) {
  std::vector<Peer> peers;
  for (const Model& model : pool.models()) {
    const int column = live.Column(model.name);
    if (column < 0 || model.state == ModelState::kRetired) continue;
    peers.push_back({&model, live.mean_prior[static_cast<std::size_t>(column)], 0});
  }
  return peers;
}

Status Measure(std::vector<Peer>& peers, const Price& price, const NewcomerFacts& facts) {
  const auto kin = [&](const Peer& peer) { return Contains(peer.model->name, facts.family); };
  if (!facts.family.empty() && std::none_of(peers.begin(), peers.end(), kin)) {
    return MakeError(Code::kNotFound, "unknown_family",
                     "no model of the pool that the live bundle knows has '" + facts.family +
                         "' in its name; leave the family out, or give a part of a name that `pointsman models list` "
                         "shows");
  }
  const auto by_quality = [](const Peer& a, const Peer& b) { return a.quality < b.quality; };
  const auto [low, high] = std::minmax_element(peers.begin(), peers.end(), by_quality);
  const double spread = high->quality - low->quality;
  const double decile = Decile(peers, price);
  for (Peer& peer : peers) {
    peer.distance = std::abs(Decile(peers, peer.model->price) - decile) / 10;
    if (!facts.family.empty() && !kin(peer)) peer.distance += 1;
    if (facts.strength && spread > 0) peer.distance += std::abs(*facts.strength - peer.quality) / spread;
  }
  return {};
}

}  // namespace

Result<NewcomerPrior> PriorOfNewcomer(const Bundle* live, double level_width, const Pool& pool, const std::string& name,
                                      const Price& price, const NewcomerFacts& facts) {
  if (facts.strength && !(*facts.strength >= 0 && *facts.strength <= 1)) {
    return MakeError(Code::kOutOfRange, "strength", "the strength is an expected quality and lies from 0 to 1");
  }
  NewcomerPrior prior;
  if (live == nullptr) return prior;
  const bool known = live->Column(name) >= 0;
  const bool again =
      std::any_of(pool.models().begin(), pool.models().end(), [&](const Model& model) { return model.name == name; });
  if (known && !again) return prior;
  prior.on_trial = true;
  prior.level_width = known ? 2 * level_width : kUnknownLevelWidth;
  if (known || !facts.Known()) return prior;
  std::vector<Peer> peers = PeersOf(*live, pool);
  if (peers.empty()) return prior;
  if (auto s = Measure(peers, price, facts); !s.ok()) return s.error();
  std::stable_sort(peers.begin(), peers.end(), [](const Peer& a, const Peer& b) { return a.distance < b.distance; });
  if (peers.size() > kLikeMax) peers.resize(kLikeMax);
  double sum = 0;
  double squares = 0;
  for (const Peer& peer : peers) {
    prior.like.push_back(peer.model->name);
    sum += peer.quality;
    squares += peer.quality * peer.quality;
  }
  const double count = static_cast<double>(peers.size());
  const double between = std::max(0.0, squares / count - (sum / count) * (sum / count));
  prior.level_width = std::sqrt(between + kLikeLevelVariance);
  return prior;
}

}  // namespace pointsman::policy
