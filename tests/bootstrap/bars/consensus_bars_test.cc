// What the consensus must show on real answers. POINTSMAN_DATA names the table
// mmlupro_dev.jsonl.gz, or the folder that it lies in; without it the tests are
// skipped. Each prints the figures that it judges.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <utility>

#include "base/unit_draw.h"
#include "bootstrap/data/table_reader.h"
#include "bootstrap/fit/cells.h"
#include "bootstrap/fit/consensus.h"
#include "bootstrap/fit/crowd.h"
#include "bootstrap/fit/kmeans.h"
#include "bootstrap/job/bundle_builder.h"
#include "bootstrap/job/report.h"
#include "bootstrap/job/row_scores.h"
#include "embed/lsa.h"
#include "policy/belief/membership.h"
#include "policy/belief/prior.h"

namespace pointsman::bootstrap {
namespace {

using Indices = std::vector<std::size_t>;

struct Figure {
  double sum = 0;
  double squares = 0;
  double count = 0;
  void Add(double value) {
    sum += value;
    squares += value * value;
    count += 1;
  }
  double mean() const { return sum / count; }
  double se() const { return std::sqrt(std::max(squares / count - mean() * mean(), 0.0) / std::max(count - 1, 1.0)); }
};
std::ostream& operator<<(std::ostream& out, const Figure& figure) {
  return out << std::round(figure.mean() * 1e4) / 1e4 << " +- " << std::round(figure.se() * 1e4) / 1e4;
}

void Shuffle(Indices& values, SplitMix64& random) {
  for (std::size_t i = values.size(); i > 1; --i) {
    const auto at = std::min(static_cast<std::size_t>(random.Unit() * static_cast<double>(i)), i - 1);
    std::swap(values[i - 1], values[at]);
  }
}

// POINTSMAN_FIT_SEEDS, or `usual`.
std::uint64_t Seeds(std::uint64_t usual) {
  const char* seeds = std::getenv("POINTSMAN_FIT_SEEDS");
  return seeds == nullptr ? usual : static_cast<std::uint64_t>(std::atoi(seeds));
}

class ConsensusBars : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* data = std::getenv("POINTSMAN_DATA");
    if (data == nullptr) GTEST_SKIP() << "POINTSMAN_DATA names no table";
    std::filesystem::path path = data;
    if (std::filesystem::is_directory(path)) path /= "mmlupro_dev.jsonl.gz";
    if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
    auto read = ReadTable(path.string());
    ASSERT_TRUE(read.ok()) << read.error().message;
    table_ = std::move(read).value();
    std::set<std::string> seen;
    for (std::size_t r = 0; r < table_.rows.size(); ++r) {
      if (table_.Complete(table_.rows[r]) && seen.insert(table_.rows[r].query).second) rows_.push_back(r);
    }
    by_score_.resize(table_.models.size());
    std::iota(by_score_.begin(), by_score_.end(), 0);
    std::vector<double> mean(table_.models.size(), 0);
    for (const std::size_t r : rows_) {
      for (std::size_t m = 0; m < mean.size(); ++m) mean[m] += Score(r, m);
    }
    std::sort(by_score_.begin(), by_score_.end(), [&](std::size_t a, std::size_t b) { return mean[a] > mean[b]; });
  }

  double Score(std::size_t row, std::size_t model) const { return table_.rows[row].models[model].score; }

  // The first `count` of a shuffle, and the rest.
  std::pair<Indices, Indices> Split(std::uint64_t seed, std::size_t count) const {
    SplitMix64 random(seed * 7919);
    Indices order = rows_;
    Shuffle(order, random);
    const auto cut = order.begin() + static_cast<std::ptrdiff_t>(std::min(count, order.size()));
    return {Indices(order.begin(), cut), Indices(cut, order.end())};
  }

  Table table_;
  Indices rows_;      // complete, each query once
  Indices by_score_;  // models, the best first
};

// Clusters fitted on `train`, and where the rows of both lie.
struct Geometry {
  KMeansFit clusters;
  std::vector<std::uint32_t> test_cluster;
  std::vector<std::uint32_t> test_cell;  // the evaluator's own: 32, seed 0, on the test embeddings
  std::size_t test_cells = 0;
};

// Vectors of the rows of a table; an embedder fitted on `train` alone.
struct Vectors {
  std::size_t dimension = 0;
  std::vector<std::vector<float>> of;  // by row; empty where not asked for
  std::vector<float> Gather(const Indices& rows) const {
    std::vector<float> values;
    for (const std::size_t r : rows) values.insert(values.end(), of[r].begin(), of[r].end());
    return values;
  }
};

