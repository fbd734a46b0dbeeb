#include "policy/belief/let_out.h"

#include <algorithm>

namespace pointsman::policy {

namespace {

// Of the width of levels, as a variance: a level so uncertain is not told yet.
constexpr double kUntold = 0.3;

}  // namespace

double LetOutShare(const Snapshot& snapshot) {
  const double pulled_in = 1 / snapshot.bundle->differences - 1;
  if (pulled_in == 0) return 0;
  const ModelView* best = nullptr;
  const auto level = [](const ModelView& view) { return view.mean_prior + view.mean[0]; };
  for (const ModelView& view : snapshot.models) {
    if (view.column >= 0 && (best == nullptr || level(view) > level(*best))) best = &view;
  }
  // Where levels are widened the prior is in doubt: that makes nobody better known.
  const Widths& base = snapshot.options.widths_overridden ? snapshot.options.widths : snapshot.bundle->widths;
  const double width = std::min(snapshot.widths.model, base.model);
  const double untold_all = kUntold * width * width;
  if (best == nullptr || !(untold_all > 0)) return 0;
  const double untold = best->covariance[0] / untold_all;
  const double trust = std::clamp(1 + best->mean[snapshot.layout.trust()], 0.0, 1.0);
  return pulled_in * std::clamp(1 - untold, 0.0, 1.0) * trust;
}

}  // namespace pointsman::policy
