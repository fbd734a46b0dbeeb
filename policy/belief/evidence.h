// Evidence: raw additive moments of one cell, per observed pattern.
//
// Source: spec online_learner 1.2 and 1.3. A pattern is the set of channels that
// a decision's row has (bit 0 gold, bit s source s). Moments are never debiased
// here: bias is estimated when the posterior is read, raw sums are for ever.
//
// Bit equality: sums change only by AddRow with sign +1 or -1 in log order; decay
// is an integer exponent per pattern and a division at read, never a multiply of
// a stored sum.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "base/ids.h"
#include "policy/belief/row_list.h"
#include "policy/learning/event.h"
#include "policy/world/options.h"

namespace pointsman::policy {

using PatternMask = std::uint8_t;  // bit c: channel c present

struct CellKey {
  ModelId model;
  ClusterId cluster;
  auto operator<=>(const CellKey&) const = default;
};

struct PatternMoments {
  std::uint32_t rows = 0;
  std::int32_t base = 0;     // exponent: stored sums are true sums * 2^-base in units of the half-life
  double weight = 0;         // W  = sum g w
  double overlap = 0;        // O  = sum g w^2
  double prior = 0;          // X  = sum g w x
  double prior_squared = 0;  // XX = sum g w x^2
  std::array<double, kChannelsMax> residual{};        // U[c]  = sum g w z_c, z = v - b0 - f
  std::array<double, kChannelsMax> prior_residual{};  // XU[c] = sum g w x z_c
  bool operator==(const PatternMoments&) const = default;
};

// Gold rows weighted by 1/e (exact probability that gold was asked): the "gold"
// side of the response slope, online_learner 1.6. Same time weights as gold.
struct AuditMoments {
  std::uint32_t rows = 0;
  std::int32_t base = 0;
  double weight = 0;
  double prior = 0;
  double prior_squared = 0;
  double residual = 0;
  double prior_residual = 0;
  bool operator==(const AuditMoments&) const = default;
};

// A two-sided cumulative sum (learning/change_detector.h).
struct Cusum {
  double up = 0;
  double down = 0;
  bool operator==(const Cusum&) const = default;
};

// Rows that were in the sums before event `seq`, and rows decided until `at_us` that
// came later, count half, `halvings` times over: a declared epoch of the model
// (variance times 4) or an alarm of the change detector.
struct Discount {
  LogSeq seq;
  std::int64_t at_us = 0;
  std::uint8_t halvings = 0;
  bool operator==(const Discount&) const = default;
};
// Of one model, and of one cell; beyond, the two oldest become one.
inline constexpr std::size_t kDiscountsMax = 64;
inline constexpr std::size_t kCellDiscountsMax = 8;

// Appends a discount. Of more than `most` the oldest joins the one after it: rows
// between the two are then taken out with less weight than they have, never with more.
void AddDiscount(std::vector<Discount>& discounts, const Discount& discount, std::size_t most);

// How many times a row counts half. `folded_at` is where it was last put into the
// sums; 0: it is put in now. What was in the sums when they were halved is known by
// its place in the log, not by a clock: decided_at_us is another machine's, or the same
// one's before it was set back. Only integers.
std::int32_t HalvingsOf(const std::vector<Discount>& discounts, std::int64_t decided_at_us, LogSeq folded_at);

struct Cell {
  std::map<PatternMask, PatternMoments> patterns;  // ascending mask: the order of leaf sums
  AuditMoments audits;
  LogSeq reset_at;  // of the last CellReset; rows last folded before it are not subtracted
  Cusum cusum;
  std::vector<Discount> discounts;  // of its own alarms, ascending
  bool quarantined = false;         // a number went bad: read as untouched, reported
  RowMark unpublished;
  RowMark dirty;
  bool operator==(const Cell&) const = default;
};

// 2^(t/H) = fraction * 2^epoch with fraction in [1, 2): the weight of a row decided
// at t, relative to one decided at time 0.
struct TimeWeight {
  std::int32_t epoch = 0;
  double fraction = 1;
};
// `half_life_days` > 0; |at_us| <= kTimeMaxUs.
inline constexpr std::int64_t kTimeMaxUs = 10'000'000'000'000'000;
TimeWeight MakeTimeWeight(std::int64_t at_us, double half_life_days);

// What one row brings to one cell, but for its channels.
struct RowTerms {
  TimeWeight time;
  double arrival_weight = 1;
  double cluster_weight = 1;  // w
  double prior = 0;           // f
  double prior_centred = 0;   // x
};

// Moves the sums to another base; exact but for underflow, so the bits of later
// reads do not depend on when it happens.
void Rebase(PatternMoments& moments, std::int32_t base);

// Adds (sign +1) or subtracts (sign -1) one row; `channels` are those of the
// pattern. Rebases when the row is more than 64 half-lives after the base.
// Subtracting from an empty pattern does nothing. False when a number is no
// longer finite: the cell must be quarantined.
[[nodiscard]] bool AddRow(PatternMoments& moments, int sign, const RowTerms& row, const Channels& channels);

// The same for gold weighted by 1 / gold_probability (> 0).
[[nodiscard]] bool AddAudit(AuditMoments& moments, int sign, const RowTerms& row, double gold, double gold_probability);

// Sums of a pattern as they weigh at `now`: stored * 2^base / 2^(now/H). Noise
// below 1e-9 of a row counts as nothing; `valid` is false for a weight that is
// negative beyond that or not a number.
struct DecayedMoments {
  bool valid = true;
  double weight = 0;  // 0: nothing left, all others 0 too
  double overlap = 0;
  double prior = 0;
  double prior_squared = 0;
  std::array<double, kChannelsMax> residual{};
  std::array<double, kChannelsMax> prior_residual{};
};
DecayedMoments Decay(const PatternMoments& moments, const TimeWeight& now);

}  // namespace pointsman::policy
