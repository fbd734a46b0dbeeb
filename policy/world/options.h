// Everything that changes how the learner folds or the policy chooses.
//
// Options are log state: they change only by an OptionsChanged event, so that a
// replay sees the same options at the same place. The TOML file is a way to
// write such events, not a second truth.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pointsman::policy {

// Rating sources besides gold; channel 0 is gold, source s is channel s + 1.
inline constexpr std::size_t kSourcesMax = 4;
inline constexpr std::size_t kChannelsMax = kSourcesMax + 1;

// How a model is drawn from the scores. Stored by number.
enum class Exploration : std::uint8_t {
  kGreedyAudits = 1,  // the best, with audits that ask for gold (the default)
  kThompson = 2,      // Thompson sampling by quadrature
  kEpsilon = 3,       // the best with probability 1 - epsilon, else uniform
  kSquareCb = 4,      // inverse-gap weighting
};

// Dollars a request for one tenant, instead of the common budget.
struct TenantBudget {
  std::string tenant;
  double usd = 0;  // > 0
  bool operator==(const TenantBudget&) const = default;
};
inline constexpr std::size_t kTenantBudgetsMax = 64;

// Prior widths (standard deviations on the [0,1] quality scale) of the Gaussian
// tree. Source: spec online_learner 1.1 and 4b; the bundle carries its own.
struct Widths {
  double model = 0.05;         // tau_alpha: level of a model against its prior
  double trust = 0.5;          // tau_rho: slope on the centred prior
  double cell = 0.10;          // tau_delta: level of a cell against its model
  double source = 0.20;        // tau_0: bias of a source
  double source_model = 0.10;  // tau_1: bias of a source for a model
  double source_cell = 0.06;   // tau_2: bias of a source in a cell
  double common = 0;           // level that all models share; 0: none (online_learner 4b: .15 with consensus)
  bool operator==(const Widths&) const = default;
};

struct Options {
  // Names of rating sources in channel order. Append only: a channel number in
  // the log must mean the same source for ever.
  std::vector<std::string> sources;
  double rating_half_life_days = 14;  // > 0
  double gold_half_life_days = 60;    // > 0; also of rows that hold both
  double gold_rate = 0.02;            // share of decisions that ask for gold, [0,1]; 0: no audits
  double audit_rate_start = 0.01;     // audits for the first `audit_start_decisions`, [0,1]
  double audit_rate = 0.003;          // audits afterwards, [0,1]; decisions/0038
  std::uint64_t audit_start_decisions = 4000;
  Exploration exploration = Exploration::kGreedyAudits;
  double thompson_scale = 0.5;       // multiplies the standard deviations, >= 0
  double probability_floor = 0.005;  // with kThompson only, [0, 0.1]
  double epsilon = 0.05;             // with kEpsilon, [0,1]
  double squarecb_gamma = 100;       // with kSquareCb: times sqrt(decisions), at least 100 with tight priors
  bool change_detection = true;      // learning/change_detector.h
  bool subject_cap = true;           // one subject's ratings weigh less when they are many: learning/subject_book.h
  double budget_usd = 0;             // mean cost of a request that the pacer holds; 0: no budget
  double pacing_step = 0.005;        // eta of choice/pacing.h, (0,1]
  double lambda_max = 50;            // > 0
  std::vector<TenantBudget> tenant_budgets;  // distinct tenants
  // When set, replaces the bundle's widths.
  bool widths_overridden = false;
  Widths widths;
  // The model that answers when no other may; empty: the cheapest allowed one.
  std::string fallback_model;

  bool operator==(const Options&) const = default;
};

// Checks every range above and that sources are distinct, non-empty and at most
// kSourcesMax. All faults in one message.
Status ValidateOptions(const Options& options);
// Like ValidateOptions, and that `after` only appends to `before`'s sources.
Status ValidateOptionsChange(const Options& before, const Options& after);

}  // namespace pointsman::policy
