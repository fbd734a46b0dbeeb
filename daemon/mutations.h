// Mutations: the administrative changes, each one event in the log.
//
// One at a time: a change is checked against a state that has folded every
// earlier change, written with a sync, and done when the snapshot that routes has
// learnt it. So numbers that an event carries (model id, generation) are the ones
// that the fold expects.
//
// Threads: any but the commit, learner and io threads; calls wait.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "base/result.h"
#include "daemon/learner_loop.h"
#include "policy/learning/event.h"
#include "policy/world/newcomer_prior.h"
#include "store/commit_queue.h"

namespace pointsman::daemon {

struct Actor {
  policy::Origin origin = policy::Origin::kOperator;
  std::uint32_t uid = 0;
};

class Mutations {
 public:
  // All outlive this. `spare_bundles`: that were never live and are kept. `wait`: how
  // long a change may take to be learnt.
  Mutations(store::Store& store, store::CommitQueue& queue, LearnerLoop& learner, std::size_t spare_bundles = 8,
            std::chrono::milliseconds wait = std::chrono::seconds(120))
      : store_(store), queue_(queue), learner_(learner), spare_bundles_(spare_bundles), wait_(wait) {}

  // Errors of all: those of the checks named; UNAVAILABLE (disk full, stopping);
  // DEADLINE_EXCEEDED: written, but not learnt in time.

  // Where the live bundle does not know it, it joins on trial (world/newcomer_prior.h).
  // Errors: INVALID_ARGUMENT, CONFLICT (a live epoch of that name), those of PriorOfNewcomer.
  Result<ModelId> AddModel(const Actor& actor, const std::string& name, const policy::Price& price,
                           std::uint32_t context_tokens, const policy::NewcomerFacts& facts = {});
  // Takes in scored answers of a live model (choice/probe.h).
  // Errors: NOT_FOUND; FAILED_PRECONDITION generation_changed.
  Status Probe(const Actor& actor, policy::ModelProbed probed);
  // `name`: the live epoch. Errors: NOT_FOUND, OUT_OF_RANGE.
  Status SetPrice(const Actor& actor, const std::string& name, const policy::Price& price);
  // Errors: NOT_FOUND, FAILED_PRECONDITION.
  Status SetModelState(const Actor& actor, const std::string& name, policy::ModelState state);
  // Nothing is written when they are in force already. Errors: of ValidateOptionsChange.
  Status SetOptions(const Actor& actor, const policy::Options& options);
  // Errors: INVALID_ARGUMENT for subject 0.
  Status Exclude(const Actor& actor, SubjectHash subject);
  // Takes an exclusion back. Errors: FAILED_PRECONDITION not_excluded.
  Status Include(const Actor& actor, SubjectHash subject);
  Status SetFrozen(const Actor& actor, bool frozen);
  // Nothing is written when it is in force already. Errors: of ValidateRollout; NOT_FOUND
  // for an operator's incumbent that is no live model.
  Status SetRollout(const Actor& actor, const policy::Rollout& rollout, const std::string& reason);

  // Makes the stored bundle `hash` the next generation. With `other_embedder` a
  // change of the embedder without a bridge is accepted: earlier feedback then
  // counts in the background only.
  // Errors: NOT_FOUND, DATA_LOSS (bundle), FAILED_PRECONDITION embedder_changed or
  // unusable_embedder.
  Result<Generation> Activate(const Actor& actor, const BundleHash& hash, const std::string& reason,
                              bool other_embedder);
  // The bundle that was live before the live one, under the next number.
  // Errors: FAILED_PRECONDITION no_earlier_generation.
  Result<Generation> Rollback(const Actor& actor);

  // Installs a bias surface under the next version of its source, which is returned.
  // Errors: FAILED_PRECONDITION generation_changed when it was fitted on another bundle.
  Result<std::uint32_t> InstallSurface(const Actor& actor, policy::BiasSurfaceInstalled surface);

  // Something for the audit trail, at most 1,024 bytes of it.
  Status Note(const Actor& actor, const std::string& text);

  // Stores a bundle, synced, on the commit thread. The oldest of those that were never
  // live go where they are more than spare_bundles beside it.
  Status PutBundle(const policy::Bundle& bundle);

 private:
  // A copy of what checks need, after all earlier changes.
  struct Known {
    policy::Pool pool;
    policy::Options options;
    Generation generation;
    BundleHash bundle;
    std::vector<policy::GenerationRecord> generations;
    std::map<std::uint8_t, std::uint32_t> surfaces;  // versions by channel
    bool frozen = false;
    policy::Rollout rollout;
    std::set<SubjectHash> excluded;
  };
  // With mutex_ held.
  Result<Known> Look();
  Status Append(const Actor& actor, policy::Payload payload);
  Result<ModelId> LiveModel(const Known& known, const std::string& name) const;
  Result<Generation> ActivateLocked(const Actor& actor, const Known& known, const BundleHash& hash,
                                    const std::string& reason, bool other_embedder);

  store::Store& store_;
  store::CommitQueue& queue_;
  LearnerLoop& learner_;
  const std::size_t spare_bundles_;
  const std::chrono::milliseconds wait_;
  std::mutex mutex_;
  LogSeq last_;  // of the last change written; what Look waits for
};

}  // namespace pointsman::daemon
