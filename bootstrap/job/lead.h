// Levels of a prior from consensus: each model's own mean, and the lead of the best stretched.
//
// What the best model knows and the others do not, a consensus counts as its error: the lead
// over the next is seen too small (on `mmlupro_dev` .012, in truth .059) while of what a
// query does to the differences between models half or more is true. So the gap of each model to the best
// is widened near the top. And a lead so small drowns in what cross-validated parts are wrong
// on average (.002 to .005), so levels are those of the consensus itself. With a bundle's prior
// f_m(q), its means f-bar, and s_m the mean of the model's consensus scores,
//
//   f_m(q) <- f_m(q) + s_m - f-bar_m - e(max s - s_m)
//   e(g) = min((kLeadStretch - 1) min(g, kLeadReach), max(0, (kLeadEnd - g) / 2))
//
// Ranks of s stay. A model that far behind is no rival of the best; where the crowd is so wrong
// that it is one after all, it need not climb further. Formulas and figures:
// docs/decisions/0037-the-lead-is-stretched.md.
#pragma once

#include "policy/world/bundle.h"

namespace pointsman::bootstrap {

inline constexpr double kLeadStretch = 3;
inline constexpr double kLeadReach = 0.02;
inline constexpr double kLeadEnd = 0.12;

// e(g) above, for g >= 0: by how much a gap grows, in [0, .04]. Pure; any thread.
double FurtherBehind(double gap);

// Moves skills (whose first row is s), task tables and head of a bundle from consensus, whose
// mean_prior is filled; table values stay in [0,1]. The means themselves are to be filled
// again. Pure; any thread.
void StretchLead(policy::Bundle& bundle);

}  // namespace pointsman::bootstrap
