#include "eval/simulated_world.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/exact_math.h"
#include "base/unit_draw.h"
#include "bootstrap/data/starter_set.h"
#include "eval/simulated_models.h"

namespace pointsman::eval {
namespace {

constexpr std::size_t kRowsMax = 200'000;
constexpr std::size_t kOptions = 8;
constexpr double kLevelSpread = 0.45;
constexpr double kSubcategorySpread = 0.30;
constexpr double kQuerySpread = 0.60;
constexpr double kRowSpread = 0.40;
constexpr double kFamilySpread = 0.50;
constexpr double kFamilyAnswer = 0.25;
constexpr double kTopicShare = 0.75;
constexpr double kClosingShare = 0.4;
constexpr double kTrapBase = 0.10;
constexpr double kTrapPerLevel = 0.06;
constexpr double kTrapCrowd = 0.85;
constexpr std::size_t kLosingModel = 0;  // atlas-large
constexpr double kLossLogits = 1.4;
constexpr double kTersest = 120;
constexpr double kLongest = 900;
constexpr double kTokenSpread = 0.35;

double Logistic(double x) { return 1.0 / (1.0 + exact::Exp(-x)); }

std::string_view Pick(std::span<const std::string_view> from, SplitMix64& random) {
  return from[static_cast<std::size_t>(random.Below(from.size()))];
}

void Replace(std::string& text, std::string_view mark, std::string_view by) {
  const std::size_t at = text.find(mark);
  if (at != std::string::npos) text.replace(at, mark.size(), by);
}

// `pattern` with the node's domain and topic. The topic is the node's name without
// its level, which stays hidden.
std::string Topical(const bootstrap::StarterNode& node, std::string_view pattern) {
  const auto* domain = std::find(kSimulatedDomainNames.begin(), kSimulatedDomainNames.end(), node.domain);
  const std::string_view word =
      domain == kSimulatedDomainNames.end()
          ? std::string_view(node.domain)
          : kSimulatedDomainWords[static_cast<std::size_t>(domain - kSimulatedDomainNames.begin())];
  const std::size_t space = node.name.find(' ');
  const std::string topic = space == std::string::npos ? node.subcategory : node.name.substr(space + 1);
  std::string text(pattern);
  Replace(text, "%d", word);
  Replace(text, "%t", topic);
  return text;
}

char Letter(std::size_t option) { return static_cast<char>('A' + option); }

// One of the options except those in `taken` (at most kOptions - 1 distinct ones).
char OtherLetter(std::string_view taken, SplitMix64& random) {
  for (;;) {
    const char letter = Letter(static_cast<std::size_t>(random.Below(kOptions)));
    if (taken.find(letter) == std::string_view::npos) return letter;
  }
}

// Latent skills of one seed, and the rows drawn from them.
class World {
 public:
  World(const bootstrap::StarterSet& starter, const SimulationOptions& options)
      : starter_(starter), options_(options), random_(options.seed) {
    DrawSkills();
    for (std::size_t q = 0; q < starter_.queries.size(); ++q) {
      difficulty_.push_back(kQuerySpread * random_.Normal());
      order_.push_back(static_cast<std::uint32_t>(q));
    }
  }

  // Rows must be asked for in order, from 0.
  void AddRow(std::size_t index, SimulatedWorld* world) {
    if (index % order_.size() == 0) Shuffle(order_, random_);
    SplitMix64 random(random_());  // so that a row never depends on how much an earlier one drew
    HiddenRow hidden = DrawHidden(order_[index % order_.size()], random);
    hidden.lost = options_.loss_from > 0 && index >= options_.loss_from;
    bootstrap::TableRow row;
    row.id = "sim" + std::to_string(index);
    row.query = DrawText(hidden, index, random);
    const bootstrap::StarterNode& node = NodeOf(hidden.query);
    row.task = node.domain + "." + node.subcategory;
    DrawAnswers(hidden, row, random);
    world->table.rows.push_back(std::move(row));
    world->hidden.push_back(std::move(hidden));
  }

 private:
  const bootstrap::StarterNode& NodeOf(std::uint32_t query) const {
    return starter_.nodes[starter_.queries[query].node];
  }

