// The four plots of a run, as SVG files in one folder:
//   score.svg        mean score in 20 stretches of the run
//   cost.svg         mean score against mean cost of each arm (logarithmic); with a
//                    budget its place is told in the title
//   calibration.svg  score against prediction of the arms that predict
//   regret.svg       sum of what the best single model would have scored more, from
//                    the same stretches
// Single models are points in cost.svg alone.
#pragma once

#include <string>

#include "base/result.h"
#include "eval/report.h"

namespace pointsman::eval {

// Makes the folder when it is missing; replaces files of these names.
// Errors: UNAVAILABLE (plot_not_written) naming the file.
Status WritePlots(const RunReport& report, const std::string& folder);

}  // namespace pointsman::eval
