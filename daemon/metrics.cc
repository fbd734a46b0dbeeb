#include "daemon/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>
#include <utility>

namespace pointsman::daemon {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr std::array<const char*, 11> kKindNames{"unknown", "route",   "route_batch", "outcome", "rate", "prefer",
                                                 "gold",    "retract", "status",      "ping",    "vote"};

class Exposition {
 public:
  MetricFamily& Family(std::string name, std::string help, MetricType type) {
    families_.push_back({"pointsman_" + std::move(name), std::move(help), type, {}});
    return families_.back();
  }
  static void Add(MetricFamily& family, double value, std::vector<ClientMetric::Label> labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    if (family.type == MetricType::Counter) {
      metric.counter.value = value;
    } else {
      metric.gauge.value = value;
    }
    family.metric.push_back(std::move(metric));
  }
  void Counter(std::string name, std::string help, std::uint64_t value) {
    Add(Family(std::move(name), std::move(help), MetricType::Counter), static_cast<double>(value));
  }
  void Gauge(std::string name, std::string help, double value) {
    Add(Family(std::move(name), std::move(help), MetricType::Gauge), value);
  }
  std::vector<MetricFamily>& families() { return families_; }

 private:
  std::vector<MetricFamily> families_;
};

void AddLog(Exposition& out, const admin::StatusReport& status) {
  out.Counter("decisions_total", "Decisions in the log.", status.decisions);
  out.Counter("audits_total", "Decisions drawn as random audits.", status.audits);
  out.Counter("outcomes_total", "Outcomes in the log.", status.outcomes);
  out.Counter("gold_total", "Gold labels in the log.", status.gold);
  out.Counter("preferences_total", "Preferences in the log.", status.preferences);
  out.Counter("retractions_total", "Retractions in the log.", status.retractions);
  out.Counter("expired_total", "Decisions whose time for feedback ended.", status.expired);
  out.Counter("not_folded_total", "Feedback accepted but not learnt from.", status.not_folded);
  out.Counter("lost_unsynced_total", "Unsynced events lost in the last crash.", status.lost_unsynced);
  MetricFamily& ratings = out.Family("ratings_total", "Ratings in the log, by source.", MetricType::Counter);
  MetricFamily bias{"pointsman_source_bias", "Mean rating minus gold, by source.", MetricType::Gauge, {}};
  for (const auto& source : status.sources) {
    Exposition::Add(ratings, static_cast<double>(source.reports), {{"source", source.name}});
    Exposition::Add(bias, source.bias, {{"source", source.name}});
  }
  out.families().push_back(std::move(bias));
  MetricFamily& width =
      out.Family("source_bias_deviation", "Standard error of the mean rating minus gold.", MetricType::Gauge);
  for (const auto& source : status.sources) {
    Exposition::Add(width, source.bias_deviation, {{"source", source.name}});
  }
  MetricFamily& drift = out.Family("drift_alarms_total", "Changes that the learner noticed.", MetricType::Counter);
  Exposition::Add(drift, static_cast<double>(status.alarms), {{"of", "model"}});
  Exposition::Add(drift, static_cast<double>(status.cell_alarms), {{"of", "cell"}});
  Exposition::Add(drift, static_cast<double>(status.judge_alarms), {{"of", "judge"}});
  out.Counter("subject_reports_total", "Ratings and preferences that named a subject.", status.subjects.reports);
  out.Counter("subject_reports_lessened_total", "Of them, with a weight below 1.", status.subjects.lessened);
  double spent = 0;
  for (const auto& budget : status.budgets) spent += budget.spent_usd;
  Exposition::Add(out.Family("spent_usd_total", "Dollars of settled requests under budgets.", MetricType::Counter),
                  spent);
  MetricFamily& rollout = out.Family("rollout_decisions_total",
                                     "Decisions under the rollout in force, by who was followed.", MetricType::Counter);
  Exposition::Add(rollout, static_cast<double>(status.rollout.routed), {{"followed", "router"}});
  Exposition::Add(rollout, static_cast<double>(status.rollout.followed), {{"followed", "incumbent"}});
  MetricFamily& mode = out.Family("rollout_mode", "1 for the mode in force.", MetricType::Gauge);
  for (const char* name : {"full", "canary", "apprentice"}) {
    Exposition::Add(mode, status.rollout.mode == name ? 1 : 0, {{"mode", name}});
  }
  Exposition::Add(out.Family("build_info", "The running version.", MetricType::Gauge), 1,
                  {{"version", status.version}});
}

void AddGauges(Exposition& out, const admin::StatusReport& status) {
  out.Gauge("generation", "Live generation.", status.generation);
  out.Gauge("last_sequence", "Last event of the log.", static_cast<double>(status.last_sequence));
  out.Gauge("synced_sequence", "Last event known to be on disk.", static_cast<double>(status.synced_sequence));
  out.Gauge("learned_sequence", "Last event that routes know of.", static_cast<double>(status.learned_sequence));
  out.Gauge("checkpoint_sequence", "Last event of the checkpoint.", static_cast<double>(status.checkpoint_sequence));
  out.Gauge("open_decisions", "Decisions that still take feedback.", static_cast<double>(status.open_decisions));
  out.Gauge("disk_bytes", "Bytes of the store on disk.", static_cast<double>(status.disk_bytes));
  out.Gauge("memory_resident_bytes", "Memory of the process.", static_cast<double>(status.memory.resident));
  out.Gauge("memory_allocated_bytes", "Of it, handed out by malloc.", static_cast<double>(status.memory.allocated));
  out.Gauge("memory_memtable_bytes", "Of that, rows that are in no table file yet.",
            static_cast<double>(status.memory.memtables));
  out.Gauge("memory_read_cache_bytes", "Of that, blocks of table files.",
            static_cast<double>(status.memory.read_cache));
  out.Gauge("commit_waiting", "Requests waiting for the commit thread.", static_cast<double>(status.commit_waiting));
  out.Gauge("connections", "Open connections of the route socket.", static_cast<double>(status.connections));
  out.Gauge("quarantined_cells", "Cells read as untouched because a number went bad.",
            static_cast<double>(status.quarantined_cells));
  out.Gauge("subject_group_alarm", "1 while some of those who rate say the same whatever the answer.",
            status.subjects.group_alarm ? 1 : 0);
  out.Gauge("subject_likeness", "How alike a subject's ratings are, above those of others.", status.subjects.likeness);
  out.Gauge("subjects_distrusted", "Watched subjects whom gold contradicts.",
            static_cast<double>(status.subjects.distrusted));
  out.Gauge("subjects_excluded", "Subjects whose word an operator let count no more.",
            static_cast<double>(status.subjects.excluded));
  out.Gauge("rollout_router_share", "Share of decisions that follow the router.", status.rollout.share);
  out.Gauge("learning_frozen", "1 while learning is frozen.", status.frozen ? 1 : 0);
  out.Gauge("audited_gold_rmse", "Error of predictions on random-audit gold.", status.audited_rmse);
  out.Gauge("audited_gold_z_squared", "Mean squared standardised error there; 1 is honest.", status.audited_z_squared);
  out.Gauge("uptime_seconds", "Seconds since the start.", status.uptime_seconds);
  out.Counter("commit_refused_total", "Requests refused by a full commit queue.", status.commit_refused);
}

void AddModels(Exposition& out, const std::vector<admin::ModelReport>& models) {
  MetricFamily decisions{"pointsman_model_decisions_total", "Decisions, by model.", MetricType::Counter, {}};
  MetricFamily failures{"pointsman_model_failures_total", "Failed calls, by model.", MetricType::Counter, {}};
  MetricFamily width{"pointsman_model_level_deviation", "Posterior width of that shift.", MetricType::Gauge, {}};
  MetricFamily spent{
      "pointsman_model_trial_spent", "Utility that trials gave up, models on trial.", MetricType::Gauge, {}};
  MetricFamily allowance{"pointsman_model_trial_allowance", "What they may give up.", MetricType::Gauge, {}};
  MetricFamily level{"pointsman_model_level", "Learned shift against the prior.", MetricType::Gauge, {}};
  // One series a pool member; beyond this many they would be a burden.
  constexpr std::size_t kModelsMax = 200;
  for (std::size_t i = 0; i < models.size() && i < kModelsMax; ++i) {
    const admin::ModelReport& model = models[i];
    const std::vector<ClientMetric::Label> labels{{"model", model.name}, {"epoch", std::to_string(model.epoch)}};
    Exposition::Add(decisions, static_cast<double>(model.decisions), labels);
    Exposition::Add(failures, static_cast<double>(model.failures), labels);
    Exposition::Add(level, model.level, labels);
    Exposition::Add(width, model.level_deviation, labels);
    if (!model.trial) continue;
    Exposition::Add(spent, model.trial->spent, labels);
    Exposition::Add(allowance, model.trial->allowance, labels);
  }
  for (auto* family : {&decisions, &failures, &level, &width, &spent, &allowance})
    out.families().push_back(std::move(*family));
}

}  // namespace

