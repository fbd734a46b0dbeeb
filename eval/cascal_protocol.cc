#include "eval/cascal_protocol.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "bootstrap/fit/kmeans.h"
#include "bootstrap/job/row_scores.h"
#include "eval/cascal_router.h"
#include "eval/generated_labels.h"
#include "eval/table_world.h"

namespace pointsman::eval {
namespace {

using bootstrap::Rows;
using nlohmann::json;

constexpr std::size_t kEvaluatorCells = 32;
constexpr std::size_t kVoters = 3;

Error OutOfRange(const std::string& what) { return MakeError(Code::kOutOfRange, "cascal_options", what); }

Status Check(const CascalOptions& options) {
  if (options.seeds < 1 || options.seeds > 1000) return OutOfRange("--seeds must be from 1 to 1,000");
  if (options.clusters < 1 || options.clusters > 2000) return OutOfRange("--clusters must be from 1 to 2,000");
  if (!(options.train > 0 && options.train < 1)) return OutOfRange("--train must lie between 0 and 1");
  if (!(options.generator_error >= 0 && options.generator_error <= 1)) {
    return OutOfRange("--generator-error must be from 0 to 1");
  }
  return {};
}

struct Sample {
  std::vector<double> values;
  Figure Summary() const {
    std::vector<double> known;
    for (const double value : values) {
      if (std::isfinite(value)) known.push_back(value);
    }
    Figure figure;
    if (known.empty()) return figure;
    const auto n = static_cast<double>(known.size());
    figure.mean = std::accumulate(known.begin(), known.end(), 0.0) / n;
    figure.least = *std::min_element(known.begin(), known.end());
    double squares = 0;
    for (const double value : known) squares += (value - figure.mean) * (value - figure.mean);
    if (known.size() > 1) figure.se = std::sqrt(squares / (n - 1) / n);
    return figure;
  }
};

// Score of the answer that the first three vote for.
double VotedScore(const bootstrap::TableRow& row, std::span<const std::size_t> ranked) {
  for (std::size_t a = 0; a < kVoters; ++a) {
    for (std::size_t b = a + 1; b < kVoters; ++b) {
      const std::string& answer = row.models[ranked[a]].answer;
      if (!answer.empty() && answer == row.models[ranked[b]].answer) return row.models[ranked[a]].score;
    }
  }
  return row.models[ranked[0]].score;
}

class SeedRun {
 public:
  SeedRun(const bootstrap::Table& table, const TableWorld& world, const CascalOptions& options, std::uint64_t seed)
      : table_(table), world_(world), options_(options), seed_(seed) {}

  Status Run(std::map<std::string, Sample>& samples) {
    const auto wanted = static_cast<std::size_t>(options_.train * static_cast<double>(world_.usable_rows().size()));
    auto split = SplitWorld(world_, seed_, std::max<std::size_t>(wanted, 1));
    if (!split.ok()) return split.error();
    split_ = std::move(*split);
    const bootstrap::Table* labelled = &table_;
    bootstrap::Table generated;
    if (options_.labels == CascalLabels::kGenerated) {
      auto made = GeneratedLabels(table_, split_.bootstrap, options_.generator_error, options_.generator_fault, seed_);
      if (!made.ok()) return made.error();
      generated = std::move(*made);
      labelled = &generated;
    }
    CascalRouterOptions router;
    router.published = options_.mode == CascalMode::kPublished;
    router.scaled = options_.mode == CascalMode::kScaled;
    router.labelled = options_.labels != CascalLabels::kAnswers;
    router.clusters_max = options_.clusters;
    router.task_types = options_.task_types;
    router.filter = options_.filter;
    router.seed = seed_;
    auto fitted = FitCascalRouter(*labelled, split_.bootstrap, split_.stream, router);
    if (!fitted.ok()) return fitted.error();
    routed_ = std::move(*fitted);
    Judge(samples);
    return {};
  }

  std::size_t train_rows() const { return split_.bootstrap.size(); }
  std::size_t test_rows() const { return split_.stream.size(); }

 private:
  void Judge(std::map<std::string, Sample>& samples) {
    const std::size_t models = table_.models.size();
    std::vector<double> truth;
    for (const std::size_t r : split_.stream) {
      for (std::size_t m = 0; m < models; ++m) truth.push_back(world_.Score(r, m));
    }
    FindCells();
    samples["cell_correlation"].values.push_back(CellCorrelation(routed_.predicted, truth, models, cell_, cells_));
    samples["task_correlation"].values.push_back(
        tasks_ < 2 ? kUnknown : CellCorrelation(routed_.predicted, truth, models, task_, tasks_));
    samples["consensus_correlation"].values.push_back(ConsensusCorrelation(truth));
    samples["clusters"].values.push_back(static_cast<double>(routed_.clusters));
    JudgeChoices(samples);
  }

