#include "tests/admin/fake_ports.h"

namespace pointsman::admin {

Result<RouteAnswer> FakePorts::Route(const Caller& caller, const RouteAsk& ask) {
  if (ask.text == "refuse me") return MakeError(Code::kResourceExhausted, "full", "try later");
  Keep(caller, "route " + ask.text + " " + std::to_string(ask.embedding.size()) + " " + ask.tenant);
  RouteAnswer answer;
  answer.token = "d1_" + std::string(52, 'a');
  answer.model = "alpha";
  answer.ranked = {{"alpha", 0.75, 0.125, 0.001, 0.5, 0.9}};
  answer.clusters = {{1, "algebra", 0.8}};
  answer.expires_at_us = 1'700'000'000'000'000;
  return answer;
}
Result<std::vector<Result<RouteAnswer>>> FakePorts::RouteBatch(const Caller& caller,
                                                               const std::vector<RouteAsk>& asks) {
  std::vector<Result<RouteAnswer>> answers;
  for (const RouteAsk& ask : asks) answers.push_back(Route(caller, ask));
  return answers;
}
Result<Acknowledgement> FakePorts::ReportOutcome(const Caller& caller, const OutcomeAsk& ask) {
  Keep(caller, "outcome " + ask.token + " " + std::to_string(ask.tokens_out) + " " + ask.verdict);
  return Acknowledgement{Code::kOk, 12, 2};
}
Result<Acknowledgement> FakePorts::GiveFeedback(const Caller& caller, const FeedbackAsk& ask) {
  Keep(caller, "feedback " + ask.token + " " + ask.source + " " + std::to_string(ask.value) + " " + ask.subject);
  return Acknowledgement{Code::kDuplicateOk, 13, 2};
}
Result<Acknowledgement> FakePorts::Prefer(const Caller& caller, const PreferenceAsk& ask) {
  Keep(caller, "prefer " + ask.winner + " " + ask.loser + " " + ask.source + (ask.tie ? " tie" : ""));
  return Acknowledgement{Code::kOk, 14, 2};
}
Result<Acknowledgement> FakePorts::Retract(const Caller& caller, const RetractAsk& ask) {
  Keep(caller, "retract " + ask.token + " " + ask.source);
  return Acknowledgement{Code::kOk, 15, 2};
}
Result<VoteAnswer> FakePorts::Vote(const Caller& caller, const VoteAsk& ask) {
  Keep(caller, "vote " + std::to_string(ask.answers.size()));
  return VoteAnswer{0, "A", "alpha", 1.0, false, {{0, 1}}, "letter"};
}
Result<TrafficReport> FakePorts::Traffic() const {
  TrafficReport report;
  report.decisions = 3;
  report.points = {{1, 3, 0.5, 0.001}};
  report.models = {{"alpha", 2, 3, 0.7, 0.001}};
  report.clusters = {{1, 2.5}};
  report.channels = {{"gold", 1, 1.0}};
  report.dearest = {"beta", 0.01, 0.9, -0.01};
  report.observed = {2, 1, 0.5, 0.001, 0.75, 0.002};
  return report;
}
Result<std::vector<GoldTask>> FakePorts::GoldQueue(std::size_t) const {
  GoldTask task;
  task.decision = "00112233445566778899aabbccddeeff";
  task.model = "alpha";
  task.audit = true;
  task.clusters = {{1, "algebra", 0.8}};
  return std::vector<GoldTask>{task};
}
Result<Acknowledgement> FakePorts::GiveGold(const Caller& caller, const std::string& decision, double value,
                                            std::uint32_t revision) {
  Keep(caller, "gold " + decision + " " + std::to_string(value) + " " + std::to_string(revision));
  return Acknowledgement{Code::kOk, 16, 2};
}
Result<UndoReport> FakePorts::Undo(const Caller& caller) {
  Keep(caller, "undo");
  return UndoReport{"the price of alpha was changed", 9, "alpha costs 1 and 2"};
}

Result<ExclusionReport> FakePorts::ExcludeSubject(const Caller& caller, const std::string& subject,
                                                  const std::string& tenant) {
  Keep(caller, "exclude " + subject + " " + tenant);
  return ExclusionReport{"0x0123456789abcdef", 12, false};
}
Result<InclusionReport> FakePorts::IncludeSubject(const Caller& caller, const std::string& subject,
                                                  const std::string& tenant) {
  Keep(caller, "include " + subject + " " + tenant);
  return InclusionReport{"0x0123456789abcdef", 3};
}

namespace {

StatusReport::Subjects FakeSubjects() {
  return {.capped = true,
          .reports = 9,
          .lessened = 3,
          .withheld = 0.5,
          .watched = 4,
          .distrusted = 1,
          .excluded = 1,
          .likeness = 0.25,
          .group_alarm = true,
          .group_since = 11,
          .group_alarms = 1,
          .conspicuous = {{.subject = "00000000000000ab",
                           .reports = 5,
                           .mean_weight = 0.5,
                           .trust = 0.25,
                           .pairs = 2,
                           .deviation = 4}}};
}

}  // namespace

StatusReport FakePorts::GetStatus() const {
  StatusReport report;
  report.version = "0.1.0";
  report.generation = 3;
  report.bundle = "00ff", report.bundle_made_from = "table t (12 rows)";
  report.embedder = "lsa";
  report.dimension = 256;
  report.last_sequence = (1ULL << 53) + 1;
  report.synced_sequence = 1ULL << 53;
  report.learned_sequence = 41;
  report.checkpoint_sequence = 40;
  report.base_sequence = 2;
  report.state_hash = 0xFEDCBA9876543210ULL;
  report.rollout = {.mode = "apprentice",
                    .share = 0.25,
                    .incumbent = "alpha",
                    .since_sequence = 12,
                    .since_us = 1'700'000'000'000'000,
                    .set_by = "operator",
                    .reason = "by a verb",
                    .routed = 10,
                    .followed = 30,
                    .labels = 210,
                    .next_look_labels = 300,
                    .look = {.number = 1,
                             .labels = 200,
                             .decisions = 40,
                             .gain = 0.125,
                             .gain_error = 0.0625,
                             .quality_gain = 0.25,
                             .chance = 0.03125,
                             .level = 0.025,
                             .verdict = "not yet known to be better"}};
  report.subjects = FakeSubjects();
  report.open_decisions = 5;
  report.disk_bytes = 123456;
  report.memory = {.resident = 48000000, .allocated = 12000000, .memtables = 6000000, .read_cache = 3000000};
  report.decisions = 7;
  report.audits = 1;
  report.outcomes = 6;
  report.ratings = 4;
  report.gold = 2;
  report.preferences = 1;
  report.retractions = 1;
  report.expired = 1;
  report.not_folded = 1;
  report.quarantined_cells = 1;
  report.lost_unsynced = 1;
  report.refused = 9;
  report.commit_waiting = 1;
  report.commit_refused = 1;
  report.connections = 3;
  report.frozen = true;
  report.audited_gold = 11;
  report.audited_rmse = 0.25;
  report.audited_z_squared = 1.5;
  report.uptime_seconds = 61.5;
  report.sources = {{"thumbs", 4, 0.125, 0.0625, "stuck", 77, 9}};
  report.guard_z_squared = 1.25;
  report.guard_bias_factor = 1.5;
  report.guard_steps = 2;
  report.alarms = 2;
  report.cell_alarms = 1;
  report.judge_alarms = 1;
  report.model_width = 0.03125;
  report.trust_width = 0.125;
  report.budgets = {{"acme", 0.001, 0.0009, 0.25, 1.5, 12}};
  report.warnings = {"ratings stand on prior bias only"};
  return report;
}

ModelReport FakePorts::Model(const std::string& name, std::uint32_t id) {
  ModelReport report;
  report.id = id;
  report.name = name;
  report.epoch = 2;
  report.state = "active";
  report.price = {1.5, 6.0};
  report.context_tokens = 8192;
  report.in_bundle = true;
  report.prior_quality = 0.5;
  report.level = 0.0625;
  report.level_deviation = 0.03125;
  report.expected_tokens_out = 200;
  report.decisions = 3;
  report.outcomes = 2;
  report.failures = 1;
  report.ratings = 2;
  report.gold = 1;
  report.biases = {{"thumbs", 0.125, 0.0625}};
  report.latency_median_ms = 812.5;
  report.latency_high_ms = 2048;
  report.trial = TrialReport{.prior = "facts",
                             .like = {"alpha"},
                             .reports = 3,
                             .reports_needed = 20,
                             .plays = 7,
                             .spent = 1.25,
                             .allowance = 20.5,
                             .spent_usd = 0.01,
                             .allowance_usd = 0.2,
                             .gold_asked = 2,
                             .probes = 3};
  return report;
}

Result<ModelReport> FakePorts::AddModel(const Caller& caller, const NewModel& model) {
  Keep(caller, "add " + model.name + " " + std::to_string(model.context_tokens) + model.facts.family);
  if (model.name == "alpha") return MakeError(Code::kConflict, "live_epoch", "alpha is in the pool; retire it first");
  ModelReport report = Model(model.name, 3);
  report.price = model.price;
  report.context_tokens = model.context_tokens;
  report.state = "new";
  return report;
}

Result<ProbeReport> FakePorts::ProbeModel(const Caller& caller, const std::string& name,
                                          const std::vector<ProbeAsk>& probes) {
  Keep(caller, "probe " + name + " " + std::to_string(probes.size()));
  if (name == "missing") return MakeError(Code::kNotFound, "unknown_model", "no model 'missing' in the pool");
  return ProbeReport{.model = Model(name, 3), .probes = probes.size(), .thin = {"2 (maths)"}};
}

Result<ModelReport> FakePorts::SetPrice(const Caller& caller, const std::string& name, const policy::Price& price) {
  Keep(caller, "price " + name);
  ModelReport report = Model(name, 3);
  report.price = price;
  return report;
}

Result<ModelReport> FakePorts::SetModelState(const Caller& caller, const std::string& name, const std::string& state) {
  Keep(caller, "state " + name + " " + state);
  if (name == "missing") return MakeError(Code::kNotFound, "unknown_model", "no model 'missing' in the pool");
  ModelReport report = Model(name, 3);
  report.state = state;
  return report;
}

std::vector<ModelReport> FakePorts::Models() const {
  std::vector<ModelReport> models = {Model("alpha", 1), Model("vendor/beta", 2)};
  for (ModelReport& model : models) model.state = model_state;
  return models;
}

std::vector<ClusterReport> FakePorts::Clusters() const {
  if (!planted.empty()) {
    std::vector<ClusterReport> reports;
    for (const ClusterDetail& detail : planted) reports.push_back(detail.summary);
    return reports;
  }
  ClusterReport report;
  report.number = 1;
  report.name = "algebra";
  report.size = 40;
  report.leader = "alpha";
  report.leader_quality = 0.75;
  report.x = 0.25;
  report.y = -0.5;
  report.gold_weight = 2.5;
  report.rating_weight = 7.5;
  return {report};
}

Result<ClusterDetail> FakePorts::Cluster(std::uint32_t number) const {
  if (number < planted.size()) return planted[number];
  if (number != 1) return MakeError(Code::kNotFound, "unknown_cluster", "there are clusters 0 to 1");
  ClusterDetail detail;
  detail.summary = Clusters().front();
  detail.cells = {{"alpha", 0.5, 0.75, 0.0625, 2.5, 7.5, true}};
  return detail;
}

GenerationReport FakePorts::Generation(std::uint32_t number) {
  GenerationReport report;
  report.number = number;
  report.bundle = "abcd";
  report.made_from = "table t (12 rows)";
  report.labels = "consensus";
  report.clusters = 4;
  report.models = 2;
  report.rows = 12;
  report.activated_sequence = 9;
  report.activated_at_us = 1'700'000'000'000'000;
  report.reason = "bootstrap";
  report.live = number == 2;
  return report;
}

Result<GenerationReport> FakePorts::Activate(const Caller& caller, const std::string& target) {
  Keep(caller, "activate " + target);
  return Generation(3);
}

Result<GenerationReport> FakePorts::Rollback(const Caller& caller) {
  Keep(caller, "rollback");
  return Generation(3);
}

Result<BootstrapReport> FakePorts::StartBootstrap(const Caller& caller, const BootstrapRequest& request) {
  Keep(caller, "bootstrap " + request.table_path + " " + request.labels + " " + std::to_string(request.clusters_max) +
                   " " + std::to_string(request.seed) + (request.refit_embedder ? " refit" : "") +
                   (request.method == "shared" ? "" : " " + request.method) +
                   (request.filter == "none" ? "" : " " + request.filter) +
                   (request.recogniser == "linear" ? "" : " " + request.recogniser) +
                   (request.activate ? " activate" : ""));
  BootstrapReport report;
  report.state = "running";
  report.stage = "votes";
  return report;
}

BootstrapReport FakePorts::BootstrapStatus() const {
  const std::lock_guard lock(mutex_);
  BootstrapReport report;
  report.state = ++polls_ < 3 ? "running" : "done";
  report.stage = "clusters";
  report.progress = polls_ < 3 ? 0.5 : 1.0;
  report.message = "made a bundle of 4 clusters";
  report.bundle = "abcd";
  report.generation = 3;
  report.started_at_us = 1;
  report.ended_at_us = 2;
  report.cost_usd = 0.5;
  report.asked = 7;
  report.reused = 3;
  report.gate = "gate pass";
  return report;
}

Result<RefitReport> FakePorts::Refit(const Caller& caller, const RefitRequest& request) {
  Keep(caller, "refit " + request.learner + " " + request.base + (request.dry_run ? " dry" : ""));
  RefitReport report;
  RefitReport::Source& source = report.sources.emplace_back();
  source.source = "thumbs";
  source.outcome = request.dry_run ? "fitted" : "installed";
  source.version = 3;
  source.learner = request.learner + " " + request.base;
  source.ratings = 1200;
  source.gold = 30;
  source.paired = 25;
  source.fitted_from = 5;
  source.fitted_to = 900;
  source.noise = 0.4;
  source.error = 0.03;
  source.clusters = {{0, "background", -0.1, 0.05}, {1, "bake bread", 0.2, 0.04}};
  return report;
}

Result<BootstrapReport> FakePorts::CancelBootstrap(const Caller& caller) {
  Keep(caller, "cancel");
  return MakeError(Code::kFailedPrecondition, "nothing_runs", "no job runs");
}

Result<Explanation> FakePorts::Explain(const std::string& decision) const {
  if (explain_throws) throw std::runtime_error("a handler that throws");
  if (decision != "0123") return MakeError(Code::kNotFound, "unknown_decision", "no such decision");
  Explanation out;
  out.token_id = decision;
  out.sequence = 17;
  out.decided_at_us = 1'700'000'000'000'000;
  out.generation = 2;
  out.chosen = "alpha";
  out.propensity = 0.96875;
  out.audit = out.forced = out.gold_wanted = out.followed = out.observed = true;
  out.advised = "beta";
  out.incumbent = "alpha";
  out.router_share = 0.25;
  out.prior = 0.5;
  out.predicted_quality = 0.625;
  out.predicted_deviation = 0.125;
  out.clusters = {{1, "algebra", 0.75}};
  out.tasks = {{2, "maths/algebra/hard", 0.5}};
  out.candidates = {{"alpha", 0.96875, 0.625, 0.001, 0.5}};
  out.channels = {{"thumbs", 1.0, 2, true}};
  out.outcome_known = true;
  out.tokens_out = 99;
  out.latency_ms = 12.5;
  out.failed = true;
  out.open = true;
  return out;
}

Result<RolloutReport> FakePorts::SetRollout(const Caller& caller, const policy::Rollout& rollout) {
  Keep(caller, "rollout " + std::string(policy::RolloutModeName(rollout.mode)) + " " + rollout.incumbent);
  rollout_.mode = policy::RolloutModeName(rollout.mode);
  rollout_.share = rollout.share;
  rollout_.incumbent = rollout.incumbent;
  return rollout_;
}

Result<policy::Judgement> FakePorts::WhatIf(const policy::TargetPolicy& target, std::uint64_t events_max) const {
  policy::Judgement judgement;
  judgement.decisions = events_max;
  judgement.dr = {.value = target.epsilon, .error = 0.01, .low = 0, .high = 1};
  return judgement;
}

Result<CompactReport> FakePorts::Compact(const Caller& caller) {
  Keep(caller, "compact");
  return CompactReport{.bytes_before = 300'000'000, .bytes_after = 200'000'000, .seconds = 1.5};
}

Status FakePorts::SetFrozen(const Caller& caller, bool frozen) {
  Keep(caller, frozen ? "freeze" : "resume");
  return {};
}

}  // namespace pointsman::admin