void Metrics::CountRequest(FrameKind kind) {
  const auto index = static_cast<std::size_t>(kind);
  requests_[index < kKinds ? index : 0].fetch_add(1, std::memory_order_relaxed);
}

void Metrics::CountRefused(Code code) {
  refused_[static_cast<std::size_t>(code)].fetch_add(1, std::memory_order_relaxed);
}

void Metrics::CountFeedbackLost(Code code) {
  if (code == Code::kNotFound) feedback_unattributed_.fetch_add(1, std::memory_order_relaxed);
  if (code == Code::kExpired) feedback_late_.fetch_add(1, std::memory_order_relaxed);
}

void Metrics::AddFeedback(std::vector<MetricFamily>* families) const {
  MetricFamily lost{"pointsman_feedback_lost_total", "Feedback that could not count.", MetricType::Counter, {}};
  Exposition::Add(lost, static_cast<double>(feedback_unattributed_.load(std::memory_order_relaxed)),
                  {{"reason", "unattributed"}});
  Exposition::Add(lost, static_cast<double>(feedback_late_.load(std::memory_order_relaxed)), {{"reason", "late"}});
  families->push_back(std::move(lost));
  MetricFamily last{"pointsman_last_feedback_timestamp_seconds",
                    "When feedback last came, since the start; 0: not yet.",
                    MetricType::Gauge,
                    {}};
  constexpr std::array<const char*, 3> kNames{"gold", "rating", "outcome"};
  for (std::size_t kind = 0; kind < kNames.size(); ++kind) {
    Exposition::Add(last, static_cast<double>(feedback_at_us_[kind].load(std::memory_order_relaxed)) * 1e-6,
                    {{"kind", kNames[kind]}});
  }
  families->push_back(std::move(last));
}