  void DrawSkills() {
    const auto skills = SimulatedSkills();
    std::map<std::string, std::array<double, kSimulatedModels>> deviations;  // by domain and level, or subcategory
    const auto deviation = [&](const std::string& key, double spread) {
      const auto [at, fresh] = deviations.try_emplace(key);
      if (fresh) {
        for (double& value : at->second) value = spread * random_.Normal();
      }
      return at->second;
    };
    for (const bootstrap::StarterNode& node : starter_.nodes) {
      const auto by_level = deviation(node.domain + "/" + std::to_string(node.level), kLevelSpread);
      const auto by_subcategory = deviation(node.domain + "." + node.subcategory, kSubcategorySpread);
      const auto* domain = std::find(kSimulatedDomainNames.begin(), kSimulatedDomainNames.end(), node.domain);
      std::array<double, kSimulatedModels> logits{};
      for (std::size_t m = 0; m < kSimulatedModels; ++m) {
        const double affinity =
            domain == kSimulatedDomainNames.end()
                ? 0.0
                : skills[m].affinity[static_cast<std::size_t>(domain - kSimulatedDomainNames.begin())];
        logits[m] = skills[m].ability + affinity + skills[m].level_slope * node.level + by_level[m] + by_subcategory[m];
      }
      node_logits_.push_back(logits);
    }
  }

  HiddenRow DrawHidden(std::uint32_t query, SplitMix64& random) {
    HiddenRow hidden;
    hidden.query = query;
    hidden.other = query;
    if (random.Unit() < options_.mixed_share) {
      const auto other = static_cast<std::uint32_t>(random.Below(starter_.queries.size()));
      if (starter_.queries[other].node != starter_.queries[query].node) {
        hidden.other = other;
        hidden.share = 0.5 + 0.3 * random.Unit();
      }
    }
    hidden.plain = random.Unit() < options_.plain_share;
    hidden.level = hidden.share * NodeOf(query).level + (1 - hidden.share) * NodeOf(hidden.other).level;
    hidden.trap = random.Unit() < kTrapBase + kTrapPerLevel * hidden.level;
    return hidden;
  }

  // A text that no earlier row has.
  std::string DrawText(const HiddenRow& hidden, std::size_t index, SplitMix64& random) {
    constexpr int kTries = 20;
    std::string text;
    for (int i = 0; i < kTries; ++i) {
      text.clear();
      if (hidden.plain) text.append(Pick(PlainSentences(), random)).append(" ");
      if (random.Unit() < kTopicShare) {
        text.append(Topical(NodeOf(hidden.query), Pick(TopicSentences(), random))).append(" ");
      } else if (!hidden.plain) {
        text.append(Pick(OpeningSentences(), random)).append(" ");
      }
      text += starter_.queries[hidden.query].query;
      if (hidden.other != hidden.query) {
        text.append(" ").append(Pick(JoiningPhrases(), random)).append(" ");
        text += starter_.queries[hidden.other].query;
      }
      if (random.Unit() < kClosingShare) text.append(" ").append(Pick(ClosingSentences(), random));
      if (texts_.insert(text).second) return text;
    }
    text += " (" + std::to_string(index) + ")";  // all contexts of this query are used up
    texts_.insert(text);
    return text;
  }

  double Quality(const HiddenRow& hidden, std::size_t model, double common, double family) const {
    const SimulatedSkill& skill = SimulatedSkills()[model];
    const double first = node_logits_[starter_.queries[hidden.query].node][model];
    const double second = node_logits_[starter_.queries[hidden.other].node][model];
    double logit = hidden.share * first + (1 - hidden.share) * second - common + family;
    if (hidden.plain) logit += skill.plain;
    if (hidden.trap) logit -= skill.trap;
    if (hidden.lost && model == kLosingModel) logit -= kLossLogits;
    return Logistic(logit);
  }

