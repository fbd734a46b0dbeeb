// The simulated world has the properties that its header documents: figures are
// averages over seeds, with bands wide enough for any seed.
#include "eval/simulated_world.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "bootstrap/data/starter_set.h"

namespace pointsman::eval {
namespace {

constexpr std::array<std::uint64_t, 3> kSeeds = {1, 2, 3};

std::string StarterDirectory() {
  const char* source = std::getenv("POINTSMAN_SOURCE");
  return std::string(source != nullptr ? source : ".") + "/bootstrap/starter";
}

SimulatedWorld Simulate(const SimulationOptions& options) {
  auto world = SimulateWorld(StarterDirectory(), options);
  if (!world.ok()) {
    ADD_FAILURE() << world.error().message;
    return {};
  }
  return std::move(world).value();
}

const SimulatedWorld& WorldOf(std::uint64_t seed) {
  static std::map<std::uint64_t, SimulatedWorld> worlds;
  auto at = worlds.find(seed);
  if (at == worlds.end()) at = worlds.emplace(seed, Simulate({.seed = seed})).first;
  return at->second;
}

std::size_t Column(const SimulatedWorld& world, const std::string& model) {
  const auto& models = world.table.models;
  return static_cast<std::size_t>(std::find(models.begin(), models.end(), model) - models.begin());
}

// Mean scores by model over the rows that `keep` selects.
template <typename Keep>
std::vector<double> Accuracies(const SimulatedWorld& world, Keep keep) {
  std::vector<double> sums(world.table.models.size());
  double count = 0;
  for (std::size_t i = 0; i < world.table.rows.size(); ++i) {
    if (!keep(world.hidden[i])) continue;
    ++count;
    for (std::size_t m = 0; m < sums.size(); ++m) sums[m] += world.table.rows[i].models[m].score;
  }
  for (double& sum : sums) sum /= count;
  return sums;
}

std::vector<double> Accuracies(const SimulatedWorld& world) {
  return Accuracies(world, [](const HiddenRow&) { return true; });
}

std::string Render(const bootstrap::Table& table) {
  std::string text;
  for (const auto& row : table.rows) {
    text += row.id + "|" + row.query + "|" + row.task + "|" + row.gold;
    for (std::size_t m = 0; m < row.models.size(); ++m) {
      const auto& cell = row.models[m];
      text += "|" + cell.answer + std::to_string(cell.score) + "," + std::to_string(cell.tokens_in) + "," +
              std::to_string(cell.tokens_out) + "," + std::to_string(cell.cost_usd) + "," +
              std::to_string(row.ratings[0][m]);
    }
    text += "\n";
  }
  return text;
}

TEST(SimulatedWorld, TheSameSeedGivesTheSameTableAndAnotherSeedAnother) {
  const std::string first = Render(Simulate({.seed = 7, .rows = 800}).table);
  EXPECT_EQ(first, Render(Simulate({.seed = 7, .rows = 800}).table));
  EXPECT_NE(first, Render(Simulate({.seed = 8, .rows = 800}).table));
}

TEST(SimulatedWorld, ALongerRunBeginsWithTheShorterOne) {
  const std::string shorter = Render(Simulate({.seed = 7, .rows = 700}).table);
  EXPECT_EQ(Render(Simulate({.seed = 7, .rows = 1500}).table).substr(0, shorter.size()), shorter);
}

TEST(SimulatedWorld, EveryRowIsCompleteWithATextOfItsOwn) {
  const SimulatedWorld& world = WorldOf(1);
  ASSERT_EQ(world.table.rows.size(), 4000U);
  ASSERT_EQ(world.hidden.size(), 4000U);
  ASSERT_EQ(world.table.models.size(), 8U);
  EXPECT_TRUE(std::is_sorted(world.table.models.begin(), world.table.models.end()));
  std::set<std::string> texts;
  std::set<std::string> ids;
  std::set<std::string> tasks;
  for (const auto& row : world.table.rows) {
    EXPECT_TRUE(texts.insert(row.query).second) << row.query;
    EXPECT_TRUE(ids.insert(row.id).second) << row.id;
    tasks.insert(row.task);
    ASSERT_TRUE(world.table.Complete(row)) << row.id;
    ASSERT_EQ(row.ratings.size(), 1U);
    for (std::size_t m = 0; m < row.models.size(); ++m) {
      const auto& cell = row.models[m];
      ASSERT_EQ(cell.answer.size(), 1U);
      EXPECT_TRUE(cell.answer[0] >= 'A' && cell.answer[0] <= 'H') << cell.answer;
      EXPECT_EQ(cell.score, cell.answer == row.gold ? 1.0 : 0.0) << row.id;
      EXPECT_GE(cell.tokens_in, 1);
      EXPECT_GE(cell.tokens_out, 1);
      EXPECT_NEAR(cell.cost_usd,
                  (cell.tokens_in * SimulatedPool()[m].price_in + cell.tokens_out * SimulatedPool()[m].price_out) / 1e6,
                  1e-12);
      EXPECT_TRUE(row.ratings[0][m] == 0 || row.ratings[0][m] == 1);
    }
  }
  EXPECT_EQ(tasks.size(), 55U);
}

TEST(SimulatedWorld, OracleIsClearlyAboveTheBestModelAndThatClearlyAboveRandom) {
  for (const std::uint64_t seed : kSeeds) {
    const SimulatedWorld& world = WorldOf(seed);
    const std::vector<double> accuracy = Accuracies(world);
    double best = 0;
    double random = 0;
    for (std::size_t m = 0; m < accuracy.size(); ++m) {
      EXPECT_GT(accuracy[m], 0.25) << world.table.models[m] << ", seed " << seed;
      EXPECT_LT(accuracy[m], 0.78) << world.table.models[m] << ", seed " << seed;
      best = std::max(best, accuracy[m]);
      random += accuracy[m] / static_cast<double>(accuracy.size());
      RecordProperty(world.table.models[m] + "_" + std::to_string(seed), std::to_string(accuracy[m]));
    }
    double oracle = 0;
    double informed = 0;  // picks by hidden quality
    for (std::size_t i = 0; i < world.table.rows.size(); ++i) {
      const auto& quality = world.hidden[i].quality;
      const auto pick = static_cast<std::size_t>(std::max_element(quality.begin(), quality.end()) - quality.begin());
      informed += world.table.rows[i].models[pick].score;
      double any = 0;
      for (const auto& cell : world.table.rows[i].models) any = std::max(any, cell.score);
      oracle += any;
    }
    oracle /= static_cast<double>(world.table.rows.size());
    informed /= static_cast<double>(world.table.rows.size());
    RecordProperty("oracle_informed_best_random_" + std::to_string(seed),
                   std::to_string(oracle) + " " + std::to_string(informed) + " " + std::to_string(best) + " " +
                       std::to_string(random));
    EXPECT_GT(oracle, best + 0.15) << "seed " << seed;
    EXPECT_GT(informed, best + 0.06) << "what a router could gain, seed " << seed;
    EXPECT_GT(best, random + 0.08) << "seed " << seed;
  }
}

TEST(SimulatedWorld, ScoresAgreeWithTheHiddenQuality) {
  const SimulatedWorld& world = WorldOf(1);
  std::array<double, 10> expected{};
  std::array<double, 10> seen{};
  std::array<double, 10> count{};
  for (std::size_t i = 0; i < world.hidden.size(); ++i) {
    for (std::size_t m = 0; m < 8; ++m) {
      const double quality = world.hidden[i].quality[m];
      const auto bin = std::min<std::size_t>(9, static_cast<std::size_t>(quality * 10));
      expected[bin] += quality;
      seen[bin] += world.table.rows[i].models[m].score;
      ++count[bin];
    }
  }
  for (std::size_t b = 0; b < 10; ++b) {
    ASSERT_GT(count[b], 300) << b;
    EXPECT_NEAR(seen[b] / count[b], expected[b] / count[b], 0.05) << b;
  }
}

TEST(SimulatedWorld, ThumbsFollowTheStatedProbability) {
  for (const std::uint64_t seed : kSeeds) {
    const SimulatedWorld& world = WorldOf(seed);
    for (std::size_t m = 0; m < 8; ++m) {
      double residual = 0;
      for (std::size_t i = 0; i < world.hidden.size(); ++i) {
        const HiddenRow& hidden = world.hidden[i];
        residual += world.table.rows[i].ratings[0][m] -
                    ThumbsUpProbability(world.table.rows[i].models[m].score, hidden.length[m], hidden.level);
      }
      // Four standard deviations of a mean of 4,000 coins.
      EXPECT_NEAR(residual / 4000, 0, 0.032) << world.table.models[m] << ", seed " << seed;
    }
  }
}

TEST(SimulatedWorld, ThumbsFlatterTheVerboseAndSlightTheTerse) {
  for (const std::uint64_t seed : kSeeds) {
    const SimulatedWorld& world = WorldOf(seed);
    std::vector<double> bias(8);
    for (const auto& row : world.table.rows) {
      for (std::size_t m = 0; m < 8; ++m) bias[m] += (row.ratings[0][m] - row.models[m].score) / 4000;
    }
    for (std::size_t m = 0; m < 8; ++m) {
      RecordProperty("bias_" + world.table.models[m] + "_" + std::to_string(seed), std::to_string(bias[m]));
    }
    EXPECT_GT(bias[Column(world, "borealis-chat")], 0.15) << "seed " << seed;
    EXPECT_LT(bias[Column(world, "ember-reason")], -0.05) << "seed " << seed;
  }
}

TEST(SimulatedWorld, ThumbsSeeQualityLessWellTheHarderTheQuestion) {
  const double easy = ThumbsUpProbability(1, 0.4, 0) - ThumbsUpProbability(0, 0.4, 0);
  const double hard = ThumbsUpProbability(1, 0.4, 2) - ThumbsUpProbability(0, 0.4, 2);
  EXPECT_NEAR(easy, 0.54, 1e-12);
  EXPECT_NEAR(hard, 0.34, 1e-12);
}

TEST(SimulatedWorld, WrongAnswersGatherOnThePopularOne) {
  for (const std::uint64_t seed : kSeeds) {
    const SimulatedWorld& world = WorldOf(seed);
    std::vector<double> wrong(8);
    std::vector<double> popular(8);
    for (std::size_t i = 0; i < world.hidden.size(); ++i) {
      EXPECT_NE(world.table.rows[i].gold[0], world.hidden[i].popular);
      for (std::size_t m = 0; m < 8; ++m) {
        const auto& cell = world.table.rows[i].models[m];
        if (cell.score == 1) continue;
        ++wrong[m];
        if (cell.answer[0] == world.hidden[i].popular) ++popular[m];
      }
    }
    for (std::size_t m = 0; m < 8; ++m) {
      const double share = popular[m] / wrong[m];
      if (world.table.models[m] == "ember-reason") {
        EXPECT_LT(share, 0.35) << "seed " << seed;
      } else {
        EXPECT_GT(share, 0.55) << world.table.models[m] << ", seed " << seed;  // by chance: 1/7
      }
    }
  }
}

// Share of the rows on which both are wrong in which they give the same answer.
double SharedErrors(const SimulatedWorld& world, const std::string& a, const std::string& b) {
  const std::size_t ma = Column(world, a);
  const std::size_t mb = Column(world, b);
  double both = 0;
  double same = 0;
  for (const auto& row : world.table.rows) {
    if (row.models[ma].score == 1 || row.models[mb].score == 1) continue;
    ++both;
    if (row.models[ma].answer == row.models[mb].answer) ++same;
  }
  return same / both;
}

TEST(SimulatedWorld, ModelsOfOneFamilyShareMoreErrorsThanStrangers) {
  double within = 0;
  double across = 0;
  double loner = 0;
  for (const std::uint64_t seed : kSeeds) {
    const SimulatedWorld& world = WorldOf(seed);
    within += (SharedErrors(world, "atlas-large", "atlas-small") + SharedErrors(world, "cinder-13b", "cinder-7b")) / 6;
    across += (SharedErrors(world, "atlas-large", "cinder-7b") + SharedErrors(world, "cinder-13b", "atlas-small")) / 6;
    loner +=
        (SharedErrors(world, "ember-reason", "atlas-large") + SharedErrors(world, "ember-reason", "cinder-7b")) / 6;
  }
  EXPECT_GT(within, across + 0.005);
  EXPECT_LT(loner, across - 0.15);
}

TEST(SimulatedWorld, TheBestModelAgreesLessWithTheCrowdThanASecondRateOne) {
  for (const std::uint64_t seed : kSeeds) {
    const SimulatedWorld& world = WorldOf(seed);
    std::vector<double> agreement(8);
    for (const auto& row : world.table.rows) {
      std::map<std::string, double> votes;
      for (const auto& cell : row.models) votes[cell.answer] += 1.0 / 8;
      for (std::size_t m = 0; m < 8; ++m) agreement[m] += votes[row.models[m].answer] / 4000;
    }
    const std::vector<double> accuracy = Accuracies(world);
    const std::size_t ember = Column(world, "ember-reason");
    const std::size_t large = Column(world, "atlas-large");
    for (std::size_t m = 0; m < 8; ++m) EXPECT_LE(accuracy[m], accuracy[ember]) << world.table.models[m];
    EXPECT_LT(agreement[ember], agreement[large] - 0.03) << "seed " << seed;
  }
}

TEST(SimulatedWorld, TheNicheOfLaypeopleTurnsTheRankingAround) {
  for (const std::uint64_t seed : kSeeds) {
    const SimulatedWorld& world = WorldOf(seed);
    const auto plain = Accuracies(world, [](const HiddenRow& row) { return row.plain; });
    const auto other = Accuracies(world, [](const HiddenRow& row) { return !row.plain; });
    const std::size_t scholar = Column(world, "dune-scholar");
    const std::size_t cinder = Column(world, "cinder-13b");
    EXPECT_GT(other[scholar], other[cinder] + 0.03) << "seed " << seed;
    EXPECT_LT(plain[scholar], plain[cinder] - 0.10) << "seed " << seed;
  }
}

TEST(SimulatedWorld, HarderQuestionsPartTheStrongFromTheCheap) {
  for (const std::uint64_t seed : kSeeds) {
    const SimulatedWorld& world = WorldOf(seed);
    const auto easy = Accuracies(world, [](const HiddenRow& row) { return row.level < 0.5; });
    const auto hard = Accuracies(world, [](const HiddenRow& row) { return row.level > 1.5; });
    const std::size_t ember = Column(world, "ember-reason");
    const std::size_t cinder = Column(world, "cinder-7b");
    EXPECT_GT(hard[ember] - hard[cinder], easy[ember] - easy[cinder] + 0.08) << "seed " << seed;
  }
}

TEST(SimulatedWorld, MixedRowsHoldBothQueriesInTheirText) {
  const SimulatedWorld& world = WorldOf(1);
  std::size_t mixed = 0;
  for (const HiddenRow& hidden : world.hidden) {
    if (hidden.other == hidden.query) {
      EXPECT_EQ(hidden.share, 1.0);
      continue;
    }
    ++mixed;
    EXPECT_GE(hidden.share, 0.5);
    EXPECT_LE(hidden.share, 0.8);
  }
  EXPECT_NEAR(static_cast<double>(mixed) / 4000, 0.30, 0.04);
}

TEST(SimulatedWorld, NoContextNamesTheLevelOfItsQuery) {
  const SimulatedWorld& world = WorldOf(1);
  auto starter = bootstrap::ReadStarterSet(StarterDirectory());
  ASSERT_TRUE(starter.ok()) << starter.error().message;
  std::size_t topical = 0;
  for (std::size_t i = 0; i < world.hidden.size(); ++i) {
    const auto& query = starter->queries[world.hidden[i].query];
    const auto& node = starter->nodes[query.node];
    const std::string& text = world.table.rows[i].query;
    ASSERT_THAT(text, testing::HasSubstr(query.query));
    EXPECT_THAT(text, testing::Not(testing::HasSubstr(node.name)));
    const std::string context = text.substr(0, text.find(query.query));
    if (context.find(node.name.substr(node.name.find(' ') + 1)) != std::string::npos) ++topical;
    EXPECT_EQ(context.find('%'), std::string::npos) << context;
  }
  EXPECT_NEAR(static_cast<double>(topical) / 4000, 0.75, 0.04);
}

TEST(SimulatedWorld, AfterTheLossOneModelIsMuchWorseAndNothingElseChanges) {
  const SimulatedWorld& before = WorldOf(1);
  const SimulatedWorld after = Simulate({.seed = 1, .loss_from = 2000});
  const std::size_t losing = Column(after, "atlas-large");
  double lost = 0;
  for (std::size_t i = 0; i < after.hidden.size(); ++i) {
    ASSERT_EQ(after.hidden[i].lost, i >= 2000);
    EXPECT_EQ(after.table.rows[i].query, before.table.rows[i].query);
    for (std::size_t m = 0; m < after.table.models.size(); ++m) {
      const double fall = before.hidden[i].quality[m] - after.hidden[i].quality[m];
      if (m != losing || i < 2000) {
        ASSERT_EQ(fall, 0) << i << " " << m;
      } else {
        lost += fall;
      }
    }
  }
  EXPECT_GT(lost / 2000, 0.2);
  EXPECT_LT(lost / 2000, 0.35);
}

TEST(SimulatedWorld, OptionsOutOfRangeAreRefused) {
  for (const SimulationOptions& options :
       {SimulationOptions{.rows = 0}, SimulationOptions{.rows = 200'001}, SimulationOptions{.mixed_share = 1.5},
        SimulationOptions{.plain_share = -0.1}}) {
    auto world = SimulateWorld(StarterDirectory(), options);
    ASSERT_FALSE(world.ok());
    EXPECT_EQ(world.error().code, Code::kOutOfRange);
    EXPECT_EQ(world.error().reason, "simulation_options");
  }
}

TEST(SimulatedWorld, AMissingStarterSetIsNamed) {
  auto table = SimulateTable("/nowhere/at/all", {});
  ASSERT_FALSE(table.ok());
  EXPECT_EQ(table.error().code, Code::kNotFound);
  EXPECT_THAT(table.error().message, testing::HasSubstr("/nowhere/at/all"));
}

}  // namespace
}  // namespace pointsman::eval
