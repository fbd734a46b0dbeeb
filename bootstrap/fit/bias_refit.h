// The sequential re-fit of a rating source's bias over stored feedback (Meta-Router for
// a pool of models, where a bundle's prior knows much and gold is rare).
//
//   rating  y = f + h(x) + ...        h: what ratings are beyond the prior f, by all of them
//   gold    r = f + g(x) + ...        g: what gold is beyond the prior, by few labels
//   plug-in b0(x) = h(x) - g(x)
//   AIPW    what gold says the plug-in is off by, regressed on x by the learner:
//           R   (o - f - own)/(t - p), weights (t - p)^2
//           DR  (t - p)/(p (1 - p)) (o - f - own), weights p (1 - p)
//           t: 1 for gold, own: g or h at the row, cross-fitted, p: the share of gold
//
// Each of the three is shrunk for itself, by cross-validation: one lambda for all would
// be that of the noisiest, and the thousands of ratings would say no more than the few
// labels. So without gold the surface rests on the prior: what ratings say beyond it, by
// cluster and by model, reads as bias. Quality that the prior misses stays hidden from
// ratings that came before the fit; gold, and what ratings say later, find it.
//
// Both regimes: a row with both channels says y - r of one answer (paired); rows with
// either say h and g apart (unpaired). Gold may be asked for by the rating (a thumbs-down
// gets audited): its rows weigh 1/e, e the logged probability, relative to the mean of
// 1/e and at most 5 (C.6), so that they stand for all rows.
//
// Scale matching: with `match_scale`, at least 30 gold labels and a ratio of standard
// deviations beyond 1 +- .1, gold residuals are multiplied by sd(y)/sd(r) (B.6).
//
// Source: spec cascal_meta_router B.3-B.7, C.1, C.6; online_learner 9. Pure,
// deterministic; one thread. Cost: n d^2 + 60 solves of d x d, d = clusters + models.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "bootstrap/fit/cross_fit.h"
#include "bootstrap/fit/meta_router.h"
#include "policy/learning/event.h"

namespace pointsman::bootstrap {

// One decision's row under the live bundle. NaN: that channel was not given.
struct RefitRow {
  ModelId model;
  policy::ClusterWeights clusters;
  double prior = 0;   // f
  double rating = 0;  // of the source
  double gold = 0;
  double gold_probability = 0;  // with which gold was asked; 0: it was given unasked
  std::uint64_t unit = 0;       // rows of one unit (a user) are left out together
};

struct RefitOptions {
  MetaLearner learner = MetaLearner::kR;
  BaseLearner base = BaseLearner::kRidge;
  std::uint32_t folds = 5;  // >= 2
  bool match_scale = true;
  double quality_width = 0.05;  // how far a cluster's quality may lie off the prior, common to all models; > 0
};

struct Refit {
  std::vector<double> clusters;  // bias by cluster, [0] the background; in [-1,1]
  std::vector<policy::ModelBias> models;
  std::uint64_t ratings = 0;
  std::uint64_t gold = 0;
  std::uint64_t paired = 0;
  double scale = 1;            // what gold residuals were multiplied with
  double noise = 0;            // standard deviation of a rating about prior, model and surface
  double error = 0;            // standard error of the surface, root of the mean square over rated rows
  double correction = 0;       // root of the mean square of the AIPW part over rated rows
  std::string learner;         // "r ridge", ...
  std::vector<double> errors;  // standard error by cluster
};

// The event that installs it; `channel`, `version`, `bundle` and the range are the caller's.
policy::BiasSurfaceInstalled ToEvent(const Refit& refit);

// When the next one is due on a schedule: after `every` reports, and not before the
// reports have grown by a half since the last one (an install folds the log again).
inline bool RefitIsDue(std::uint64_t reports, std::uint64_t at_last, std::uint64_t every) {
  return every > 0 && reports >= at_last + every && reports >= at_last + at_last / 2;
}

// `clusters`: of the bundle, the background not counted. Reasons: empty_log, bad_log,
// no_ratings, too_few_ratings (below 100), one_model is no error. Constant ratings and no
// gold are taken as they are: h and g then say so.
Result<Refit> FitBias(std::span<const RefitRow> rows, std::size_t clusters, const RefitOptions& options);

}  // namespace pointsman::bootstrap