void Metrics::ObserveRoute(double seconds) {
  std::size_t bucket = 0;
  while (bucket < kBuckets.size() && seconds > kBuckets[bucket]) ++bucket;
  route_buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
  route_nanos_.fetch_add(static_cast<std::uint64_t>(seconds * 1e9), std::memory_order_relaxed);
}

std::uint64_t Metrics::refused() const {
  std::uint64_t sum = 0;
  for (const auto& count : refused_) sum += count.load(std::memory_order_relaxed);
  return sum;
}

std::uint64_t Metrics::refused(Code code) const {
  return refused_[static_cast<std::size_t>(code)].load(std::memory_order_relaxed);
}

std::string Metrics::Text(const admin::StatusReport& status, const std::vector<admin::ModelReport>& models) const {
  Exposition out;
  MetricFamily& requests = out.Family("requests_total", "Requests by kind, refused ones too.", MetricType::Counter);
  for (std::size_t i = 0; i < kKinds; ++i) {
    Exposition::Add(requests, static_cast<double>(requests_[i].load(std::memory_order_relaxed)),
                    {{"kind", kKindNames[i]}});
  }
  MetricFamily& refused = out.Family("refused_total", "Requests answered with an error.", MetricType::Counter);
  for (std::size_t i = 2; i < kCodes; ++i) {
    Exposition::Add(refused, static_cast<double>(refused_[i].load(std::memory_order_relaxed)),
                    {{"code", std::string(CodeName(static_cast<Code>(i)))}});
  }
  out.Counter("decisions_not_logged_total", "Decisions that could not be logged: queue or disk full.", not_logged());
  out.Counter("forced_total", "Routes answered by the fallback model.", forced_.load(std::memory_order_relaxed));

  MetricFamily& route =
      out.Family("route_seconds", "Time that a route takes inside the service.", MetricType::Histogram);
  ClientMetric histogram;
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i < route_buckets_.size(); ++i) {
    cumulative += route_buckets_[i].load(std::memory_order_relaxed);
    histogram.histogram.bucket.push_back(
        {cumulative, i < kBuckets.size() ? kBuckets[i] : std::numeric_limits<double>::infinity()});
  }
  histogram.histogram.sample_count = cumulative;
  histogram.histogram.sample_sum = static_cast<double>(route_nanos_.load(std::memory_order_relaxed)) * 1e-9;
  route.metric.push_back(std::move(histogram));

  AddFeedback(&out.families());
  AddLog(out, status);
  AddGauges(out, status);
  AddModels(out, models);
  return prometheus::TextSerializer().Serialize(out.families());
}

}  // namespace pointsman::daemon
