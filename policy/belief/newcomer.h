// Newcomers: what is kept of models that joined on trial, and what a trial may cost.
//
// Source: trouter_bandits 3.7; decisions/0026. A trial's spending is the utility that its
// draws gave up against the best model, as both were believed to be at the decision: one
// unit is a useless answer in the place of a perfect one. A newcomer may give up 2 % of
// the first kTrialWindow decisions after it joined and .2 % of all, and where a budget is
// set, as many budgets in dollars beyond what the best model would have cost.
//
// Log state, changed in the fold only (learning/newcomer_fold.h). Pure; any thread.
#pragma once

#include <cstdint>
#include <map>

#include "base/ids.h"
#include "policy/belief/row_list.h"

namespace pointsman::policy {

inline constexpr double kTrialShare = 0.02;        // of the first decisions
inline constexpr double kTrialWindow = 1000;       // how many those are
inline constexpr double kTrialLaterShare = 0.002;  // of every decision
// Reports (ratings, gold, probes) after which a newcomer is judged.
inline constexpr std::uint64_t kTrialReports = 20;
// Gold is asked on each draw of a newcomer until so many labels were asked for.
inline constexpr std::uint64_t kTrialGold = 40;

struct Newcomer {
  double level_width = 0;        // of its level about its prior, and of its biases at least (world/newcomer_prior.h)
  Generation generation;         // it joined in; a later one that knows it has its own widths
  std::uint64_t joined_at = 0;   // decisions made before
  std::uint64_t plays = 0;       // draws of trials
  double spent = 0;              // utility given up in them, >= 0
  double spent_usd = 0;          // dollars beyond the best model's expected cost, >= 0
  std::uint64_t gold_asked = 0;  // on any decision for it
  std::uint64_t probes = 0;      // rows of ModelProbed
  LogSeq ended;                  // where its trial ended; 0: it has not
  RowMark dirty;
  bool operator==(const Newcomer&) const = default;
};
using Newcomers = std::map<ModelId, Newcomer>;

// Utility that a trial may have given up when `decisions` were made in all; times the
// budget of a request, dollars.
inline double TrialAllowance(const Newcomer& newcomer, std::uint64_t decisions) {
  const std::uint64_t since = decisions > newcomer.joined_at ? decisions - newcomer.joined_at : 0;
  return kTrialShare * kTrialWindow + kTrialLaterShare * static_cast<double>(since);
}

}  // namespace pointsman::policy
