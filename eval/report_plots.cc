#include "eval/report_plots.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <vector>

#include "eval/plot.h"

namespace pointsman::eval {

namespace {

bool IsSingle(const ArmReport& arm) { return arm.name.starts_with("single:"); }

// "e1 on table": and what is special about the run.
std::string Title(const RunReport& report, const std::string& what) {
  std::string title = what + ": " + report.protocol + " on " + report.table;
  if (!report.source.empty()) title += ", ratings from " + report.source;
  if (report.variant != "none") title += ", " + report.variant;
  if (report.budget_usd > 0) {
    char text[40];
    std::snprintf(text, sizeof text, ", budget %.3g USD", report.budget_usd);
    title += text;
  }
  return title;
}

// The end of a stretch, as a share of the run.
double EndOf(const ArmReport& arm, std::size_t stretch) {
  return static_cast<double>(stretch + 1) / static_cast<double>(arm.over_time.size());
}

Plot ScorePlot(const RunReport& report) {
  Plot plot{
      .title = Title(report, "Score over time"), .x_label = "share of the run", .y_label = "mean score", .series = {}};
  for (const ArmReport& arm : report.arms) {
    if (IsSingle(arm)) continue;
    Series series{.name = arm.name, .points = {}};
    for (std::size_t i = 0; i < arm.over_time.size(); ++i) {
      series.points.emplace_back(EndOf(arm, i), arm.over_time[i]);
    }
    plot.series.push_back(std::move(series));
  }
  return plot;
}

Plot CostPlot(const RunReport& report) {
  Plot plot{.title = Title(report, "Quality against cost"),
            .x_label = "mean cost of a decision, US dollars",
            .y_label = "mean score",
            .series = {},
            .x_logarithmic = true};
  for (const ArmReport& arm : report.arms) {
    plot.series.push_back({.name = arm.name, .points = {{arm.cost_mean_usd, arm.total.mean}}, .line = false});
  }
  return plot;
}

Plot CalibrationPlot(const RunReport& report) {
  Plot plot{.title = Title(report, "Calibration, second half"),
            .x_label = "predicted quality",
            .y_label = "mean score",
            .series = {},
            .diagonal = true};
  for (const ArmReport& arm : report.arms) {
    if (arm.calibration.empty()) continue;
    Series series{.name = arm.name, .points = {}};
    for (const CalibrationBin& bin : arm.calibration) series.points.emplace_back(bin.predicted, bin.score);
    plot.series.push_back(std::move(series));
  }
  return plot;
}

Plot RegretPlot(const RunReport& report) {
  Plot plot{.title = Title(report, "Regret against the best single model"),
            .x_label = "share of the run",
            .y_label = "sum over the run, share of decisions",
            .series = {}};
  const auto best = std::find_if(report.arms.begin(), report.arms.end(),
                                 [](const ArmReport& arm) { return arm.name == "best_single"; });
  if (best == report.arms.end()) return plot;
  for (const ArmReport& arm : report.arms) {
    if (IsSingle(arm) || arm.name == "oracle" || arm.over_time.size() != best->over_time.size()) continue;
    Series series{.name = arm.name, .points = {}};
    double sum = 0;
    for (std::size_t i = 0; i < arm.over_time.size(); ++i) {
      sum += (best->over_time[i] - arm.over_time[i]) / static_cast<double>(arm.over_time.size());
      series.points.emplace_back(EndOf(arm, i), sum);
    }
    plot.series.push_back(std::move(series));
  }
  return plot;
}

}  // namespace

Status WritePlots(const RunReport& report, const std::string& folder) {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  const std::vector<std::pair<std::string, Plot>> plots = {{"score.svg", ScorePlot(report)},
                                                           {"cost.svg", CostPlot(report)},
                                                           {"calibration.svg", CalibrationPlot(report)},
                                                           {"regret.svg", RegretPlot(report)}};
  for (const auto& [name, plot] : plots) {
    const std::filesystem::path path = std::filesystem::path(folder) / name;
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << ToSvg(plot);
    file.close();
    if (!file) {
      return MakeError(Code::kUnavailable, "plot_not_written",
                       "cannot write " + path.string() + "; is the folder writable and the disk not full?");
    }
  }
  return {};
}

}  // namespace pointsman::eval
