#include "bootstrap/fit/trouter_data.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "base/contract.h"

namespace pointsman::bootstrap {
namespace {

constexpr double kSiblings = 0.6;
constexpr double kDomain = 0.3;
constexpr double kAll = 0.1;

Error Refused(const std::string& reason, const std::string& what) {
  return MakeError(Code::kInvalidArgument, reason, what);
}

std::string MetricName(std::size_t metric) { return metric == 0 ? "score" : "cost"; }

Status CheckMetric(const Scores& metric, const std::string& name) {
  for (std::size_t m = 0; m < metric.models; ++m) {
    bool any = false;
    for (std::size_t i = 0; i < metric.items; ++i) {
      const double value = metric.at(i, m);
      if (std::isnan(value)) continue;
      any = true;
      if (value >= 0 && value <= 1) continue;
      return Refused("value_out_of_range", "row " + std::to_string(i) + ", model " + std::to_string(m) + ": the " +
                                               name + " must lie in [0,1]");
    }
    if (!any) {
      return Refused("model_without_values",
                     "model " + std::to_string(m) + " has no " + name + " in any row; give it one or leave it out");
    }
  }
  return {};
}

}  // namespace

std::vector<double> TaxonomyPrior(std::size_t tasks, std::span<const TaskPlace> places, double smoothing) {
  REQUIRE(tasks > 0 && (places.empty() || places.size() == tasks), "a place for every task type");
  REQUIRE(smoothing >= 0 && smoothing < 1, "smoothing in [0,1)");
  std::vector<double> prior(tasks * tasks, 0);
  for (std::size_t t = 0; t < tasks; ++t) {
    double* row = prior.data() + t * tasks;
    double siblings = 0;
    double neighbours = 0;  // of its domain, itself among them
    const auto same_domain = [&](std::size_t u) { return places.empty() || places[u].domain == places[t].domain; };
    const auto sibling = [&](std::size_t u) {
      return u != t && !places.empty() && places[u].subcategory == places[t].subcategory;
    };
    for (std::size_t u = 0; u < tasks; ++u) {
      siblings += sibling(u) ? 1 : 0;
      neighbours += same_domain(u) ? 1 : 0;
    }
    const double by_domain = siblings > 0 ? kDomain : kDomain + kSiblings;
    for (std::size_t u = 0; u < tasks; ++u) {
      row[u] = smoothing * kAll / static_cast<double>(tasks);
      if (same_domain(u)) row[u] += smoothing * by_domain / neighbours;
      if (sibling(u)) row[u] += smoothing * kSiblings / siblings;
    }
    row[t] += 1 - smoothing;
  }
  return prior;
}

Status CheckTrouterRows(const TrouterRows& rows, std::size_t tasks) {
  if (rows.queries.count() == 0) return Refused("no_rows", "there is no row to train on");
  REQUIRE(rows.task.size() == rows.queries.count() && !rows.metrics.empty(), "a task and metrics for every row");
  if (tasks < 2) {
    return Refused("no_task_types", "at least 2 task types are needed; there are " + std::to_string(tasks));
  }
  if (rows.metrics[0]->models == 0) return Refused("no_models", "there is no model to train for");
  for (std::size_t i = 0; i < rows.queries.count(); ++i) {
    const auto row = rows.queries.row(i);
    for (std::size_t j = 0; j < row.size(); ++j) {
      if (std::isfinite(row[j])) continue;
      return Refused("row_not_finite",
                     "row " + std::to_string(i) + ", column " + std::to_string(j) + " of the embedding is no number");
    }
    REQUIRE(rows.task[i] == kNoGroup || rows.task[i] < tasks, "a task type that there is");
  }
  if (std::all_of(rows.task.begin(), rows.task.end(), [](std::uint32_t t) { return t == kNoGroup; })) {
    return Refused("too_few_labels", "no row has a task type; the recogniser cannot be trained");
  }
  for (std::size_t h = 0; h < rows.metrics.size(); ++h) {
    const Scores& metric = *rows.metrics[h];
    REQUIRE(metric.items == rows.queries.count() && metric.models == rows.metrics[0]->models, "one value per cell");
    if (auto status = CheckMetric(metric, MetricName(h)); !status.ok()) return status;
  }
  return {};
}

Result<CostScale> CostScale::Fit(const Scores& dollars, std::span<const std::uint32_t> task, std::size_t tasks) {
  if (dollars.items == 0 || dollars.models == 0) return Refused("no_rows", "there is no cost to learn a scale from");
  REQUIRE(task.size() == dollars.items, "a task for every row");
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  CostScale scale;
  scale.spans_.assign(tasks + 1, {kInfinity, -kInfinity});
  for (std::size_t i = 0; i < dollars.items; ++i) {
    for (std::size_t m = 0; m < dollars.models; ++m) {
      const double value = dollars.at(i, m);
      if (!std::isfinite(value) || value < 0) {
        return Refused("price_missing", "row " + std::to_string(i) + ", model " + std::to_string(m) +
                                            ": the cost is missing or negative; add the field \"cost\"");
      }
      for (const std::size_t at : {static_cast<std::size_t>(std::min<std::size_t>(task[i], tasks)), tasks}) {
        scale.spans_[at].low = std::min(scale.spans_[at].low, value);
        scale.spans_[at].high = std::max(scale.spans_[at].high, value);
      }
    }
  }
  return scale;
}

const CostScale::Span& CostScale::Of(std::uint32_t task) const {
  const std::size_t last = spans_.size() - 1;
  const std::size_t at = std::min<std::size_t>(task, last);
  return spans_[at].high > spans_[at].low ? spans_[at] : spans_[last];
}

double CostScale::ToUnit(std::uint32_t task, double dollars) const {
  const Span& span = Of(task);
  return span.high > span.low ? std::clamp((dollars - span.low) / (span.high - span.low), 0.0, 1.0) : 0;
}

double CostScale::ToDollars(std::uint32_t task, double unit) const {
  const Span& span = Of(task);
  return span.low + unit * (span.high - span.low);
}

}  // namespace pointsman::bootstrap
