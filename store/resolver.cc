#include "store/resolver.h"

#include <algorithm>
#include <utility>

#include "store/codec.h"

namespace pointsman::store {

namespace {

using policy::DecisionRow;

class Batch {
 public:
  Batch(std::int64_t now_us, const ResolverLimits& limits, const CommittedRows& committed, const LogPosition& before,
        Plan* plan)
      : limits_(limits), committed_(committed), before_(before), plan_(*plan), scales_(committed.Subjects()) {
    plan_ = Plan{};
    plan_.after = before;
    plan_.after.last_stamp_us = std::max(now_us, before.last_stamp_us);
  }

  Result<Receipt> Take(const Request& request) {
    origin_ = request.origin;
    actor_uid_ = request.actor_uid;
    return std::visit([this](const auto& what) { return Resolve(what); }, request.what);
  }

  // Runs what the batch made necessary: expiry asked for by a Tick or by room.
  Status Sweep() {
    const LogPosition& now = plan_.after;
    std::uint64_t due = 0;
    if (now.open_decisions > limits_.open_decisions_max) {
      // A little more than needed, so that a full store does not append one
      // expiry for each decision.
      const std::uint64_t slack = std::min<std::uint64_t>(limits_.expire_batch, limits_.open_decisions_max / 64);
      due = now.open_decisions - limits_.open_decisions_max + slack;
    }
    constexpr LogSeq kAll{~0ULL};
    if (due > 0) return Expire(due, /*only_due=*/false, kAll);
    if (now.open_decisions > 0 && limits_.expire_up_to > now.expired_up_to) {
      return Expire(limits_.expire_batch, /*only_due=*/false, limits_.expire_up_to);
    }
    if (tick_) return Expire(limits_.expire_batch, /*only_due=*/true, kAll);
    return {};
  }

 private:
  std::int64_t stamp() const { return plan_.after.last_stamp_us; }
  LogSeq NextSeq() const { return LogSeq{plan_.after.last_seq.value + 1}; }

  Result<Receipt> Append(policy::Payload payload) {
    if (const Status sound = CheckPayload(payload); !sound.ok()) return sound.error();
    policy::Event event;
    event.seq = NextSeq();
    event.at_us = stamp();
    event.origin = origin_;
    event.actor_uid = actor_uid_;
    event.payload = std::move(payload);
    plan_.after.last_seq = event.seq;
    plan_.events.push_back(std::move(event));
    return Receipt{Code::kOk, plan_.after.last_seq, stamp()};
  }

  Result<DecisionRow> Find(const DecisionId& id) const {
    const auto changed = plan_.rows.find(id);
    if (changed == plan_.rows.end()) return committed_.FindRow(id);
    if (changed->second) return *changed->second;
    return MakeError(Code::kNotFound, "unknown_decision", "there is no open decision with that id");
  }

  Result<Receipt> Resolve(const policy::DecisionMade& made) {
    const auto known = Find(made.context.decision);
    if (known.ok()) {
      if (known->context == made.context) return Receipt{Code::kDuplicateOk, known->decided_seq, stamp()};
      return MakeError(Code::kConflict, "decision_exists", "another decision has that id; mint a token for each");
    }
    if (known.error().code != Code::kNotFound) return known.error();
    policy::DecisionMade taken = made;
    // Stamps never go back: after a clock that was ahead for a while, new decisions
    // would be born expired. They get their time from the stamp on.
    if (stamp() >= made.expires_at_us && made.expires_at_us > made.context.decided_at_us) {
      taken.expires_at_us = stamp() + (made.expires_at_us - made.context.decided_at_us);
    }
    DecisionRow row;
    row.context = made.context;
    row.decided_seq = NextSeq();
    row.expires_at_us = taken.expires_at_us;
    row.tokens_in = made.tokens_in;
    const std::int64_t expires_at_us = taken.expires_at_us;
    auto receipt = Append(std::move(taken));
    if (!receipt.ok()) return receipt;
    made_.push_back({receipt->seq, made.context.decision, expires_at_us});
    plan_.rows[made.context.decision] = std::move(row);
    ++plan_.after.open_decisions;
    return receipt;
  }

