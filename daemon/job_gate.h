// The gate: may this bundle go live? Judged on gold that it has not seen.
//
// The log is folded once more without the gold of every fifth decision (by a hash of
// its id); the live and the new bundle predict that gold (the latest kGateGoldMax labels). `worse`: the new one's
// squared error is larger by more than two standard errors and by .0025. `contradicted`:
// where its prior expects more, gold finds less (the slope of gold on the prior is below
// zero by more than two standard errors), as with labels upside down. `insufficient`:
// fewer than 50 such labels, so gold can say nothing, and neither do ratings contradict
// the bundle (daemon/job_gate_ratings.h). DESIGN 5, "Gold".
//
// Threads: any; folds the whole log on the caller's. Reads the store only.
#pragma once

#include <cstdint>
#include <string>

#include "base/ids.h"
#include "base/result.h"
#include "daemon/job_gate_ratings.h"
#include "store/store.h"

namespace pointsman::daemon {

inline constexpr std::uint64_t kGateGoldMin = 50;

struct GateVerdict {
  std::string verdict;  // pass, worse, contradicted, contradicted_by_ratings, insufficient
  std::uint64_t gold = 0;
  double live_rmse = 0;
  double candidate_rmse = 0;
  double difference = 0;  // mean of the candidate's squared error less the live one's
  double difference_error = 0;
  double slope = 0;  // of gold on the candidate's prior, means taken out
  double slope_error = 0;
  RatingVerdict by_ratings;  // only where gold is insufficient
  bool refused() const { return verdict != "pass" && verdict != "insufficient"; }
  std::string Text() const;  // one line, for people and the audit trail
};

// `candidate` is stored. Errors: of the log, the bundles and the fold.
Result<GateVerdict> JudgeBundle(const store::Store& store, const BundleHash& candidate);

}  // namespace pointsman::daemon