Vectors Embed(const Table& table, const Indices& train, const Indices& test, std::uint64_t seed) {
  std::vector<std::string> texts;
  for (const std::size_t r : train) texts.push_back(table.rows[r].query);
  const auto lsa = embed::FitLsa(texts, {.seed = seed});
  Vectors out{lsa->identity.dimension, std::vector<std::vector<float>>(table.rows.size())};
  for (const Indices* rows : {&train, &test}) {
    for (const std::size_t r : *rows) out.of[r] = *lsa->embedder->Embed(table.rows[r].query);
  }
  return out;
}

Geometry Place(const Vectors& vectors, const Indices& train, const Indices& test, std::uint64_t seed) {
  const auto train_vectors = vectors.Gather(train);
  const auto test_vectors = vectors.Gather(test);
  const std::size_t dimension = vectors.dimension;
  KMeansOptions options;
  options.clusters = std::clamp<std::size_t>(train.size() / 30, 1, 32);
  options.seed = seed;
  options.iterations_max = 50;
  Geometry out;
  out.clusters = FitSphericalKMeans(Rows(train_vectors, dimension), options);
  out.test_cluster = NearestByCosine(Rows(test_vectors, dimension), Rows(out.clusters.centroids, dimension), nullptr);
  options.clusters = 32;
  options.seed = 0;
  const KMeansFit cells = FitSphericalKMeans(Rows(test_vectors, dimension), options);
  out.test_cell = cells.assignment;
  out.test_cells = cells.count();
  return out;
}

Geometry Place(const Table& table, const Indices& train, const Indices& test, std::uint64_t seed) {
  return Place(Embed(table, train, test, seed), train, test, seed);
}

// Predicted quality by cluster from scores of the training rows.
CellTable CellsOf(const std::vector<double>& scores, std::size_t models, const Geometry& geometry) {
  const Scores known{scores.size() / models, models, scores};
  return ShrunkenCells(known, geometry.clusters.assignment, geometry.clusters.count(), {}, {});
}

// Means over a group less the model's mean over the groups.
std::vector<double> Deviations(const std::function<double(std::size_t, std::size_t)>& value,
                               const std::vector<std::uint32_t>& cell, std::size_t cells, std::size_t models) {
  std::vector<double> mean(cells * models, 0);
  std::vector<double> count(cells, 0);
  for (std::size_t i = 0; i < cell.size(); ++i) {
    count[cell[i]] += 1;
    for (std::size_t m = 0; m < models; ++m) mean[cell[i] * models + m] += value(i, m);
  }
  for (std::size_t m = 0; m < models; ++m) {
    double level = 0;
    for (std::size_t k = 0; k < cells; ++k) level += mean[k * models + m] /= count[k];
    for (std::size_t k = 0; k < cells; ++k) mean[k * models + m] -= level / static_cast<double>(cells);
  }
  return mean;
}

double Pearson(const std::vector<double>& a, const std::vector<double>& b) {
  const auto n = static_cast<double>(a.size());
  const double mean_a = std::accumulate(a.begin(), a.end(), 0.0) / n;
  const double mean_b = std::accumulate(b.begin(), b.end(), 0.0) / n;
  double ab = 0;
  double aa = 0;
  double bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return ab / std::sqrt(aa * bb);
}

struct Routed {
  double top1 = 0;         // mean score of the first model
  double top3 = 0;         // of the vote of the first three
  double best_single = 0;  // best model in hindsight
  double correlation = 0;  // of cell deviations
};

Routed Judge(const Table& table, const CellTable& cells, const Indices& test, const Indices& columns,
             const Geometry& geometry) {
  const std::size_t models = columns.size();
  const auto predicted = [&](std::size_t i, std::size_t m) {
    return cells.quality[geometry.test_cluster[i] * models + m];
  };
  const auto truth = [&](std::size_t i, std::size_t m) { return table.rows[test[i]].models[columns[m]].score; };
  Routed out;
  std::vector<double> single(models, 0);
  for (std::size_t i = 0; i < test.size(); ++i) {
    Indices order(models);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return predicted(i, a) > predicted(i, b); });
    out.top1 += truth(i, order[0]) / static_cast<double>(test.size());
    const auto answer = [&](std::size_t rank) -> const std::string& {
      return table.rows[test[i]].models[columns[order[rank]]].answer;
    };
    const bool outvoted = models >= 3 && !answer(1).empty() && answer(1) == answer(2) && answer(0) != answer(1);
    out.top3 += truth(i, order[outvoted ? 1 : 0]) / static_cast<double>(test.size());
    for (std::size_t m = 0; m < models; ++m) single[m] += truth(i, m) / static_cast<double>(test.size());
  }
  out.best_single = *std::max_element(single.begin(), single.end());
  out.correlation = Pearson(Deviations(predicted, geometry.test_cell, geometry.test_cells, models),
                            Deviations(truth, geometry.test_cell, geometry.test_cells, models));
  return out;
}

