#include "store/check.h"

#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>

namespace pointsman::store {

namespace {

constexpr std::uint64_t kEventsTold = 65'536;
// The log is by far the longest part.
constexpr double kShareOfLog = .8;
constexpr double kShareOfRows = .9;

Error Broken(const std::string& what) { return MakeError(Code::kDataLoss, "inconsistent_store", what); }

}  // namespace

Status CheckConsistency(const Store& store, const CheckedParts& parts) {
  std::unordered_map<DecisionId, LogSeq> open;
  LogSeq last = parts.dropped_up_to;
  std::int64_t stamp_us = std::numeric_limits<std::int64_t>::min();
  const auto tell = [&](double share, std::string_view stage) {
    if (parts.progress) parts.progress(share, stage);
  };
  const auto events = static_cast<double>(parts.position.last_seq.value - last.value);
  tell(0, "reading the log");
  const Status walked = store.ReadLog(LogSeq{last.value + 1}, 0, [&](const policy::Event& event) -> Status {
    const std::string name = "event " + std::to_string(event.seq.value);
    if (event.seq.value != last.value + 1) return Broken(name + " does not follow the one before");
    if (event.at_us < stamp_us) return Broken(name + " is stamped before the one before it");
    last = event.seq;
    stamp_us = event.at_us;
    if (last.value % kEventsTold == 0) {
      tell(kShareOfLog * static_cast<double>(last.value - parts.dropped_up_to.value) / events, "reading the log");
    }
    const auto* made = std::get_if<policy::DecisionMade>(&event.payload);
    if (made == nullptr || event.seq <= parts.position.expired_up_to) return {};
    if (!open.emplace(made->context.decision, event.seq).second) return Broken(name + " repeats a decision");
    return {};
  });
  if (!walked.ok()) return walked;
  if (last != parts.position.last_seq) {
    return Broken("the log ends at event " + std::to_string(last.value) + ", not at " +
                  std::to_string(parts.position.last_seq.value));
  }
  std::uint64_t rows = 0;
  tell(kShareOfLog, "comparing the open decisions");
  const Status rows_walked = parts.visit_rows([&](const policy::DecisionRow& row) -> Status {
    ++rows;
    const auto found = open.find(row.context.decision);
    if (found == open.end() || found->second != row.decided_seq) {
      return Broken("a row says that its decision is event " + std::to_string(row.decided_seq.value) +
                    ", which the log denies");
    }
    if (row.last_folded > last) return Broken("a row was folded after the end of the log");
    return {};
  });
  if (!rows_walked.ok()) return rows_walked;
  if (rows != open.size() || rows != parts.position.open_decisions) {
    return Broken(std::to_string(rows) + " rows of open decisions, " + std::to_string(open.size()) + " in the log, " +
                  std::to_string(parts.position.open_decisions) + " counted");
  }
  tell(kShareOfRows, "comparing the state");
  const auto base = store.LoadBase();
  if (!base.ok()) return base.error();
  if (base->last_seq < parts.dropped_up_to) return Broken("events after the base state are gone");
  const auto state = store.LoadState();
  if (!state.ok()) return state.error();
  if (state->last_seq > last) return Broken("the checkpoint lies after the end of the log");
  return {};
}

}  // namespace pointsman::store
