// The reports of admin_ports.h that are read off one snapshot.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "daemon/admin_ports.h"
#include "daemon/cluster_layout.h"
#include "policy/belief/posterior.h"
#include "policy/belief/prior.h"

namespace pointsman::daemon {
namespace {

admin::CellReport ReportOfCell(const policy::Snapshot& snapshot, const policy::ModelView& view, std::uint32_t number) {
  const policy::Bundle& bundle = *snapshot.bundle;
  policy::ClusterWeights only;
  only.push_back({ClusterId{number}, 1.0});
  admin::CellReport report;
  report.model = view.model.name;
  report.prior = policy::PriorQuality(bundle, view.columns(), only, {});
  const policy::Estimate estimate =
      policy::ReadPosterior(snapshot, view, only, report.prior, report.prior - view.mean_prior);
  report.quality = std::clamp(estimate.mean, 0.0, 1.0);
  report.quality_deviation = estimate.Deviation();
  const auto& block = number < snapshot.clusters.size() ? snapshot.clusters[number] : nullptr;
  const policy::CellReadout* readout = block == nullptr ? nullptr : block->Find(view.model.id);
  if (readout != nullptr) {
    report.gold_weight = readout->gold_weight;
    report.rating_weight = readout->rating_weight;
    report.conflict = readout->conflict;
  }
  return report;
}

// Without its place on the map.
admin::ClusterDetail DetailAt(const policy::Snapshot& snapshot, std::uint32_t number) {
  const policy::Bundle& bundle = *snapshot.bundle;
  admin::ClusterDetail detail;
  detail.summary.number = number;
  detail.summary.name = number == 0 ? "background" : bundle.cluster_names[number - 1];
  detail.summary.size = number < bundle.cluster_sizes.size() ? bundle.cluster_sizes[number] : 0;
  for (const policy::ModelView& view : snapshot.models) {
    detail.cells.push_back(ReportOfCell(snapshot, view, number));
    detail.summary.gold_weight += detail.cells.back().gold_weight;
    detail.summary.rating_weight += detail.cells.back().rating_weight;
  }
  std::stable_sort(detail.cells.begin(), detail.cells.end(),
                   [](const auto& a, const auto& b) { return a.quality > b.quality; });
  if (!detail.cells.empty()) {
    detail.summary.leader = detail.cells.front().model;
    detail.summary.leader_quality = detail.cells.front().quality;
  }
  return detail;
}

}  // namespace

Result<admin::ClusterDetail> DetailOfCluster(const policy::Snapshot& snapshot, std::uint32_t number) {
  const policy::Bundle& bundle = *snapshot.bundle;
  if (number > bundle.cluster_count()) {
    return MakeError(
        Code::kNotFound, "unknown_cluster",
        fmt::format("there is no cluster {}; the live generation has 0 to {}", number, bundle.cluster_count()));
  }
  admin::ClusterDetail detail = DetailAt(snapshot, number);
  std::tie(detail.summary.x, detail.summary.y) = LayOutClusters(bundle)[number];
  return detail;
}

std::vector<admin::ClusterReport> ClusterReports(const policy::Snapshot& snapshot) {
  const auto places = LayOutClusters(*snapshot.bundle);
  std::vector<admin::ClusterReport> reports;
  for (std::uint32_t k = 0; k < places.size(); ++k) {
    reports.push_back(DetailAt(snapshot, k).summary);
    std::tie(reports.back().x, reports.back().y) = places[k];
  }
  return reports;
}

namespace {

admin::TrialReport ReportOfTrial(const policy::ModelView& view, const policy::Snapshot& snapshot) {
  const policy::Newcomer& newcomer = view.newcomer;
  admin::TrialReport trial;
  trial.prior = view.column >= 0 ? "again" : view.model.like.empty() ? "nothing" : "facts";
  trial.like = view.model.like;
  trial.reports = view.tally.ratings + view.tally.gold + newcomer.probes;
  trial.reports_needed = policy::kTrialReports;
  trial.plays = newcomer.plays;
  trial.spent = newcomer.spent;
  trial.allowance = policy::TrialAllowance(newcomer, snapshot.counters.decisions);
  trial.spent_usd = newcomer.spent_usd;
  trial.allowance_usd = trial.allowance * snapshot.options.budget_usd;
  trial.gold_asked = newcomer.gold_asked;
  trial.probes = newcomer.probes;
  return trial;
}

}  // namespace

admin::ModelReport ReportOfModel(const policy::Model& model, const policy::ModelView* view,
                                 const policy::ModelTally& tally, const policy::Snapshot& snapshot) {
  const std::vector<std::string>& sources = snapshot.options.sources;
  admin::ModelReport report;
  report.id = model.id.value;
  report.name = model.name;
  report.epoch = model.epoch;
  report.state = policy::ModelStateName(model.state);
  report.price = model.price;
  report.context_tokens = model.context_tokens;
  report.decisions = tally.decisions;
  report.outcomes = tally.outcomes;
  report.failures = tally.failures;
  report.ratings = tally.ratings;
  report.gold = tally.gold;
  if (view == nullptr) return report;
  if (policy::OnTrial(model.state)) report.trial = ReportOfTrial(*view, snapshot);
  report.in_bundle = view->column >= 0;
  report.prior_quality = view->mean_prior;
  report.level = view->mean[0];
  report.level_deviation = std::sqrt(std::max(view->covariance[0], 0.0));
  for (std::size_t s = 0; s < sources.size() && s < policy::kSourcesMax; ++s) {
    const double variance = view->covariance[(s + 1) * (policy::kModelStateMax + 1)];
    report.biases.push_back({sources[s], view->mean[s + 1], std::sqrt(std::max(variance, 0.0))});
  }
  report.latency_median_ms = view->latency_median_ms;
  report.latency_high_ms = view->latency_high_ms;
  report.expected_tokens_out = std::exp(view->token_mean_log + view->token_variance_log / 2) - 1;
  return report;
}

}  // namespace pointsman::daemon
