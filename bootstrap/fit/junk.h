// Which items tell nothing: chaos (answers drawn alike from the options) and idle
// unanimity (one answer from all where as many would not have agreed by themselves).
//
// A mixture over the counts of an item's answers, fitted by EM: honest items are
// Dirichlet-multinomials of total concentration .02 to 8, so from questions on which
// nearly all agree to such on which any distribution is about as likely; chaos is the
// uniform multinomial, their limit at infinity; unanimity the limit at 0. How many
// items of either kind there are is learned, and how much of it is unusual follows from
// the items in between: few models that agree are no surprise, thirty are.
//
// Who answered what does not matter. Pure and deterministic; one thread.
#pragma once

#include <vector>

#include "bootstrap/fit/votes.h"

namespace pointsman::bootstrap {

struct JunkFit {
  std::vector<double> honest;  // items: probability of being neither, [0,1]
  double chaos = 0;            // shares of the items
  double unanimity = 0;
};

// Cost: 60 rounds * items * 11, and items * options logarithms of the gamma function.
JunkFit FindJunk(const Votes& votes);

}  // namespace pointsman::bootstrap
