#include "store/attribute_again.h"

namespace pointsman::store {

namespace {

const policy::RowChanged* AsRow(const policy::Payload& payload) {
  if (const auto* rating = std::get_if<policy::RatingGiven>(&payload)) return rating;
  if (const auto* gold = std::get_if<policy::GoldGiven>(&payload)) return gold;
  return std::get_if<policy::Retracted>(&payload);
}

// As before first words were told from others (fold 7).
void Unmark(policy::Payload& payload) {
  std::visit(
      [](auto& event) {
        if constexpr (requires { event.compared; }) {
          event.first_word = false;
          event.compared.clear();
        }
      },
      payload);
}

}  // namespace

std::optional<DecisionId> DecisionOf(const policy::Payload& payload) {
  if (const auto* made = std::get_if<policy::DecisionMade>(&payload)) return made->context.decision;
  if (const auto* row = AsRow(payload)) return row->context.decision;
  if (const auto* outcome = std::get_if<policy::OutcomeReported>(&payload)) return outcome->decision;
  if (const auto* preference = std::get_if<policy::PreferenceGiven>(&payload)) return preference->winner.decision;
  return std::nullopt;
}

std::optional<SubjectHash> SubjectOf(const policy::Payload& payload) {
  if (const auto* row = AsRow(payload)) return row->subject;
  if (const auto* preference = std::get_if<policy::PreferenceGiven>(&payload)) return preference->subject;
  return std::nullopt;
}

std::optional<DecisionId> OtherDecisionOf(const policy::Payload& payload) {
  if (const auto* preference = std::get_if<policy::PreferenceGiven>(&payload)) return preference->loser.decision;
  return std::nullopt;
}

policy::DecisionRow NewRow(const policy::DecisionMade& made, LogSeq seq) {
  policy::DecisionRow row;
  row.context = made.context;
  row.decided_seq = seq;
  row.expires_at_us = made.expires_at_us;
  row.tokens_in = made.tokens_in;
  return row;
}

Result<policy::Attributed> AttributeAgain(const policy::Event& event, const policy::DecisionRow& row,
                                          const policy::DecisionRow* other) {
  if (const auto* outcome = std::get_if<policy::OutcomeReported>(&event.payload)) {
    policy::OutcomeReport report;
    report.decision = outcome->decision;
    report.tokens_in = outcome->tokens_in;
    report.tokens_out = outcome->tokens_out;
    report.latency_ms = outcome->latency_ms;
    report.failed = outcome->failed;
    report.verdict = outcome->verdict;
    report.cost_usd = outcome->cost_usd;
    report.tenant = outcome->tenant;
    report.revision = outcome->revision;
    return policy::AttributeOutcome(row, report, event.at_us);
  }
  if (const auto* preference = std::get_if<policy::PreferenceGiven>(&event.payload)) {
    REQUIRE(other != nullptr, "a preference has two decisions");
    policy::PreferenceReport report;
    report.winner = preference->winner.decision;
    report.loser = preference->loser.decision;
    report.outcome = preference->outcome;
    report.channel = preference->channel;
    report.subject = preference->subject;
    report.revision = preference->revision;
    report.arrival_weight = preference->arrival_weight;
    auto again = policy::AttributePreference(row, *other, report, event.seq, event.at_us);
    if (again.ok() && again->payload && !preference->first_word) {
      std::get<policy::PreferenceGiven>(*again->payload).first_word = false;
    }
    return again;
  }
  const policy::RowChanged* change = AsRow(event.payload);
  REQUIRE(change != nullptr, "an event about a decision");
  policy::FeedbackReport report;
  report.decision = change->context.decision;
  report.channel = change->channel;
  report.subject = change->subject;
  report.revision = change->revision;
  if (!std::holds_alternative<policy::Retracted>(event.payload)) report.value = change->value;
  report.arrival_weight = change->arrival_weight;
  auto again = policy::AttributeFeedback(row, report, event.seq, event.at_us);
  if (again.ok() && again->payload && !change->first_word) Unmark(*again->payload);
  return again;
}

}  // namespace pointsman::store