  void FindCells() {
    const Rows rows(routed_.test_embeddings, routed_.dimension);
    bootstrap::KMeansOptions cells;
    cells.clusters = kEvaluatorCells;
    const auto fit = bootstrap::FitSphericalKMeans(rows, cells);
    cell_ = fit.assignment;
    cells_ = fit.count();
    std::map<std::string, std::uint32_t> numbers;
    for (const std::size_t r : split_.stream) numbers.try_emplace(table_.rows[r].task, 0);
    for (auto& entry : numbers) entry.second = static_cast<std::uint32_t>(tasks_++);
    for (const std::size_t r : split_.stream) task_.push_back(numbers[table_.rows[r].task]);
  }

  // Of all models on the test part; both consensus steps see the same answers.
  double ConsensusCorrelation(const std::vector<double>& truth) const {
    const std::size_t models = table_.models.size();
    std::vector<std::size_t> columns(models);
    std::iota(columns.begin(), columns.end(), 0);
    bool answered = false;
    for (const auto& cell : table_.rows[split_.stream[0]].models) answered = answered || !cell.answer.empty();
    if (!answered) return kUnknown;
    const auto consensus =
        options_.mode == CascalMode::kPublished ? bootstrap::Consensus::kPublished : bootstrap::Consensus::kAuto;
    const auto scored = bootstrap::ScoreRows(table_, split_.stream, columns, bootstrap::Labels::kConsensus, consensus);
    return CellCorrelation(scored.scores.value, truth, models, cell_, cells_);
  }

  void JudgeChoices(std::map<std::string, Sample>& samples) const {
    const std::size_t models = table_.models.size();
    const auto count = static_cast<double>(split_.stream.size());
    double first = 0;
    double voted = 0;
    double random = 0;
    double oracle = 0;
    bool answers = models >= kVoters;
    std::vector<double> of_model(models, 0);
    for (std::size_t i = 0; i < split_.stream.size(); ++i) {
      const bootstrap::TableRow& row = table_.rows[split_.stream[i]];
      const auto ranked = RankByPreference(std::span(routed_.preference).subspan(i * models, models));
      first += row.models[ranked[0]].score;
      answers = answers && std::any_of(row.models.begin(), row.models.end(),
                                       [](const auto& cell) { return !cell.answer.empty(); });
      if (answers) voted += VotedScore(row, ranked);
      double best = 0;
      for (std::size_t m = 0; m < models; ++m) {
        of_model[m] += row.models[m].score / count;
        random += row.models[m].score / static_cast<double>(models);
        best = std::max(best, row.models[m].score);
      }
      oracle += best;
    }
    samples["top1"].values.push_back(first / count);
    samples["top3"].values.push_back(answers ? voted / count : kUnknown);
    samples["best_single"].values.push_back(*std::max_element(of_model.begin(), of_model.end()));
    samples["train_single"].values.push_back(of_model[routed_.best_on_train]);
    samples["random"].values.push_back(random / count);
    samples["oracle"].values.push_back(oracle / count);
  }

