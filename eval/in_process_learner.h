// The daemon's policy and fold in this process: what the arms of a run and the router
// under test of a simulation stand on. No sockets, no disk; the log is kept in memory
// where it is asked for.
//
// Time is the caller's: Advance moves it, every event is stamped with it.
// Threads: one. Deterministic: equal calls, equal bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unit_draw.h"
#include "bootstrap/fit/bias_refit.h"
#include "policy/belief/posterior.h"
#include "policy/belief/snapshot.h"
#include "policy/choice/probe.h"
#include "policy/learning/attribution.h"
#include "policy/learning/learner.h"
#include "policy/world/newcomer_prior.h"
#include "policy/world/query.h"

namespace pointsman::eval {

struct InProcessSetup {
  policy::Options options;
  policy::Weights weights{1, 0};      // that refits take as typical
  std::vector<std::string> models;    // model m has id m + 1
  std::vector<policy::Price> prices;  // of the same; empty: all free
  // Null: cold, without clusters. Its hash may be unset.
  std::shared_ptr<const policy::Bundle> bundle;
  std::uint64_t seed = 0;  // of decision ids, hence of every draw
  bool keep_log = false;   // for Restart and RefitBias
};

class InProcessLearner {
 public:
  // Errors: those of ValidateOptions and of the learner.
  static Result<std::unique_ptr<InProcessLearner>> Create(const InProcessSetup& setup);
  ~InProcessLearner();

  void Advance(std::int64_t micros) { now_us_ += micros; }
  // Publishes what changed, and refits what is due, as the daemon does.
  Status Publish();
  // The latest one; null before the first Publish.
  std::shared_ptr<const policy::Snapshot> snapshot() const { return snapshot_; }
  const policy::State& state() const { return learner_->state(); }
  SplitMix64& random() { return random_; }
  DecisionId NextId();

  // Logs the decision; the row that feedback on it needs, which never expires.
  Result<policy::DecisionRow> Log(policy::DecisionMade made);
  // Attributes and folds; `row` becomes what a store would keep. kOk or kDuplicateOk.
  // Errors: those of AttributeFeedback and AttributeOutcome; nothing happened then.
  Result<Code> Give(const policy::FeedbackReport& report, policy::DecisionRow& row);
  Result<Code> GiveOutcome(const policy::OutcomeReport& report, policy::DecisionRow& row);
  // Fits the bias of the source on channel 1 over the kept log and installs it, as the
  // daemon's re-fit does, when it is due (bootstrap/fit/bias_refit.h). REQUIREs keep_log.
  Status RefitBias(const bootstrap::RefitOptions& options, std::uint64_t every);
  // A model joins as the daemon adds one (world/newcomer_prior.h), under the next id.
  Status Join(const std::string& name, const policy::Price& price, const policy::NewcomerFacts& facts);
  // Its answers to `probes`. Errors: those of MakeProbes.
  Status Probe(const std::string& name, const std::vector<policy::Probe>& probes);
  // From now on `model` costs `factor` times its first price.
  Status ChangePrice(std::size_t model, double factor);

  // Forgets the state and folds the kept log again. True: the rows of both states are
  // equal, byte for byte. REQUIREs keep_log.
  Result<bool> Restart();
  // Every event so far; empty without keep_log.
  const std::vector<policy::Event>& log() const { return log_; }
  // Bytes of all rows of the state, as a checkpoint would write them.
  std::size_t StateBytes() const;

  std::int64_t now_us() const { return now_us_; }

 private:
  class OneBundle;
  class KeptHistory;
  explicit InProcessLearner(const InProcessSetup& setup);
  Status Start();
  Status Append(policy::Payload payload, policy::Origin origin);

  InProcessSetup setup_;
  std::unique_ptr<OneBundle> bundles_;
  std::unique_ptr<KeptHistory> history_;
  SplitMix64 random_;
  std::unique_ptr<policy::Learner> learner_;
  std::unique_ptr<policy::Publisher> publisher_ = std::make_unique<policy::Publisher>();
  std::shared_ptr<const policy::Snapshot> snapshot_;
  std::vector<policy::Event> log_;
  std::uint64_t refitted_at_ = 0;  // reports at the last re-fit
  std::uint32_t surfaces_ = 0;
  std::int64_t now_us_ = 0;
  bool changed_ = true;
};

}  // namespace pointsman::eval