  void DrawAnswers(HiddenRow& hidden, bootstrap::TableRow& row, SplitMix64& random) {
    const char gold = Letter(static_cast<std::size_t>(random.Below(kOptions)));
    row.gold = std::string(1, gold);
    hidden.popular = OtherLetter(row.gold, random);
    const double common = hidden.share * difficulty_[hidden.query] + (1 - hidden.share) * difficulty_[hidden.other] +
                          kRowSpread * random.Normal();
    std::array<double, kSimulatedFamilies> family_logit{};
    std::array<char, kSimulatedFamilies> family_letter{};
    for (std::size_t f = 0; f < kSimulatedFamilies; ++f) {
      family_logit[f] = kFamilySpread * random.Normal();
      family_letter[f] = OtherLetter(row.gold, random);
    }
    row.models.resize(kSimulatedModels);
    row.ratings.assign(1, std::vector<double>(kSimulatedModels));
    for (std::size_t m = 0; m < kSimulatedModels; ++m) {
      const SimulatedSkill& skill = SimulatedSkills()[m];
      const double quality = Quality(hidden, m, common, family_logit[skill.family]);
      const bool right = random.Unit() < quality;
      char answer = gold;
      if (!right) {
        // A model that goes its own way does so in a trap as well.
        const double crowd = hidden.trap && skill.crowd > 0.5 ? kTrapCrowd : skill.crowd;
        const double draw = random.Unit();
        if (draw < crowd) {
          answer = hidden.popular;
        } else if (draw < crowd + (1 - crowd) * kFamilyAnswer) {
          answer = family_letter[skill.family];
        } else {
          answer = OtherLetter(row.gold, random);
        }
      }
      FillCell(skill, answer, right, hidden, row.query.size(), random, &row.models[m]);
      hidden.quality.push_back(quality);
      row.ratings[0][m] =
          random.Unit() < ThumbsUpProbability(right ? 1.0 : 0.0, hidden.length.back(), hidden.level) ? 1.0 : 0.0;
    }
  }

  static void FillCell(const SimulatedSkill& skill, char answer, bool right, HiddenRow& hidden, std::size_t text_bytes,
                       SplitMix64& random, bootstrap::TableCell* cell) {
    const double tokens = skill.tokens_out * (1 + 0.25 * hidden.level) * exact::Exp(kTokenSpread * random.Normal());
    cell->present = true;
    cell->score = right ? 1.0 : 0.0;
    cell->answer = std::string(1, answer);
    cell->tokens_in = std::ceil(static_cast<double>(text_bytes) / 4.0);
    cell->tokens_out = std::max(1.0, std::floor(tokens));
    cell->cost_usd = (cell->tokens_in * skill.price_in + cell->tokens_out * skill.price_out) * 1e-6;
    const double length =
        (exact::Log(cell->tokens_out) - exact::Log(kTersest)) / (exact::Log(kLongest) - exact::Log(kTersest));
    hidden.length.push_back(std::clamp(length, 0.0, 1.0));
  }

  const bootstrap::StarterSet& starter_;
  const SimulationOptions& options_;
  SplitMix64 random_;
  std::vector<std::array<double, kSimulatedModels>> node_logits_;  // by node
  std::vector<double> difficulty_;                                 // by starter query, logits
  std::vector<std::uint32_t> order_;                               // starter queries, reshuffled after each round
  std::unordered_set<std::string> texts_;
};

bool IsShare(double value) { return value >= 0 && value <= 1; }

}  // namespace

const std::vector<SimulatedModel>& SimulatedPool() {
  static const std::vector<SimulatedModel> pool = [] {
    std::vector<SimulatedModel> models;
    for (const SimulatedSkill& skill : SimulatedSkills()) {
      models.push_back({std::string(skill.name), skill.price_in, skill.price_out});
    }
    return models;
  }();
  return pool;
}

double ThumbsUpProbability(double score, double length, double level) {
  return std::clamp(0.16 + (0.54 - 0.10 * level) * score + 0.34 * length, 0.02, 0.98);
}

Result<SimulatedWorld> SimulateWorld(const std::string& starter_directory, const SimulationOptions& options) {
  if (options.rows < 1 || options.rows > kRowsMax || !IsShare(options.mixed_share) || !IsShare(options.plain_share)) {
    return MakeError(Code::kOutOfRange, "simulation_options",
                     "a simulation has 1 to " + std::to_string(kRowsMax) + " rows, and shares between 0 and 1");
  }
  auto starter = bootstrap::ReadStarterSet(starter_directory);
  if (!starter.ok()) return starter.error();
  SimulatedWorld world;
  world.table.name = "simulated";
  for (const SimulatedModel& model : SimulatedPool()) world.table.models.push_back(model.name);
  world.table.sources = {"thumbs"};
  world.table.rows.reserve(options.rows);
  world.hidden.reserve(options.rows);
  World drawn(*starter, options);
  for (std::size_t i = 0; i < options.rows; ++i) drawn.AddRow(i, &world);
  return world;
}

Result<bootstrap::Table> SimulateTable(const std::string& starter_directory, const SimulationOptions& options) {
  auto world = SimulateWorld(starter_directory, options);
  if (!world.ok()) return world.error();
  return std::move(world->table);
}

}  // namespace pointsman::eval
