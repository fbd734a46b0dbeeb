// A daemon that exists only as values: every field is set, every call is kept.
#pragma once

#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "admin/ports.h"

namespace pointsman::admin {

class FakePorts final : public Ports {
 public:
  struct Call {
    std::string what;
    std::uint32_t uid = 0;
  };

  Result<RouteAnswer> Route(const Caller& caller, const RouteAsk& ask) override;
  Result<std::vector<Result<RouteAnswer>>> RouteBatch(const Caller& caller, const std::vector<RouteAsk>& asks) override;
  Result<Acknowledgement> ReportOutcome(const Caller& caller, const OutcomeAsk& ask) override;
  Result<Acknowledgement> GiveFeedback(const Caller& caller, const FeedbackAsk& ask) override;
  Result<Acknowledgement> Prefer(const Caller& caller, const PreferenceAsk& ask) override;
  Result<Acknowledgement> Retract(const Caller& caller, const RetractAsk& ask) override;
  Result<VoteAnswer> Vote(const Caller& caller, const VoteAsk& ask) override;
  Result<TrafficReport> Traffic() const override;
  Result<std::vector<GoldTask>> GoldQueue(std::size_t limit) const override;
  Result<Acknowledgement> GiveGold(const Caller& caller, const std::string& decision, double value,
                                   std::uint32_t revision) override;
  Result<UndoReport> Undo(const Caller& caller) override;
  Result<InclusionReport> IncludeSubject(const Caller& caller, const std::string& subject,
                                         const std::string& tenant) override;
  Result<ExclusionReport> ExcludeSubject(const Caller& caller, const std::string& subject,
                                         const std::string& tenant) override;

  bool Alive() const override { return alive; }
  Status Ready() const override {
    if (ready) return {};
    return MakeError(Code::kUnavailable, "loading", "folding the log; try again shortly");
  }
  StatusReport GetStatus() const override;
  std::string MetricsText() const override {
    return "# TYPE pointsman_decisions_total counter\npointsman_decisions_total 7\n";
  }
  std::vector<ModelReport> Models() const override;
  Result<ModelReport> AddModel(const Caller& caller, const NewModel& model) override;
  Result<ProbeReport> ProbeModel(const Caller& caller, const std::string& name,
                                 const std::vector<ProbeAsk>& probes) override;
  Result<ModelReport> SetPrice(const Caller& caller, const std::string& name, const policy::Price& price) override;
  Result<ModelReport> SetModelState(const Caller& caller, const std::string& name, const std::string& state) override;
  std::vector<ClusterReport> Clusters() const override;
  Result<ClusterDetail> Cluster(std::uint32_t number) const override;
  std::vector<GenerationReport> Generations() const override { return {Generation(1), Generation(2)}; }
  Result<GenerationReport> Generation(const std::string& target) const override {
    return Generation(target == "1" ? 1U : 2U);
  }
  Result<GenerationDiff> DiffGenerations(const std::string& from, const std::string& to) const override {
    GenerationDiff diff;
    diff.comparable = true;
    diff.clusters.push_back({"merged", 1, "cook oven", 40, {"cluster " + from, "cluster " + to}, 0.9});
    diff.models.push_back({"small", 0.5, 0.6, 0.25, 0.75});
    diff.decisions = 100;
    diff.value_from = 0.5;
    diff.value_to = 0.6;
    return diff;
  }
  Result<GenerationReport> Activate(const Caller& caller, const std::string& target) override;
  Result<GenerationReport> Rollback(const Caller& caller) override;
  Result<BootstrapReport> StartBootstrap(const Caller& caller, const BootstrapRequest& request) override;
  BootstrapReport BootstrapStatus() const override;
  Result<std::string> PlanBootstrap(const std::string& plan_path) const override {
    return "{\"name\":\"" + plan_path +
           "\",\"queries\":3,\"cost_usd\":1.5,\"worst_cost_usd\":4,\"budget_usd\":2,\"stages\":"
           "[{\"stage\":\"collect\",\"model\":\"m\",\"calls\":3,\"tokens_in\":30,\"tokens_out\":60,\"cost_usd\":1.5}]}";
  }
  Result<RefitReport> Refit(const Caller& caller, const RefitRequest& request) override;
  Result<BootstrapReport> CancelBootstrap(const Caller& caller) override;
  Result<Explanation> Explain(const std::string& decision) const override;
  Status SetFrozen(const Caller& caller, bool frozen) override;
  Result<RolloutReport> SetRollout(const Caller& caller, const policy::Rollout& rollout) override;
  RolloutReport GetRollout() const override { return rollout_; }
  Result<CompactReport> Compact(const Caller& caller) override;
  Result<policy::Judgement> WhatIf(const policy::TargetPolicy& target, std::uint64_t events_max) const override;

  std::vector<Call> calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }

  bool alive = true;
  bool ready = true;
  bool explain_throws = false;
  std::vector<ClusterDetail> planted;  // where there are some, the clusters from 0 on
  std::string model_state = "active";
  std::size_t metrics_bytes = 0;

 private:
  static ModelReport Model(const std::string& name, std::uint32_t id);
  static GenerationReport Generation(std::uint32_t number);
  void Keep(const Caller& caller, std::string what) {
    const std::lock_guard lock(mutex_);
    calls_.push_back({std::move(what), caller.uid});
  }

  mutable std::mutex mutex_;
  std::vector<Call> calls_;
  mutable int polls_ = 0;
  RolloutReport rollout_;
};

}  // namespace pointsman::admin
