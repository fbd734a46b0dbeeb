#include "daemon/admin_ports.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <future>
#include <memory>
#include <utility>

#include "daemon/hex.h"
#include "daemon/job_diff.h"
#include "daemon/process_memory.h"
#include "daemon/subject_report.h"
#include "daemon/transport_metrics.h"
#include "daemon/version.h"
#include "embed/http_embedder.h"
#include "policy/belief/posterior.h"
#include "policy/choice/pacing.h"

namespace pointsman::daemon {
namespace {

constexpr std::chrono::seconds kLookLimit{10};

Actor Operator(const admin::Caller& caller) { return {policy::Origin::kOperator, caller.uid}; }

struct StateLook {
  LogSeq seq;
  std::uint64_t hash = 0;
  Generation generation;
  BundleHash bundle;
  policy::Counters counters;
  bool frozen = false;
  admin::StatusReport::Subjects subjects;
};

// State and hash from one moment. Errors: of LearnerLoop::Inspect; DEADLINE_EXCEEDED.
Result<StateLook> LookAtState(LearnerLoop& learner) {
  auto promise = std::make_shared<std::promise<StateLook>>();
  auto future = promise->get_future();
  const Status asked = learner.Inspect(true, [promise](const policy::State& state, std::uint64_t hash) {
    promise->set_value(
        {state.last_seq, hash, state.generation, state.bundle, state.counters, state.frozen, ReportOf(state.subjects)});
  });
  if (!asked.ok()) return asked.error();
  if (future.wait_for(kLookLimit) != std::future_status::ready) {
    return MakeError(Code::kDeadlineExceeded, "learner_busy", "the learner is busy; try again later");
  }
  return future.get();
}

std::string QuarantineName(policy::Quarantine quarantine) {
  switch (quarantine) {
    case policy::Quarantine::kStuck: return "stuck";
    case policy::Quarantine::kContrary: return "contrary";
    case policy::Quarantine::kNone: break;
  }
  return {};
}

void FillCounters(const policy::Counters& counters, admin::StatusReport* report) {
  report->decisions = counters.decisions;
  report->audits = counters.audits;
  report->outcomes = counters.outcomes;
  report->gold = counters.feedback[0];
  for (std::size_t c = 1; c < counters.feedback.size(); ++c) report->ratings += counters.feedback[c];
  report->preferences = counters.preferences;
  report->retractions = counters.retractions;
  report->expired = counters.expired;
  report->not_folded = counters.not_folded;
  report->audited_gold = counters.audited_gold;
  if (counters.audited_gold > 0) {
    const auto n = static_cast<double>(counters.audited_gold);
    report->audited_rmse = std::sqrt(counters.audited_squared_error / n);
    report->audited_z_squared = counters.audited_z_squared / n;
  }
}

void FillLearning(const policy::Snapshot& snapshot, admin::StatusReport* report) {
  report->alarms = snapshot.counters.alarms;
  report->cell_alarms = snapshot.counters.cell_alarms;
  report->judge_alarms = snapshot.counters.judge_alarms;
  report->guard_z_squared = snapshot.guard.z_squared;
  report->guard_bias_factor = snapshot.guard.bias_factor;
  report->guard_steps = snapshot.guard.steps;
  report->model_width = snapshot.widths.model;
  report->trust_width = snapshot.widths.trust;
  for (const auto& [tenant, pacer] : snapshot.pacers) {
    report->budgets.push_back({.tenant = tenant,
                               .usd_per_request = policy::BudgetOf(snapshot.options, tenant),
                               .mean_cost_usd = pacer.mean_cost_usd,
                               .lambda = pacer.lambda,
                               .spent_usd = pacer.spent_usd,
                               .settled = pacer.settled});
  }
}

// What the learner noticed about sources.
void AddSourceWarnings(const admin::StatusReport::Source& source, admin::StatusReport* report) {
  if (source.quarantine == "stuck") {
    report->warnings.push_back("ratings of '" + source.name +
                               "' are not read: it says the same of every answer; they count again after other values");
  }
  if (source.quarantine == "contrary") {
    report->warnings.push_back("ratings of '" + source.name +
                               "' are not read: they go against gold on the same answers; is its scale upside down?");
  }
}

// What the learner noticed about models.
void AddModelWarnings(const policy::Snapshot& snapshot, admin::StatusReport* report) {
  for (const policy::ModelView& view : snapshot.models) {
    if (!view.healthy) {
      report->warnings.push_back(view.model.name + " rests: its calls failed in a row; it will be probed");
    }
    if (view.changed) {
      report->warnings.push_back(
          view.model.name +
          " no longer does what was predicted; its earlier evidence counts an eighth: bootstrap anew when you can");
    }
  }
}

// That some model can answer: "ready" with none would be a lie.
Status ReadyToRoute(const policy::Snapshot& snapshot) {
  bool any = false;
  for (const policy::ModelView& view : snapshot.models) {
    if (!policy::TakesTraffic(view.model.state)) continue;
    if (view.healthy) return {};
    any = true;
  }
  if (any) {
    return MakeError(Code::kUnavailable, "no_healthy_model",
                     "every model rests, because its calls failed in a row; they are probed as time passes");
  }
  return MakeError(Code::kUnavailable, "no_model",
                   "no model of the pool may be chosen: `pointsman models add`, or `models activate` a draining one");
}

void AddWarnings(const policy::Snapshot& snapshot, const Status& learning, admin::StatusReport* report) {
  if (!learning.ok()) report->warnings.push_back("learning has stopped: " + learning.error().message);
  if (snapshot.models.empty()) {
    report->warnings.push_back("the pool is empty: add a model with `pointsman models add`");
  }
  if (report->generation == 0) {
    report->warnings.push_back("no bundle is live: every query is treated alike; run `pointsman bootstrap run`");
  }
  if (report->ratings >= 100 && report->gold == 0) {
    report->warnings.push_back("ratings stand on prior bias only: no gold label has come yet");
  }
  if (report->frozen) report->warnings.push_back("learning is frozen: feedback is logged but not learnt from");
  AddModelWarnings(snapshot, report);
  for (const admin::StatusReport::Source& source : report->sources) AddSourceWarnings(source, report);
  if (snapshot.guard.bias_factor > 1) {
    report->warnings.push_back(
        fmt::format("gold on audits lies further from the predictions than they claim: the variances of biases count "
                    "{:.1f} times",
                    snapshot.guard.bias_factor));
  }
  if (report->quarantined_cells > 0) {
    report->warnings.push_back(
        fmt::format("{} cells are in quarantine and read as untouched", report->quarantined_cells));
  }
  if (report->lost_unsynced > 0) {
    report->warnings.push_back(
        fmt::format("the last crash lost {} unsynced events; no acknowledged feedback is among "
                    "them",
                    report->lost_unsynced));
  }
}

void AddRolloutWarnings(const policy::Snapshot& snapshot, admin::StatusReport* report) {
  const policy::Rollout& rollout = snapshot.rollout.rollout;
  if (rollout.mode == policy::RolloutMode::kFull) return;
  if (!rollout.incumbent.empty() && snapshot.FindLive(rollout.incumbent) == nullptr) {
    report->warnings.push_back(fmt::format(
        "the incumbent {} is no live model: where a request names none, the router decides", rollout.incumbent));
  }
  if (rollout.mode == policy::RolloutMode::kApprentice && snapshot.options.gold_rate <= 0) {
    report->warnings.push_back("the apprentice cannot be judged: gold is never asked for (learning.gold_rate is 0)");
  }
}

}  // namespace

AdminPorts::AdminPorts(ServiceContext& context, Dispatcher& dispatcher, LearnerLoop& learner, Mutations& mutations,
                       JobRunner& jobs, Refitter& refitter, const RolloutWatch& rollout,
                       const TransportStatistics& transport)
    : context_(context),
      dispatcher_(dispatcher),
      learner_(learner),
      mutations_(mutations),
      jobs_(jobs),
      refitter_(refitter),
      rollout_(rollout),
      transport_(transport),
      started_nanos_(context.clock.MonotonicNanos()) {}

bool AdminPorts::Alive() const { return !context_.queue.Statistics().failed; }

Status AdminPorts::Ready() const {
  if (context_.stopping.load()) {
    return MakeError(Code::kUnavailable, "shutting_down", "the daemon is shutting down");
  }
  if (context_.queue.Statistics().failed) {
    return MakeError(Code::kUnavailable, "storage_failed", "a write to the store failed; the daemon must restart");
  }
  const Status learning = learner_.Health();
  if (!learning.ok()) {
    return MakeError(Code::kUnavailable, "learning_stopped", "learning has stopped: " + learning.error().message);
  }
  return ReadyToRoute(*context_.cell.Load()->snapshot);
}

admin::StatusReport AdminPorts::GetStatus() const {
  const auto view = context_.cell.Load();
  const policy::Snapshot& snapshot = *view->snapshot;
  admin::StatusReport report;
  report.version = kVersion;
  StateLook look{snapshot.seq, 0, snapshot.generation, snapshot.bundle->hash, snapshot.counters, snapshot.frozen, {}};
  if (const auto fresh = LookAtState(learner_); fresh.ok()) look = fresh.value();
  report.generation = look.generation.value;
  report.bundle = look.bundle.IsZero() ? "" : Hex(look.bundle.bytes);
  report.bundle_made_from = snapshot.bundle->made_from;
  report.embedder = snapshot.bundle->embedder.kind;
  report.dimension = snapshot.bundle->embedder.dimension;
  report.learned_sequence = look.seq.value;
  report.state_hash = look.hash;
  report.frozen = look.frozen;
  FillCounters(look.counters, &report);
  FillLearning(snapshot, &report);
  report.subjects = look.subjects;
  const store::StoreStatistics log = context_.store.Statistics();
  report.last_sequence = log.last_seq.value;
  report.synced_sequence = log.synced_seq.value;
  report.checkpoint_sequence = log.checkpoint_seq.value;
  report.base_sequence = log.base_seq.value;
  report.open_decisions = log.open_decisions;
  report.disk_bytes = log.disk_bytes;
  const ProcessMemory memory = MeasureProcessMemory();
  report.memory = {memory.resident_bytes, memory.allocated_bytes, log.memtable_bytes, log.read_cache_bytes};
  report.lost_unsynced = log.lost_unsynced;
  report.quarantined_cells = snapshot.quarantined_cells;
  report.refused = context_.metrics.refused();
  const store::CommitQueueStatistics queue = context_.queue.Statistics();
  report.commit_waiting = queue.waiting;
  report.commit_refused = queue.refused_full;
  report.connections = transport_.connections_open.load(std::memory_order_relaxed);
  report.uptime_seconds = static_cast<double>(context_.clock.MonotonicNanos() - started_nanos_) * 1e-9;
  const auto& sources = snapshot.options.sources;
  for (std::size_t s = 0; s < sources.size() && s < policy::kSourcesMax; ++s) {
    const policy::SourceWatch& watch = snapshot.source_watches[s];
    report.sources.push_back({sources[s], look.counters.feedback[s + 1], snapshot.source_bias[s],
                              std::sqrt(std::max(snapshot.source_variance[s], 0.0)), QuarantineName(watch.quarantine),
                              watch.since.value, watch.pairs});
  }
  report.rollout = GetRollout();
  AddWarnings(snapshot, learner_.Health(), &report);
  AddRolloutWarnings(snapshot, &report);
  AddSubjectWarnings(report.subjects, &report.warnings);
  return report;
}

std::string AdminPorts::MetricsText() const {
  const auto view = context_.cell.Load();
  const embed::HttpEmbedderCounts embedder =
      view->embedder == nullptr ? embed::HttpEmbedderCounts{} : embed::CountsOf(*view->embedder);
  return context_.metrics.Text(GetStatus(), Models()) + TransportMetricsText(transport_) +
         fmt::format(
             "# HELP pointsman_embedder_texts_total Texts for an embedding endpoint, since its generation was loaded.\n"
             "# TYPE pointsman_embedder_texts_total counter\n"
             "pointsman_embedder_texts_total{{result=\"asked\"}} {}\n"
             "pointsman_embedder_texts_total{{result=\"cached\"}} {}\n"
             "pointsman_embedder_texts_total{{result=\"without_vector\"}} {}\n",
             embedder.asked, embedder.cached, embedder.fallbacks);
}

std::vector<admin::ModelReport> AdminPorts::Models() const {
  struct Look {
    policy::Pool pool;
    std::map<ModelId, policy::ModelTally> tallies;
  };
  const auto view = context_.cell.Load();
  std::vector<admin::ModelReport> reports;
  const auto look = learner_.Query<Look>(kLookLimit, [](const policy::State& state) {
    return Look{state.pool, state.tallies};
  });
  if (!look.ok()) {
    for (const policy::ModelView& model : view->snapshot->models) {
      reports.push_back(ReportOfModel(model.model, &model, model.tally, *view->snapshot));
    }
    return reports;
  }
  for (const policy::Model& model : look->pool.models()) {
    const auto& views = view->snapshot->models;
    const auto found =
        std::find_if(views.begin(), views.end(), [&](const auto& one) { return one.model.id == model.id; });
    const auto tally = look->tallies.find(model.id);
    reports.push_back(ReportOfModel(model, found == views.end() ? nullptr : &*found,
                                    tally == look->tallies.end() ? policy::ModelTally{} : tally->second,
                                    *view->snapshot));
  }
  return reports;
}

Result<admin::ModelReport> AdminPorts::ReportOf(const std::string& name) const {
  const auto models = Models();
  // Ascending epochs: the last of that name is the one just changed.
  const auto found =
      std::find_if(models.rbegin(), models.rend(), [&](const auto& model) { return model.name == name; });
  if (found != models.rend()) return *found;
  return MakeError(Code::kNotFound, "unknown_model", "this model is not in the pool");
}

Result<admin::ModelReport> AdminPorts::AddModel(const admin::Caller& caller, const admin::NewModel& model) {
  const auto id = mutations_.AddModel(Operator(caller), model.name, model.price, model.context_tokens, model.facts);
  if (!id.ok()) return id.error();
  return ReportOf(model.name);
}

Result<admin::ModelReport> AdminPorts::SetPrice(const admin::Caller& caller, const std::string& name,
                                                const policy::Price& price) {
  const Status done = mutations_.SetPrice(Operator(caller), name, price);
  if (!done.ok()) return done.error();
  return ReportOf(name);
}

Result<admin::ModelReport> AdminPorts::SetModelState(const admin::Caller& caller, const std::string& name,
                                                     const std::string& state) {
  policy::ModelState wanted = policy::ModelState::kActive;
  if (state == "draining") {
    wanted = policy::ModelState::kDraining;
  } else if (state == "retired") {
    wanted = policy::ModelState::kRetired;
  } else if (state != "active") {
    return MakeError(Code::kInvalidArgument, "model_state", "the state must be active, draining or retired");
  }
  const Status done = mutations_.SetModelState(Operator(caller), name, wanted);
  if (!done.ok()) return done.error();
  return ReportOf(name);
}

std::vector<admin::ClusterReport> AdminPorts::Clusters() const {
  return ClusterReports(*context_.cell.Load()->snapshot);
}

Result<admin::ClusterDetail> AdminPorts::Cluster(std::uint32_t number) const {
  return DetailOfCluster(*context_.cell.Load()->snapshot, number);
}

std::vector<admin::GenerationReport> AdminPorts::Generations() const {
  const auto records = learner_.Query<std::vector<policy::GenerationRecord>>(
      kLookLimit, [](const policy::State& state) { return state.generations; });
  std::vector<admin::GenerationReport> reports;
  if (!records.ok()) return reports;
  for (const policy::GenerationRecord& record : records.value()) {
    admin::GenerationReport report;
    report.number = record.generation.value;
    report.bundle = Hex(record.bundle.bytes);
    report.activated_sequence = record.activated_at.value;
    report.activated_at_us = record.activated_at_us;
    report.reason = record.reason;
    if (const auto bundle = context_.store.Find(record.bundle); bundle.ok()) {
      const policy::Bundle& made = *bundle.value();
      report.made_from = made.made_from;
      report.labels = made.labels;
      report.clusters = static_cast<std::uint32_t>(made.cluster_count());
      report.models = static_cast<std::uint32_t>(made.models.size());
      report.rows = made.rows;
    }
    reports.push_back(std::move(report));
  }
  if (!reports.empty()) reports.back().live = true;
  return reports;
}

Result<admin::GenerationReport> AdminPorts::ReportOf(pointsman::Generation generation) const {
  for (admin::GenerationReport& report : Generations()) {
    if (report.number == generation.value) return std::move(report);
  }
  return MakeError(Code::kNotFound, "unknown_generation", fmt::format("there is no generation {}", generation.value));
}

// A generation number, or the beginning of a hash. A bundle that was stored but
// never live is found by its whole hash only.
Result<BundleHash> AdminPorts::FindTarget(const std::string& target) const {
  BundleHash hash;
  if (ParseHex(target, hash.bytes)) return hash;
  const auto generations = Generations();
  constexpr std::size_t kPrefixMin = 8;
  std::uint32_t number = 0;
  const auto [end, fault] = std::from_chars(target.data(), target.data() + target.size(), number);
  const bool is_number = fault == std::errc() && end == target.data() + target.size() && target.size() < kPrefixMin;
  for (auto it = generations.rbegin(); it != generations.rend(); ++it) {
    const bool fits = is_number ? it->number == number : target.size() >= kPrefixMin && it->bundle.starts_with(target);
    if (!fits) continue;
    ParseHex(it->bundle, hash.bytes);
    return hash;
  }
  return MakeError(Code::kNotFound, "unknown_generation",
                   "no generation has this number or bundle; `pointsman generations list` shows them. A bundle that "
                   "was never live is named by its whole hash");
}

Result<admin::GenerationReport> AdminPorts::Generation(const std::string& target) const {
  const auto hash = FindTarget(target);
  if (!hash.ok()) return hash.error();
  const std::string wanted = Hex(hash->bytes);
  auto reports = Generations();
  for (auto it = reports.rbegin(); it != reports.rend(); ++it) {
    if (it->bundle == wanted && (target.size() >= 8 || std::to_string(it->number) == target)) return std::move(*it);
  }
  return MakeError(Code::kNotFound, "unknown_generation", "this bundle was never live");
}

Result<admin::GenerationDiff> AdminPorts::DiffGenerations(const std::string& from, const std::string& to) const {
  const auto first = FindTarget(from);
  if (!first.ok()) return first.error();
  const auto second = FindTarget(to);
  if (!second.ok()) return second.error();
  const auto pool = learner_.Query<policy::Pool>(kLookLimit, [](const policy::State& state) { return state.pool; });
  if (!pool.ok()) return pool.error();
  return DiffBundles(context_.store, pool.value(), first.value(), second.value());
}

Result<admin::GenerationReport> AdminPorts::Activate(const admin::Caller& caller, const std::string& target) {
  const auto hash = FindTarget(target);
  if (!hash.ok()) return hash.error();
  const auto generation = mutations_.Activate(Operator(caller), hash.value(), "activated by verb", false);
  if (!generation.ok()) return generation.error();
  return ReportOf(generation.value());
}

Result<admin::GenerationReport> AdminPorts::Rollback(const admin::Caller& caller) {
  const auto generation = mutations_.Rollback(Operator(caller));
  if (!generation.ok()) return generation.error();
  return ReportOf(generation.value());
}

Result<admin::BootstrapReport> AdminPorts::StartBootstrap(const admin::Caller& caller,
                                                          const admin::BootstrapRequest& request) {
  return jobs_.Start(caller.uid, request);
}

admin::BootstrapReport AdminPorts::BootstrapStatus() const { return jobs_.Report(); }

Result<std::string> AdminPorts::PlanBootstrap(const std::string& plan_path) const { return jobs_.Estimate(plan_path); }

Result<admin::RefitReport> AdminPorts::Refit(const admin::Caller& caller, const admin::RefitRequest& request) {
  return refitter_.Refit({policy::Origin::kOperator, caller.uid}, request);
}

Result<admin::BootstrapReport> AdminPorts::CancelBootstrap(const admin::Caller&) { return jobs_.Cancel(); }

Status AdminPorts::SetFrozen(const admin::Caller& caller, bool frozen) {
  return mutations_.SetFrozen(Operator(caller), frozen);
}

}  // namespace pointsman::daemon
