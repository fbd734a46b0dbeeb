// What a model that joins is expected to do, before anything is known of it.
//
// Source: trouter_bandits 3.7. Where the live bundle knows it and its name is new to the
// pool, the bundle says all and there is no trial; so too in generation 0, where nobody
// is known better. Otherwise it joins on trial with the best of
//   again    the bundle knows the name, which was in the pool before: its prior, the
//            variance of the level times 4
//   facts    the mean of the three models of the bundle that are nearest in family,
//            decile of the price, and strength; variance between them + .02
//   nothing  the mean over all models less .05, variance .0625
// Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "policy/world/bundle.h"
#include "policy/world/pool.h"

namespace pointsman::policy {

inline constexpr double kUnknownLevelWidth = 0.25;
inline constexpr double kLikeLevelVariance = 0.02;

// What an operator knows of a model.
struct NewcomerFacts {
  std::string family;              // part of the names of its kin; empty: not known
  std::optional<double> strength;  // expected quality over all queries, [0,1]: a public score, say
  bool Known() const { return !family.empty() || strength.has_value(); }
};

struct NewcomerPrior {
  bool on_trial = false;
  std::vector<std::string> like;
  double level_width = 0;  // 0 without a trial
};

// `live`: null in generation 0. `level_width`: in force for the models of the bundle.
// Facts are heeded only on trial and where the bundle does not know the name.
// Errors: OUT_OF_RANGE strength; NOT_FOUND unknown_family, when no model of pool and
// bundle belongs to it.
Result<NewcomerPrior> PriorOfNewcomer(const Bundle* live, double level_width, const Pool& pool, const std::string& name,
                                      const Price& price, const NewcomerFacts& facts);

}  // namespace pointsman::policy
