#include "policy/learning/attribution.h"

#include <algorithm>
#include <limits>
#include <tuple>

namespace pointsman::policy {

namespace {

struct RowView {
  Channels channels;
  double weight = 1;
};

// The row as its live values make it. `values` are ordered by (channel, subject),
// so neither mean depends on who came first.
//
// The weight of a row is one number, because the noise that the channels share
// cancels only when they are folded with the same weight: the mean of the arrival
// weights of its ratings, or 1 once there is gold, which nobody's rating may dilute.
RowView MakeRow(const std::vector<SubjectValue>& values) {
  RowView row;
  double all = 0;
  std::size_t live = 0;
  bool gold = false;
  for (std::size_t i = 0; i < values.size();) {
    const std::uint8_t channel = values[i].channel;
    double weight = 0;
    double sum = 0;
    double only = 0;
    std::size_t heard = 0;
    for (; i < values.size() && values[i].channel == channel; ++i) {
      if (values[i].retracted) continue;
      weight += values[i].arrival_weight;
      sum += values[i].arrival_weight * values[i].value;
      only = values[i].value;
      all += values[i].arrival_weight;
      ++heard;
    }
    if (heard == 0) continue;
    gold = gold || channel == 0;
    live += heard;
    // One subject's value is kept as it was said, not as w*v/w.
    const double mean = heard == 1 ? only : std::min(1.0, std::max(0.0, sum / weight));
    row.channels.push_back({channel, mean, 0});
  }
  if (live > 0 && !gold) row.weight = std::min(1.0, all / static_cast<double>(live));
  return row;
}

Error Conflict(const std::string& message) { return MakeError(Code::kConflict, "revision_conflict", message); }

Status CheckOpen(const DecisionRow& row, std::int64_t now_us) {
  if (now_us < row.expires_at_us) return {};
  return MakeError(Code::kExpired, "decision_expired", "the decision's time for feedback is over");
}

Status CheckSpeaker(std::uint8_t channel, double arrival_weight) {
  if (channel >= kChannelsMax) {
    return MakeError(Code::kInvalidArgument, "unknown_channel", "channels are numbered 0 (gold) to 4");
  }
  if (!(arrival_weight > 0 && arrival_weight <= 1)) {
    return MakeError(Code::kOutOfRange, "weight_out_of_range", "the arrival weight must lie in (0,1]");
  }
  return {};
}

Status CheckReport(const FeedbackReport& report) {
  if (auto s = CheckSpeaker(report.channel, report.arrival_weight); !s.ok()) return s;
  if (report.value.has_value() && !(*report.value >= 0 && *report.value <= 1)) {
    return MakeError(Code::kOutOfRange, "value_out_of_range",
                     "the value is " + std::to_string(*report.value) + ", must lie in [0,1]");
  }
  return {};
}

// What to do with a report given the subject's latest word, if any.
Result<Code> Resolve(const SubjectValue* known, const FeedbackReport& report) {
  if (known == nullptr) {
    if (report.value.has_value()) return Code::kOk;
    return MakeError(Code::kNotFound, "nothing_to_retract",
                     "this subject has said nothing here that could be retracted");
  }
  if (report.revision > known->revision) return Code::kOk;
  if (report.revision < known->revision) {
    return Conflict("revision " + std::to_string(known->revision) + " is stored already; send a higher one");
  }
  if (!report.value.has_value()) return known->retracted ? Code::kDuplicateOk : Code::kOk;
  if (known->retracted) return Conflict("the value was retracted; only a higher revision is taken");
  if (*report.value == known->value) return Code::kDuplicateOk;
  return Conflict("another value is stored under this revision; send a higher revision to replace it");
}

// Ratings that gold on the same answer can be held against.
InlineVector<SubjectSaid, kComparedMax> ComparedWith(const std::vector<SubjectValue>& values) {
  InlineVector<SubjectSaid, kComparedMax> compared;
  for (const SubjectValue& said : values) {
    if (said.channel == 0 || said.retracted || said.subject.value == 0 || compared.full()) continue;
    compared.push_back({said.channel, said.subject, said.value});
  }
  return compared;
}

template <typename Event>
Payload MakePayload(RowChanged&& change) {
  Event event;
  static_cast<RowChanged&>(event) = std::move(change);
  return event;
}

}  // namespace

Result<Attributed> AttributeFeedback(const DecisionRow& row, const FeedbackReport& report, LogSeq seq,
                                     std::int64_t now_us) {
  if (auto s = CheckReport(report); !s.ok()) return s.error();
  if (auto s = CheckOpen(row, now_us); !s.ok()) return s.error();
  const auto key = std::make_tuple(report.channel, report.subject);
  const auto at = std::lower_bound(
      row.values.begin(), row.values.end(), key,
      [](const SubjectValue& value, const auto& wanted) { return std::tie(value.channel, value.subject) < wanted; });
  const bool known = at != row.values.end() && std::tie(at->channel, at->subject) == key;
  const auto resolved = Resolve(known ? &*at : nullptr, report);
  if (!resolved.ok()) return resolved.error();

  Attributed result;
  result.code = resolved.value();
  result.row = row;
  if (result.code == Code::kDuplicateOk) return result;
  if (!known && row.values.size() >= kSubjectValuesMax) {
    return MakeError(Code::kResourceExhausted, "too_many_subjects",
                     "this decision has the opinions of " + std::to_string(kSubjectValuesMax) + " subjects already");
  }

  SubjectValue value{report.channel,           report.subject,       report.revision, !report.value.has_value(),
                     report.value.value_or(0), report.arrival_weight};
  const auto index = at - row.values.begin();
  if (known) {
    // What weighed little when it was first said does not weigh more for being said again.
    value.arrival_weight = at->arrival_weight;
    if (value.retracted) value.value = at->value;
    result.row.values[static_cast<std::size_t>(index)] = value;
  } else {
    result.row.values.insert(result.row.values.begin() + index, value);
  }

  const RowView before = MakeRow(row.values);
  const RowView after = MakeRow(result.row.values);
  RowChanged change;
  change.context = row.context;
  change.before = before.channels;
  change.after = after.channels;
  change.weight_before = before.weight;
  change.weight_after = after.weight;
  change.last_folded = row.last_folded;
  change.channel = report.channel;
  change.subject = report.subject;
  change.revision = report.revision;
  change.value = value.value;
  change.arrival_weight = value.arrival_weight;
  change.first_word = !known;
  if (!known && report.channel == 0) change.compared = ComparedWith(row.values);
  // The fold passes over a change that changes nothing; so the row's place stays.
  if (!(before.channels == after.channels) || before.weight != after.weight) result.row.last_folded = seq;
  if (value.retracted) {
    result.payload = MakePayload<Retracted>(std::move(change));
  } else if (report.channel == 0) {
    result.payload = MakePayload<GoldGiven>(std::move(change));
  } else {
    result.payload = MakePayload<RatingGiven>(std::move(change));
  }
  return result;
}

Result<Attributed> AttributeOutcome(const DecisionRow& row, const OutcomeReport& report, std::int64_t now_us) {
  constexpr double kMax = std::numeric_limits<double>::max();
  if (!(report.latency_ms >= 0 && report.latency_ms <= kMax)) {
    return MakeError(Code::kOutOfRange, "latency_out_of_range", "the latency must be finite and not negative");
  }
  if (report.cost_usd.has_value() && !(*report.cost_usd >= 0 && *report.cost_usd <= kMax)) {
    return MakeError(Code::kOutOfRange, "cost_out_of_range", "the cost must be finite and not negative");
  }
  if (auto s = CheckOpen(row, now_us); !s.ok()) return s.error();

  OutcomeReported outcome;
  outcome.decision = row.context.decision;
  outcome.model = row.context.model;
  outcome.decided_at_us = row.context.decided_at_us;
  outcome.tokens_in = report.tokens_in != 0 ? report.tokens_in : row.tokens_in;
  outcome.tokens_out = report.tokens_out;
  outcome.latency_ms = report.latency_ms;
  outcome.failed = report.failed;
  outcome.verdict = report.verdict;
  outcome.cost_usd = report.cost_usd;
  outcome.tenant = report.tenant;
  outcome.revision = report.revision;

  Attributed result;
  result.row = row;
  if (row.outcome.has_value()) {
    const OutcomeReported& known = *row.outcome;
    if (report.revision < known.revision) {
      return Conflict("revision " + std::to_string(known.revision) + " is stored already; send a higher one");
    }
    if (report.revision == known.revision) {
      outcome.replaced_tokens_out = known.replaced_tokens_out;
      outcome.replaced_failed = known.replaced_failed;
      if (!(outcome == known)) return Conflict("another outcome is stored; send a higher revision to replace it");
      result.code = Code::kDuplicateOk;
      return result;
    }
    outcome.replaced_tokens_out = known.tokens_out;
    outcome.replaced_failed = known.failed;
  }
  result.row.outcome = outcome;
  result.payload = outcome;
  return result;
}

Result<Attributed> AttributePreference(const DecisionRow& winner, const DecisionRow& loser,
                                       const PreferenceReport& report, LogSeq seq, std::int64_t now_us) {
  if (winner.context.decision == loser.context.decision) {
    return MakeError(Code::kInvalidArgument, "same_decision", "a preference needs two different decisions");
  }
  if (report.outcome != 1 && report.outcome != 0.5) {
    return MakeError(Code::kOutOfRange, "outcome_out_of_range", "the outcome is 1 (winner better) or 0.5 (a tie)");
  }
  if (auto s = CheckSpeaker(report.channel, report.arrival_weight); !s.ok()) return s.error();
  if (auto s = CheckOpen(winner, now_us); !s.ok()) return s.error();
  if (auto s = CheckOpen(loser, now_us); !s.ok()) return s.error();

  const bool winner_keeps = winner.context.decision < loser.context.decision;
  Attributed result;
  result.row = winner_keeps ? winner : loser;
  // Seen from the decision that keeps the pair.
  const double outcome = winner_keeps ? report.outcome : 1 - report.outcome;
  const DecisionId other = winner_keeps ? loser.context.decision : winner.context.decision;

  PreferenceGiven event;
  event.winner = winner.context;
  event.loser = loser.context;
  event.outcome = report.outcome;
  event.channel = report.channel;
  event.subject = report.subject;
  event.revision = report.revision;
  event.arrival_weight = report.arrival_weight;

  auto known = std::find_if(result.row.pairs.begin(), result.row.pairs.end(), [&](const PairValue& pair) {
    return pair.other == other && pair.channel == report.channel && pair.subject == report.subject;
  });
  if (known != result.row.pairs.end()) {
    if (report.revision < known->revision) {
      return Conflict("revision " + std::to_string(known->revision) + " is stored already; send a higher one");
    }
    if (report.revision == known->revision) {
      if (known->outcome != outcome) return Conflict("another preference is stored; send a higher revision");
      result.code = Code::kDuplicateOk;
      return result;
    }
    event.replaced_outcome = winner_keeps ? known->outcome : 1 - known->outcome;
    event.last_folded = known->last_folded;
    event.arrival_weight = known->arrival_weight;
    known->last_folded = seq;
    known->revision = report.revision;
    known->outcome = outcome;
  } else {
    if (result.row.pairs.size() >= kSubjectValuesMax) {
      return MakeError(Code::kResourceExhausted, "too_many_preferences",
                       "this decision has " + std::to_string(kSubjectValuesMax) + " preferences already");
    }
    event.first_word = true;
    result.row.pairs.push_back(
        {other, report.channel, report.subject, report.revision, outcome, seq, report.arrival_weight});
  }
  result.payload = std::move(event);
  return result;
}

}  // namespace pointsman::policy
