// The rollout watch: judges an apprentice, and lets the router take over.
//
// Question   Are the router's choices worth more than the incumbent's, in the utility
//            that each request asked for?
// Estimate   OffPolicyJudge (policy/judgement/off_policy.h) over the decisions since the
//            rollout began: doubly robust, from gold alone. Greedy choices, as they were
//            ranked, against what was played, which was the router's with a known share s
//            and the incumbent's else; so the difference is (1 - s) times the question's,
//            of the same sign. The belief's own posterior is not asked: what it does not
//            know of itself, a wrong prior, is what an apprentice is there to find.
//            Where the router explores otherwise than by audits its greedy choices are
//            judged.
// Looks      An interval that is looked at again and again is wrong more often than it
//            says. So there is a look only when 200, 300, 450, ... gold labels have come
//            (each half as many again), and look k is held to the one-sided level
//            0.05 / (k (k + 1)), which sums to 0.05 over all looks: an apprentice whose
//            choices are no better takes over with at most 5 % probability, whenever it
//            is stopped. Levels rest on the normal approximation over subjects, which the
//            judge refuses to make for too few labels. Where the two hardly ever choose
//            otherwise it would be sure of next to nothing, so the error holds one label
//            that goes the other way, 1 / (s labels), besides.
// Verdict    Better at that level: RolloutChanged{full}, by the learner, with the figures
//            as its reason. Else the apprentice goes on.
//
// One thread of its own, which asks the learner twice a second. A look reads at most
// kEventsMax events and runs beside everything else; after a restart the next look is
// the one after the labels that are there. Errors are reported, never fatal.
#pragma once

#include <memory>

#include "admin/ports.h"
#include "daemon/learner_loop.h"
#include "daemon/mutations.h"

namespace pointsman::daemon {

// Looks are numbered from 1. The labels that look `number` waits for; its level.
std::uint64_t LabelsForLook(std::uint64_t number);
double LevelOfLook(std::uint64_t number);
// The first look that `labels` have not reached.
std::uint64_t NextLook(std::uint64_t labels);

struct Gain {
  double value = 0;   // utility per decision, of the router's choices over the incumbent's
  double error = 0;   // standard error, positive
  double chance = 1;  // of such a gain where there is none
};
// Of the judge's `difference` (greedy against played) and its `error`, at the router's
// share (0,1) and so many gold labels: both are taken to the question's scale, and one
// label that goes the other way is added to the error.
Gain GainOf(double difference, double error, double share, std::uint64_t labels);

class RolloutWatch {
 public:
  static constexpr std::uint64_t kEventsMax = 2'000'000;

  // Starts the thread. All outlive the watch.
  RolloutWatch(const store::Store& store, LearnerLoop& learner, Mutations& mutations);
  ~RolloutWatch();  // Stop
  RolloutWatch(const RolloutWatch&) = delete;
  RolloutWatch& operator=(const RolloutWatch&) = delete;

  // Ends a look that runs, and the thread. Idempotent.
  void Stop();

  // What the last look of the rollout in force found; number 0: none yet. Any thread.
  admin::RolloutReport::Look LastLook() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pointsman::daemon