  Result<Receipt> Resolve(const policy::FeedbackReport& report) {
    const auto row = Find(report.decision);
    if (!row.ok()) return row.error();
    policy::FeedbackReport weighed = report;
    if (report.value) weighed.arrival_weight = scales_.Weigh(row->context, report.channel, report.subject, stamp());
    return Settle(policy::AttributeFeedback(*row, weighed, NextSeq(), stamp()));
  }

  Result<Receipt> Resolve(const policy::OutcomeReport& report) {
    const auto row = Find(report.decision);
    if (!row.ok()) return row.error();
    return Settle(policy::AttributeOutcome(*row, report, stamp()));
  }

  Result<Receipt> Resolve(const policy::PreferenceReport& report) {
    const auto winner = Find(report.winner);
    if (!winner.ok()) return winner.error();
    const auto loser = Find(report.loser);
    if (!loser.ok()) return loser.error();
    policy::PreferenceReport weighed = report;
    weighed.arrival_weight = scales_.Weigh(winner->context, loser->context, report.channel, report.subject, stamp());
    return Settle(policy::AttributePreference(*winner, *loser, weighed, NextSeq(), stamp()));
  }

  Result<Receipt> Resolve(const policy::Payload& payload) {
    if (const auto* made = std::get_if<policy::DecisionMade>(&payload)) return Resolve(*made);
    if (std::holds_alternative<policy::Tick>(payload)) tick_ = true;
    return Append(payload);
  }

  Result<Receipt> Settle(Result<policy::Attributed> attributed) {
    if (!attributed.ok()) return attributed.error();
    if (attributed->code == Code::kDuplicateOk) return Receipt{Code::kDuplicateOk, LogSeq{}, stamp()};
    if (const Status sound = CheckRow(attributed->row); !sound.ok()) return sound.error();
    REQUIRE(attributed->payload.has_value(), "an accepted report has an event");
    auto receipt = Append(std::move(*attributed->payload));
    if (!receipt.ok()) return receipt;
    scales_.Take(plan_.events.back().payload);
    const DecisionId id = attributed->row.context.decision;
    plan_.rows[id] = std::move(attributed->row);
    return receipt;
  }

  Status Expire(std::uint64_t count_max, bool only_due, LogSeq up_to) {
    std::uint64_t count = 0;
    bool stopped = false;
    const auto visit = [&](const MadeDecision& made) {
      if (count == count_max || made.seq > up_to || (only_due && made.expires_at_us > stamp())) {
        stopped = true;
        return false;
      }
      plan_.rows[made.id] = std::nullopt;
      plan_.after.expired_up_to = made.seq;
      ++count;
      return true;
    };
    if (count_max > 0 && before_.open_decisions > 0) {
      const Status visited = committed_.VisitMade(before_.expired_up_to, visit);
      if (!visited.ok()) return visited;
    }
    for (std::size_t i = 0; i < made_.size() && !stopped; ++i) visit(made_[i]);
    if (count == 0) return {};
    plan_.after.open_decisions -= std::min(count, plan_.after.open_decisions);
    origin_ = policy::Origin::kStore;
    actor_uid_ = 0;
    const auto appended = Append(policy::DecisionExpired{count, plan_.after.expired_up_to});
    if (!appended.ok()) return appended.error();
    return {};
  }

  const ResolverLimits& limits_;
  const CommittedRows& committed_;
  const LogPosition before_;
  Plan& plan_;
  policy::SubjectScales scales_;
  policy::Origin origin_ = policy::Origin::kStore;
  std::uint32_t actor_uid_ = 0;
  bool tick_ = false;
  std::vector<MadeDecision> made_;  // in this batch, in order
};

}  // namespace

Status ResolveBatch(std::span<const Request> requests, std::int64_t now_us, const ResolverLimits& limits,
                    const CommittedRows& committed, const LogPosition& before, Plan* plan,
                    std::vector<Result<Receipt>>* outcomes) {
  Batch batch(now_us, limits, committed, before, plan);
  outcomes->clear();
  outcomes->reserve(requests.size());
  for (const Request& request : requests) outcomes->push_back(batch.Take(request));
  return batch.Sweep();
}

}  // namespace pointsman::store