TEST_F(ConsensusBars, ByPoolTheDefaultIsNeverWorseThanPlainEmAtFiveHundredQuestions) {
  for (const std::string pool : {"12 random", "9 best", "4 best", "3 random", "2 random", "all"}) {
    Figure gain;
    Figure improved;
    for (std::uint64_t seed = 1; seed <= Seeds(5); ++seed) {
      const auto [train, test] = Split(seed, 500);
      Indices columns = by_score_;
      if (pool.find("random") != std::string::npos) {
        SplitMix64 random(seed);
        Shuffle(columns, random);
      }
      if (pool != "all") columns.resize(static_cast<std::size_t>(std::stoi(pool)));
      std::sort(columns.begin(), columns.end());
      const Geometry geometry = Place(table_, train, test, seed);
      const auto top1 = [&](Consensus consensus) {
        const auto scores = ScoreRows(table_, train, columns, Labels::kConsensus, consensus).scores.value;
        return Judge(table_, CellsOf(scores, columns.size(), geometry), test, columns, geometry).top1;
      };
      const double reached = top1(Consensus::kAuto);
      improved.Add(reached);
      gain.Add(reached - top1(Consensus::kPlainEm));
    }
    std::cout << "pool " << pool << ": top-1 " << improved << ", gain over plain EM " << gain << "\n";
    EXPECT_GE(gain.mean(), -.01) << pool;
  }
}

TEST_F(ConsensusBars, TheStaticRouterReachesSeventyPercentAndTheVoteBeatsItsThree) {
  Figure product;
  Figure top1;
  Figure top3;
  Figure best;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const auto [train, test] = Split(seed, 3000);
    BuildOptions options;
    options.rows = train;
    options.seed = seed;
    options.task_types = false;
    const auto bundle = BuildBundle(table_, options);
    ASSERT_TRUE(bundle.ok()) << bundle.error().message;
    const auto embedder = embed::EmbedderFor(bundle.value());
    double score = 0;
    for (const std::size_t r : test) {
      const auto vector = (*embedder)->Embed(table_.rows[r].query);
      const auto clusters = policy::FindMembership(*bundle, *vector).clusters;
      std::size_t chosen = 0;
      double highest = -1;
      for (std::size_t m = 0; m < table_.models.size(); ++m) {
        const double quality = policy::PriorQuality(*bundle, static_cast<int>(m), clusters, {});
        if (quality > highest) chosen = m;
        highest = std::max(highest, quality);
      }
      score += Score(r, chosen) / static_cast<double>(test.size());
    }
    product.Add(score);
    const Geometry geometry = Place(table_, train, test, seed);
    const auto scores = ScoreRows(table_, train, by_score_, Labels::kConsensus, Consensus::kAuto).scores.value;
    const Routed routed = Judge(table_, CellsOf(scores, by_score_.size(), geometry), test, by_score_, geometry);
    top1.Add(routed.top1);
    top3.Add(routed.top3);
    best.Add(routed.best_single);
  }
  std::cout << "bundle, top-1 " << product << "; plain clusters, top-1 " << top1 << ", top-3 vote " << top3
            << "; best single model " << best << "\n";
  EXPECT_GE(product.mean(), .70);
  EXPECT_GE(top3.mean(), top1.mean());
  EXPECT_GE(top3.mean(), best.mean());
}

// Where the crowd's scores and the true ones of the same rows are averaged over the
// same clusters; and where clusters of other rows predict (the labels' own
// prediction tells how much of the rest is the sampling of cells).
TEST_F(ConsensusBars, CellDeviationsFollowTheTruth) {
  Figure same_rows[2];
  Figure predicted[3];
  for (std::uint64_t seed = 1; seed <= Seeds(3); ++seed) {
    const auto [train, test] = Split(seed, rows_.size() * 6 / 10);
    const Geometry geometry = Place(table_, train, test, seed);
    const std::size_t models = by_score_.size();
    const auto truth = ScoreRows(table_, train, by_score_, Labels::kScores, Consensus::kAuto).scores.value;
    const auto by_cluster = [&](const std::vector<double>& scores) {
      return Deviations([&](std::size_t i, std::size_t m) { return scores[i * models + m]; },
                        geometry.clusters.assignment, geometry.clusters.count(), models);
    };
    const auto predict = [&](const std::vector<double>& scores) {
      return Judge(table_, CellsOf(scores, models, geometry), test, by_score_, geometry).correlation;
    };
    for (const std::size_t which : {0U, 1U}) {
      const auto consensus = which == 0 ? Consensus::kAuto : Consensus::kPublished;
      const auto scores = ScoreRows(table_, train, by_score_, Labels::kConsensus, consensus).scores.value;
      same_rows[which].Add(Pearson(by_cluster(scores), by_cluster(truth)));
      predicted[which].Add(predict(scores));
    }
    predicted[2].Add(predict(truth));
  }
  std::cout << "cell correlation on the same rows: improved " << same_rows[0] << ", published " << same_rows[1]
            << "; predicted for other rows: improved " << predicted[0] << ", published " << predicted[1]
            << ", from labels " << predicted[2] << "\n";
  EXPECT_GE(same_rows[0].mean(), .88);
  EXPECT_GT(same_rows[0].mean(), same_rows[1].mean());
  EXPECT_GT(predicted[0].mean(), predicted[1].mean());
}

