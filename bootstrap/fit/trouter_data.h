// What TRouter is trained on: queries, their task types, quality and cost; the prior
// over task types; the way from US dollars to [0,1] and back.
//
// Source: spec trouter_bandits 1.4 and 1.7. Pure and deterministic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "bootstrap/fit/cells.h"
#include "bootstrap/fit/rows.h"

namespace pointsman::bootstrap {

// Where a task type stands in the taxonomy: domain -> subcategory -> level.
struct TaskPlace {
  std::uint32_t domain = 0;
  std::uint32_t subcategory = 0;  // distinct over all domains
};

// T x T: row t is the prior of a query labelled t. With s = `smoothing`:
//   (1-s) onehot + s (.6 uniform over the other levels of its subcategory
//                     + .3 uniform over its domain + .1 uniform over all)
// Without other levels their .6 goes to the domain. `places` empty: all lie in one
// domain, each in a subcategory of its own. Rows sum to 1. smoothing 0: published.
std::vector<double> TaxonomyPrior(std::size_t tasks, std::span<const TaskPlace> places, double smoothing);

// Inputs of a fit; looked at, not owned.
struct TrouterRows {
  Rows queries;                         // n x d, finite
  std::span<const std::uint32_t> task;  // n, in [0, T) or kNoGroup
  // Quality, then cost where there is one; n x M each, in [0,1], NaN: not known.
  std::vector<const Scores*> metrics;
};

// Errors, INVALID_ARGUMENT: no_rows; no_models; no_task_types (T < 2); row_not_finite
// naming row and column; value_out_of_range naming row, model and metric;
// model_without_values naming model and metric (the second is "cost"); too_few_labels
// where no row has a task. Shapes that disagree abort.
Status CheckTrouterRows(const TrouterRows& rows, std::size_t tasks);

// Linear min-max of dollars by task type, over all models of the training rows; what
// has no task or one without a span uses the span of all. Invertible: a table of
// normalised costs becomes dollars again.
class CostScale {
 public:
  // Errors: INVALID_ARGUMENT price_missing naming row and model for a value that is
  // not a number or negative; no_rows.
  static Result<CostScale> Fit(const Scores& dollars, std::span<const std::uint32_t> task, std::size_t tasks);
  // Cut to [0,1]; 0 where all costs are equal.
  double ToUnit(std::uint32_t task, double dollars) const;
  double ToDollars(std::uint32_t task, double unit) const;

 private:
  struct Span {
    double low = 0;
    double high = 0;
  };
  const Span& Of(std::uint32_t task) const;
  std::vector<Span> spans_;  // by task; the last is that of all rows
};

}  // namespace pointsman::bootstrap
