#include "eval/generator_sweep.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "eval/generated_labels.h"

namespace pointsman::eval {
namespace {

using nlohmann::json;

std::vector<std::string> FaultsOf(const GeneratorSweep& sweep) {
  std::vector<std::string> faults;
  for (const SweepPoint& point : sweep.points) {
    if (std::find(faults.begin(), faults.end(), point.fault) == faults.end()) faults.push_back(point.fault);
  }
  return faults;
}

std::string Line(const std::string& name, const std::string& error, const CascalReport& report) {
  std::array<char, 128> line{};
  const bool known = std::isfinite(report.top1.se);
  std::snprintf(line.data(), line.size(), "%-34.34s%8s%10.4f%10.4f%10.4f\n", name.c_str(), error.c_str(),
                report.top1.mean, known ? report.top1.se : 0.0, report.cell_correlation.mean);
  return line.data();
}

}  // namespace

Result<GeneratorSweep> RunGeneratorSweep(const bootstrap::Table& table, const CascalOptions& options,
                                         const std::vector<double>& errors, const std::vector<std::string>& faults,
                                         const Clock& clock, const CascalProgress& progress) {
  if (errors.empty() || faults.empty()) {
    return MakeError(Code::kInvalidArgument, "empty_sweep", "a sweep needs at least one error and one kind of fault");
  }
  const std::size_t runs = 1 + errors.size() * faults.size();
  std::size_t done = 0;
  const auto play = [&](CascalLabels labels, double error, const std::string& fault) {
    if (progress) progress("runs", done, runs);
    ++done;
    CascalOptions run = options;
    run.labels = labels;
    run.generator_error = error;
    run.generator_fault = fault;
    return RunCascal(table, run, clock);
  };
  GeneratorSweep sweep;
  auto answers = play(CascalLabels::kAnswers, 0, kRandomFault);
  if (!answers.ok()) return answers.error();
  sweep.answers = std::move(answers).value();
  for (const std::string& fault : faults) {
    for (const double error : errors) {
      // Without errors all faults are one.
      const auto same = std::find_if(sweep.points.begin(), sweep.points.end(),
                                     [&](const SweepPoint& point) { return error == 0 && point.error == 0; });
      if (same != sweep.points.end()) {
        sweep.points.push_back({error, fault, CascalReport(same->labelled)});
        ++done;
        continue;
      }
      auto labelled = play(CascalLabels::kGenerated, error, fault);
      if (!labelled.ok()) return labelled.error();
      sweep.points.push_back({error, fault, std::move(labelled).value()});
    }
  }
  return sweep;
}

double FallsBelowAt(const GeneratorSweep& sweep, const std::string& fault) {
  double least = std::numeric_limits<double>::quiet_NaN();
  for (const SweepPoint& point : sweep.points) {
    if (point.fault != fault || point.labelled.top1.mean >= sweep.answers.top1.mean) continue;
    least = std::isnan(least) ? point.error : std::min(least, point.error);
  }
  return least;
}

Plot SweepPlot(const GeneratorSweep& sweep, const CascalOptions& options) {
  Plot plot;
  plot.title = sweep.answers.table + ": " + std::to_string(sweep.answers.train_rows) + " rows to train, " +
               std::to_string(options.seeds) + " seeds";
  plot.x_label = "share of wrong references";
  plot.y_label = "accuracy of the first model";
  std::set<double> errors;
  for (const SweepPoint& point : sweep.points) errors.insert(point.error);
  Series answers{"answers alone", {}, true};
  for (const double error : errors) answers.points.emplace_back(error, sweep.answers.top1.mean);
  plot.series.push_back(std::move(answers));
  for (const std::string& fault : FaultsOf(sweep)) {
    Series series{"labels, " + fault, {}, true};
    for (const SweepPoint& point : sweep.points) {
      if (point.fault == fault) series.points.emplace_back(point.error, point.labelled.top1.mean);
    }
    std::sort(series.points.begin(), series.points.end());
    plot.series.push_back(std::move(series));
  }
  return plot;
}

std::string ToJson(const GeneratorSweep& sweep, const CascalOptions& options) {
  CascalOptions run = options;
  run.labels = CascalLabels::kAnswers;
  json out = {{"protocol", "cascal"}, {"answers", json::parse(ToJson(sweep.answers, run))}};
  run.labels = CascalLabels::kGenerated;
  for (const SweepPoint& point : sweep.points) {
    run.generator_error = point.error;
    run.generator_fault = point.fault;
    out["labelled"].push_back(json::parse(ToJson(point.labelled, run)));
  }
  for (const std::string& fault : FaultsOf(sweep)) {
    const double at = FallsBelowAt(sweep, fault);
    out["falls_below_at"][fault] = std::isnan(at) ? json(nullptr) : json(at);
  }
  return out.dump();
}

std::string ToTable(const GeneratorSweep& sweep) {
  std::string out = sweep.answers.table + ": " + std::to_string(sweep.answers.train_rows) + " rows to train, " +
                    std::to_string(sweep.answers.test_rows) +
                    " to test\n\nFITTED FROM                          WRONG     TOP-1        +-     CELLS\n";
  out += Line("answers alone", "-", sweep.answers);
  for (const SweepPoint& point : sweep.points) {
    std::array<char, 16> error{};
    std::snprintf(error.data(), error.size(), "%.2f", point.error);
    out += Line("labels, " + point.fault, error.data(), point.labelled);
  }
  for (const std::string& fault : FaultsOf(sweep)) {
    const double at = FallsBelowAt(sweep, fault);
    std::array<char, 128> line{};
    if (std::isnan(at)) {
      std::snprintf(line.data(), line.size(), "\nlabels, %.40s: below the answers nowhere", fault.c_str());
    } else {
      std::snprintf(line.data(), line.size(), "\nlabels, %.40s: below the answers from %.2f on", fault.c_str(), at);
    }
    out += line.data();
  }
  return out + "\n";
}

}  // namespace pointsman::eval
