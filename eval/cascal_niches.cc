// Protocol "cascal" on planted niches: no text, so no bundle; clusters and cells as a
// bundle would have them.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "bootstrap/fit/cascal_scaled.h"
#include "bootstrap/fit/crowd.h"
#include "bootstrap/fit/kmeans.h"
#include "eval/cascal_protocol.h"
#include "eval/cascal_router.h"

namespace pointsman::eval {
namespace {

using bootstrap::Rows;
using bootstrap::Scores;

constexpr std::size_t kEvaluatorCells = 32;

Figure Single(double value) { return {value, kUnknown, value}; }

bootstrap::Votes TakeVotes(const NicheWorld& world, std::size_t begin, std::size_t end) {
  bootstrap::Votes votes{end - begin, world.models, world.votes.options, {}};
  const auto first = world.votes.answer.begin();
  votes.answer.assign(first + static_cast<std::ptrdiff_t>(begin * world.models),
                      first + static_cast<std::ptrdiff_t>(end * world.models));
  return votes;
}

Scores TrueScores(const NicheWorld& world, std::size_t begin, std::size_t end) {
  Scores scores{end - begin, world.models, {}};
  scores.value.reserve(scores.items * scores.models);
  for (std::size_t i = begin; i < end; ++i) {
    for (std::size_t m = 0; m < world.models; ++m) {
      scores.value.push_back(world.votes.at(i, m) == static_cast<std::int16_t>(world.gold[i]) ? 1 : 0);
    }
  }
  return scores;
}

void JudgeChoices(const std::vector<double>& predicted, const Scores& truth, CascalReport& report) {
  const auto count = static_cast<double>(truth.items);
  std::vector<double> of_model(truth.models, 0);
  double first = 0;
  double oracle = 0;
  for (std::size_t i = 0; i < truth.items; ++i) {
    const auto row = std::span(predicted).subspan(i * truth.models, truth.models);
    first += truth.at(i, static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin()));
    double best = 0;
    for (std::size_t m = 0; m < truth.models; ++m) {
      of_model[m] += truth.at(i, m) / count;
      best = std::max(best, truth.at(i, m));
    }
    oracle += best;
  }
  report.top1 = Single(first / count);
  report.oracle = Single(oracle / count);
  report.random = Single(std::accumulate(of_model.begin(), of_model.end(), 0.0) / static_cast<double>(truth.models));
  report.best_single = Single(*std::max_element(of_model.begin(), of_model.end()));
}

Scores TrainScores(const NicheWorld& world, std::size_t train, bool labelled) {
  if (labelled) return TrueScores(world, 0, train);
  Scores scores{train, world.models, {}};
  scores.value = bootstrap::CrowdConsensus(TakeVotes(world, 0, train));
  for (double& score : scores.value) score = std::clamp(score, 0.0, 1.0);  // sums of posteriors round
  return scores;
}

}  // namespace

Result<CascalReport> RunCascalNiches(const NicheWorld& world, const CascalOptions& options, std::size_t threads,
                                     const Clock& clock, const CascalProgress& progress) {
  if (options.mode != CascalMode::kScaled || options.labels == CascalLabels::kGenerated) {
    return MakeError(Code::kInvalidArgument, "niches_scaled_only",
                     "planted niches are judged with --mode scaled and --labels answers or scores");
  }
  const auto train = static_cast<std::size_t>(options.train * static_cast<double>(world.queries));
  if (train < 1 || train >= world.queries) {
    return MakeError(Code::kOutOfRange, "cascal_options", "--train leaves no query to train or to test");
  }
  const std::int64_t began = clock.MonotonicNanos();
  const auto show = [&](std::string_view stage) {
    if (progress) progress(stage, 0, 1);
  };
  CascalReport report;
  report.table = "planted niches";
  report.train_rows = train;
  report.test_rows = world.queries - train;
  show("score");
  const bool labelled = options.labels == CascalLabels::kScores;
  const Scores scores = TrainScores(world, train, labelled);
  show("cluster");
  const std::size_t d = world.dimension;
  const std::span<const float> all(world.embeddings);
  const Rows rows(all.first(train * d), d);
  const Rows test(all.subspan(train * d), d);
  bootstrap::ScaledOptions scaled;
  scaled.threads = threads;
  scaled.seed = options.first_seed;
  scaled.cells.skill_rank = bootstrap::kSkillRank;
  scaled.cells.pseudo_count = labelled ? 10 : 20;
  std::erase_if(scaled.counts, [&](std::size_t count) { return count > options.clusters; });
  if (scaled.counts.empty()) scaled.counts.push_back(options.clusters);
  const auto found = bootstrap::FitScaledCascal(rows, scores, scaled);
  if (!found.ok()) return found.error();
  show("judge");
  // A query belongs to the cluster of its nearest micro-cluster.
  const std::size_t micro_count = found->micro_centroids.size() / d;
  const auto micro = bootstrap::NearestByCosine(test, Rows(found->micro_centroids, d), nullptr, threads);
  const std::size_t clusters = found->sizes.size();
  const auto table = bootstrap::ShrunkenCells(scores, found->merged, clusters, {}, scaled.cells);
  std::vector<std::uint32_t> of_micro(micro_count, 0);
  for (std::size_t i = 0; i < train; ++i) of_micro[found->micro[i]] = found->merged[i];
  std::vector<std::uint32_t> cluster;
  std::vector<double> predicted;
  predicted.reserve(test.count() * world.models);
  for (const std::uint32_t nearest : micro) {
    cluster.push_back(of_micro[nearest]);
    const auto row = std::span(table.quality).subspan(cluster.back() * world.models, world.models);
    predicted.insert(predicted.end(), row.begin(), row.end());
  }
  const Scores truth = TrueScores(world, train, world.queries);
  bootstrap::KMeansOptions cells;
  cells.clusters = kEvaluatorCells;
  cells.threads = threads;
  const auto judged = bootstrap::FitSphericalKMeans(test, cells);
  report.cell_correlation =
      Single(CellCorrelation(predicted, truth.value, world.models, judged.assignment, judged.count()));
  report.clusters = Single(static_cast<double>(clusters));
  report.niche_rand = Single(AdjustedRand(cluster, std::span(world.niche).subspan(train)));
  const auto tree = bootstrap::ModelTree(found->profiles.residual, micro_count, world.models, found->profiles.size);
  const std::size_t families = 1 + *std::max_element(world.family.begin(), world.family.end());
  if (families <= world.models) {
    report.family_rand = Single(AdjustedRand(bootstrap::CutTreeTo(tree, world.models, families), world.family));
  }
  JudgeChoices(predicted, truth, report);
  report.seconds = static_cast<double>(clock.MonotonicNanos() - began) / 1e9;
  return report;
}

}  // namespace pointsman::eval