// Of every ten rows three get answers drawn at random and two one answer from all.
Table Spoiled(const Table& clean, const Indices& train, std::uint64_t seed) {
  Table out = clean;
  SplitMix64 random(seed);
  for (std::size_t i = 0; i < train.size(); ++i) {
    if (i % 10 >= 5) continue;
    TableRow& row = out.rows[train[i]];
    const auto options = static_cast<double>(std::max<std::size_t>(ListedOptions(row.query), 4));
    const auto letter = [&] {
      return std::string(1, static_cast<char>('A' + static_cast<int>(random.Unit() * options)));
    };
    const std::string same = letter();
    for (TableCell& cell : row.models) cell.answer = i % 10 < 3 ? letter() : same;
  }
  return out;
}

// What a pool of the best models loses to such rows, and what each filter gives back.
struct Spoilt {
  Figure clean, mixed, plurality, above_chance, not_by_chance, junk, clean_junk;
  double recovered(const Figure& with) const { return (with.mean() - mixed.mean()) / (clean.mean() - mixed.mean()); }
};

// By pool size: one rule for all of them.
TEST_F(ConsensusBars, TheJunkFilterRecoversHalfOfWhatChaosAndUnanimityCost) {
  std::map<std::size_t, Spoilt> pools;
  for (std::uint64_t seed = 1; seed <= Seeds(3); ++seed) {
    const auto [all, test] = Split(seed, rows_.size() * 6 / 10);
    const Vectors vectors = Embed(table_, all, test, seed);
    const Table spoiled = Spoiled(table_, all, seed);
    Indices whole;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (i % 10 >= 5) whole.push_back(all[i]);
    }
    for (const std::size_t pool : {6U, 9U, 12U, 18U, 29U}) {
      Indices columns = by_score_;
      columns.resize(std::min(pool, columns.size()));
      const auto correlation = [&](const Table& table, const Indices& rows, RowFilter filter) {
        const Indices train = FilterRows(table, rows, columns, filter);
        const Geometry geometry = Place(vectors, train, test, seed);
        Scores scores = ScoreRows(table, train, columns, Labels::kConsensus, Consensus::kAuto).scores;
        if (filter == RowFilter::kJunk) scores.weight = HonestShares(table, train, columns);
        const CellTable cells = ShrunkenCells(scores, geometry.clusters.assignment, geometry.clusters.count(), {}, {});
        return Judge(table, cells, test, columns, geometry).correlation;
      };
      Spoilt& spoilt = pools[pool];
      spoilt.clean.Add(correlation(table_, whole, RowFilter::kNone));
      spoilt.mixed.Add(correlation(spoiled, all, RowFilter::kNone));
      spoilt.plurality.Add(correlation(spoiled, all, RowFilter::kPlurality));
      spoilt.above_chance.Add(correlation(spoiled, all, RowFilter::kAboveChance));
      spoilt.not_by_chance.Add(correlation(spoiled, all, RowFilter::kNotByChance));
      spoilt.junk.Add(correlation(spoiled, all, RowFilter::kJunk));
      spoilt.clean_junk.Add(correlation(table_, whole, RowFilter::kJunk));
    }
  }
  for (const auto& [pool, of] : pools) {
    std::cout << "the best " << pool << ": cell correlation without them " << of.clean << ", with them " << of.mixed
              << ", by plurality " << of.plurality << ", above chance " << of.above_chance << ", not by chance "
              << of.not_by_chance << ", by junk " << of.junk << ", which recovers " << of.recovered(of.junk)
              << "; without such rows filtered by junk " << of.clean_junk << std::endl;
    EXPECT_GE(of.recovered(of.junk), .5);
    EXPECT_GE(of.clean_junk.mean(), of.clean.mean() - .01) << "no harm where there is nothing to filter";
    EXPECT_LT(of.plurality.mean(), of.mixed.mean()) << "what was proposed harms";
  }
}

}  // namespace
}  // namespace pointsman::bootstrap
