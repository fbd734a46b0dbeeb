// Change detection: does a model, or one of its cells, still do what was predicted?
//
// Source: spec online_learner 5, trouter_bandits 3.6. Two-sided CUSUMs, a fast one with
// allowance .25 and a slow one with .1, run on
//   zeta = (value - what it is compared with - usual difference) / sd,
//   sd^2 = predicted variance + r(1 - r) for channels of 0 and 1, + the channel's
//          noise variance for graded ones.
// The fast threshold is 20 (one false alarm in about 160,000 reports; a shift of half a
// standard deviation is found after about 80; with 12 of the specification one in 2,900,
// and each costs more than a late alarm: decisions/0016). The slow threshold is 60 (a
// shift of a quarter, which the fast one never finds, after about 400): it is what a
// large loss leaves in a source that sees quality badly. Gold is compared with the
// prediction logged with the decision. A rating source is compared with the prior, and
// with its bias surface where it has one (learning/bias_surface.h): they stand still,
// while a prediction follows the ratings and hides a loss from them (decisions/0029). Its
// usual difference for the model is the mean of its earlier residuals, and it says nothing
// before there are kUsualRows of them.
//
// Who drifted, model or rater, only gold can tell. Where none is given, a source's fast
// sum alone counts. Where any is, a source is a reason to look, and gold the witness: a
// source's residuals wander with the mix of questions, so its slow sum leaves zero and
// may stay at its bound for good. The witness is a sum of gold (allowance .25, between
// kWitnessLeast and kWitnessMost) that begins at zero when the source's slow sum of that
// direction leaves zero. It compares gold with what was predicted *before*: with the prior
// and the mean surplus of predictions over it until then, for a prediction follows the
// ratings down by half of a loss and would hide it from gold as well. An alarm needs
//   source's fast sum >= kRestless, witness >= kWitnessAgrees, and
//   witness + kSourceShare * source's fast sum >= kWitnessThreshold:
// the further a source has moved, the fewer labels must follow it. A sum of 12 asks for 5
// units of gold, which pure noise reaches in one case of twelve (exp(-2 * .25 * 5)); one of
// 25, where a wandering source hardly ever gets, for 2.5. Gold that goes on as before falls
// below zero, so that a source which moved for good without it asks for ever more
// (decisions/0028, 0031).
//
// The sums of one cell hear gold alone: a source has another bias in every cell, which
// would be taken for a change.
//
// On an alarm for a model: its evidence so far counts a sixty-fourth, what is usual and
// predicted for it is learnt anew, and until the next generation its level may move by
// kChangedWidth, whatever the bundle's widths say:
// they describe how well it was known before. Without that, a shift that all models
// share and the bias of the source would explain the change away, because nobody else
// is being played (decisions/0013). When half of the models with
// kModelRows rows alarm in one direction within kJudgeWindow reports, not the models
// but the judge or the traffic changed: nothing is discounted, the usual difference
// of the channel starts anew, and an alert is raised. An alarm of one cell discounts
// that cell alone.
//
// All here is part of the fold: only + - * / sqrt. Threads: the learner's.
#pragma once

#include <cstdint>

#include "policy/belief/state.h"
#include "policy/learning/event.h"
#include "policy/learning/row_translation.h"

namespace pointsman::policy {

inline constexpr double kCusumAllowance = 0.25;
inline constexpr double kCusumThreshold = 20;
inline constexpr double kSlowCusumAllowance = 0.1;
inline constexpr double kSlowCusumThreshold = 60;
inline constexpr double kRestless = 8;
inline constexpr double kWitnessLeast = -10;
inline constexpr double kWitnessMost = 8;
inline constexpr double kWitnessAgrees = 2.5;
inline constexpr double kWitnessThreshold = 7.5;
inline constexpr double kSourceShare = 0.2;
inline constexpr std::uint64_t kStandingRows = 300;  // that the mean surplus remembers
inline constexpr std::uint32_t kUsualRows = 100;
inline constexpr std::uint32_t kUsualRowsMost = 400;
inline constexpr std::uint32_t kModelRows = 30;
inline constexpr std::uint64_t kJudgeWindow = 200;
inline constexpr std::uint8_t kModelAlarmHalvings = 6;  // evidence times 1/64
inline constexpr std::uint8_t kCellAlarmHalvings = 3;   // evidence times 1/8
// Alarms remembered for people, the latest.
inline constexpr std::size_t kAlarmsMax = 64;

// Adds `zeta` and returns the direction of an alarm: +1, -1, or 0. After an alarm
// both sums are 0.
int AddToCusum(Cusum& cusum, double zeta, double allowance = kCusumAllowance, double threshold = kCusumThreshold);

// Looks at a report that said something new about a row. Called before the row is
// folded. `row` gives the live cells.
void WatchForChange(State& state, const RowChanged& change, const LiveRow& row, LogSeq seq, std::int64_t at_us);

// A generation begins: the model is what the new bundle says, and what sources usually
// differ by was a difference from the old prior.
void BeginGeneration(ModelWatch& watch);

}  // namespace pointsman::policy
