// Budget pacing: a price on dollars that keeps the mean cost of a request at B.
//
// Source: trouter_bandits 3.8. With every settled cost c (an outcome)
//   mean <- .95 mean + .05 c;  lambda <- clip(lambda + eta (mean / B - 1), 0, lambda_max),
// and utility loses lambda * cost / B. The token bucket holds at most 50 B, gains B
// with every decision and loses what was settled: a model whose cost at the 95 %
// quantile exceeds it is not eligible. lambda starts where the greedy policy would
// spend exactly B on the bundle's anchors under the prior (computed beside the fold,
// carried by Refitted).
//
// Settle and Refill are part of the fold: only + - * /. Threads: the learner's.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "policy/belief/snapshot.h"
#include "policy/belief/state.h"
#include "policy/world/options.h"

namespace pointsman::policy {

inline constexpr double kBucketRequests = 50;
inline constexpr double kPacerMemory = 0.95;
// A model is audited only if it costs at most this many budgets (online_learner 4b).
inline constexpr double kAuditBudgets = 5;

// The budget that `tenant` lives on: its own, or the common one; 0: none.
double BudgetOf(const Options& options, std::string_view tenant);
// The name under which that budget's pacer is kept: the tenant's, or "" for the common one.
std::string_view PacerName(const Options& options, std::string_view tenant);

// A pacer at the beginning: mean B, a full bucket.
Pacer NewPacer(double budget_usd, double lambda);

void Refill(Pacer& pacer, double budget_usd);
void Settle(Pacer& pacer, double budget_usd, double cost_usd, const Options& options);

// lambda_0: the bisection over the anchors of the snapshot's bundle, in equal parts,
// with `weights`; 0 when greedy spends less than B anyway, lambda_max when even that
// is not enough. Audits are part of the spending. Not for the fold.
double StartingLambda(const Snapshot& snapshot, const Weights& weights, double budget_usd);

}  // namespace pointsman::policy
