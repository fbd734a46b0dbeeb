#include "eval/tally.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/contract.h"

namespace pointsman::eval {

namespace {

constexpr std::size_t kStretches = 20;
constexpr std::size_t kBins = 15;
constexpr std::size_t kFirstDecisions = 500;
constexpr std::uint64_t kSoon = 200;  // uses
constexpr std::size_t kJoinStretch = 100;

struct Moments {
  double count = 0;
  double sum = 0;
  double squares = 0;
  void Add(double value) {
    count += 1;
    sum += value;
    squares += value * value;
  }
  double Mean() const { return count > 0 ? sum / count : kUnknown; }
  double StandardError() const {
    if (count < 2) return 0;
    const double variance = std::max(0.0, (squares - sum * sum / count) / (count - 1));
    return std::sqrt(variance / count);
  }
};

// Over the steps from `begin` (a share of the run) to its end.
Figure FigureFrom(std::span<const ArmRun> runs, double begin) {
  Moments over_seeds;
  Moments over_steps;
  Figure figure{.mean = 0, .se = 0, .least = std::numeric_limits<double>::infinity()};
  for (const ArmRun& run : runs) {
    const auto first = static_cast<std::size_t>(std::llround(begin * static_cast<double>(run.steps.size())));
    Moments seed;
    for (std::size_t i = first; i < run.steps.size(); ++i) seed.Add(static_cast<double>(run.steps[i].score));
    over_seeds.Add(seed.Mean());
    over_steps = seed;
    figure.least = std::min(figure.least, seed.Mean());
  }
  figure.mean = over_seeds.Mean();
  figure.se = runs.size() > 1 ? over_seeds.StandardError() : over_steps.StandardError();
  return figure;
}

// Mean over runs of the mean cost of the first `steps` steps.
double MeanCost(std::span<const ArmRun> runs, std::size_t steps) {
  Moments over_seeds;
  for (const ArmRun& run : runs) {
    Moments seed;
    for (std::size_t i = 0; i < std::min(steps, run.steps.size()); ++i) {
      if (std::isfinite(run.steps[i].cost_usd)) seed.Add(static_cast<double>(run.steps[i].cost_usd));
    }
    if (seed.count > 0) over_seeds.Add(seed.Mean());
  }
  return over_seeds.Mean();
}

Figure RegretAfterLoss(std::span<const ArmRun> runs) {
  Moments over_seeds;
  Moments over_steps;
  Figure figure{.mean = 0, .se = 0, .least = std::numeric_limits<double>::infinity()};
  for (const ArmRun& run : runs) {
    if (!run.loss.has_value()) return {};
    Moments seed;
    for (std::size_t i = run.loss->from; i < run.steps.size(); ++i) {
      seed.Add(run.reference_after_loss - static_cast<double>(run.steps[i].score));
    }
    over_seeds.Add(seed.Mean());
    over_steps = seed;
    figure.least = std::min(figure.least, seed.Mean());
  }
  figure.mean = over_seeds.Mean();
  figure.se = runs.size() > 1 ? over_seeds.StandardError() : over_steps.StandardError();
  return figure;
}

std::vector<double> OverTime(std::span<const ArmRun> runs) {
  std::vector<Moments> stretches(kStretches);
  for (const ArmRun& run : runs) {
    for (std::size_t i = 0; i < run.steps.size(); ++i) {
      stretches[i * kStretches / run.steps.size()].Add(static_cast<double>(run.steps[i].score));
    }
  }
  std::vector<double> means;
  for (const Moments& stretch : stretches) {
    if (stretch.count > 0) means.push_back(stretch.Mean());
  }
  return means;
}

std::vector<ModelUse> Uses(std::span<const ArmRun> runs, std::span<const std::string> models, double decisions) {
  struct Sums {
    Moments score;
    Moments predicted;
    Moments cost;
  };
  std::vector<Sums> sums(models.size());
  for (const ArmRun& run : runs) {
    for (const Step& step : run.steps) {
      Sums& of = sums[step.model];
      of.score.Add(static_cast<double>(step.score));
      if (std::isfinite(step.predicted)) of.predicted.Add(static_cast<double>(step.predicted));
      if (std::isfinite(step.cost_usd)) of.cost.Add(static_cast<double>(step.cost_usd));
    }
  }
  std::vector<ModelUse> uses;
  for (std::size_t m = 0; m < models.size(); ++m) {
    if (sums[m].score.count == 0) continue;
    uses.push_back({.model = models[m],
                    .share = sums[m].score.count / decisions,
                    .predicted = sums[m].predicted.Mean(),
                    .quality = sums[m].score.Mean(),
                    .cost_usd = sums[m].cost.Mean()});
  }
  std::stable_sort(uses.begin(), uses.end(), [](const ModelUse& a, const ModelUse& b) { return a.share > b.share; });
  return uses;
}

}  // namespace

ArmReport Summarise(const std::string& name, std::span<const ArmRun> runs, std::uint32_t passes,
                    std::span<const std::string> models, double budget_usd) {
  REQUIRE(!runs.empty() && passes >= 1, "runs of at least one seed");
  ArmReport report;
  report.name = name;
  report.total = FigureFrom(runs, 0);
  report.second_half = FigureFrom(runs, 0.5);
  report.last_pass = FigureFrom(runs, 1 - 1.0 / passes);
  Moments cost;
  for (const ArmRun& run : runs) {
    report.decisions += run.steps.size();
    report.audits += run.audits;
    report.gold += run.gold;
    report.ratings += run.ratings;
    for (const Step& step : run.steps) {
      if (std::isfinite(step.cost_usd)) cost.Add(static_cast<double>(step.cost_usd));
    }
  }
  report.cost_mean_usd = cost.Mean();
  if (budget_usd > 0) {
    report.spend_ratio = MeanCost(runs, std::numeric_limits<std::size_t>::max()) / budget_usd;
    report.spend_ratio_first_500 = MeanCost(runs, kFirstDecisions) / budget_usd;
  }
  report.regret_after_loss = RegretAfterLoss(runs);
  report.joined = JudgeJoining(runs);
  Moments cells;
  for (const ArmRun& run : runs) {
    report.coverage.Add(run.coverage);
    if (run.coverage.cells.intervals > 0) cells.Add(run.coverage.cells.Share());
  }
  if (cells.count > 1) report.coverage_error = cells.StandardError();
  report.calibration = CalibrationBins(runs);
  report.over_time = OverTime(runs);
  report.models = Uses(runs, models, static_cast<double>(report.decisions));
  return report;
}

std::vector<CalibrationBin> CalibrationBins(std::span<const ArmRun> runs) {
  std::vector<std::pair<float, float>> pairs;  // prediction, score
  for (const ArmRun& run : runs) {
    for (std::size_t i = run.steps.size() / 2; i < run.steps.size(); ++i) {
      if (std::isfinite(run.steps[i].predicted)) pairs.emplace_back(run.steps[i].predicted, run.steps[i].score);
    }
  }
  if (pairs.size() < kBins) return {};
  std::stable_sort(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<CalibrationBin> bins(kBins);
  for (std::size_t bin = 0; bin < kBins; ++bin) {
    Moments predicted;
    Moments score;
    for (std::size_t i = bin * pairs.size() / kBins; i < (bin + 1) * pairs.size() / kBins; ++i) {
      predicted.Add(static_cast<double>(pairs[i].first));
      score.Add(static_cast<double>(pairs[i].second));
    }
    bins[bin] = {.predicted = predicted.Mean(), .score = score.Mean()};
  }
  return bins;
}

double CalibrationError(std::span<const CalibrationBin> bins) {
  if (bins.empty()) return kUnknown;
  double error = 0;
  for (const CalibrationBin& bin : bins) error += std::abs(bin.predicted - bin.score);
  return error / static_cast<double>(bins.size());
}

std::optional<JoinReport> JudgeJoining(std::span<const ArmRun> runs) {
  JoinReport report;
  std::vector<double> halves;
  for (const ArmRun& run : runs) {
    if (!run.joins.has_value()) return std::nullopt;
    const auto first = run.steps.begin() + static_cast<std::ptrdiff_t>(run.joins->from);
    const std::vector<Step> steps(first, run.steps.end());
    const auto played = [&](std::size_t from, std::size_t to) {
      double count = 0;
      for (std::size_t i = from; i < std::min(to, steps.size()); ++i) count += steps[i].model == run.joins->model;
      return count;
    };
    const std::size_t tail = std::max<std::size_t>(steps.size() / 5, 1);
    const double last = played(steps.size() - tail, steps.size()) / static_cast<double>(tail);
    double half = std::numeric_limits<double>::infinity();
    for (std::size_t n = kJoinStretch; n <= steps.size() && !std::isfinite(half); ++n) {
      const double share = played(n - kJoinStretch, n) / static_cast<double>(kJoinStretch);
      if (share > 0 && share >= last / 2) half = static_cast<double>(n);
    }
    halves.push_back(half);
    const auto count = static_cast<double>(runs.size());
    report.within_300 += (half <= 300 ? 1 : 0) / count;
    report.share_at_300 += played(300 - kJoinStretch, 300) / static_cast<double>(kJoinStretch) / count;
    report.final_share += last / count;
    for (const Step& step : steps) {
      report.explored += (step.explored ? 1 : 0) / count;
      report.lost += static_cast<double>(step.lost) / count;
      report.labels += (step.gold && step.model == run.joins->model ? 1 : 0) / count;
      report.all_labels += (step.gold ? 1 : 0) / count;
      report.after += static_cast<double>(step.score) / static_cast<double>(steps.size()) / count;
    }
  }
  std::sort(halves.begin(), halves.end());
  report.half_median = halves[halves.size() / 2];
  report.half_worst = halves.back();
  return report;
}

Detection JudgeAlarms(std::span<const ArmRun> runs) {
  Detection detection;
  std::vector<double> uses;  // until the loss was found, by seed with a loss
  double false_alarms = 0;
  double feedbacks = 0;
  for (const ArmRun& run : runs) {
    feedbacks += static_cast<double>(run.gold + run.ratings);
    const auto due = [&](const Alarm& alarm) {
      return run.loss.has_value() && alarm.model == run.loss->model && alarm.number >= run.loss->from;
    };
    for (const Alarm& alarm : run.alarms) false_alarms += due(alarm) ? 0 : 1;
    if (!run.loss.has_value()) continue;
    const auto found = std::find_if(run.alarms.begin(), run.alarms.end(), due);
    double needed = std::numeric_limits<double>::infinity();
    if (found != run.alarms.end()) {
      needed = 0;
      for (std::uint64_t i = run.loss->from; i <= found->number && i < run.steps.size(); ++i) {
        needed += run.steps[i].model == run.loss->model ? 1 : 0;
      }
    }
    uses.push_back(needed);
  }
  if (feedbacks > 0) detection.false_alarms_per_1000 = 1000 * false_alarms / feedbacks;
  if (uses.empty()) return detection;
  std::sort(uses.begin(), uses.end());
  const double upper = uses[uses.size() / 2];
  const double lower = uses[(uses.size() - 1) / 2];
  detection.median_uses = std::isfinite(upper) ? (lower + upper) / 2 : upper;
  const auto soon = std::count_if(uses.begin(), uses.end(), [](double n) { return n <= static_cast<double>(kSoon); });
  detection.share_within_200 = static_cast<double>(soon) / static_cast<double>(uses.size());
  return detection;
}

}  // namespace pointsman::eval
