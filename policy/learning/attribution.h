// Attribution: from "subject u says v about decision d" to the event that the
// fold needs, or to the reason why there is none.
//
// Pure. The store keeps one DecisionRow per open decision and calls Attribute*
// in the commit thread, so that two reports on one decision are always resolved
// one after the other. Rules: DESIGN section 5 (revisions, duplicates, conflicts,
// retraction, several subjects on one channel).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "policy/learning/event.h"

namespace pointsman::policy {

// Different (channel, subject) pairs that one decision accepts.
inline constexpr std::size_t kSubjectValuesMax = 64;

// The latest word of one subject on one channel of one decision.
struct SubjectValue {
  std::uint8_t channel = 0;
  SubjectHash subject;
  std::uint32_t revision = 0;
  bool retracted = false;
  double value = 0;
  double arrival_weight = 1;
  bool operator==(const SubjectValue&) const = default;
};

// The latest word of one subject on a pair of decisions; kept with the winner
// of the pair's key order (the smaller decision id).
struct PairValue {
  DecisionId other;
  std::uint8_t channel = 0;
  SubjectHash subject;
  std::uint32_t revision = 0;
  double outcome = 0;  // 1: this decision's answer was better
  LogSeq last_folded{};
  double arrival_weight = 1;
  bool operator==(const PairValue&) const = default;
};

// What the store remembers of an open decision.
struct DecisionRow {
  DecisionContext context;
  LogSeq decided_seq;
  std::int64_t expires_at_us = 0;
  std::uint32_t tokens_in = 0;
  LogSeq last_folded;  // of its row; 0: no feedback yet
  std::vector<SubjectValue> values;
  std::vector<PairValue> pairs;
  std::optional<OutcomeReported> outcome;
  bool operator==(const DecisionRow&) const = default;
};

// A rating, a gold label or a retraction, as validated by the daemon.
struct FeedbackReport {
  DecisionId decision;
  std::uint8_t channel = 0;  // 0 gold
  SubjectHash subject;
  std::uint32_t revision = 0;
  std::optional<double> value;  // none: retract
  double arrival_weight = 1;    // (0, 1]; counts with the subject's first word here only
};

struct OutcomeReport {
  DecisionId decision;
  std::uint32_t tokens_in = 0;
  std::uint32_t tokens_out = 0;
  double latency_ms = 0;
  bool failed = false;
  Verdict verdict = Verdict::kNone;
  std::optional<double> cost_usd;
  std::string tenant;
  std::uint32_t revision = 0;
};

struct PreferenceReport {
  DecisionId winner;
  DecisionId loser;
  double outcome = 1;  // 1, or 0.5 for a tie
  std::uint8_t channel = 1;
  SubjectHash subject;
  std::uint32_t revision = 0;
  double arrival_weight = 1;  // as of FeedbackReport
};

// An accepted report: the event to log and the row as it becomes. `code` is kOk,
// or kDuplicateOk, and then payload is empty and the row unchanged.
struct Attributed {
  Code code = Code::kOk;
  std::optional<Payload> payload;
  DecisionRow row;
};

// Same revision and value: kDuplicateOk. Errors, row unchanged:
//   OUT_OF_RANGE        value not finite or outside [0,1], weight outside (0,1]
//   CONFLICT            same revision, other value; lower revision; after a
//                       retraction a revision that is not higher
//   NOT_FOUND           retraction of what was never said
//   EXPIRED             now_us >= row.expires_at_us
//   RESOURCE_EXHAUSTED  kSubjectValuesMax subjects already
Result<Attributed> AttributeFeedback(const DecisionRow& row, const FeedbackReport& report, LogSeq seq,
                                     std::int64_t now_us);

// Same rules for outcomes; also OUT_OF_RANGE for a negative or non-finite
// latency or cost.
Result<Attributed> AttributeOutcome(const DecisionRow& row, const OutcomeReport& report, std::int64_t now_us);

// Both decisions must differ and be open. The row returned is the winner's or
// the loser's, whichever has the smaller decision id (see PairValue).
Result<Attributed> AttributePreference(const DecisionRow& winner, const DecisionRow& loser,
                                       const PreferenceReport& report, LogSeq seq, std::int64_t now_us);

}  // namespace pointsman::policy
