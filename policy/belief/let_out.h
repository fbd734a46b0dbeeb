// Differences between models that the bootstrap pulled in are let out again once they are safe.
//
// A prior from consensus sees the lead of the best model too small, and small differences
// overturn a lead that is too small: so the bundle has its differences multiplied by
// Bundle::differences (decisions/0006). When evidence has told the level of the best model, the
// reason is gone and the differences are too small (decisions/0036). With d their factor, v the
// variance of the best model's level, w the width of levels (not widened) and rho its trust in the prior
//
//   f_m(q) + lambda (1/d - 1) (x_m(q) - mean over models of x(q)),   x_m = f_m - f-bar_m,
//   lambda = clamp(1 - v / (.3 w^2)) clamp(1 + rho),   clamp to [0,1]
//
// is the prior of a decision. The mean is over the models that the request allows: it moves all
// alike and no choice between them. The record keeps that prior, so what an answer teaches is
// about what is left.
#pragma once

#include "policy/belief/snapshot.h"

namespace pointsman::policy {

// lambda (1/d - 1), of the best model that the bundle knows by mean prior and level; 0 where
// nothing was pulled in, or nobody is known well enough. Pure; any thread.
double LetOutShare(const Snapshot& snapshot);

}  // namespace pointsman::policy