  const bootstrap::Table& table_;
  const TableWorld& world_;
  const CascalOptions& options_;
  const std::uint64_t seed_;
  Split split_;
  CascalRouted routed_;
  std::vector<std::uint32_t> cell_;
  std::size_t cells_ = 0;
  std::vector<std::uint32_t> task_;
  std::size_t tasks_ = 0;
};

constexpr std::array<std::pair<const char*, Figure CascalReport::*>, 12> kFigures = {{
    {"cell_correlation", &CascalReport::cell_correlation},
    {"task_correlation", &CascalReport::task_correlation},
    {"consensus_correlation", &CascalReport::consensus_correlation},
    {"top1", &CascalReport::top1},
    {"top3", &CascalReport::top3},
    {"best_single", &CascalReport::best_single},
    {"train_single", &CascalReport::train_single},
    {"random", &CascalReport::random},
    {"oracle", &CascalReport::oracle},
    {"clusters", &CascalReport::clusters},
    {"niche_rand", &CascalReport::niche_rand},
    {"family_rand", &CascalReport::family_rand},
}};

json Number(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

}  // namespace

Result<CascalMode> CascalModeFromName(std::string_view name) {
  if (name == "published") return CascalMode::kPublished;
  if (name == "scaled") return CascalMode::kScaled;
  if (name == "shared") return CascalMode::kShared;
  return MakeError(Code::kInvalidArgument, "unknown_mode", "the modes are published, scaled and shared");
}

Result<CascalLabels> CascalLabelsFromName(std::string_view name) {
  if (name == "answers") return CascalLabels::kAnswers;
  if (name == "scores") return CascalLabels::kScores;
  if (name == "generated") return CascalLabels::kGenerated;
  return MakeError(Code::kInvalidArgument, "unknown_labels", "the labels are answers, scores and generated");
}

Result<CascalReport> RunCascal(const bootstrap::Table& table, const CascalOptions& options, const Clock& clock,
                               const CascalProgress& progress) {
  if (auto status = Check(options); !status.ok()) return status.error();
  const auto world = TableWorld::Create(table, "");
  if (!world.ok()) return world.error();
  const std::int64_t began = clock.MonotonicNanos();
  std::map<std::string, Sample> samples;
  CascalReport report;
  report.table = table.name;
  for (std::uint32_t s = 0; s < options.seeds; ++s) {
    if (progress) progress("seeds", s, options.seeds);
    SeedRun run(table, *world, options, options.first_seed + s);
    if (auto status = run.Run(samples); !status.ok()) return status.error();
    if (s == 0) {
      report.train_rows = run.train_rows();
      report.test_rows = run.test_rows();
    }
  }
  for (const auto& [name, member] : kFigures) report.*member = samples[name].Summary();
  report.seconds = static_cast<double>(clock.MonotonicNanos() - began) / 1e9;
  return report;
}

double CellCorrelation(std::span<const double> predicted, std::span<const double> truth, std::size_t models,
                       std::span<const std::uint32_t> cell, std::size_t cells) {
  REQUIRE(predicted.size() == truth.size() && truth.size() == cell.size() * models, "items x models");
  std::vector<double> count(cells, 0);
  std::vector<double> left(cells * models, 0);
  std::vector<double> right(cells * models, 0);
  for (std::size_t i = 0; i < cell.size(); ++i) {
    count[cell[i]] += 1;
    for (std::size_t m = 0; m < models; ++m) {
      left[cell[i] * models + m] += predicted[i * models + m];
      right[cell[i] * models + m] += truth[i * models + m];
    }
  }
  double used = 0;
  for (const double n : count) used += n > 0 ? 1 : 0;
  const auto centre = [&](std::vector<double>& values) {
    for (std::size_t m = 0; m < models; ++m) {
      double mean = 0;
      for (std::size_t k = 0; k < cells; ++k) mean += count[k] > 0 ? values[k * models + m] / count[k] / used : 0;
      for (std::size_t k = 0; k < cells; ++k) {
        double& value = values[k * models + m];
        value = count[k] > 0 ? value / count[k] - mean : 0;
      }
    }
  };
  centre(left);
  centre(right);
  const double product = std::inner_product(left.begin(), left.end(), right.begin(), 0.0);
  const double scale = std::inner_product(left.begin(), left.end(), left.begin(), 0.0) *
                       std::inner_product(right.begin(), right.end(), right.begin(), 0.0);
  return scale > 1e-24 ? product / std::sqrt(scale) : 0;
}

double AdjustedRand(std::span<const std::uint32_t> left, std::span<const std::uint32_t> right) {
  REQUIRE(left.size() == right.size(), "the same items");
  std::map<std::pair<std::uint32_t, std::uint32_t>, double> both;
  std::map<std::uint32_t, double> rows;
  std::map<std::uint32_t, double> columns;
  for (std::size_t i = 0; i < left.size(); ++i) {
    both[{left[i], right[i]}] += 1;
    rows[left[i]] += 1;
    columns[right[i]] += 1;
  }
  const auto pairs = [](const auto& counts) {
    double sum = 0;
    for (const auto& [key, n] : counts) sum += n * (n - 1) / 2;
    return sum;
  };
  const auto n = static_cast<double>(left.size());
  const double expected = n < 2 ? 0 : pairs(rows) * pairs(columns) / (n * (n - 1) / 2);
  const double most = (pairs(rows) + pairs(columns)) / 2;
  return most - expected < 1e-12 ? 1 : (pairs(both) - expected) / (most - expected);
}

std::string ToJson(const CascalReport& report, const CascalOptions& options) {
  constexpr std::array<const char*, 3> kModes = {"published", "scaled", "shared"};
  constexpr std::array<const char*, 3> kLabels = {"answers", "scores", "generated"};
  json out = {{"protocol", "cascal"},
              {"mode", kModes[static_cast<std::size_t>(options.mode)]},
              {"labels", kLabels[static_cast<std::size_t>(options.labels)]},
              {"generator_error", options.generator_error},
              {"generator_fault", options.generator_fault},
              {"table", report.table},
              {"seeds", options.seeds},
              {"train_rows", report.train_rows},
              {"test_rows", report.test_rows},
              {"seconds", report.seconds}};
  for (const auto& [name, member] : kFigures) {
    const Figure& figure = report.*member;
    out[name] = {{"mean", Number(figure.mean)}, {"se", Number(figure.se)}};
  }
  return out.dump();
}

std::string ToTable(const CascalReport& report) {
  std::string out = report.table + ": " + std::to_string(report.train_rows) + " rows to train, " +
                    std::to_string(report.test_rows) + " to test\n\n";
  for (const auto& [name, member] : kFigures) {
    const Figure& figure = report.*member;
    if (!std::isfinite(figure.mean)) continue;
    std::array<char, 100> line{};
    const bool error = std::isfinite(figure.se);
    std::snprintf(line.data(), line.size(), error ? "%-24s%10.4f +- %.4f\n" : "%-24s%10.4f\n", name, figure.mean,
                  figure.se);
    out += line.data();
  }
  return out;
}

}  // namespace pointsman::eval
