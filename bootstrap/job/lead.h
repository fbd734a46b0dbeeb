// Levels of a prior from consensus: each model's own mean, and the lead of the best stretched.
//
// What the best model knows and the others do not, a consensus counts as its error: the lead
// over the next is seen too small (on `mmlupro_dev` .012, in truth .059) while what a query
// does to the differences between models is seen right. So the gap of each model to the best
// is widened near the top. And a lead so small drowns in what cross-validated parts are wrong
// on average (.002 to .005), so levels are those of the consensus itself. With a bundle's prior
// f_m(q), its means f-bar, and s_m the mean of the model's consensus scores,
//
//   f_m(q) <- f_m(q) + s_m - f-bar_m - (kLeadStretch - 1) min(max s - s_m, kLeadReach)
//
// Ranks of s stay; a model further behind than the reach falls no further than one that lies
// there. Formulas and figures: docs/decisions/0037-the-lead-is-stretched.md.
#pragma once

#include "policy/world/bundle.h"

namespace pointsman::bootstrap {

inline constexpr double kLeadStretch = 3;
inline constexpr double kLeadReach = 0.02;

// Moves skills (whose first row is s), task tables and head of a bundle from consensus, whose
// mean_prior is filled; table values stay in [0,1]. The means themselves are to be filled
// again. Pure; any thread.
void StretchLead(policy::Bundle& bundle);

}  // namespace pointsman::bootstrap
