// Keys and bytes of state rows; ForEachStateRow, StateRow and LoadStateRow
// (state.h) are built from these. Stored: never change the meaning of a letter.
//
// Numbers in values are little-endian, without padding; f64 is IEEE 754 with -0
// written as +0; text is u32 length + bytes. Numbers in keys are big-endian, so
// that the order of bytes is the order of numbers. The first byte of a key is the
// kind of row, and rows are visited in ascending key order. V is kFoldVersion:
//
//  'a'                        log position: u8 V, u64 last_seq, i64 now_us, u32 generation, 32 bytes bundle,
//                             f64 model_width, trust_width, u64 width_refitted_at, response_refitted_at,
//                             u8 frozen
//  'b'                        options: u8 V, u8 n, n texts (sources), f64 rating and gold half-life in days,
//                             f64 gold_rate, audit_rate_start, audit_rate, u64 audit_start_decisions,
//                             u8 exploration, f64 thompson_scale, probability_floor, epsilon,
//                             squarecb_gamma, budget_usd, pacing_step, lambda_max, u8 change_detection,
//                             u8 subject_cap, u8 n, n x (text tenant, f64 usd), u8 widths_overridden,
//                             7 f64 widths (model, trust, cell, source, source_model, source_cell, common), text
//                             fallback
//  'c' u32 model u32 cluster  cell: u8 V, u8 quarantined, u64 reset_at, f64 cusum up and down, u8 n,
//                             n discounts as of 'x', audits (u32 rows, i32 base, f64 W, X, XX,
//                             U, XU), u8 patterns, each: u8 mask, u32 rows, i32 base, f64 W, O, X, XX, then per
//                             channel of the mask, ascending, f64 U, XU
//  'd'                        counters: u8 V, u64 decisions, audits, outcomes, 5 u64 feedback, u64 retractions,
//                             preferences, expired, alarms, cell_alarms, judge_alarms, not_folded, audited_gold,
//                             5 x (u64 residual rows, f64 squares), f64 audited_squared_error,
//                             audited_z_squared
//  'e' u64 subject            excluded: u8 V
//  'f' u32 model u32 cluster  subjects of a cell: u8 V, i32 base, f64 all, u8 n, n x (u64 subject, f64 count)
//  'g' u32 generation         generation: u8 V, 32 bytes bundle, u64 activated_at, i64 activated_at_us, text reason
//  'i' 16 bytes decision      irregular row: u8 V, u8 n, n x (u8 channel, f64 value, f64 offset), f64 weight,
//                             u64 folded_at, u8 refused, 4 u8 hidden
//  'h' u32 model              health: u8 V, u32 failures in a row, u32 pauses, i64 retry_at_us
//  'l' text tenant            pacer: u8 V, f64 lambda, mean_cost, bucket, spent, u64 decisions, settled
//  'm' u32 model              pool: u8 V, text name, u32 epoch, u8 state, f64 input and output price, u32 context
//  'n'                        noise: u8 V, u8 n, n f64 covariance, 4 f64 response, 5 u8 graded, u8 quarantined
//  'j' 16 bytes decision 16 bytes decision u8 channel u64 subject   irregular preference: u8 V, u8 folded,
//                             f64 outcome, u64 folded_at
//  'k' u64 subject            subject: u8 V, u64 last, reports, f64 weight, u8 channel, f64 residual, residuals, pairs,
//                             disagreement, expected, variance
//  'o' u32 channel            bias surface: u8 V, u32 version, 32 bytes bundle, u64 fitted_from, fitted_to, ratings,
//                             gold, f64 noise, error, text learner, u32 n, n f64 clusters, u32 n, n x (u32 model,
//                             f64 bias)
//  'p' u32 model u32 other u8 channel   preferences for people: u8 V, f64 wins, u64 count
//  'q' u32 model u32 other u8 channel u32 cluster   preferences: u8 V, u32 rows, i32 base, f64 information, score,
//                             prior, trust of model, trust of other
//  'r'                        rollout, once one was set: u8 V, u8 mode, f64 share, text incumbent, u64 since,
//                             i64 since_us, u8 set_by, u64 gold_before, routed, followed, text reason
//  's'                        sources: u8 V, 4 x (f64 last, u64 run, f64 surprise, u64 others, f64 pairs, gold, rating,
//                             gold squares, rating squares, products, u8 quarantine, u64 since), f64 z squared,
//                             u64 labels, f64 bias factor, u64 steps
//  't' u32 model              tally: u8 V, u64 decisions, outcomes, failures, ratings, gold, f64 token_rows,
//                             token_sum, token_squares, latency_rows, latency_sum, latency_squares
//  'u'                        the operators' last change, once there was one: u8 V, u64 seq, u8 type, u32 model,
//                             f64 input and output price, u8 state, u8 frozen, u8 mode, f64 share, text incumbent
//  'v'                        subjects: u8 V, 32 bytes bundle, f64 half-life in days, u8 capped, u64 named, lessened,
//                             f64 withheld, 4 x (f64 pairs, disagreement, u64 subject, f64 residual, u64 subject,
//                             f64 residual), f64 rows, sum, squares, u8 alarm, u64 since, alarms
//  'w' u32 model              watch: u8 V, 5 x (f64 up, down, slow up, slow down, witness up,
//                             witness down, standing up, standing down, u64 rows, f64 sum, u8 centred),
//                             u64 rows, u8 changed
//  'x' u32 model              discounts: u8 V, u8 n, n x (u64 seq, i64 stamp, u8 halvings)
//  'y'                        alarms: u8 V, u8 n, n x (u32 model, u8 cell, u32 cluster, u8 direction, u8 judge,
//                             u64 seq, i64 at_us, u64 uses, u64 reports)
//  'z' u32 model              newcomer, of models that joined on trial: u8 V, u8 n, n texts (models it is like),
//                             f64 level_width, u32 generation, u64 joined_at, plays, f64 spent, spent_usd,
//                             u64 gold_asked, probes, ended
#pragma once

#include <string>

#include "policy/belief/state.h"

namespace pointsman::policy {

inline constexpr char kMetaRow[] = "a";
inline constexpr char kOptionsRow[] = "b";
inline constexpr char kCountersRow[] = "d";
inline constexpr char kNoiseRow[] = "n";
inline constexpr char kAlarmsRow[] = "y";
inline constexpr char kRolloutRow[] = "r";
inline constexpr char kSourcesRow[] = "s";
inline constexpr char kLastChangeRow[] = "u";
inline constexpr char kSubjectTotalsRow[] = "v";

std::string CellRow(const CellKey& key);
std::string ExcludedRow(SubjectHash subject);
std::string GenerationRow(Generation generation);
std::string IrregularRowKey(const DecisionId& decision);
std::string ModelRow(ModelId model);
std::string PairRow(const PairKey& key);
std::string PreferenceRow(const PreferenceKey& key);
std::string IrregularPreferenceRow(const PreferenceId& id);
std::string TallyRow(ModelId model);
std::string DiscountsRow(ModelId model);
std::string WatchRow(ModelId model);
std::string HealthRow(ModelId model);
std::string PacerRow(std::string_view tenant);
std::string SurfaceRow(std::uint8_t channel);
std::string NewcomerRow(ModelId model);
std::string SubjectTableRow(const CellKey& key);
std::string SubjectRecordRow(SubjectHash subject);

}  // namespace pointsman::policy
