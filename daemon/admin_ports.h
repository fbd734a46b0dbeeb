// What administration may ask, implemented over the daemon's parts.
//
// Threads: every method from any thread but io, commit and learner. Reports come
// from the published snapshot, from the store, or from a look at the state between
// two batches of the learner; none holds up routing.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "admin/ports.h"
#include "daemon/dispatch.h"
#include "daemon/job_refitter.h"
#include "daemon/job_runner.h"
#include "daemon/learner_loop.h"
#include "daemon/listener.h"
#include "daemon/mutations.h"
#include "daemon/rollout_watch.h"
#include "daemon/service_context.h"

namespace pointsman::daemon {

class AdminPorts final : public admin::Ports {
 public:
  // All outlive the ports. `transport`: the route socket's counters; `dispatcher`:
  // its services, which answer clients that come over HTTP as well.
  AdminPorts(ServiceContext& context, Dispatcher& dispatcher, LearnerLoop& learner, Mutations& mutations,
             JobRunner& jobs, Refitter& refitter, const RolloutWatch& rollout, const TransportStatistics& transport);

  Result<admin::RouteAnswer> Route(const admin::Caller& caller, const admin::RouteAsk& ask) override;
  Result<std::vector<Result<admin::RouteAnswer>>> RouteBatch(const admin::Caller& caller,
                                                             const std::vector<admin::RouteAsk>& asks) override;
  Result<admin::Acknowledgement> ReportOutcome(const admin::Caller& caller, const admin::OutcomeAsk& ask) override;
  Result<admin::Acknowledgement> GiveFeedback(const admin::Caller& caller, const admin::FeedbackAsk& ask) override;
  Result<admin::Acknowledgement> Prefer(const admin::Caller& caller, const admin::PreferenceAsk& ask) override;
  Result<admin::Acknowledgement> Retract(const admin::Caller& caller, const admin::RetractAsk& ask) override;
  Result<admin::VoteAnswer> Vote(const admin::Caller& caller, const admin::VoteAsk& ask) override;
  Result<admin::TrafficReport> Traffic() const override;
  Result<std::vector<admin::GoldTask>> GoldQueue(std::size_t limit) const override;
  Result<admin::Acknowledgement> GiveGold(const admin::Caller& caller, const std::string& decision, double value,
                                          std::uint32_t revision) override;
  Result<admin::UndoReport> Undo(const admin::Caller& caller) override;
  Result<admin::InclusionReport> IncludeSubject(const admin::Caller& caller, const std::string& subject,
                                                const std::string& tenant) override;
  Result<admin::ExclusionReport> ExcludeSubject(const admin::Caller& caller, const std::string& subject,
                                                const std::string& tenant) override;

  bool Alive() const override;
  Status Ready() const override;
  admin::StatusReport GetStatus() const override;
  std::string MetricsText() const override;

  std::vector<admin::ModelReport> Models() const override;
  Result<admin::ModelReport> AddModel(const admin::Caller& caller, const admin::NewModel& model) override;
  Result<admin::ProbeReport> ProbeModel(const admin::Caller& caller, const std::string& name,
                                        const std::vector<admin::ProbeAsk>& probes) override;
  Result<admin::ModelReport> SetPrice(const admin::Caller& caller, const std::string& name,
                                      const policy::Price& price) override;
  Result<admin::ModelReport> SetModelState(const admin::Caller& caller, const std::string& name,
                                           const std::string& state) override;

  std::vector<admin::ClusterReport> Clusters() const override;
  Result<admin::ClusterDetail> Cluster(std::uint32_t number) const override;

  std::vector<admin::GenerationReport> Generations() const override;
  Result<admin::GenerationReport> Generation(const std::string& target) const override;
  Result<admin::GenerationDiff> DiffGenerations(const std::string& from, const std::string& to) const override;
  Result<admin::GenerationReport> Activate(const admin::Caller& caller, const std::string& target) override;
  Result<admin::GenerationReport> Rollback(const admin::Caller& caller) override;

  Result<admin::BootstrapReport> StartBootstrap(const admin::Caller& caller,
                                                const admin::BootstrapRequest& request) override;
  admin::BootstrapReport BootstrapStatus() const override;
  Result<std::string> PlanBootstrap(const std::string& plan_path) const override;
  Result<admin::BootstrapReport> CancelBootstrap(const admin::Caller& caller) override;
  Result<admin::RefitReport> Refit(const admin::Caller& caller, const admin::RefitRequest& request) override;

  Result<admin::Explanation> Explain(const std::string& decision) const override;

  Result<admin::CompactReport> Compact(const admin::Caller& caller) override;
  Status SetFrozen(const admin::Caller& caller, bool frozen) override;
  Result<admin::RolloutReport> SetRollout(const admin::Caller& caller, const policy::Rollout& rollout) override;
  admin::RolloutReport GetRollout() const override;
  Result<policy::Judgement> WhatIf(const policy::TargetPolicy& target, std::uint64_t events_max) const override;

 private:
  template <typename Reply, typename Request>
  Result<Reply> Ask(const admin::Caller& caller, FrameKind kind, const Request& request);
  Result<admin::ModelReport> ReportOf(const std::string& name) const;
  Result<admin::GenerationReport> ReportOf(pointsman::Generation generation) const;
  // Until what was submitted before is in the log: the commit thread gathers decisions, and
  // who asked for one wants to see it. A log that takes nothing more is read as it is.
  void AwaitLog() const;
  Status UndoRefit(const Actor& actor, const policy::LastChange& last, admin::UndoReport* report);
  Status UndoExclusion(const Actor& actor, const policy::LastChange& last, admin::UndoReport* report);
  Result<BundleHash> FindTarget(const std::string& target) const;

  ServiceContext& context_;
  Dispatcher& dispatcher_;
  LearnerLoop& learner_;
  Mutations& mutations_;
  JobRunner& jobs_;
  Refitter& refitter_;
  const RolloutWatch& rollout_;
  mutable std::mutex whatif_mutex_;  // held by the one judgement that runs
  std::mutex compact_mutex_;         // held by the one compaction that runs
  const TransportStatistics& transport_;
  const std::int64_t started_nanos_;
};

// A decision by its 32 hexadecimal digits or its token's text.
// Errors: INVALID_ARGUMENT bad_decision.
Result<DecisionId> ParseDecision(const std::string& text);

// The reports that need nothing but a snapshot; pure.
std::vector<admin::ClusterReport> ClusterReports(const policy::Snapshot& snapshot);
// Errors: NOT_FOUND.
Result<admin::ClusterDetail> DetailOfCluster(const policy::Snapshot& snapshot, std::uint32_t number);
admin::ModelReport ReportOfModel(const policy::Model& model, const policy::ModelView* view,
                                 const policy::ModelTally& tally, const policy::Snapshot& snapshot);

}  // namespace pointsman::daemon
